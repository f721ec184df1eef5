/**
 * Whether this node is catching up (RULES H1): after a start, or when a peer's link returns, until every live peer has said that it
 * holds nothing for this node, and `max` from then on at the longest. A peer that begins to hold something later (its link was
 * down and this one was not) counts from that moment. Peers that are not live are not waited for.
 */

interface PeerCatchUp {
  /** Monotonic milliseconds. */
  readonly sinceMs: number
  /** Hints and fallback copies that it holds for this node; -1 as long as it has not said. */
  readonly held: number
}

export class CatchUp {
  readonly #peers = new Map<number, PeerCatchUp>()

  /** A peer has become live: what it said before is old. */
  peerLive(member: number, nowMs: number): void {
    this.#peers.set(member, { sinceMs: nowMs, held: -1 })
  }

  peerAway(member: number): void {
    this.#peers.delete(member)
  }

  /** A live peer says how much it holds for this node. */
  peerHolds(member: number, held: number, nowMs: number): void {
    const before = this.#peers.get(member)
    if (before === undefined) return
    const sinceMs = before.held === 0 && held > 0 ? nowMs : before.sinceMs
    this.#peers.set(member, { sinceMs, held })
  }

  isCatchingUp(nowMs: number, maxMs: number): boolean {
    for (const { sinceMs, held } of this.#peers.values()) {
      if (held !== 0 && nowMs - sinceMs < maxMs) return true
    }
    return false
  }

  /** What live peers hold for this node, as far as they have said. */
  get held(): number {
    let held = 0
    for (const peer of this.#peers.values()) held += Math.max(0, peer.held)
    return held
  }
}
