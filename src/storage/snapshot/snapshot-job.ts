/**
 * Makes a snapshot of what one manifest names: the files get a second name in a folder of their own, beside a manifest without logs and
 * the file SNAPSHOT, and the folder gets its name when all of that is durable. Tables never change and whoever asked for the job
 * holds them, so writes go on meanwhile and nothing is read but the ends of the files.
 *
 * Where the file system gives no second name (the folder is on another disk), bytes are copied and synced instead.
 */
import type { Disk } from '../../env/disk.js'
import type { Log } from '../../env/log.js'
import type { Pace } from '../compaction/pace.js'
import { PACE_STEP_BYTES } from '../compaction/pace.js'
import { syncParents } from '../data-directory.js'
import { diskErrorCode } from '../disk-error.js'
import { countsFileName, pathOf, tableFileName, treesFileName } from '../file-names.js'
import { JobError } from '../jobs/job-error.js'
import type { SnapshotJob, SnapshotResult } from '../jobs/storage-jobs.js'
import { Manifest } from '../manifest.js'
import type { ManifestState } from '../manifest.js'
import { describeFile, snapshotBytes, writeSnapshotFile } from './snapshot-file.js'
import { pruneSnapshots, removeFolder, temporaryPath } from './snapshot-folder.js'

/** What link() answers where there are no second names, or no more of them for this file. */
const NO_LINKS: ReadonlySet<string | null> = new Set([
  'EXDEV',
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EMLINK',
  'ENOSYS',
])

/** Runs the job to its end in this thread. Throws JobError 'exists' and the disk's errors; then nothing of the snapshot is left. */
export function runSnapshot(disk: Disk, job: SnapshotJob, pace: Pace): SnapshotResult {
  const { folder, name } = job
  const path = pathOf(folder, name)
  if (disk.exists(path)) throw new JobError('exists', `there is a snapshot ${path} already`)
  const temporary = temporaryPath(folder, name)
  let copiedBytes: number
  let totalBytes: number
  try {
    makeSnapshotFolder(disk, folder, name)
    copiedBytes = takeFiles(disk, job, temporary, pace)
    totalBytes = writeFacts(disk, job, temporary)
    disk.syncDirectory(temporary)
    disk.rename(temporary, path)
  } catch (error) {
    removeQuietly(disk, temporary)
    throw error
  }
  disk.syncDirectory(folder)
  return { totalBytes, copiedBytes, ...pruned(disk, folder, job.keep) }
}

/** The new one is whole, whatever becomes of the old ones. */
function pruned(disk: Disk, folder: string, keep: number): Pick<SnapshotResult, 'removed' | 'keptBecause'> {
  try {
    return { removed: pruneSnapshots(disk, folder, keep), keptBecause: '' }
  } catch (error) {
    if (diskErrorCode(error) === null) throw error
    return { removed: [], keptBecause: String(error) }
  }
}

/** Makes the folder that a snapshot is made in. All of its path is durable but its own name. Throws the disk's errors. */
export function makeSnapshotFolder(disk: Disk, folder: string, name: string): void {
  disk.makeDirectory(temporaryPath(folder, name))
  syncParents(disk, SILENT, folder)
}

/** A thread has no log; that some parent directory is not ours to sync is no news to the node. */
const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** Answers how many bytes had to be copied. */
function takeFiles(disk: Disk, { directory, state, besides }: SnapshotJob, into: string, pace: Pace): number {
  let copiedBytes = 0
  for (const name of filesOf(state)) {
    try {
      disk.link(pathOf(directory, name), pathOf(into, name))
    } catch (error) {
      if (!NO_LINKS.has(diskErrorCode(error))) throw error
      copiedBytes += copyFile(disk, pathOf(directory, name), pathOf(into, name), (bytes) => pace.spend(bytes))
    }
  }
  for (const name of besides) {
    const path = pathOf(directory, name)
    if (disk.exists(path)) copyFile(disk, path, pathOf(into, name))
  }
  Manifest.write(disk, into, { ...state, logs: [] })
  return copiedBytes
}

/** All that a manifest names but logs. */
export function filesOf({ tables, countsFile, treesFile }: ManifestState): string[] {
  const names = tables.map(({ fileNumber }) => tableFileName(fileNumber))
  if (countsFile !== 0) names.push(countsFileName(countsFile))
  if (treesFile !== 0) names.push(treesFileName(treesFile))
  return names
}

/** Answers the bytes of all files. What the caller has put into the folder before is the snapshot's too. */
function writeFacts(disk: Disk, job: SnapshotJob, into: string): number {
  const { name, madeAtMs, origin, sequence, state } = job
  const files = disk
    .list(into)
    .sort()
    .map((one) => describeFile(disk, into, one))
  const { directoryId, flushMark, gaps } = state
  const facts = { name, madeAtMs, origin, directoryId, sequence, flushMark, gaps: gaps.length, files }
  writeSnapshotFile(disk, into, facts)
  return snapshotBytes(facts)
}

/** Copies and syncs a file, telling of every megabyte or so; answers its bytes. Throws the disk's errors. */
export function copyFile(
  disk: Disk,
  from: string,
  to: string,
  onBytes: (bytes: number) => void = () => {},
): number {
  const source = disk.open(from, 'read')
  try {
    const target = disk.open(to, 'create')
    try {
      const piece = Buffer.allocUnsafe(PACE_STEP_BYTES)
      let at = 0
      for (;;) {
        const length = disk.readSync(source, piece, 0, piece.length, at)
        if (length === 0) break
        disk.writeSync(target, piece, 0, length, at)
        at += length
        onBytes(length)
      }
      disk.syncSync(target)
      return at
    } finally {
      disk.close(target)
    }
  } finally {
    disk.close(source)
  }
}

function removeQuietly(disk: Disk, path: string): void {
  try {
    if (disk.exists(path)) removeFolder(disk, path)
  } catch (error) {
    // The job has failed already, and that is what its caller hears of; the next start removes what stays.
    if (diskErrorCode(error) === null) throw error
  }
}
