/**
 * Merges tables into new ones: a k-way merge by (token, key) that keeps of every key the entry with the highest sequence
 * (RULES T6: never the one from the higher level or the later file) and drops that one too where it is dead and hides
 * nothing (drop-rule.ts).
 *
 * Inputs are only read. Every block is checked before an entry of it is used, so bytes that fail their checksum are never
 * copied into a new table, where they would be believed: the job ends with the CorruptionError, its outputs are removed,
 * and the tree is what it was.
 */
import type { Disk } from '../../env/disk.js'
import { recordLength } from '../../record/layout.js'
import { ENTRY_HEADER_BYTES } from '../entry.js'
import type { CompactJob, CompactResult } from '../jobs/storage-jobs.js'
import { MinHeap } from '../../util/heap.js'
import { DropRule, type DropCounts, type DropReason } from './drop-rule.js'
import { totalBytes } from './levels.js'
import { PurgeRanges } from '../purge-ranges.js'
import { compareSources, haveSameKey, mergeSources, type MergeSource } from './merge-source.js'
import { OlderElsewhere } from './older-elsewhere.js'
import { PACE_STEP_BYTES, type Pace } from './pace.js'
import { TableRun } from './table-run.js'

/** Runs the job to its end in this thread. Throws CorruptionError, JobError 'cancelled' (from `pace`), the disk's errors. */
export function runMerge(disk: Disk, job: CompactJob, pace: Pace): CompactResult {
  const plan = { ...job, purgedUntilMs: job.purgeableUntilMs, purgedMark: job.flushMark }
  const merge = new Merge(disk, job, pace, new TableRun(disk, plan, pace))
  return merge.run()
}

class Merge {
  readonly #job: CompactJob
  readonly #pace: Pace
  readonly #output: TableRun
  readonly #rule: DropRule
  readonly #sources: readonly MergeSource[]
  readonly #heap = new MinHeap<MergeSource>(compareSources)
  readonly #dropped: Record<keyof DropCounts, number> = { superseded: 0, deleted: 0, expired: 0, flushed: 0 }
  #entriesRead = 0
  #unpacedBytes = 0

  constructor(disk: Disk, job: CompactJob, pace: Pace, output: TableRun) {
    this.#job = job
    this.#pace = pace
    this.#output = output
    const ranges = job.purgeRanges === undefined ? null : new PurgeRanges(job.purgeRanges)
    this.#rule = new DropRule(
      (token, deathMs) => ranges?.isPurgeable(token, deathMs) ?? deathMs <= job.purgeableUntilMs,
      (token, sequence) => ranges?.isBelowFloor(token, sequence) === true,
      job.flushMark,
      new OlderElsewhere(job.others),
    )
    this.#sources = mergeSources(disk, job.directory, job.inputs)
  }

  run(): CompactResult {
    try {
      for (const source of this.#sources) if (source.advance()) this.#heap.push(source)
      while (this.#heap.size > 0) this.#mergeKey()
      return this.#result()
    } catch (error) {
      this.#output.abandon()
      throw error
    } finally {
      for (const source of this.#sources) source.close()
    }
  }

  /** Takes all entries of the next key off the heap and writes the newest, if any has to be written. */
  #mergeKey(): void {
    const heap = this.#heap
    const newest = heap.pop() as MergeSource
    for (let other = heap.peek(); other !== undefined && haveSameKey(newest, other); other = heap.peek()) {
      heap.pop()
      this.#dropped.superseded++
      this.#step(other)
    }
    const { token, bytes, record } = newest
    const reason: DropReason | null = this.#rule.reasonToDrop(token, bytes, record)
    if (reason === null) this.#output.add(token, newest.first, newest.second, bytes, record)
    else this.#dropped[reason]++
    this.#step(newest)
  }

  /** Leaves a source's entry behind. */
  #step(source: MergeSource): void {
    this.#entriesRead++
    this.#unpacedBytes += ENTRY_HEADER_BYTES + recordLength(source.bytes, source.record)
    if (this.#unpacedBytes >= PACE_STEP_BYTES) {
      this.#pace.spend(this.#unpacedBytes)
      if (this.#job.progress !== undefined) Atomics.add(this.#job.progress, 0, this.#unpacedBytes >>> 10)
      this.#unpacedBytes = 0
    }
    if (source.advance()) this.#heap.push(source)
  }

  #result(): CompactResult {
    const tables = this.#output.finish()
    return {
      tables,
      entriesRead: this.#entriesRead,
      entriesWritten: this.#output.entries,
      bytesRead: totalBytes(this.#job.inputs),
      bytesWritten: totalBytes(tables),
      dropped: this.#dropped,
    }
  }
}
