/**
 * What a window leaves behind (RULES T2). Its tables are about to go as they are, unread. But entries with FLAG_SHADOWS hide
 * something older of their key that dies later, and it would come to light: each of them leaves a *local tombstone* in the levels,
 * a deletion with that entry's own sequence. It hides exactly what the entry hid; with a fresh sequence it would hide what was
 * written since.
 *
 * Where nothing outside the window may hold an older version (RULES T4) none is needed. Whether a newer one is known is not asked:
 * a tombstone can only hide older ones, and the next merge with the newer one takes it away.
 *
 * The tables' lists of flagged entries name tokens and sequences; only the blocks that hold their keys are read, and checked.
 */
import type { Disk } from '../../env/disk.js'
import {
  contextActor,
  contextStart,
  KIND_DELETION,
  keyLength,
  keyStart,
  siblingActorIndex,
  siblingHlc,
  siblingsStart,
} from '../../record/layout.js'
import { singleRecordBytes, writeSingleRecord } from '../../record/record-writer.js'
import { MinHeap } from '../../util/heap.js'
import { totalBytes } from '../compaction/levels.js'
import { compareSources, haveSameKey, pathsOf } from '../compaction/merge-source.js'
import { OlderElsewhere } from '../compaction/older-elsewhere.js'
import type { Pace } from '../compaction/pace.js'
import { TableRun } from '../compaction/table-run.js'
import {
  ENTRY_HEADER_BYTES,
  entrySequence,
  FLAG_LOCAL_TOMBSTONE,
  KIND_RECORD,
  writeEntryHeader,
} from '../entry.js'
import type { DropWindowJob, DropWindowResult } from '../jobs/storage-jobs.js'
import { FlaggedSource } from './flagged-source.js'

/** Runs the job to its end in this thread. Throws CorruptionError, JobError 'cancelled' (from `pace`), the disk's errors. */
export function runDropWindow(disk: Disk, job: DropWindowJob, pace: Pace): DropWindowResult {
  const older = new OlderElsewhere(job.others)
  const output = new TableRun(disk, { ...job, purgedUntilMs: 0, purgedMark: 0 }, pace)
  const flagged = job.inputs.filter(({ flaggedCount }) => flaggedCount > 0)
  const sources = pathsOf(job.directory, flagged).map((path) => new FlaggedSource(disk, path))
  const heap = new MinHeap<FlaggedSource>(compareSources)
  const step = (source: FlaggedSource): void => void (source.advance() && heap.push(source))
  try {
    sources.forEach(step)
    for (let newest = heap.pop(); newest !== undefined; newest = heap.pop()) {
      for (let other = heap.peek(); other !== undefined && haveSameKey(newest, other); other = heap.peek()) {
        heap.pop()
        step(other)
      }
      if (older.mayHold(newest.token, entrySequence(newest.bytes, newest.record))) {
        const bytes = localTombstone(newest.bytes, newest.record)
        output.add(newest.token, newest.first, newest.second, bytes, ENTRY_HEADER_BYTES)
      }
      step(newest)
    }
    const tables = output.finish()
    return { tables, tombstones: output.entries, bytesWritten: totalBytes(tables) }
  } catch (error) {
    output.abandon()
    throw error
  } finally {
    for (const source of sources) source.close()
  }
}

/** The entry that goes on hiding what the one at bytes[record…] hid: of its sequence, and of its winner's dot. */
function localTombstone(bytes: Buffer, record: number): Buffer {
  const key = keyStart(record)
  const keyBytes = keyLength(bytes, record)
  const winner = siblingsStart(bytes, record)
  const actor = contextActor(bytes, contextStart(bytes, record), siblingActorIndex(bytes, winner))
  const at = ENTRY_HEADER_BYTES
  const into = Buffer.alloc(at + singleRecordBytes(null, 0, actor, keyBytes, 0))
  const hlc = siblingHlc(bytes, winner)
  writeSingleRecord(into, at, bytes, key, key + keyBytes, null, 0, actor, hlc, KIND_DELETION, 0, into, 0, 0)
  writeEntryHeader(into, at, entrySequence(bytes, record), FLAG_LOCAL_TOMBSTONE, KIND_RECORD)
  return into
}
