/**
 * Where damaged files go: the folder `quarantine` of the data directory. Nothing in it is ever read or removed by a node;
 * an operator may look at it (kindred inspect), salvage from it, and remove it. A file keeps its name, which no other file of the
 * directory will ever have.
 *
 * The manifest is edited first, then the file is moved: a crash in between leaves it where the next start finds it, which knows
 * from the gaps (gap.ts) that it is none of the leftovers to be removed.
 */
import type { Disk } from '../env/disk.js'
import { readWhole, writeWhole } from './checked-file.js'
import { pathOf } from './file-names.js'

export const QUARANTINE_NAME = 'quarantine'

/**
 * Moves the file of this name out of the data directory. What is there already is the file as it was; then this is no more than what a
 * repair has left of it, and goes. Throws the disk's errors.
 */
export function moveToQuarantine(disk: Disk, directory: string, name: string): void {
  const folder = makeFolder(disk, directory)
  if (disk.exists(pathOf(folder, name))) return disk.unlink(pathOf(directory, name))
  disk.rename(pathOf(directory, name), pathOf(folder, name))
  disk.syncDirectory(folder)
  disk.syncDirectory(directory)
}

/** Leaves a durable copy of the file there; the file itself is about to be repaired in its place. Throws the disk's errors. */
export function copyToQuarantine(disk: Disk, directory: string, name: string): void {
  const folder = makeFolder(disk, directory)
  writeWhole(disk, pathOf(folder, name), readWhole(disk, pathOf(directory, name)))
  disk.syncDirectory(folder)
}

/** Names of the files in quarantine. */
export function quarantined(disk: Disk, directory: string): string[] {
  const folder = pathOf(directory, QUARANTINE_NAME)
  return disk.exists(folder) ? disk.list(folder) : []
}

function makeFolder(disk: Disk, directory: string): string {
  const folder = pathOf(directory, QUARANTINE_NAME)
  if (disk.exists(folder)) return folder
  disk.makeDirectory(folder)
  disk.syncDirectory(directory)
  return folder
}
