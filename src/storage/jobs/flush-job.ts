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
import { countsFileName, pathOf, treesFileName } from '../file-names.js'
import type { WrittenTable } from '../manifest.js'
import { writeTrees } from '../trees/trees-file.js'
import type { FlushJob, FlushResult } from './storage-jobs.js'
import { TokenOrder } from './token-order.js'

/** Runs the job to its end in this thread. Throws JobError 'cancelled' (from `pace`) and the disk's errors. */
export function runFlush(disk: Disk, job: FlushJob, pace: Pace): FlushResult {
  const beside = filesBeside(job)
  const output = new TableRun(disk, { ...job, purgedUntilMs: 0, purgedMark: 0 }, pace)
  try {
    // Before the tables, whose finish makes all names durable at once.
    const besideBytes = beside.reduce((sum, { path, write }) => sum + write(disk, path), 0)
    const tables = writeTables(job, output)
    if (tables.length === 0 && beside.length > 0) disk.syncDirectory(job.directory)
    return { tables, entries: output.entries, bytesWritten: totalBytes(tables) + besideBytes }
  } catch (error) {
    output.abandon()
    for (const { path } of beside) removeQuietly(disk, path)
    throw error
  }
}

/** A file that says something of all tables, as of the segment's end. */
interface FileBeside {
  readonly path: string
  /** Writes and syncs it; answers its bytes. */
  write(disk: Disk, path: string): number
}

function filesBeside({ directory, counts, trees }: FlushJob): readonly FileBeside[] {
  const files: FileBeside[] = []
  if (counts !== null) {
    const path = pathOf(directory, countsFileName(counts.fileNumber))
    files.push({ path, write: (disk) => writeCounts(disk, path, counts.counts) })
  }
  if (trees !== null) {
    const path = pathOf(directory, treesFileName(trees.fileNumber))
    files.push({ path, write: (disk) => writeTrees(disk, path, trees.bytes) })
  }
  return files
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
export function recordsOf(slots: Uint32Array): Uint32Array {
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
