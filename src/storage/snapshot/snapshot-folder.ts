/**
 * The folder of a node's snapshots: one folder in it for each, under its name.
 *
 *     snapshots/20261122-032345       whole: it was renamed to this name once all that is in it was synced
 *     snapshots/20261123-032345.tmp   being made or removed, or a leftover of a crash, which the next start removes
 *
 * A snapshot that goes is renamed before the first of its files does: under its own name there is never half of one.
 */
import type { Disk } from '../../env/disk.js'
import { diskErrorCode } from '../disk-error.js'
import { pathOf } from '../file-names.js'
import { readSnapshotFile, SnapshotError } from './snapshot-file.js'
import type { SnapshotFacts } from './snapshot-file.js'

const TEMPORARY = '.tmp'
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** Whether a snapshot may be called so. */
export function isSnapshotName(name: string): boolean {
  return NAME.test(name) && !name.endsWith(TEMPORARY)
}

/** '20261122-032345', UTC. */
export function snapshotNameAt(wallMs: number): string {
  const [day, time] = new Date(wallMs).toISOString().slice(0, 19).split('T')
  return `${day.replaceAll('-', '')}-${time.replaceAll(':', '')}`
}

/** Where a snapshot is while it is made or removed. */
export function temporaryPath(folder: string, name: string): string {
  return pathOf(folder, name + TEMPORARY)
}

/** The whole snapshots in the folder, oldest first. What cannot be read is left out. Throws the disk's errors. */
export function listSnapshots(disk: Disk, folder: string): SnapshotFacts[] {
  if (!disk.exists(folder)) return []
  const found: SnapshotFacts[] = []
  for (const name of disk.list(folder).filter(isSnapshotName)) {
    try {
      found.push({ ...readSnapshotFile(disk, pathOf(folder, name)), name })
    } catch (error) {
      if (!(error instanceof SnapshotError) && diskErrorCode(error) === null && !isCorruption(error))
        throw error
    }
  }
  return found.sort((a, b) => a.madeAtMs - b.madeAtMs || (a.name < b.name ? -1 : 1))
}

function isCorruption(error: unknown): boolean {
  return error instanceof Error && error.name === 'CorruptionError'
}

/** Removes the oldest whole snapshots beyond `keep` (0: keeps all) and answers their names. Throws the disk's errors. */
export function pruneSnapshots(disk: Disk, folder: string, keep: number): string[] {
  if (keep === 0) return []
  const names = listSnapshots(disk, folder).map(({ name }) => name)
  const old = names.slice(0, Math.max(0, names.length - keep))
  for (const name of old) removeSnapshot(disk, folder, name)
  return old
}

export function removeSnapshot(disk: Disk, folder: string, name: string): void {
  const temporary = temporaryPath(folder, name)
  if (disk.exists(temporary)) removeFolder(disk, temporary)
  disk.rename(pathOf(folder, name), temporary)
  disk.syncDirectory(folder)
  removeFolder(disk, temporary)
}

/** Removes what a crash has left of snapshots that were being made or removed; answers how many. Throws the disk's errors. */
export function removeUnfinished(disk: Disk, folder: string): number {
  if (!disk.exists(folder)) return 0
  const unfinished = disk.list(folder).filter((name) => name.endsWith(TEMPORARY))
  for (const name of unfinished) removeFolder(disk, pathOf(folder, name))
  return unfinished.length
}

/** The files in it and itself; there are no folders in the folder of a snapshot. */
export function removeFolder(disk: Disk, path: string): void {
  for (const name of disk.list(path)) disk.unlink(pathOf(path, name))
  disk.removeDirectory(path)
}
