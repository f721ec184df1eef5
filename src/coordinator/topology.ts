/**
 * Who is home of what, as this node sees it now: the ring, which is the same everywhere, and who of its members is live and
 * fit, which is everybody's own judgement. Requests ask for homes all the time and liveness hardly ever changes, so
 * homes are worked out per range when it does; a lookup is two array reads.
 */
import type { Ring } from '../ring/ring.js'
import type { Peer } from './peer.js'
import { RangeStates } from './range-states.js'

/** No replica is live and fit. */
export const NOBODY = -1

export class Topology {
  readonly ring: Ring
  readonly self: number
  /** By member; null at `self`. */
  readonly peers: readonly (Peer | null)[]
  /** What this node may answer for (RULES P2). */
  readonly ranges: RangeStates
  /** Others are to be asked first even where this node has a copy: its log has failed (RULES W3). */
  readsElsewhere = false
  /** Whether this node itself may be home (RULES H1). */
  #selfIsFit = true
  #selfIsBehind = false
  /** By range of the ring. */
  readonly #homes: Int16Array
  readonly #liveReplicas: Uint8Array

  constructor(ring: Ring, self: number, peers: readonly (Peer | null)[]) {
    this.ring = ring
    this.self = self
    this.peers = peers
    this.ranges = new RangeStates(ring.rangeCount, () => this.peersChanged())
    this.#homes = new Int16Array(ring.rangeCount).fill(NOBODY)
    this.#liveReplicas = new Uint8Array(ring.rangeCount)
  }

  /** Nobody else holds anything. */
  get isAlone(): boolean {
    return this.ring.members.length === 1
  }

  /** Liveness or fitness may have changed somewhere. `selfIsBehind`: this node is catching up; it may be fit but for that. */
  refresh(selfIsFit: boolean, selfIsBehind: boolean): void {
    this.#selfIsFit = selfIsFit
    this.#selfIsBehind = selfIsBehind
    const { ring } = this
    for (let range = 0; range < ring.rangeCount; range++) {
      const slot = ring.firstSlots[range]
      this.#homes[range] = this.#chooseHome(range, slot)
      let live = 0
      for (let place = 0; place < ring.replicas; place++) if (this.isLive(ring.memberAt(slot, place))) live++
      this.#liveReplicas[range] = live
    }
  }

  /** What is known of peers has changed. */
  peersChanged(): void {
    this.refresh(this.#selfIsFit, this.#selfIsBehind)
  }

  /** Where all that could be home are still catching up, or then cut off from most others, somebody has to be. */
  #chooseHome(range: number, slot: number): number {
    const first = (isFit: (member: number) => boolean): number =>
      this.ring.homeOf(slot, (member) => isFit(member) && this.serves(range, member))
    const home = first((member) => this.isFit(member))
    if (home !== NOBODY) return home
    const behind = first((member) => this.peers[member]?.isFitBehind ?? this.#selfIsFit)
    return behind !== NOBODY ? behind : first((member) => this.#isFitAtNeed(member))
  }

  isLive(member: number): boolean {
    return this.peers[member]?.isLive ?? true
  }

  isFit(member: number): boolean {
    return this.peers[member]?.isFit ?? (this.#selfIsFit && !this.#selfIsBehind)
  }

  #isFitAtNeed(member: number): boolean {
    return this.peers[member]?.isFitAtNeed ?? this.#selfIsFit
  }

  /** Whether the member answers for the range and may be believed: it is not stale for it, and has been judged (RULES P2). */
  serves(range: number, member: number): boolean {
    return this.peers[member]?.serves(range) ?? this.ranges.isCurrent(range)
  }

  /** Whether this node is a replica of the slot and answers for it. */
  servesHere(slot: number): boolean {
    return this.ranges.isCurrent(this.ring.rangeOfSlot[slot]) && this.ownPlace(slot) !== -1
  }

  /** H1: the member that coordinates writes of the slot, NOBODY when none can. */
  homeOf(slot: number): number {
    return this.#homes[this.ring.rangeOfSlot[slot]]
  }

  /** The first replica of the slot that is another node; this one where there is none. */
  replicaBeside(slot: number): number {
    const first = this.ring.memberAt(slot, 0)
    return first === this.self && this.ring.replicas > 1 ? this.ring.memberAt(slot, 1) : first
  }

  /** Replicas of the slot that are live, this node included. */
  liveReplicas(slot: number): number {
    return this.#liveReplicas[this.ring.rangeOfSlot[slot]]
  }

  /** The place of this node in the slot's preference list, -1 when it is no replica. */
  ownPlace(slot: number): number {
    return this.ring.placeOf(slot, this.self)
  }

  /** The replica at this place of the slot's preference list, null when it is this node or not live. */
  livePeerAt(slot: number, place: number): Peer | null {
    const peer = this.peers[this.ring.memberAt(slot, place)]
    return peer?.isLive === true ? peer : null
  }

  /** As livePeerAt, but null also when that replica would not answer for the slot. */
  servingPeerAt(slot: number, place: number): Peer | null {
    const peer = this.livePeerAt(slot, place)
    return peer?.serves(this.ring.rangeOfSlot[slot]) === true ? peer : null
  }

  /**
   * Who holds fallback copies of the slot now (RULES L5): the next live and fit members behind its preference list, at most one for
   * each replica that is not live.
   */
  fallbackPeers(slot: number): readonly Peer[] {
    const { ring, peers } = this
    const fallbacks: Peer[] = []
    const most = ring.replicas - this.liveReplicas(slot)
    for (const member of ring.fallbacksOf(slot)) {
      if (fallbacks.length === most) break
      const peer = peers[member]
      if (peer?.isFitAtNeed === true) fallbacks.push(peer)
    }
    return fallbacks
  }

  /** Who coordinates reads of the slot: this node where it is a replica, else the home or any live replica. */
  readerOf(slot: number): number {
    const servesHere = this.servesHere(slot)
    if (servesHere && !this.readsElsewhere) return this.self
    const home = this.homeOf(slot)
    if (home !== NOBODY) return home
    const { ring } = this
    for (let place = 0; place < ring.replicas; place++) {
      const member = ring.memberAt(slot, place)
      if (this.isLive(member) && this.serves(ring.rangeOfSlot[slot], member)) return member
    }
    return servesHere ? this.self : NOBODY
  }
}
