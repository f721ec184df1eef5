/**
 * Counts the keys of a tree of tables one by one: what a start does when the counts file, which it would rather read, is
 * damaged or gone. It reads every table once, merged by key, so that of each key only the newest entry counts (RULES T6).
 *
 * Expired values are counted like living ones, under the second of their death: what the log says next of such a key may
 * still displace it, and once the time is known the seconds that are over are subtracted anyway.
 */
import type { Disk } from '../env/disk.js'
import {
  KIND_VALUE,
  siblingCount,
  siblingExpireAt,
  siblingHlc,
  siblingKind,
  siblingsStart,
} from '../record/layout.js'
import { MinHeap } from '../util/heap.js'
import { compareSources, haveSameKey, mergeSources } from './compaction/merge-source.js'
import type { MergeSource } from './compaction/merge-source.js'
import type { KeyCounts } from './counts-file.js'
import { LiveCounts } from './live-counts.js'
import { DISPLACED_NOTHING } from './log/segment-format.js'
import type { ManifestTable } from './manifest.js'

/** Keys whose dots lie above the flush mark (an HLC, 0 for none). Throws CorruptionError and the disk's errors. */
export function recountKeys(
  disk: Disk,
  directory: string,
  tables: readonly ManifestTable[],
  flushMark: number,
): KeyCounts {
  const counts = new LiveCounts()
  const sources = mergeSources(disk, directory, tables)
  const heap = new MinHeap<MergeSource>(compareSources)
  const step = (source: MergeSource): void => {
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
    }
  } finally {
    for (const source of sources) source.close()
  }
  return counts.snapshot()
}

function countEntry(counts: LiveCounts, { bytes, record }: MergeSource, flushMark: number): void {
  if (siblingCount(bytes, record) === 0) return
  const winner = siblingsStart(bytes, record)
  if (siblingKind(bytes, winner) !== KIND_VALUE || siblingHlc(bytes, winner) <= flushMark) return
  counts.wrote(DISPLACED_NOTHING, siblingExpireAt(bytes, winner))
}
