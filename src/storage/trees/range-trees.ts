/**
 * The Merkle trees of a node (RULES P3): per range of the ring and UTC hour of death one tree over the newest record of
 * every key, dead ones included, "never" being an hour of its own. Two replicas that hold the same records of a range have the
 * same trees of it, whatever their files look like; where they differ, differing leaves say which tokens to look at.
 *
 * Every append tells what it replaces, so a tree is brought up to date in O(1): minus the share of the old record, plus that of
 * the new one, in typed arrays, without an allocation. Sums commute, so trees may also be made of parts: what was saved with
 * a flush, what a job has counted (jobs/count-keys-job.ts), and what was written meanwhile. Until all parts are there, a range is
 * not *ready* and must not be compared.
 *
 * What does not change a tree: expiry (the hour is a function of the record), compaction, superseded entries (they were taken
 * away when they were replaced). What purging lets go leaves by whole hours: forgetHours(), and from then on nothing
 * is added to those hours or taken from them.
 *
 * Bound: LEAVES per range that holds anything (8 KB), and one tree per range and hour in which some key dies, hence never
 * more than there are keys that die. Of those the first HOURS_WITH_LEAVES_MAX have leaves (512 bytes); further ones are
 * folded, some 100 bytes each: they are compared by their roots alone, and a difference in one costs a walk of its range.
 */
import { NEVER_DIES } from '../../record/layout.js'
import { slotOfToken } from '../../ring/token.js'
import { assert } from '../../util/assert.js'
import { entrySequence } from '../entry.js'
import { HourTree } from './hour-tree.js'
import type { TreeHash } from './hour-tree.js'
import { HOUR_MS, hourOf, NEVER_HOUR, RecordShare } from './record-share.js'
import { encodeTrees } from './trees-file.js'
import { fullLeafCount, HOUR_LEAVES, LEAVES } from './tree-ranges.js'
import type { TokenInterval, TreeRanges } from './tree-ranges.js'

/** Trees of hours that have leaves: 8 MB of them, two months of hours in each of ten ranges. */
export const HOURS_WITH_LEAVES_MAX = 16_384

export interface TreeFacts {
  readonly ranges: number
  readonly readyRanges: number
  /** Trees of an hour of death, and how many of them are folded. */
  readonly hours: number
  readonly foldedHours: number
  /** Of all leaves. */
  readonly leafBytes: number
}

export class RangeTrees {
  readonly ranges: TreeRanges
  /** By range. */
  readonly #never: (HourTree | null)[]
  /** By range, and by hour. */
  readonly #hours: Map<number, HourTree>[]
  /** By range: 1 when every part of its trees is there. */
  readonly #ready: Uint8Array
  /** By range: hours up to this one are purged. */
  readonly #forgotten: Int32Array
  /** By range: entries up to this sequence count as absent. */
  readonly #floors: Float64Array
  /** By range: how often it began anew. */
  readonly #resets: Uint32Array
  readonly #share = new RecordShare()
  readonly #oldShare = new RecordShare()
  readonly #hoursWithLeavesMax: number
  #hoursWithLeaves = 0
  #flushMark = 0

  /** Of a store that holds nothing: every range is ready. */
  constructor(ranges: TreeRanges, hoursWithLeavesMax = HOURS_WITH_LEAVES_MAX) {
    this.ranges = ranges
    this.#hoursWithLeavesMax = hoursWithLeavesMax
    this.#never = new Array<HourTree | null>(ranges.count).fill(null)
    this.#hours = Array.from({ length: ranges.count }, () => new Map<number, HourTree>())
    this.#ready = new Uint8Array(ranges.count).fill(1)
    this.#forgotten = new Int32Array(ranges.count)
    this.#floors = new Float64Array(ranges.count)
    this.#resets = new Uint32Array(ranges.count)
  }

  /** FLUSHALL's mark: dots at or below it add nothing. */
  get flushMark(): number {
    return this.#flushMark
  }

  /**
   * The entry whose record is at newBytes[newRecord…] has become the newest of its key, over the one at oldBytes[oldRecord…], null
   * where there was none. `token` is the key's.
   */
  replaced(
    token: number,
    oldBytes: Buffer | null,
    oldRecord: number,
    newBytes: Buffer,
    newRecord: number,
  ): void {
    const range = this.ranges.ofSlot[slotOfToken(token)]
    const leaf = this.ranges.leafOf(range, token)
    const share = this.#share
    const added = share.ofEntry(newBytes, newRecord, this.#flushMark)
    const sequence = entrySequence(newBytes, newRecord)
    const old = this.#oldShare
    if (oldBytes !== null && old.ofEntry(oldBytes, oldRecord, this.#flushMark)) {
      if (added && share.hour === old.hour) {
        const low = (share.low - old.low) | 0
        const high = (share.high - old.high) | 0
        return this.#change(range, leaf, share.hour, low, high, 0, sequence)
      }
      this.#change(range, leaf, old.hour, -old.low | 0, -old.high | 0, -1, 0)
    }
    if (added) this.#change(range, leaf, share.hour, share.low, share.high, 1, sequence)
  }

  /** Counts the newest entry of a key, of which nothing was counted. */
  add(token: number, bytes: Buffer, record: number): void {
    const range = this.ranges.ofSlot[slotOfToken(token)]
    const share = this.#share
    if (!share.ofEntry(bytes, record, this.#flushMark)) return
    const leaf = this.ranges.leafOf(range, token)
    this.#change(range, leaf, share.hour, share.low, share.high, 1, entrySequence(bytes, record))
  }

  /** `sequence`: of the entry that has come; 0 when one has gone. */
  #change(
    range: number,
    leaf: number,
    hour: number,
    low: number,
    high: number,
    keys: number,
    sequence: number,
  ): void {
    if (hour === NEVER_HOUR) {
      return this.#neverTree(range).change(leaf, low, high, keys)
    }
    if (hour <= this.#forgotten[range]) return
    const tree = this.#hourTree(range, hour)
    tree.change(Math.floor((leaf * HOUR_LEAVES) / LEAVES), low, high, keys)
    if (sequence > tree.lastArrival) tree.lastArrival = sequence
    if (keys < 0 && tree.isEmpty && this.#ready[range] === 1) this.#dropHour(range, hour, tree)
  }

  #neverTree(range: number): HourTree {
    return (this.#never[range] ??= new HourTree(LEAVES))
  }

  #hourTree(range: number, hour: number): HourTree {
    return this.#hours[range].get(hour) ?? this.#makeHour(range, hour)
  }

  #makeHour(range: number, hour: number): HourTree {
    const hasLeaves = this.#hoursWithLeaves < this.#hoursWithLeavesMax
    if (hasLeaves) this.#hoursWithLeaves++
    const tree = new HourTree(hasLeaves ? HOUR_LEAVES : 0)
    this.#hours[range].set(hour, tree)
    return tree
  }

  #dropHour(range: number, hour: number, tree: HourTree): void {
    this.#hours[range].delete(hour)
    if (tree.leaves !== null) this.#hoursWithLeaves--
  }

  /** Whether the trees of a range are those of all its records, so that they may be compared. */
  isReady(range: number): boolean {
    return this.#ready[range] === 1
  }

  /** When the hours with content end, ascending, milliseconds since 1970; NEVER_DIES, the last, for what never dies. */
  hoursOf(range: number): number[] {
    this.#assertReady(range)
    const hours = [...this.#hours[range].keys()].sort((a, b) => a - b).map((hour) => hour * HOUR_MS)
    const never = this.#never[range]
    if (never !== null && !never.isEmpty) hours.push(NEVER_DIES)
    return hours
  }

  /** The root of a tree; 0, 0 where nothing is. `hourEndMs` as hoursOf() names it. */
  rootOf(range: number, hourEndMs: number, into: TreeHash): void {
    const tree = this.#treeOf(range, hourEndMs)
    into.low = tree?.low ?? 0
    into.high = tree?.high ?? 0
  }

  /** The sum of the roots of all hours that end after `horizonMs`: equal where all those trees are. */
  rootAbove(range: number, horizonMs: number, into: TreeHash): void {
    this.#assertReady(range)
    const never = this.#never[range]
    into.low = never?.low ?? 0
    into.high = never?.high ?? 0
    for (const [hour, tree] of this.#hours[range]) {
      if (hour * HOUR_MS <= horizonMs) continue
      into.low = (into.low + tree.low) | 0
      into.high = (into.high + tree.high) | 0
    }
  }

  /** Keys in a tree: how much a walk of it will find. */
  keysOf(range: number, hourEndMs: number): number {
    return this.#treeOf(range, hourEndMs)?.keys ?? 0
  }

  /** Leaves of a tree, where it has any: LEAVES or HOUR_LEAVES; 0 where it is folded. */
  leafCountOf(range: number, hourEndMs: number): number {
    return this.#treeOf(range, hourEndMs)?.leafCount ?? fullLeafCount(hourOf(hourEndMs))
  }

  /**
   * One level of a tree: of `count` nodes, a power of two and leafCountOf() at most, the signed words low, high of each. Node i
   * stands for the tokens nodeInterval(range, i, count).
   */
  nodesOf(range: number, hourEndMs: number, count: number): Int32Array {
    return this.#treeOf(range, hourEndMs)?.nodes(count) ?? new Int32Array(2 * count)
  }

  /** The leaf of the hour's tree that a token of the range lies in. */
  leafOf(range: number, hourEndMs: number, token: number): number {
    return Math.floor((this.ranges.leafOf(range, token) * fullLeafCount(hourOf(hourEndMs))) / LEAVES)
  }

  /** The tokens of a node of a level of `count` nodes; of a leaf, where that is the number of leaves. */
  nodeInterval(range: number, node: number, count: number): TokenInterval {
    return this.ranges.partInterval(range, node, count)
  }

  /**
   * Of an hour of death, at least the highest sequence of all entries that its tree holds: when the last of them arrived here
   * (RULES P1).
   */
  lastArrivalOf(range: number, hourEndMs: number): number {
    return this.#treeOf(range, hourEndMs)?.lastArrival ?? 0
  }

  /** RULES P1: the hours of the range that end at or before `untilHourEndMs` are purged, and add nothing any more. */
  forgetHours(range: number, untilHourEndMs: number): void {
    const until = Math.floor(untilHourEndMs / HOUR_MS)
    if (until <= this.#forgotten[range]) return
    this.#forgotten[range] = until
    for (const [hour, tree] of this.#hours[range]) if (hour <= until) this.#dropHour(range, hour, tree)
  }

  /**
   * Empties the trees of a range, which is not ready until what is missing has been added. `floor`: own entries of the range up to
   * this sequence count as absent from now on; as before unless said.
   */
  reset(range: number, floor = this.#floors[range]): void {
    this.#empty(range)
    this.#floors[range] = floor
    this.#resets[range]++
    this.#ready[range] = 0
  }

  /**
   * By range: entries up to this sequence count as absent. After a start those that the saved trees were counted with: whoever
   * keeps floors has ranges counted anew that have another.
   */
  get floors(): Float64Array {
    return this.#floors
  }

  /** How often a range has begun anew: what was counted before belongs to trees that are gone. */
  resetsOf(range: number): number {
    return this.#resets[range]
  }

  /** Adds what was counted elsewhere to the trees of a range. */
  merge(range: number, hours: ReadonlyMap<number, HourTree>): void {
    for (const [hour, counted] of hours) {
      if (hour !== NEVER_HOUR && hour <= this.#forgotten[range]) continue
      const tree = hour === NEVER_HOUR ? this.#neverTree(range) : this.#hourTree(range, hour)
      const hadLeaves = tree.leaves !== null
      tree.merge(counted)
      if (hadLeaves && tree.leaves === null && hour !== NEVER_HOUR) this.#hoursWithLeaves--
    }
  }

  /** Everything that is known, as of the entry with this sequence, for a file (trees-file.ts); null when nothing is. */
  encode(sequence: number): Buffer | null {
    if (!this.#ready.includes(1)) return null
    const ranges = this.#hours.map((hours, range) => {
      const never = this.#never[range]
      const all = new Map<number, HourTree>(never === null ? hours : [...hours, [NEVER_HOUR, never]])
      return { floor: this.#floors[range], hours: this.#ready[range] === 1 ? all : null }
    })
    return encodeTrees({ version: this.ranges.version, sequence, flushMark: this.#flushMark, ranges })
  }

  /** The trees of a range are complete. */
  makeReady(range: number): void {
    this.#ready[range] = 1
    for (const [hour, tree] of this.#hours[range]) if (tree.isEmpty) this.#dropHour(range, hour, tree)
  }

  /** FLUSHALL: nothing is left but what add() brings, of dots above the mark. Every range is ready. */
  flush(mark: number): void {
    this.#flushMark = Math.max(this.#flushMark, mark)
    for (let range = 0; range < this.ranges.count; range++) {
      this.#empty(range)
      this.#resets[range]++
      this.#ready[range] = 1
    }
  }

  get facts(): TreeFacts {
    const hours = this.#hours.reduce((sum, { size }) => sum + size, 0)
    const full = this.#never.reduce((sum, tree) => sum + (tree === null ? 0 : LEAVES), 0)
    return {
      ranges: this.ranges.count,
      readyRanges: this.#ready.reduce((sum, ready) => sum + ready, 0),
      hours,
      foldedHours: hours - this.#hoursWithLeaves,
      leafBytes: (full + this.#hoursWithLeaves * HOUR_LEAVES) * 8,
    }
  }

  #empty(range: number): void {
    this.#never[range] = null
    for (const [hour, tree] of this.#hours[range]) this.#dropHour(range, hour, tree)
  }

  #treeOf(range: number, hourEndMs: number): HourTree | null {
    this.#assertReady(range)
    return hourEndMs === NEVER_DIES ? this.#never[range] : (this.#hours[range].get(hourOf(hourEndMs)) ?? null)
  }

  #assertReady(range: number): void {
    assert(this.#ready[range] === 1, 'the trees of a range are complete before they are compared')
  }
}
