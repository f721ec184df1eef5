/**
 * Lets go of dead data where all replicas are known to have seen them (purge-evidence.ts): raises the horizon of each range, on disk
 * before anything else knows of it, then in memory, where from now on the dead below count as absent (RULES P3), then for
 * compaction, which takes their bytes away in its own time.
 */
import type { Timer } from '../env/clock.js'
import { isMajority, purgeHorizon } from './purge-evidence.js'
import type { MemberEvidence, ReplicaEvidence } from './purge-evidence.js'
import { coReplicas, ownRanges } from './repair-context.js'
import type { RepairContext } from './repair-context.js'
import type { RangeTrees } from './range-trees-view.js'

const EVERY_MS = 60_000

/** What purging asks of gossip. */
export interface Witnesses {
  /** Members that hold this one down, this node among them if it does. */
  holdersOf(member: number): readonly number[]
  isFailed(member: number): boolean
  /**
   * The member, which may be this one, is known to hold no hint or fallback copy written before this time, milliseconds since 1970.
   * Of another one never later than when it was heard from: what it said before is no word on what it has taken since. 0 when it has
   * said nothing since its start; Infinity of this node, when it holds none.
   */
  holdsNoneBeforeMs(member: number): number
  /** Whether this node's clock is in doubt (RULES T5). */
  clockIsInDoubt(): boolean
}

export interface PurgeSettings {
  readonly tombstoneGraceMs: number
  readonly purgeHardAgeMs: number
  readonly purgeHeldMaxPercent: number
}

export interface PurgingNode {
  settings(): PurgeSettings
  /** Some of what was purged the member is not known to have seen. */
  purgedWithout(member: number): void
}

export class Purging {
  readonly #context: RepairContext
  readonly #trees: () => RangeTrees
  readonly #witnesses: Witnesses
  readonly #node: PurgingNode
  /** By range and member: since when all live replicas have held it failed, clock.monotonicMs(). */
  readonly #failedSinceMs = new Map<string, number>()
  #timer: Timer | null = null
  #isHeldMax = false

  constructor(context: RepairContext, trees: () => RangeTrees, witnesses: Witnesses, node: PurgingNode) {
    this.#context = context
    this.#trees = trees
    this.#witnesses = witnesses
    this.#node = node
  }

  start(): void {
    this.apply(ownRanges(this.#context))
    this.#timer = this.#context.clock.after(EVERY_MS, this.#tick)
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** A minority has as many dead data as it may, and takes no more writes (RULES P1). */
  get refusesWrites(): boolean {
    if (!this.#isHeldMax) return false
    return ownRanges(this.#context).some((range) => !isMajority(this.#replicasOf(range)))
  }

  readonly #tick = (): void => {
    this.#timer = this.#context.clock.after(EVERY_MS, this.#tick)
    this.look().catch((error: unknown) => {
      this.#context.log.error('nothing was purged: the horizon could not be written', {
        error: String(error),
      })
    })
  }

  /**
   * Purges what may be; nothing by a clock that is in doubt, which may have run the grace in no time (RULES T5). Rejects when the
   * horizons cannot be saved; then nothing was.
   */
  async look(): Promise<void> {
    const { state, topology } = this.#context
    if (this.#witnesses.clockIsInDoubt()) return
    this.#isHeldMax = this.#heldPercent() > this.#node.settings().purgeHeldMaxPercent
    const raised = new Map<number, number>()
    for (const range of ownRanges(this.#context)) {
      if (!topology.ranges.isCurrent(range) || !this.#trees().isReady(range)) continue
      const horizonMs = this.#horizonOf(range)
      if (horizonMs > state.ranges[range].horizonMs) raised.set(range, horizonMs)
    }
    if (raised.size === 0) return
    for (const [range, horizonMs] of raised) state.ranges[range].horizonMs = horizonMs
    await state.save()
    this.apply(raised.keys())
    for (const member of this.#leftOut(raised)) this.#node.purgedWithout(member)
  }

  /** The members whose last complete exchange of one of the ranges is older than the range's new horizon. */
  #leftOut(raised: ReadonlyMap<number, number>): Set<number> {
    const { state, topology } = this.#context
    const members = new Set<number>()
    for (const [range, horizonMs] of raised) {
      for (const member of coReplicas(this.#context, range)) {
        const last = state.ranges[range].exchanges.get(topology.ring.members[member].id)
        if ((last?.theirsMs ?? 0) < horizonMs) members.add(member)
      }
    }
    return members
  }

  /** The horizons of these ranges are on disk. */
  apply(ranges: Iterable<number>): void {
    const { state, horizons } = this.#context
    for (const range of ranges) {
      const { horizonMs } = state.ranges[range]
      horizons.raise(range, horizonMs)
      this.#trees().forgetHours(range, horizonMs)
    }
    this.#tellStore()
  }

  #tellStore(): void {
    const { state, topology, store } = this.#context
    const ranges = ownRanges(this.#context).map((range) => {
      const { horizonMs, floor, isFloorFinal } = state.ranges[range]
      return { ...topology.ring.rangeAt(range), untilMs: horizonMs, floor: isFloorFinal ? floor : 0 }
    })
    store.setPurgeRanges(ranges)
  }

  #horizonOf(range: number): number {
    const { clock, state, topology } = this.#context
    const { tombstoneGraceMs, purgeHardAgeMs } = this.#node.settings()
    const trees = this.#trees()
    return purgeHorizon({
      nowMs: clock.wallMs(),
      graceMs: tombstoneGraceMs,
      hardAgeMs: purgeHardAgeMs,
      isHeldMax: this.#isHeldMax,
      horizonMs: state.ranges[range].horizonMs,
      hours: trees.hoursOf(range).map((endMs) => ({ endMs, lastArrival: trees.lastArrivalOf(range, endMs) })),
      replicas: this.#replicasOf(range),
      others: this.#othersOf(range),
      ownOldestMs: this.#witnesses.holdsNoneBeforeMs(topology.self),
    })
  }

  #replicasOf(range: number): ReplicaEvidence[] {
    const { state, topology } = this.#context
    const replicas = coReplicas(this.#context, range)
    return replicas.map((member) => ({
      ...this.#memberEvidence(range, member, replicas),
      exchange: state.ranges[range].exchanges.get(topology.ring.members[member].id) ?? null,
    }))
  }

  /** Of members that may hold fallback copies for the range's replicas. */
  #othersOf(range: number): MemberEvidence[] {
    const { ring } = this.#context.topology
    const replicas = coReplicas(this.#context, range)
    return ring.members.flatMap((_, member) => {
      if (ring.rangeAt(range).list.includes(member)) return []
      return this.#memberEvidence(range, member, replicas)
    })
  }

  #memberEvidence(range: number, member: number, replicas: readonly number[]): MemberEvidence {
    return {
      isLive: this.#context.topology.isLive(member),
      failedForMs: this.#failedForMs(range, member, replicas),
      holdsNoneBeforeMs: this.#witnesses.holdsNoneBeforeMs(member),
    }
  }

  #failedForMs(range: number, member: number, replicas: readonly number[]): number {
    const { topology, clock } = this.#context
    const name = `${range} ${member}`
    if (topology.isLive(member) || !this.#isAgreed(member, replicas)) {
      this.#failedSinceMs.delete(name)
      return 0
    }
    const sinceMs = this.#failedSinceMs.get(name) ?? clock.monotonicMs()
    this.#failedSinceMs.set(name, sinceMs)
    return clock.monotonicMs() - sinceMs
  }

  /** The member has failed, for this node and for every live one of the replicas. */
  #isAgreed(member: number, replicas: readonly number[]): boolean {
    const { topology } = this.#context
    if (!this.#witnesses.isFailed(member)) return false
    const holders = this.#witnesses.holdersOf(member)
    const live = [topology.self, ...replicas.filter((other) => other !== member && topology.isLive(other))]
    return live.every((one) => holders.includes(one))
  }

  /** Dead data that could not be purged, as a share of all bytes that the disk would have for data. */
  #heldPercent(): number {
    const { store, clock } = this.#context
    const { deadBytes, diskBytes } = store.deadFacts(clock.wallMs() - this.#node.settings().tombstoneGraceMs)
    return diskBytes > 0 ? (100 * deadBytes) / diskBytes : 0
  }
}
