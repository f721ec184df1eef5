/**
 * Which size-tiered tables to compact next, as Cassandra's SizeTieredCompactionStrategy does it: runs of similar size form a
 * bucket, and a bucket of enough of them is merged into one run, which then belongs to the next larger ones. Each byte is
 * rewritten once per tier, so log base minRuns of (data / flush) times, where leveled compaction rewrites it up to ten times per level. The
 * price is paid by reads, which have to look at every run whose filter does not exclude the key, and in space: an overwritten value
 * stays until its run meets the newer one. For keys that are written often and read seldom.
 *
 * Garbage. What is dead may leave only when nothing else holds anything older (RULES T4). A run that is garbage is merged with all runs of
 * the family that may, when these are not much larger than what is gained; else it waits until its tier comes to be merged with
 * theirs. Where tables of other families or segments may hold something older, nothing could leave, so nothing is picked.
 *
 * Rejected: merging only neighbours in time, as RocksDB's universal compaction does, so that runs never overlap in sequence. "Newest" is the
 * highest sequence here, wherever it lies (RULES T6), so nothing depends on it.
 */
import { FAMILY_SIZE_TIERED } from '../families.js'
import type { ManifestTable } from '../manifest.js'
import type { CompactionOptions } from './compaction-options.js'
import { isGarbage, isWorthAnotherLook } from './garbage.js'
import { mayHoldOlder, totalBytes } from './levels.js'
import type { CompactionPick, CompactionView } from './picker.js'
import { mergeOf } from './picks.js'
import { runsOf, type Run } from './runs.js'

/** A run belongs to a bucket from half to one and a half times the average in it. */
const BUCKET_LOW = 0.5
const BUCKET_HIGH = 1.5

/** Runs of similar size. */
interface Bucket {
  readonly runs: Run[]
  bytes: number
}

/** The merge of the fullest bucket, or null when none has enough runs. */
export function pickSizeTiered(view: CompactionView, options: CompactionOptions): CompactionPick | null {
  const buckets = bucketsOf(freeRuns(view), options).filter(({ runs }) => runs.length >= options.tierRunsMin)
  if (buckets.length === 0) return null
  const fullest = buckets.reduce((best, bucket) => (bucket.runs.length > best.runs.length ? bucket : best))
  const oldestFirst = fullest.runs.toSorted((a, b) => a.maxSequence - b.maxSequence)
  const runs = oldestFirst.slice(0, options.tierRunsMax)
  return mergeOf(view, 'size-tier', tablesOf(runs), 0)
}

/** A merge after which something dead is gone, or null. */
export function pickSizeTieredGarbage(
  view: CompactionView,
  options: CompactionOptions,
): CompactionPick | null {
  const free = tablesOf(freeRuns(view))
  for (const table of free) {
    if (!isGarbage(table, view, options) || !isWorthAnotherLook(table, view, options)) continue
    if (view.segments.some((segment) => mayHoldOlder(segment, table))) continue
    const older = view.tables.filter((other) => other !== table && mayHoldOlder(other, table))
    if (!older.every((other) => free.includes(other))) continue
    const inputs = [table, ...older]
    if (totalBytes(inputs) > table.sizeBytes * options.levelMultiplier) continue
    return mergeOf(view, 'garbage', inputs, 0)
  }
  return null
}

/** How many runs wait for one merge: what the store slows its writers down by, as by the depth of level 0. */
export function sizeTieredBacklog(tables: readonly ManifestTable[], options: CompactionOptions): number {
  const buckets = bucketsOf(runsOf(tables.filter(isSizeTiered)), options)
  return buckets.reduce((most, { runs }) => Math.max(most, runs.length), 0)
}

function isSizeTiered({ family }: ManifestTable): boolean {
  return family === FAMILY_SIZE_TIERED
}

/** Those of which no table is busy or damaged. */
function freeRuns({ tables, busy, damaged }: CompactionView): Run[] {
  const isFree = ({ fileNumber }: ManifestTable): boolean =>
    !busy.has(fileNumber) && damaged?.has(fileNumber) !== true
  return runsOf(tables.filter(isSizeTiered)).filter((run) => run.tables.every(isFree))
}

/** From the smallest runs to the largest; those below tierSmallBytes are all of one bucket. */
function bucketsOf(runs: readonly Run[], { tierSmallBytes }: CompactionOptions): Bucket[] {
  const buckets: Bucket[] = []
  for (const run of runs.toSorted((a, b) => a.sizeBytes - b.sizeBytes)) {
    const bucket = buckets.find((one) => {
      const average = one.bytes / one.runs.length
      const isSimilar = run.sizeBytes >= average * BUCKET_LOW && run.sizeBytes <= average * BUCKET_HIGH
      return isSimilar || (run.sizeBytes < tierSmallBytes && average < tierSmallBytes)
    })
    if (bucket === undefined) buckets.push({ runs: [run], bytes: run.sizeBytes })
    else {
      bucket.runs.push(run)
      bucket.bytes += run.sizeBytes
    }
  }
  return buckets
}

function tablesOf(runs: readonly Run[]): ManifestTable[] {
  return runs.flatMap((run) => run.tables)
}
