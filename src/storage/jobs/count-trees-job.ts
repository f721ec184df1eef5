/**
 * Counts records for the trees of a node (trees/range-trees.ts), in a worker: the answer is what has to be added to trees that lack
 * it. Of every key that the *newer* inputs hold, tables and segments, its newest entry is added, and taken away is the
 * newest one that the *older* tables hold. So the job makes trees from nothing (everything is newer), and brings
 * saved ones up to date (older is what they were saved of, newer what came after).
 *
 * On the way live keys are counted, where the counts of a node are in doubt: they are those of the newer inputs' newest entries.
 *
 * Inputs do not change while it runs. The newer ones are merged as by a compaction, table by table in large reads; of the
 * older ones only blocks are read that may hold a key of the newer. Both by token, so each is passed over once.
 */
import type { Disk } from '../../env/disk.js'
import { keyLength, keyStart, recordLength } from '../../record/layout.js'
import { KeyHash, slotOfToken } from '../../ring/token.js'
import { MinHeap } from '../../util/heap.js'
import { assert } from '../../util/assert.js'
import { BlockCache } from '../block-cache.js'
import { compareSources, haveSameKey, levelRuns, MergeSource, pathsOf } from '../compaction/merge-source.js'
import type { MergeEntry } from '../compaction/merge-source.js'
import { PACE_STEP_BYTES } from '../compaction/pace.js'
import type { Pace } from '../compaction/pace.js'
import { ENTRY_HEADER_BYTES, EntryRef, entrySequence } from '../entry.js'
import { pathOf, tableFileName } from '../file-names.js'
import { LiveCounts } from '../live-counts.js'
import type { ManifestTable } from '../manifest.js'
import { countEntry } from '../recount-keys.js'
import { Table } from '../table/table.js'
import { COLD, FOUND } from '../table/table-lookup.js'
import { RangeTrees } from '../trees/range-trees.js'
import { TreeRanges } from '../trees/tree-ranges.js'
import type { TokenInterval } from '../trees/tree-ranges.js'
import { sealTrees } from '../trees/trees-file.js'
import { recordsOf } from './flush-job.js'
import type { CountTreesJob, CountTreesResult } from './storage-jobs.js'
import { TokenOrder } from './token-order.js'

/** For the blocks of older tables; of each run one is in use at a time. */
const OLDER_CACHE_BYTES = 4 * 1024 * 1024

/** Runs the job to its end in this thread. Throws CorruptionError, JobError 'cancelled' (from `pace`), the disk's errors. */
export function runCountTrees(disk: Disk, job: CountTreesJob, pace: Pace): CountTreesResult {
  const count = new TreeCount(disk, job, pace)
  for (const range of job.ranges) count.range(range)
  return count.result()
}

class TreeCount {
  readonly #disk: Disk
  readonly #job: CountTreesJob
  readonly #pace: Pace
  readonly #trees: RangeTrees
  readonly #counts: LiveCounts | null
  readonly #segments: readonly SegmentEntries[]
  readonly #hash = new KeyHash()
  #entriesRead = 0
  #unpacedBytes = 0

  constructor(disk: Disk, job: CountTreesJob, pace: Pace) {
    this.#disk = disk
    this.#job = job
    this.#pace = pace
    this.#trees = new RangeTrees(new TreeRanges(job.partitions))
    this.#trees.flush(job.flushMark)
    this.#counts = job.countsKeys ? new LiveCounts(job.partitions) : null
    this.#segments = job.segments.map(({ arena, records }) => new SegmentEntries(Buffer.from(arena), records))
  }

  result(): CountTreesResult {
    const trees = this.#trees.encode(0)
    assert(trees !== null, 'what is counted here is known')
    sealTrees(trees)
    return { trees, counts: this.#counts?.snapshot() ?? null, entriesRead: this.#entriesRead }
  }

  range(range: number): void {
    const interval = this.#trees.ranges.interval(range)
    const older = new OlderTables(this.#disk, this.#job.directory, overlapping(this.#job.older, interval))
    const tables = levelRuns(overlapping(this.#job.newer, interval)).map(
      (run) => new MergeSource(this.#disk, pathsOf(this.#job.directory, run), interval.from),
    )
    try {
      const heap = new MinHeap<CountedEntries>(compareSources)
      for (const segment of this.#segments) segment.seek(interval.from)
      for (const source of [...tables, ...this.#segments]) this.#step(source, interval.end, heap)
      while (heap.size > 0) this.#countKey(heap, older, interval.end)
    } finally {
      for (const table of tables) table.close()
      older.close()
    }
  }

  /** Takes all entries of the next key off the heap and counts the newest. */
  #countKey(heap: MinHeap<CountedEntries>, older: OlderTables, end: number): void {
    const newest = heap.pop() as CountedEntries
    for (let other = heap.peek(); other !== undefined && haveSameKey(newest, other); other = heap.peek()) {
      heap.pop()
      this.#step(other, end, heap)
    }
    this.#count(newest, older)
    this.#step(newest, end, heap)
  }

  #count(entry: CountedEntries, older: OlderTables): void {
    const { token, bytes, record } = entry
    const floor = this.#job.floors[this.#trees.ranges.ofSlot[slotOfToken(token)]]
    if (entrySequence(bytes, record) <= floor) return
    if (this.#counts !== null) countEntry(this.#counts, entry, this.#job.flushMark)
    const start = keyStart(record)
    const end = start + keyLength(bytes, record)
    this.#hash.of(bytes, start, end)
    const old = older.newest(this.#hash, bytes, start, end)
    const isCounted = old !== null && entrySequence(old, ENTRY_HEADER_BYTES) > floor
    this.#trees.replaced(token, isCounted ? old : null, ENTRY_HEADER_BYTES, bytes, record)
  }

  /** Goes to a source's next entry, which goes to the heap if it belongs to the range. */
  #step(source: CountedEntries, end: number, heap: MinHeap<CountedEntries>): void {
    if (!source.advance() || source.token >= end) return
    this.#entriesRead++
    this.#unpacedBytes += ENTRY_HEADER_BYTES + recordLength(source.bytes, source.record)
    if (this.#unpacedBytes >= PACE_STEP_BYTES) {
      this.#pace.spend(this.#unpacedBytes)
      this.#unpacedBytes = 0
    }
    heap.push(source)
  }
}

interface CountedEntries extends MergeEntry {
  /** Goes to the next entry; false at the end. */
  advance(): boolean
}

/** The newest entry of every key of a segment, by token. */
class SegmentEntries implements CountedEntries {
  token = -1
  readonly bytes: Buffer
  record = 0
  readonly #order: TokenOrder
  #next = 0

  constructor(arena: Buffer, records: Uint32Array) {
    this.bytes = arena
    this.#order = new TokenOrder(arena, recordsOf(records))
  }

  /** The next advance() goes to the first entry at or after `token`. Ranges ascend, so it never goes back. */
  seek(token: number): void {
    // The last entry may have been looked at only to see that it belongs to a later range.
    if (this.#next > 0 && this.token >= token) this.#next--
    while (this.#next < this.#order.count && this.#order.token(this.#next) < token) this.#next++
  }

  advance(): boolean {
    if (this.#next === this.#order.count) return false
    this.token = this.#order.token(this.#next)
    this.record = this.#order.record(this.#next)
    this.#next++
    return true
  }
}

/** Finds the newest entry of keys that come by token, in tables of which one per level is open at a time. */
class OlderTables {
  readonly #runs: readonly OlderRun[]
  readonly #entry = new EntryRef()

  constructor(disk: Disk, directory: string, tables: readonly ManifestTable[]) {
    const cache = new BlockCache(tables.length === 0 ? 0 : OLDER_CACHE_BYTES)
    this.#runs = levelRuns(tables).map((run) => new OlderRun(disk, directory, run, cache))
  }

  /** A copy of the newest entry, with its header; null where there is none. */
  newest(hash: KeyHash, bytes: Buffer, start: number, end: number): Buffer | null {
    let newest: Buffer | null = null
    for (const run of this.#runs) {
      if (!run.find(hash, bytes, start, end, this.#entry)) continue
      const { bytes: found, record } = this.#entry
      if (newest !== null && entrySequence(newest, ENTRY_HEADER_BYTES) > entrySequence(found, record))
        continue
      newest = Buffer.from(found.subarray(record - ENTRY_HEADER_BYTES, record + recordLength(found, record)))
    }
    return newest
  }

  close(): void {
    for (const run of this.#runs) run.close()
  }
}

class OlderRun {
  readonly #disk: Disk
  readonly #directory: string
  readonly #tables: readonly ManifestTable[]
  readonly #cache: BlockCache
  #index = 0
  #open: Table | null = null

  constructor(disk: Disk, directory: string, tables: readonly ManifestTable[], cache: BlockCache) {
    this.#disk = disk
    this.#directory = directory
    this.#tables = tables
    this.#cache = cache
  }

  find(hash: KeyHash, bytes: Buffer, start: number, end: number, into: EntryRef): boolean {
    while (this.#index < this.#tables.length && this.#tables[this.#index].maxToken < hash.token) {
      this.close()
      this.#index++
    }
    if (this.#index === this.#tables.length || this.#tables[this.#index].minToken > hash.token) return false
    const table = (this.#open ??= this.#openTable(this.#tables[this.#index].fileNumber))
    let answer = table.find(hash, bytes, start, end, into)
    while (answer === COLD) {
      table.loadSync(table.coldBlock)
      answer = table.find(hash, bytes, start, end, into)
    }
    return answer === FOUND
  }

  #openTable(fileNumber: number): Table {
    return Table.open(this.#disk, pathOf(this.#directory, tableFileName(fileNumber)), this.#cache, fileNumber)
  }

  close(): void {
    this.#open?.retire(false)
    this.#open = null
  }
}

function overlapping(tables: readonly ManifestTable[], { from, end }: TokenInterval): ManifestTable[] {
  return tables.filter((table) => table.maxToken >= from && table.minToken < end)
}
