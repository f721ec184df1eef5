/**
 * The data directory's own name. Making a directory changes its parent, so until the parent is synced a crash can take away
 * the directory with everything that was synced inside it. Which of the parents a start has made is not known after
 * an earlier start was cut short, so a first start syncs all of them, before the first manifest says that it was done.
 */
import type { Disk } from '../env/disk.js'
import type { Log } from '../env/log.js'
import { diskErrorCode } from './disk-error.js'

/** What a sync of a directory answers that is not ours to change (or a file system that knows no such thing). */
const NOT_OURS: ReadonlySet<string | null> = new Set(['EACCES', 'EPERM', 'EROFS', 'EINVAL', 'ENOTSUP'])

/** Makes the names of `directory` and its parents durable. Throws the disk's errors. */
export function syncParents(disk: Disk, log: Log, directory: string): void {
  for (const parent of parentsOf(directory)) {
    try {
      disk.syncDirectory(parent)
    } catch (error) {
      if (!NOT_OURS.has(diskErrorCode(error))) throw error
      log.debug('parent directory not synced', { directory: parent, error: String(error) })
    }
  }
}

/** From the nearest one up; a relative path ends at '.'. */
export function parentsOf(directory: string): string[] {
  const parents = new Set<string>()
  let path = directory.replace(/\/+$/, '')
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/')) {
    path = path.slice(0, slash).replace(/\/+$/, '')
    parents.add(path)
  }
  parents.add(directory.startsWith('/') ? '/' : '.')
  return [...parents].filter((parent) => parent !== '')
}
