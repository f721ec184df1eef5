/**
 * How many keys are alive, without asking any of them (RULES R5). Every write knows what it displaced, so a running total
 * suffices; keys with a time to live are also counted by the second they die in, and a second that is over is
 * subtracted whole. So the count is exact to within a second, and DBSIZE costs nothing. All of it is kept by partition: a
 * node of a cluster counts out loud only the keys that it is home of.
 *
 * What a write displaced stands in its log entry: replaying a log onto the counts of its start gives the counts of its
 * end, without a single read, for each partition by itself, because a key never changes its slot. The snapshot at a
 * segment's end goes to disk with the segment's flush.
 *
 * Bound: two numbers a partition, and one histogram entry per partition and second in which some key of it dies, hence
 * never more than there are keys with a TTL (some 40 bytes each; keys that die within a day need at most 86,400 a partition).
 */
import type { KeyCounts } from './counts-file.js'
import { DISPLACED_FOREVER, DISPLACED_NOTHING } from './log/segment-format.js'
import { assertPartitions } from './partitions.js'
import type { Partitions } from './partitions.js'

/** What is counted of one partition. */
export interface PartitionCounts {
  /** Live keys that never die. */
  readonly lasting: number
  /** Those that die, by second. */
  readonly bySecond: ReadonlyMap<number, number>
}

const NO_DEATHS: ReadonlyMap<number, number> = new Map()

export class LiveCounts {
  readonly #version: string
  readonly #partitionOf: Uint16Array
  /** By partition: keys whose newest record is a value that dies in second #horizon or later, or never. */
  readonly #live: Float64Array
  /** By partition: those of them that die. */
  readonly #expiring: Float64Array
  /** By partition: deaths by second, for seconds >= #horizon. */
  readonly #bySecond: readonly Map<number, number>[]
  /** Seconds below are over and subtracted. */
  #horizon = 0
  /** Keys that were counted out because their second was over, since the start (INFO's expired_keys). */
  expired = 0

  constructor(partitions: Partitions) {
    assertPartitions(partitions)
    const { version, ofSlot, count } = partitions
    this.#version = version
    this.#partitionOf = ofSlot
    this.#live = new Float64Array(count)
    this.#expiring = new Float64Array(count)
    this.#bySecond = Array.from({ length: count }, () => new Map<number, number>())
  }

  /** A live key of `slot` was written: `displaced` as the log entry says it, `expireAtMs` 0 for no TTL. */
  wrote(slot: number, displaced: number, expireAtMs: number): void {
    const partition = this.#partitionOf[slot]
    this.#leave(partition, displaced)
    if (expireAtMs === 0) {
      this.#live[partition]++
      return
    }
    const second = Math.floor(expireAtMs / 1000)
    if (second < this.#horizon) return
    this.#live[partition]++
    this.#expiring[partition]++
    const bySecond = this.#bySecond[partition]
    bySecond.set(second, (bySecond.get(second) ?? 0) + 1)
  }

  /** A deletion was written over `displaced` in `slot`. */
  deleted(slot: number, displaced: number): void {
    this.#leave(this.#partitionOf[slot], displaced)
  }

  #leave(partition: number, displaced: number): void {
    if (displaced === DISPLACED_NOTHING) return
    if (displaced === DISPLACED_FOREVER) {
      this.#live[partition]--
      return
    }
    const second = Math.floor(displaced / 1000)
    if (second < this.#horizon) return
    const bySecond = this.#bySecond[partition]
    const deaths = bySecond.get(second)
    // Nobody is left in that second: it was over, by the clock of then, when the counts were saved.
    if (deaths === undefined) return
    if (deaths === 1) bySecond.delete(second)
    else bySecond.set(second, deaths - 1)
    this.#live[partition]--
    this.#expiring[partition]--
  }

  /** As it is now: it does not change with what is counted later. */
  partition(partition: number): PartitionCounts {
    return {
      lasting: this.#live[partition] - this.#expiring[partition],
      bySecond: new Map(this.#bySecond[partition]),
    }
  }

  /**
   * The keys of a partition were counted one by one, as of when it was `before`: that is what holds from now on, and what came and
   * went meanwhile.
   */
  counted(partition: number, before: PartitionCounts, counted: PartitionCounts): void {
    const now = this.partition(partition)
    const bySecond = this.#bySecond[partition]
    bySecond.clear()
    this.#expiring[partition] = 0
    for (const second of new Set([...now.bySecond.keys(), ...counted.bySecond.keys()])) {
      const [ofNow = 0, ofBefore = 0, ofCounted = 0] = [now, before, counted].map((one) =>
        one.bySecond.get(second),
      )
      const deaths = ofNow - ofBefore + ofCounted
      if (deaths <= 0 || second < this.#horizon) continue
      bySecond.set(second, deaths)
      this.#expiring[partition] += deaths
    }
    const lasting = Math.max(0, now.lasting - before.lasting + counted.lasting)
    this.#live[partition] = lasting + this.#expiring[partition]
  }

  /** FLUSHALL. */
  clear(): void {
    this.#live.fill(0)
    this.#expiring.fill(0)
    for (const bySecond of this.#bySecond) bySecond.clear()
  }

  /** Live keys at `nowMs`, of one partition or of all. */
  total(nowMs: number, partition?: number): number {
    this.#advance(Math.floor(nowMs / 1000))
    return partition === undefined ? sum(this.#live) : this.#live[partition]
  }

  /** Live keys with a time to live at `nowMs`, of one partition or of all. */
  expiring(nowMs: number, partition?: number): number {
    this.#advance(Math.floor(nowMs / 1000))
    return partition === undefined ? sum(this.#expiring) : this.#expiring[partition]
  }

  /** Subtracts the seconds before `second`; called often enough, it looks at a few of them in each partition. */
  #advance(second: number): void {
    if (second <= this.#horizon) return
    for (let partition = 0; partition < this.#bySecond.length; partition++) {
      const bySecond = this.#bySecond[partition]
      if (second - this.#horizon > bySecond.size) {
        for (const [at, deaths] of bySecond) if (at < second) this.#die(partition, at, deaths)
      } else {
        for (let at = this.#horizon; at < second; at++) {
          const deaths = bySecond.get(at)
          if (deaths !== undefined) this.#die(partition, at, deaths)
        }
      }
    }
    this.#horizon = second
  }

  #die(partition: number, second: number, deaths: number): void {
    this.#bySecond[partition].delete(second)
    this.#live[partition] -= deaths
    this.#expiring[partition] -= deaths
    this.expired += deaths
  }

  snapshot(): KeyCounts {
    const pairs = Uint32Array.from(this.#bySecond, ({ size }) => size)
    const seconds = new Float64Array(sum(pairs))
    const deaths = new Uint32Array(seconds.length)
    let start = 0
    for (const bySecond of this.#bySecond) {
      let end = start
      for (const second of bySecond.keys()) seconds[end++] = second
      seconds.subarray(start, end).sort()
      for (let i = start; i < end; i++) deaths[i] = bySecond.get(seconds[i]) ?? 0
      start = end
    }
    return { version: this.#version, live: this.#live.slice(), pairs, seconds, deaths }
  }

  /** Whether a snapshot counts by the same partitions, so that restore() may take it. */
  matches(snapshot: KeyCounts): boolean {
    return snapshot.version === this.#version && snapshot.live.length === this.#live.length
  }

  /** Takes over a snapshot of the same partitions. */
  restore(snapshot: KeyCounts): void {
    this.clear()
    this.#horizon = 0
    this.#live.set(snapshot.live)
    let i = 0
    for (let partition = 0; partition < snapshot.pairs.length; partition++) {
      for (let left = snapshot.pairs[partition]; left > 0; left--, i++) {
        this.#bySecond[partition].set(snapshot.seconds[i], snapshot.deaths[i])
        this.#expiring[partition] += snapshot.deaths[i]
      }
    }
  }
}

/** One partition of a snapshot. */
export function partitionOf({ live, pairs, seconds, deaths }: KeyCounts, partition: number): PartitionCounts {
  const start = sum(pairs.subarray(0, partition))
  if (pairs[partition] === 0) return { lasting: live[partition], bySecond: NO_DEATHS }
  const end = start + pairs[partition]
  const bySecond = new Map(
    Array.from(seconds.subarray(start, end), (second, i) => [second, deaths[start + i]]),
  )
  return { lasting: live[partition] - sum(deaths.subarray(start, end)), bySecond }
}

function sum(numbers: Float64Array | Uint32Array): number {
  let total = 0
  for (let i = 0; i < numbers.length; i++) total += numbers[i]
  return total
}
