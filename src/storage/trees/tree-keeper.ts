/**
 * Sees to it that trees become ready: brings those that were saved up to date after a start, and has those counted anew of which
 * it is in doubt what they should be. The counting is a job in a worker (jobs/count-trees-job.ts) over what the store holds
 * at the moment when it starts: tables and segments that do not change any more, and of the active segment what its
 * index says then. From that moment on every append changes the trees as always, and when the job has ended its sums are
 * added. So writes never wait, and nothing is counted twice or not at all.
 *
 * Where a floor has risen, the same job counts the live keys of the range as well: what lies below was counted as it came.
 *
 * The tables of a job stay open, and their files in place, until it has ended, though a compaction may have replaced
 * them; memory of its segments is not reused.
 */
import type { Timer } from '../../env/clock.js'
import type { SlotRange } from '../../ring/slot-range.js'
import { CorruptionError } from '../corruption-error.js'
import type { CountedSegment, CountTreesJob } from '../jobs/storage-jobs.js'
import type { Segment } from '../log/segment.js'
import type { StoreEnv, StoreOptions } from '../store-options.js'
import type { Floors } from '../floors.js'
import type { KeyCounts } from '../counts-file.js'
import { partitionOf } from '../live-counts.js'
import type { LiveCounts, PartitionCounts } from '../live-counts.js'
import { ONE_PARTITION } from '../partitions.js'
import type { Partitions } from '../partitions.js'
import type { PurgeRange } from '../purge-ranges.js'
import type { LiveTable } from '../table-set.js'
import type { RangeTrees, TreeFacts } from './range-trees.js'
import { decodeTrees } from './trees-file.js'

/** Tables that one job reads: ranges become ready one after the other, and replaced tables do not stay for long. */
const JOB_BYTES = 1024 * 1024 * 1024
const RETRY_AFTER_MS = 10_000

/** What trees are made of. */
export interface CountedStore {
  tables(): readonly LiveTable[]
  /** Those that no table holds yet, the active one included. */
  segments(): readonly Segment[]
  /** By the same ranges. */
  counts(): LiveCounts
  /** No entry with this sequence or a higher one is in tables only. */
  inMemoryFrom(): number
  /** Newest entries of keys that are in memory and hold something stamped above `mark`. */
  eachAboveInMemory(mark: number, visit: (token: number, bytes: Buffer, record: number) => void): void
  /** All ranges are ready again: what was counted had better be saved. */
  onCounted(): void
}

/** Saved trees that lack what came after the entry with this sequence. */
export interface SavedBase {
  readonly sequence: number
  /** Of which ranges. */
  readonly ranges: readonly number[]
}

/** What a job works on, as it was when the job began. */
interface CountedRange {
  readonly range: number
  readonly resets: number
  /** Null when its keys are not to be counted. */
  readonly keys: PartitionCounts | null
}

export interface TreeKeeperFacts extends TreeFacts {
  readonly counting: boolean
  /** Ranges that were counted from nothing since the start. */
  readonly rebuiltRanges: number
  /** Why the last count failed; empty when none did. */
  readonly lastError: string
}

export class TreeKeeper {
  readonly #env: StoreEnv
  readonly #directory: string
  readonly #partitions: Partitions
  readonly #trees: RangeTrees
  readonly #store: CountedStore
  /** Ranges whose live keys are to be counted. */
  readonly #wantsKeys = new Set<number>()
  /** Ranges whose live keys a start has counted, without knowing their floors. */
  readonly #floorless: Set<number>
  #running = false
  #stopped = false
  #retry: Timer | null = null
  #rebuiltRanges = 0
  #lastError = ''

  /** `haveFloors`: whether the counts of live keys passed over what lies below floors. */
  constructor(
    env: StoreEnv,
    { directory, partitions = ONE_PARTITION }: Pick<StoreOptions, 'directory' | 'partitions'>,
    trees: RangeTrees,
    haveFloors: boolean,
    store: CountedStore,
  ) {
    this.#env = env
    this.#directory = directory
    this.#partitions = partitions
    this.#floorless = new Set(
      haveFloors ? [] : Array.from({ length: trees.ranges.count }, (_, range) => range),
    )
    this.#trees = trees
    this.#store = store
  }

  get facts(): TreeKeeperFacts {
    return {
      ...this.#trees.facts,
      counting: this.#running,
      rebuiltRanges: this.#rebuiltRanges,
      lastError: this.#lastError,
    }
  }

  /** Begins, at once, before anything is written: with `base`, and then with all ranges that are not ready. */
  start(base: SavedBase | null): void {
    if (base === null || base.ranges.length === 0) return this.#next()
    const { sequence, ranges } = base
    const tables = this.#store.tables()
    const newer = tables.filter(({ table }) => table.summary.minSequence > sequence)
    const older = tables.filter(({ table }) => table.summary.maxSequence <= sequence)
    this.#run(ranges, newer, older)
  }

  /** What the trees of a range hold is in doubt: they are counted anew. */
  recount(range: number): void {
    this.#trees.reset(range)
    this.#next()
  }

  /** Entries of the slots up to `floor`, a sequence, count as absent: where trees were counted with another one, they are anew. */
  setFloor({ firstSlot, lastSlot }: SlotRange, floor: number): void {
    const { ranges, floors } = this.#trees
    for (let range = ranges.ofSlot[firstSlot]; range <= ranges.ofSlot[lastSlot]; range++) {
      const isFloorless = this.#floorless.delete(range) && floor > 0
      if (floors[range] === floor && !isFloorless) continue
      this.#wantsKeys.add(range)
      this.#trees.reset(range, floor)
    }
    this.#next()
  }

  /** As setFloor(), for every range. */
  setFloors(floors: Floors): void {
    const { ofSlot } = this.#trees.ranges
    for (let slot = 0; slot < ofSlot.length; slot++) {
      if (slot === 0 || ofSlot[slot] !== ofSlot[slot - 1])
        this.setFloor({ firstSlot: slot, lastSlot: slot }, floors.of(slot))
    }
  }

  /** RULES P1: the hours that end at or before what the ranges say are purged. */
  forgetHours(ranges: readonly PurgeRange[]): void {
    const { ofSlot } = this.#trees.ranges
    for (const { firstSlot, lastSlot, untilMs } of ranges) {
      for (let range = ofSlot[firstSlot]; range <= ofSlot[lastSlot]; range++) {
        this.#trees.forgetHours(range, untilMs)
      }
    }
  }

  /**
   * FLUSHALL: the trees begin anew, with what was stamped above the mark and came before it. As a rule that is all in memory;
   * else everything is counted.
   */
  flush(mark: number): void {
    const trees = this.#trees
    trees.flush(mark)
    // They have begun anew too, with what is above the mark and above the floors.
    this.#wantsKeys.clear()
    const inMemoryFrom = this.#store.inMemoryFrom()
    const isInTables = ({ table: { summary } }: LiveTable): boolean =>
      summary.maxHlc > mark && summary.minSequence < inMemoryFrom
    if (this.#store.tables().some(isInTables)) {
      for (let range = 0; range < trees.ranges.count; range++) trees.reset(range)
      return this.#next()
    }
    this.#store.eachAboveInMemory(mark, (token, bytes, record) => trees.add(token, bytes, record))
  }

  stop(): void {
    this.#stopped = true
    this.#retry?.cancel()
  }

  #next(): void {
    if (this.#stopped || this.#running || this.#retry !== null) return
    const trees = this.#trees
    const wanted: number[] = []
    for (let range = 0; range < trees.ranges.count; range++) if (!trees.isReady(range)) wanted.push(range)
    if (wanted.length === 0) return
    // What lies below the flush mark adds nothing, nor does it hide anything that does.
    const tables = this.#store.tables().filter(({ table }) => table.summary.maxHlc > trees.flushMark)
    const bytes = tables.reduce((sum, { table }) => sum + table.summary.sizeBytes, 0)
    const rangesPerJob = Math.max(1, Math.floor((JOB_BYTES * trees.ranges.count) / bytes))
    const ranges = wanted.slice(0, rangesPerJob)
    for (const range of ranges) trees.reset(range)
    this.#rebuiltRanges += ranges.length
    this.#run(ranges, tables, [])
  }

  #run(ranges: readonly number[], newer: readonly LiveTable[], older: readonly LiveTable[]): void {
    const trees = this.#trees
    const counted = ranges.map((range): CountedRange => {
      const keys = this.#wantsKeys.has(range) ? this.#store.counts().partition(range) : null
      return { range, resets: trees.resetsOf(range), keys }
    })
    const segments = this.#store.segments().filter((segment) => segment.keyCount > 0)
    const tables = [...newer, ...older]
    for (const { table } of tables) table.hold()
    for (const segment of segments) segment.memory.holds++
    const job: CountTreesJob = {
      directory: this.#directory,
      partitions: this.#partitions,
      ranges,
      newer: newer.map(({ facts }) => facts),
      older: older.map(({ facts }) => facts),
      segments: segments.map(countedSegment),
      flushMark: trees.flushMark,
      floors: trees.floors.slice(),
      countsKeys: counted.some(({ keys }) => keys !== null),
    }
    this.#running = true
    const ended = (): void => {
      this.#running = false
      for (const { table } of tables) table.release()
      for (const segment of segments) segment.memory.holds--
    }
    this.#env.jobs.countTrees(job).then(
      ({ trees: bytes, counts }) => {
        ended()
        if (this.#stopped) return
        this.#add(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), counts, counted)
        this.#next()
        const { facts } = this.#trees
        if (facts.readyRanges === facts.ranges) this.#store.onCounted()
      },
      (error: unknown) => {
        ended()
        this.#failed(error)
      },
    )
  }

  /** A range that began anew meanwhile is counted again. */
  #add(bytes: Buffer, counts: KeyCounts | null, counted: readonly CountedRange[]): void {
    const trees = decodeTrees(bytes, 'what a worker has counted')
    for (const { range, resets, keys } of counted) {
      const { hours } = trees.ranges[range]
      if (hours === null || this.#trees.resetsOf(range) !== resets) continue
      this.#trees.merge(range, hours)
      this.#trees.makeReady(range)
      if (keys === null || counts === null) continue
      this.#store.counts().counted(range, keys, partitionOf(counts, range))
      this.#wantsKeys.delete(range)
    }
  }

  /** What was loaded may lack what the job should have added: everything that is not ready is counted from nothing then. */
  #failed(error: unknown): void {
    if (this.#stopped) return
    this.#lastError = String(error)
    const event = error instanceof CorruptionError ? 'trees not counted: damage' : 'trees not counted'
    this.#env.log.warn(event, { error: this.#lastError })
    if (error instanceof CorruptionError) {
      const damaged = this.#store.tables().find(({ table }) => table.path === error.file)
      damaged?.table.onDamage(damaged.table, error)
    }
    this.#retry = this.#env.clock.after(RETRY_AFTER_MS, () => {
      this.#retry = null
      this.#next()
    })
  }
}

/** Appending goes on in the active segment: its arena only grows, its index is copied. */
function countedSegment({ memory, sealed }: Segment): CountedSegment {
  return { arena: memory.shared, records: sealed ? memory.records : memory.records.slice() }
}
