/**
 * Counts the keys of a tree of tables one by one: what a start does when the counts file, which it would rather read, is
 * damaged, gone, or of other partitions. It reads every table once, merged by key, so that of each key only the newest
 * entry counts (RULES T6). It goes in steps, between which whatever else the process has to do can run, and holds one
 * block per table of level 0 and per further level.
 *
 * Expired values are counted like living ones, under the second of their death: what the log says next of such a key may
 * still displace it, and once the time is known the seconds that are over are subtracted anyway.
 */
import {
  KIND_VALUE,
  siblingCount,
  siblingExpireAt,
  siblingHlc,
  siblingKind,
  siblingsStart,
} from '../record/layout.js'
import { slotOfToken } from '../ring/token.js'
import { MinHeap } from '../util/heap.js'
import { compareSources, haveSameKey, mergeSources } from './compaction/merge-source.js'
import type { MergeSource } from './compaction/merge-source.js'
import { isLocalTombstone } from './entry.js'
import type { LiveCounts } from './live-counts.js'
import { DISPLACED_NOTHING } from './log/segment-format.js'
import type { ManifestTable } from './manifest.js'
import type { StoreEnv } from './store-options.js'
import type { OnBlockDamage } from './table/table-scanner.js'

/** Entries that one step merges: some milliseconds. */
const STEP_ENTRIES = 10_000

/**
 * Adds to `counts` the keys whose dots lie above the flush mark (an HLC, 0 for none). `onDamage` is told of blocks that cannot
 * be counted; where there is none, that is the end. Rejects with CorruptionError and the disk's errors.
 */
export async function recountKeys(
  { disk, clock }: Pick<StoreEnv, 'disk' | 'clock'>,
  directory: string,
  tables: readonly ManifestTable[],
  flushMark: number,
  counts: LiveCounts,
  onDamage: OnBlockDamage | null = null,
): Promise<void> {
  const sources = mergeSources(disk, directory, tables, onDamage)
  const heap = new MinHeap<MergeSource>(compareSources)
  let entries = 0
  const step = (source: MergeSource): void => {
    entries++
    if (source.advance()) heap.push(source)
  }
  try {
    for (const source of sources) step(source)
    for (let newest = heap.pop(); newest !== undefined; newest = heap.pop()) {
      for (let other = heap.peek(); other !== undefined && haveSameKey(newest, other); other = heap.peek()) {
        heap.pop()
        step(other)
      }
      countEntry(counts, newest, flushMark)
      step(newest)
      if (entries < STEP_ENTRIES) continue
      entries = 0
      await new Promise<void>((resolve) => clock.endOfTurn(resolve))
    }
  } finally {
    for (const source of sources) source.close()
  }
}

/** Adds a key by its newest entry, if that is a value with a dot above the flush mark. */
export function countEntry(
  counts: LiveCounts,
  { token, bytes, record }: Pick<MergeSource, 'token' | 'bytes' | 'record'>,
  flushMark: number,
): void {
  if (siblingCount(bytes, record) === 0 || isLocalTombstone(bytes, record)) return
  const winner = siblingsStart(bytes, record)
  if (siblingKind(bytes, winner) !== KIND_VALUE || siblingHlc(bytes, winner) <= flushMark) return
  counts.wrote(slotOfToken(token), DISPLACED_NOTHING, siblingExpireAt(bytes, winner))
}
