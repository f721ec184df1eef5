/**
 * Judges which ranges this node may answer for, by what its live co-replicas say when a link to one is made (RULES P2; the judgement
 * itself is staleness.ts). At a start every range is *unjudged* until each co-replica has been heard or found unreachable, which
 * for a new cluster is as soon as there are links.
 *
 *     link made -> VIEW -> stale?  floor raised, on disk -> KNOW: the other one remembers who this node is now
 *
 * While the answers are on their way the peer is asked for nothing (Peer.isJudged): what it holds may have been purged here and never
 * have been deleted there, or the other way round, and one read would bring it back to everybody. So on each connection both
 * have to have looked, which the other one's KNOW says of it. Where its S shows that it is behind what was purged here, it is not
 * believed until the two have exchanged, though it should know that itself by then.
 *
 * The other one's memory only changes after this node's own has: a node that was wiped cannot pass for one that was not by
 * crashing in between.
 */
import { CURRENT, STALE, UNJUDGED, rangeBits } from '../coordinator/range-states.js'
import { BodyWriter } from './body.js'
import * as messages from './exchange-messages.js'
import type { Identity, RangeView, View } from './exchange-messages.js'
import { ExchangeError } from './exchange-peer.js'
import { bothCover, seenUntilMs } from './repair-state.js'
import type { RangeRecord } from './repair-state.js'
import { coReplicas, ownRanges, sharedRanges } from './repair-context.js'
import type { RepairContext, RepairPeer } from './repair-context.js'
import { isPurgedSince, judgeIdentity } from './staleness.js'
import type { StaleReason } from './staleness.js'

export class Judging {
  readonly #context: RepairContext
  readonly #onStale: () => void
  /** Own sequence at the start: what stood in the directory before this process lived. */
  readonly #openSequence: number
  /** By member: it has been asked, or cannot be. */
  readonly #isHeard: boolean[]
  /** By member: it was asked on this connection. */
  readonly #isSeen: boolean[]
  /** Members that are being asked. */
  readonly #asked = new Set<number>()

  /** `onStale`: there is something to rebuild. */
  constructor(context: RepairContext, onStale: () => void) {
    this.#context = context
    this.#onStale = onStale
    this.#openSequence = context.store.sequence
    this.#isHeard = context.peers.map((peer) => peer === null)
    this.#isSeen = context.peers.map(() => false)
    this.#begin()
  }

  #begin(): void {
    const { state, topology, horizons } = this.#context
    const own = ownRanges(this.#context)
    for (const range of own) {
      const { floor, horizonMs } = state.ranges[range]
      this.#raiseFloor(range, floor)
      horizons.raise(range, horizonMs)
    }
    const stale = own.filter((range) => state.ranges[range].staleReason !== null)
    topology.ranges.begin(stale, STALE)
    const shared = own.filter(
      (range) => coReplicas(this.#context, range).length > 0 && !stale.includes(range),
    )
    topology.ranges.begin(shared, UNJUDGED)
  }

  /** There is a link to this peer. Never rejects. */
  linked(peer: RepairPeer): Promise<void> {
    this.doubt(peer.member)
    return this.#lookAt(peer)
  }

  /** The peer may not have seen what was purged here: it is not believed before it was looked at again. */
  doubt(member: number): void {
    this.#isSeen[member] = false
    this.#trust(member)
  }

  /** Looks again at live peers that could not be looked at, or were found behind: called every so often. Never rejects. */
  async lookAgain(): Promise<void> {
    const { peers, topology } = this.#context
    for (const peer of peers) {
      if (peer === null || !topology.isLive(peer.member)) continue
      const isBehind = (topology.peers[peer.member]?.behindBits.length ?? 0) > 0
      if (isBehind || !this.#isSeen[peer.member]) await this.#lookAt(peer)
    }
  }

  async #lookAt(peer: RepairPeer): Promise<void> {
    if (this.#asked.has(peer.member)) return
    this.#asked.add(peer.member)
    try {
      await this.look(peer)
    } catch (error) {
      if (!(error instanceof ExchangeError))
        this.#context.log.error('a peer’s view was not taken', { error: String(error) })
    }
    this.#asked.delete(peer.member)
    this.unreachable(peer.member)
  }

  /** The peer has told who it is: it has judged itself by what this node remembered of it. */
  introduced(member: number): void {
    this.#trust(member)
  }

  /** The exchange of these ranges with the peer is complete: it has all that was purged here. */
  exchanged(member: number, ranges: readonly number[]): void {
    const peer = this.#context.topology.peers[member]
    if (peer === null || peer.behindBits.length === 0) return
    const behind = sharedRanges(this.#context, member).filter((range) => peer.isBehind(range))
    peer.behindBits = rangeBits(behind.filter((range) => !ranges.includes(range)))
    this.#context.topology.peersChanged()
  }

  #trust(member: number): void {
    const { topology, state, peers } = this.#context
    const peer = topology.peers[member]
    const known = state.members.get(peers[member]?.id ?? '')
    if (peer === null) return
    const isJudged = this.#isSeen[member] && known?.bootId === peer.link.hello?.bootId
    if (isJudged === peer.isJudged) return
    peer.isJudged = isJudged
    topology.peersChanged()
  }

  /** What the peer's view says of the peer itself: where its last complete exchange with this node is older than the own P. */
  #seen(peer: RepairPeer, view: View): void {
    const { topology, horizons } = this.#context
    const { ring, self } = topology
    const other = topology.peers[peer.member]
    if (other === null) return
    const shared = new Set(sharedRanges(this.#context, peer.member))
    const behind = view.ranges.filter(({ range, exchangedMs }) => {
      if (!shared.has(range)) return false
      return isPurgedSince(exchangedMs[ring.rangeAt(range).list.indexOf(self)] ?? 0, horizons.ofRange(range))
    })
    other.behindBits = rangeBits(behind.map(({ range }) => range))
    this.#isSeen[peer.member] = true
    this.#trust(peer.member)
    topology.peersChanged()
  }

  /** It is not to be waited for any more. */
  unreachable(member: number): void {
    if (this.#isHeard[member]) return
    this.#isHeard[member] = true
    this.#resolve()
  }

  /** Asks a peer how it sees this node, and judges by it. Rejects with ExchangeError, and when the judgement cannot be saved. */
  async look(peer: RepairPeer): Promise<View> {
    const { state } = this.#context
    const view = messages.readView(await peer.questions.ask(messages.VIEW, Buffer.alloc(0)))
    if (view === null) throw new ExchangeError('an answer that is none to VIEW')
    const own = this.#context.identity()
    const identity = judgeIdentity(own, view.remembered)
    if (identity === 'restored') {
      state.startCounter = Math.max(state.startCounter, view.remembered?.startCounter ?? 0) + 1
      state.restoredHlc = this.#context.stamp()
    }
    const shared = new Set(sharedRanges(this.#context, peer.member))
    const stale = view.ranges.filter((one) => shared.has(one.range) && this.#judge(peer, one, identity))
    if (stale.length > 0 || identity !== null) await state.save()
    this.unreachable(peer.member)
    this.#seen(peer, view)
    const isKnown = view.remembered !== null && isSame(view.remembered, this.#context.identity())
    if (!isKnown) {
      const body = messages.writeIdentity(new BodyWriter(), this.#context.identity())
      await peer.questions.ask(messages.KNOW, body.bytes)
    }
    if (stale.length > 0) this.#onStale()
    return view
  }

  /** Whether the range is stale towards the peer; then it is noted. */
  #judge(peer: RepairPeer, { range, horizonMs }: RangeView, identity: 'wiped' | 'restored' | null): boolean {
    const { state } = this.#context
    const exchangedMs = seenUntilMs(state.ranges[range].exchanges.get(peer.id))
    const reason = identity ?? (isPurgedSince(exchangedMs, horizonMs) ? 'purged' : null)
    if (reason === null) return false
    this.markStale(range, reason, this.#floorFor(range, reason, peer.id))
    return true
  }

  /** The own sequence up to which nothing of the range is believed. */
  #floorFor(range: number, reason: StaleReason, peerId: string): number {
    const { exchanges, floor } = this.#context.state.ranges[range]
    if (reason === 'purged') return exchanges.get(peerId)?.sequence ?? 0
    // A directory that has exchanged before has been rebuilt since, while this peer was away.
    if (reason === 'wiped' && exchanges.size > 0) return floor
    return this.#openSequence
  }

  /** The range answers nobody until it has been rebuilt above `floor`, an own sequence. The caller saves the state. */
  markStale(range: number, reason: StaleReason, floor: number): void {
    const { state, topology, log } = this.#context
    const record = state.ranges[range]
    if (record.staleReason === null)
      log.warn('a range is stale: it is rebuilt from its replicas', { range, reason })
    record.staleReason = reason
    record.coveredBy = bothCover(record.coveredBy, this.#coverOf(record, reason, floor))
    if (reason === 'restored') record.exchanges.clear()
    if (floor > record.floor) {
      record.floor = floor
      record.isFloorFinal = false
      this.#raiseFloor(range, floor)
    }
    topology.ranges.set([range], STALE)
  }

  /** Who has all that this makes missing here; null when nothing is. */
  #coverOf(record: RangeRecord, reason: StaleReason, floor: number): readonly string[] | null {
    const { exchanges } = record
    // Of what this directory does not know of, or has forgotten, nobody can say who has it.
    if (reason === 'restored' || (reason === 'wiped' && exchanges.size === 0)) return []
    if (floor <= record.floor) return null
    return [...exchanges].flatMap(([id, last]) => (last.theirsMs > 0 && last.sequence >= floor ? [id] : []))
  }

  #raiseFloor(range: number, sequence: number): void {
    const { store, topology } = this.#context
    store.raiseFloor(topology.ring.rangeAt(range), sequence)
  }

  #resolve(): void {
    const { topology } = this.#context
    const judged = ownRanges(this.#context).filter((range) => {
      if (topology.ranges.of(range) !== UNJUDGED) return false
      return coReplicas(this.#context, range).every((member) => this.#isHeard[member])
    })
    topology.ranges.set(judged, CURRENT)
  }
}

function isSame(a: Identity, b: Identity): boolean {
  return a.directoryId === b.directoryId && a.startCounter === b.startCounter && a.bootId === b.bootId
}
