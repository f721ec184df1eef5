/**
 * Judges which ranges this node may answer for, by what its live co-replicas say when a link to one is made (RULES P2; the judgement
 * itself is staleness.ts). At a start every range is *unjudged* until each co-replica has been heard or found unreachable, which
 * for a new cluster is as soon as there are links.
 *
 *     link made -> VIEW -> stale?  floor raised, on disk -> KNOW: the other one remembers who this node is now
 *
 * The other one's memory only changes after this node's own has: a node that was wiped cannot pass for one that was not by
 * crashing in between.
 */
import { CURRENT, STALE, UNJUDGED } from '../coordinator/range-states.js'
import { BodyWriter } from './body.js'
import * as messages from './exchange-messages.js'
import type { Identity, RangeView, View } from './exchange-messages.js'
import { ExchangeError } from './exchange-peer.js'
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

  /** `onStale`: there is something to rebuild. */
  constructor(context: RepairContext, onStale: () => void) {
    this.#context = context
    this.#onStale = onStale
    this.#openSequence = context.store.sequence
    this.#isHeard = context.peers.map((peer) => peer === null)
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
  async linked(peer: RepairPeer): Promise<void> {
    try {
      await this.look(peer)
    } catch (error) {
      if (!(error instanceof ExchangeError))
        this.#context.log.error('a peer’s view was not taken', { error: String(error) })
    }
    this.unreachable(peer.member)
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
    }
    const shared = new Set(sharedRanges(this.#context, peer.member))
    const stale = view.ranges.filter((one) => shared.has(one.range) && this.#judge(peer, one, identity))
    if (stale.length > 0 || identity !== null) await state.save()
    this.unreachable(peer.member)
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
    const exchangedMs = state.ranges[range].exchanges.get(peer.id)?.ownMs ?? 0
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
    if (reason === 'restored') record.exchanges.clear()
    if (floor > record.floor) {
      record.floor = floor
      record.isFloorFinal = false
      this.#raiseFloor(range, floor)
    }
    topology.ranges.set([range], STALE)
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
