/**
 * Repair as a part of the node: builds what src/repair consists of over the node's store and links, hands it the messages that are
 * its own, and shows commands how it goes.
 */
import type { RepairFacts, RepairStarted, RepairView } from '../commands/repair-view.js'
import type { LocalKeyspace } from '../coordinator/local-keyspace.js'
import type { LinkChange } from '../coordinator/peer.js'
import type { PurgeHorizons } from '../coordinator/purge-horizons.js'
import { STALE, UNJUDGED } from '../coordinator/range-states.js'
import type { RecordMerger } from '../coordinator/record-merger.js'
import type { Topology } from '../coordinator/topology.js'
import type { Clock } from '../env/clock.js'
import type { Disk } from '../env/disk.js'
import type { Log } from '../env/log.js'
import type { Random } from '../env/random.js'
import type { IncomingLink } from '../link/incoming-link.js'
import type { PeerLink } from '../link/peer-link.js'
import { ExchangeAnswers } from '../repair/exchange-answers.js'
import type { AnsweringNode } from '../repair/exchange-answers.js'
import { ExchangePeer } from '../repair/exchange-peer.js'
import type { Identity, View } from '../repair/exchange-messages.js'
import { Judging } from '../repair/judging.js'
import { Purging } from '../repair/purging.js'
import type { PurgeSettings, Witnesses } from '../repair/purging.js'
import { RangeContent } from '../repair/range-content.js'
import { RecordIntake } from '../repair/record-intake.js'
import { coReplicas, ownRanges, sharedRanges } from '../repair/repair-context.js'
import type { RepairContext, RepairPeer, RepairSettings } from '../repair/repair-context.js'
import { RepairRounds } from '../repair/repair-rounds.js'
import { RepairState, seenUntilMs } from '../repair/repair-state.js'
import type { StaleReason } from '../repair/staleness.js'
import { Throttle } from '../repair/throttle.js'
import { joined, tokensOf } from '../ring/slot-range.js'
import type { SlotRange } from '../ring/slot-range.js'
import { slotOfToken } from '../ring/token.js'
import type { Store } from '../storage/store.js'
import { assert } from '../util/assert.js'

export interface RepairPartOptions {
  readonly env: { readonly clock: Clock; readonly log: Log; readonly random: Random; readonly disk: Disk }
  readonly directory: string
  readonly directoryId: string
  readonly bootId: number
  readonly store: Store
  readonly keyspace: LocalKeyspace
  readonly merger: RecordMerger
  readonly topology: Topology
  readonly horizons: PurgeHorizons
  readonly settings: () => RepairSettings & PurgeSettings
  readonly witnesses: Witnesses
  /** RULES C2. */
  readonly stampLimit: () => number
  readonly linkOf: (member: number) => PeerLink
}

export class RepairPart implements RepairView {
  readonly #context: RepairContext
  readonly #judging: Judging
  readonly #rounds: RepairRounds
  readonly #purging: Purging
  readonly #answers: ExchangeAnswers
  readonly #intake: RecordIntake

  /** Throws CorruptionError when what was remembered cannot be read, and the disk's errors. */
  constructor(options: RepairPartOptions) {
    const { env, directory, directoryId, bootId, store, topology, horizons } = options
    const { ring } = topology
    const onFailed = (error: unknown): void =>
      env.log.error('the repair state was not written', { error: String(error) })
    const state = RepairState.open(ring, env.disk, env.clock, directory, onFailed)
    const peers = ring.members.map(({ id }, member): RepairPeer | null => {
      if (member === topology.self) return null
      return { member, id, questions: new ExchangePeer(env.clock, () => options.linkOf(member)) }
    })
    const identity = (): Identity => ({ directoryId, startCounter: state.startCounter, bootId })
    const { settings, keyspace } = options
    const stamp = (): number => keyspace.stamp
    this.#context = { ...env, store, topology, horizons, state, stamp, identity, peers, settings }
    this.#intake = new RecordIntake(store, options.merger, env.clock, {
      isPlacedHere: (slot) => topology.ownPlace(slot) !== -1,
      stampLimit: options.stampLimit,
      whenDurable: (sequence) => options.keyspace.whenDurable(sequence),
    })
    const node = this.#answeringNode(bootId)
    this.#answers = new ExchangeAnswers(node)
    this.#judging = new Judging(this.#context, () => this.#rounds.rebuildSoon())
    this.#purging = new Purging(this.#context, () => node.trees(), options.witnesses, {
      settings: options.settings,
      purgedWithout: (member) => this.#judging.doubt(member),
    })
    this.#rounds = new RepairRounds(this.#context, node, () => this.#judging, this.#purging)
  }

  #answeringNode(bootId: number): AnsweringNode {
    const context = this.#context
    const { store, clock, topology, horizons, state, settings } = context
    const { ring } = topology
    const throttle = new Throttle(clock, () => settings().antiEntropyRateBytesPerSecond)
    return {
      bootId,
      rangeCount: ring.rangeCount,
      content: new RangeContent(store, clock),
      intake: this.#intake,
      trees: () => {
        assert(store.trees !== null, 'a store with replicas elsewhere keeps trees')
        return store.trees
      },
      horizonMs: (range) => horizons.ofRange(range),
      interval: (range) => {
        const { start, end } = tokensOf(ring.rangeAt(range))
        return { from: start, end }
      },
      rangeOf: (token) => ring.rangeOfSlot[slotOfToken(token)],
      wallMs: () => clock.wallMs(),
      sequence: () => store.sequence,
      whenSynced: () => store.whenSynced(),
      spend: (bytes) => throttle.spend(bytes),
      completed: () => Promise.resolve(),
      isSource: (range) => topology.ranges.isCurrent(range) || this.#rounds.isWaiting(range),
      isShared: (range, member) => {
        const { list } = ring.rangeAt(range)
        return list.includes(member) && list.includes(topology.self)
      },
      viewOf: (member) => this.#viewOf(member),
      remember: (member, identity) => {
        state.members.set(ring.members[member].id, identity)
        this.#judging.introduced(member)
        return state.save()
      },
      completedWith: (member, ranges, own, theirsMs) => {
        for (const range of ranges) {
          const last = { ownMs: own.wallMs, theirsMs, sequence: own.sequence }
          state.ranges[range].exchanges.set(ring.members[member].id, last)
        }
        this.#judging.exchanged(member, ranges)
        return state.save()
      },
    }
  }

  #viewOf(member: number): View {
    const { state, topology, horizons } = this.#context
    const { ring } = topology
    return {
      remembered: state.members.get(ring.members[member].id) ?? null,
      ranges: sharedRanges(this.#context, member).map((range) => ({
        range,
        horizonMs: horizons.ofRange(range),
        exchangedMs: ring.rangeAt(range).list.map((other) => {
          return seenUntilMs(state.ranges[range].exchanges.get(ring.members[other].id))
        }),
      })),
    }
  }

  start(): void {
    this.#purging.start()
    this.#rounds.start()
  }

  /** A minority holds as many dead data as it may: it is not to be home (RULES P1). */
  get refusesWrites(): boolean {
    return this.#purging.refusesWrites
  }

  /** Copies up to this stamp are older than this directory's place among the others: they may have been brought, and purged, since. */
  get restoredHlc(): number {
    return this.#context.state.restoredHlc
  }

  stop(): void {
    this.#purging.stop()
    this.#rounds.stop()
    for (const peer of this.#context.peers) peer?.questions.lost()
  }

  // What links tell.

  linkChanged(member: number, change: LinkChange): void {
    const peer = this.#peer(member)
    if (change === 'lost') peer.questions.lost()
    if (change !== 'made') return this.#judging.unreachable(member)
    this.#rounds.linked(peer)
    void this.#judging.linked(peer)
  }

  answered(member: number, bytes: Buffer, start: number, end: number): void {
    this.#peer(member).questions.answered(bytes, start, end)
  }

  /** An EXCHANGE of another member. */
  onRequest(nodeId: string, link: IncomingLink, bytes: Buffer, start: number, end: number): void {
    const member = this.#context.topology.ring.indexOf(nodeId)
    if (member !== -1) this.#answers.answer(member, link, bytes, start, end)
  }

  #peer(member: number): RepairPeer {
    const peer = this.#context.peers[member]
    assert(peer !== null, 'links lead to other members')
    return peer
  }

  // What others of this node ask.

  /**
   * The range is to be fetched from its replicas again: own entries up to `floorSequence` are not believed. It answers nobody until
   * that is done. Resolves when it is on disk that it has to be.
   */
  rebuildRange(range: number, floorSequence: number, reason: StaleReason): Promise<void> {
    this.#judging.markStale(range, reason, floorSequence)
    this.#rounds.rebuildAnew(range)
    return this.#context.state.save()
  }

  /** All ranges that the member has too were exchanged with it completely, none begun before this time, milliseconds since 1970; 0 when not. */
  exchangedAtMs(member: number): number {
    const { state, topology } = this.#context
    const { id } = topology.ring.members[member]
    const beganMs = sharedRanges(this.#context, member).map((range) => {
      const last = state.ranges[range].exchanges.get(id)
      // Without the other's time it was taken over from a third one.
      return last === undefined || last.theirsMs === 0 ? 0 : last.ownMs
    })
    return beganMs.length === 0 ? 0 : Math.min(...beganMs)
  }

  // What commands show.

  /** KV.REPAIR: has the ranges of these slots exchanged that this node holds. */
  repair({ firstSlot, lastSlot }: SlotRange): RepairStarted {
    const { ring } = this.#context.topology
    const asked = ring.ranges().flatMap((one, range) => {
      return one.firstSlot <= lastSlot && one.lastSlot >= firstSlot ? [range] : []
    })
    const own = new Set(ownRanges(this.#context))
    const held = asked.filter((range) => own.has(range))
    this.#rounds.demand(held.filter((range) => coReplicas(this.#context, range).length > 0))
    const notHeld = joined(asked.filter((range) => !own.has(range)).map((range) => ring.rangeAt(range)))
    return {
      ranges: held.length,
      notHeld: notHeld.map((one) => ({
        firstSlot: Math.max(one.firstSlot, firstSlot),
        lastSlot: Math.min(one.lastSlot, lastSlot),
      })),
    }
  }

  facts(): RepairFacts {
    const { topology, state, horizons, peers, clock, store } = this.#context
    const own = ownRanges(this.#context)
    const rounds = this.#rounds.facts()
    const stale = own.filter((range) => topology.ranges.of(range) === STALE)
    const oldestMs = Math.min(...own.map((range) => horizons.ofRange(range)))
    const asked = peers.reduce((sum, peer) => sum + (peer?.questions.questions ?? 0), 0)
    const askedBytes = peers.reduce((sum, peer) => sum + (peer?.questions.bytes ?? 0), 0)
    return {
      isRunning: rounds.isRunning,
      rounds: rounds.rounds,
      failedRounds: rounds.failedRounds,
      rangesExchanged: rounds.ranges,
      rangesDiffering: rounds.rangesDiffering,
      keysPulled: rounds.keysPulled,
      keysPushed: rounds.keysPushed,
      recordsTaken: this.#intake.taken,
      recordsRefused: this.#intake.refused,
      questions: asked,
      exchangedBytes: askedBytes + this.#answers.bytes,
      lastDurationMs: Math.round(rounds.lastDurationMs),
      demandedRanges: rounds.demanded,
      unjudgedRanges: topology.ranges.count(UNJUDGED),
      staleRanges: stale.length,
      staleReasons: [...new Set(stale.map((range) => state.ranges[range].staleReason ?? ''))],
      staleSlots: stale.reduce((sum, range) => sum + slotsOf(topology.ring.rangeAt(range)), 0),
      rebuildPercent:
        rounds.rebuildRanges > 0 ? Math.floor((100 * rounds.rebuildRangesDone) / rounds.rebuildRanges) : -1,
      treesReady: own.filter((range) => store.trees?.isReady(range) === true).length,
      ranges: own.length,
      purgeHorizonAgeSeconds: oldestMs > 0 ? Math.round((clock.wallMs() - oldestMs) / 1000) : -1,
    }
  }
}

function slotsOf({ firstSlot, lastSlot }: SlotRange): number {
  return lastSlot - firstSlot + 1
}
