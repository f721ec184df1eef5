/**
 * Turns a full segment into tables of level 0: sorts what its index names, the newest entry of every key, and writes it
 * out. Nothing is dropped, not even what is dead already: a tombstone may go only when no table and no older segment can
 * hold an older version (RULES T4), which for a segment is the exception, and the first compaction asks anyway. Entries
 * keep sequence and flags.
 */
import type { Disk } from '../../env/disk.js'
import { recordLength } from '../../record/layout.js'
import { assert } from '../../util/assert.js'
import { totalBytes } from '../compaction/levels.js'
import type { Pace } from '../compaction/pace.js'
import { TableRun } from '../compaction/table-run.js'
import { writeCounts } from '../counts-file.js'
import { countsFileName, pathOf } from '../file-names.js'
import type { WrittenTable } from '../manifest.js'
import type { FlushJob, FlushResult } from './storage-jobs.js'
import { TokenOrder } from './token-order.js'

/** Runs the job to its end in this thread. Throws JobError 'cancelled' (from `pace`) and the disk's errors. */
export function runFlush(disk: Disk, job: FlushJob, pace: Pace): FlushResult {
  const countsPath = job.counts === null ? null : pathOf(job.directory, countsFileName(job.counts.fileNumber))
  const output = new TableRun(disk, { ...job, purgedUntilMs: 0, purgedMark: 0 }, pace)
  try {
    // Before the tables, whose finish makes all names durable at once.
    const countsBytes =
      job.counts === null || countsPath === null ? 0 : writeCounts(disk, countsPath, job.counts.counts)
    const tables = writeTables(job, output)
    if (tables.length === 0 && countsPath !== null) disk.syncDirectory(job.directory)
    return { tables, entries: output.entries, bytesWritten: totalBytes(tables) + countsBytes }
  } catch (error) {
    output.abandon()
    if (countsPath !== null) removeQuietly(disk, countsPath)
    throw error
  }
}

function writeTables(job: FlushJob, output: TableRun): readonly WrittenTable[] {
  const arena = Buffer.from(job.arena)
  const order = new TokenOrder(arena, recordsOf(job.recordOffsets))
  for (let i = 0; i < order.count; i++) {
    const record = order.record(i)
    assert(record + recordLength(arena, record) <= job.arenaBytes, 'a record lies within its segment')
    output.add(order.token(i), order.first(i), order.second(i), arena, record)
  }
  return output.finish()
}

/**
 * What the index names, by offset: hashing the keys then walks through the arena instead of jumping about in it, which
 * more than pays for the sort (44 instead of 81 ms for 338,000 entries).
 */
function recordsOf(slots: Uint32Array): Uint32Array {
  let count = 0
  for (let i = 0; i < slots.length; i++) if (slots[i] !== 0) count++
  const records = new Uint32Array(count)
  for (let i = 0, next = 0; i < slots.length; i++) if (slots[i] !== 0) records[next++] = slots[i]
  return records.sort()
}

function removeQuietly(disk: Disk, path: string): void {
  try {
    if (disk.exists(path)) disk.unlink(path)
  } catch {
    // The job has failed already, and that is what its caller hears of.
  }
}
