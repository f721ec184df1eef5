/**
 * Whether this node is catching up (RULES H1): after a start, or when a peer's link returns, until every live peer has said that it
 * holds nothing for this node, or has exchanged all ranges with it since, and `max` from then on at the longest. A peer that begins
 * to hold something later (its link was down and this one was not) counts from that moment. Peers that are not live are not waited for.
 *
 * What a peer holds as hints it has in its own log, in ranges that both share, so one complete exchange with that peer brings all of
 * it. Fallback copies are no part of that; H1 does not ask for them, and a home that lacks one is refused by who has it (V10).
 */

interface PeerCatchUp {
  /** Monotonic milliseconds. */
  readonly sinceMs: number
  /** The same by the wall clock, which exchanges are noted by. */
  readonly sinceWallMs: number
  /** Hints and fallback copies that it holds for this node; -1 as long as it has not said. */
  readonly held: number
  /** All ranges that both have were exchanged since. */
  readonly isExchanged: boolean
}

export class CatchUp {
  readonly #peers = new Map<number, PeerCatchUp>()

  /** A peer has become live: what it said before is old. */
  peerLive(member: number, nowMs: number, wallMs: number): void {
    this.#peers.set(member, { sinceMs: nowMs, sinceWallMs: wallMs, held: -1, isExchanged: false })
  }

  peerAway(member: number): void {
    this.#peers.delete(member)
  }

  /** A live peer says how much it holds for this node. */
  peerHolds(member: number, held: number, nowMs: number, wallMs: number): void {
    const before = this.#peers.get(member)
    if (before === undefined) return
    const isNew = before.held === 0 && held > 0
    const since = isNew ? { sinceMs: nowMs, sinceWallMs: wallMs, isExchanged: false } : before
    this.#peers.set(member, { ...before, ...since, held })
  }

  /** All ranges that both have were exchanged with the peer, none begun before `beganWallMs`, milliseconds since 1970. */
  peerExchanged(member: number, beganWallMs: number): void {
    const before = this.#peers.get(member)
    if (before === undefined || beganWallMs <= before.sinceWallMs) return
    this.#peers.set(member, { ...before, isExchanged: true })
  }

  isCatchingUp(nowMs: number, maxMs: number): boolean {
    return this.waitedFor(nowMs, maxMs).length > 0
  }

  /** Peers that may hold what this node lacks. */
  waitedFor(nowMs: number, maxMs: number): number[] {
    return [...this.#peers].flatMap(([member, { sinceMs, held, isExchanged }]) => {
      return held !== 0 && !isExchanged && nowMs - sinceMs < maxMs ? [member] : []
    })
  }

  /** What live peers hold for this node, as far as they have said. */
  get held(): number {
    let held = 0
    for (const peer of this.#peers.values()) held += Math.max(0, peer.held)
    return held
  }
}
