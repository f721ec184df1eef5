/**
 * Makes a data directory of a snapshot: its files are copied, every block of the copies is checked, and a manifest under a new directory
 * id is written last. So what a crash leaves, or a failure, is a directory without a manifest, which no node starts on.
 *
 * The new id makes it another directory than the one the snapshot was taken of: a cluster whose members remember that one takes the
 * node for one that was wiped, believes nothing of what was restored, and rebuilds it (RULES P2), since what was purged meanwhile
 * would come back. So what nodes remember of their exchanges (REPAIR) does not come with it; it belongs to the old id.
 */
import type { Disk } from '../../env/disk.js'
import type { Log } from '../../env/log.js'
import { syncParents } from '../data-directory.js'
import { MANIFEST_NAME, parseFileName, pathOf } from '../file-names.js'
import { Manifest } from '../manifest.js'
import { copyFile, filesOf } from './snapshot-job.js'
import { readSnapshotFile, SnapshotError } from './snapshot-file.js'
import type { SnapshotFacts } from './snapshot-file.js'
import { problemsOf } from './verify-snapshot.js'
import type { OnProgress } from './verify-snapshot.js'

/** Refuses a directory that holds anything but settings files (*.yaml). Throws SnapshotError and the disk's errors. */
export function refuseUsedDirectory(disk: Disk, directory: string): void {
  if (!disk.exists(directory) || disk.list(directory).every((name) => name.endsWith('.yaml'))) return
  throw new SnapshotError(`${directory} is not empty: a restore writes to a new directory only`)
}

/**
 * `directoryId`: random, 53 bits. `besides`: files that are taken over too, where the snapshot has them. `onProgress` is told of bytes
 * copied and of bytes checked. Throws SnapshotError, CorruptionError and the disk's errors.
 */
export function restoreDirectory(
  disk: Disk,
  log: Log,
  snapshot: string,
  directory: string,
  directoryId: number,
  besides: readonly string[],
  onProgress: OnProgress = () => {},
): SnapshotFacts {
  const facts = readSnapshotFile(disk, snapshot)
  refuseUsedDirectory(disk, directory)
  refuseProblems(disk, snapshot, facts, MANIFEST_NAME)
  const state = Manifest.load(disk, snapshot)
  if (state === null) throw new SnapshotError(`${snapshot} has no manifest`)
  disk.makeDirectory(directory)
  syncParents(disk, log, directory)
  const isThere = ({ name }: { readonly name: string }): boolean => besides.includes(name)
  const names = [...filesOf(state), ...facts.files.filter(isThere).map(({ name }) => name)]
  for (const name of names) {
    copyFile(disk, pathOf(snapshot, name), pathOf(directory, name), onProgress)
    refuseProblems(disk, directory, facts, name, onProgress)
  }
  disk.syncDirectory(directory)
  Manifest.write(disk, directory, { ...state, directoryId, logs: [] })
  return facts
}

/** Throws SnapshotError where the file is not what the snapshot says. */
function refuseProblems(
  disk: Disk,
  directory: string,
  { files }: SnapshotFacts,
  name: string,
  onProgress: OnProgress = () => {},
): void {
  const file = files.find((one) => one.name === name)
  const [problem] =
    file === undefined ? ['it is not in its list'] : problemsOf(disk, directory, file, onProgress)
  if (problem === undefined) return
  const kind = parseFileName(name)?.kind ?? 'file'
  throw new SnapshotError(
    `the ${kind} ${pathOf(directory, name)} is damaged, nothing was restored: ${problem}`,
  )
}
