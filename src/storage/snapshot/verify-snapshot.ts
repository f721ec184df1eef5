/**
 * Checks a snapshot: that every file which it names is there, as long as it was and with the bytes that were written, every block of the
 * tables and every record in them included, and that nothing else is there. What is wrong is answered, not thrown, so that one
 * damaged block does not keep the next from being looked at.
 */
import type { Disk } from '../../env/disk.js'
import { CorruptionError } from '../corruption-error.js'
import { diskErrorCode } from '../disk-error.js'
import { MANIFEST_NAME, parseFileName, pathOf } from '../file-names.js'
import { runScrub } from '../jobs/scrub-job.js'
import type { FoundDamage, ScrubJob } from '../jobs/storage-jobs.js'
import { Manifest } from '../manifest.js'
import type { BlockIndex } from '../table/block-index.js'
import { openTableFile } from '../table/table-file.js'
import { filesOf } from './snapshot-job.js'
import { describeFile, readSnapshotFile, SNAPSHOT_NAME } from './snapshot-file.js'
import type { SnapshotFacts, SnapshotFile } from './snapshot-file.js'

export interface SnapshotProblem {
  /** Path of the file. */
  readonly file: string
  readonly what: string
}

/** Told of bytes that were checked. */
export type OnProgress = (bytes: number) => void

/** Blocks of so many bytes are checked between two reports. */
const PIECE_BYTES = 8 * 1024 * 1024

/** Everything that is wrong with the snapshot in `directory`. Throws as readSnapshotFile does, and the disk's errors but EIO and ENOENT. */
export function verifySnapshot(
  disk: Disk,
  directory: string,
  onProgress: OnProgress = () => {},
): { readonly facts: SnapshotFacts; readonly problems: readonly SnapshotProblem[] } {
  const facts = readSnapshotFile(disk, directory)
  const problems: SnapshotProblem[] = []
  const note = (name: string, what: string): void =>
    void problems.push({ file: pathOf(directory, name), what })
  const known = new Set([SNAPSHOT_NAME, ...facts.files.map(({ name }) => name)])
  for (const name of disk.list(directory))
    if (!known.has(name)) note(name, 'it does not belong to the snapshot')
  for (const file of facts.files) {
    for (const what of problemsOf(disk, directory, file, onProgress)) note(file.name, what)
  }
  if (problems.length === 0) {
    const state = Manifest.load(disk, directory)
    const named = state === null ? [MANIFEST_NAME] : filesOf(state)
    for (const name of named) if (!known.has(name)) note(name, 'it is missing from the list of the snapshot')
  }
  return { facts, problems }
}

/** What is wrong with one file of a snapshot, or of a copy of it. Throws as verifySnapshot does. */
export function problemsOf(
  disk: Disk,
  directory: string,
  file: SnapshotFile,
  onProgress: OnProgress,
): string[] {
  const { name, sizeBytes, checksum } = file
  try {
    if (!disk.exists(pathOf(directory, name))) return ['it is missing']
    const found = describeFile(disk, directory, name)
    if (found.sizeBytes !== sizeBytes) return [`it has ${found.sizeBytes} bytes, not ${sizeBytes}`]
    if (found.checksum !== checksum) return ['its checksum is another one than that of the snapshot']
    return contentProblems(disk, pathOf(directory, name), file, onProgress)
  } catch (error) {
    if (error instanceof CorruptionError) return [`at byte ${error.offset}: ${error.what}`]
    if (diskErrorCode(error) === 'EIO') return ['it cannot be read (EIO)']
    throw error
  }
}

function contentProblems(
  disk: Disk,
  path: string,
  { name, sizeBytes }: SnapshotFile,
  onProgress: OnProgress,
): string[] {
  const kind = parseFileName(name)?.kind
  if (kind !== 'table') {
    onProgress(sizeBytes)
    return kind === 'counts' || kind === 'trees' ? texts(runScrub(disk, { path, ...NO_BLOCKS }).damage) : []
  }
  const { file, index } = openTableFile(disk, path)
  disk.close(file)
  onProgress(sizeBytes - index.endOffset)
  const problems: string[] = []
  for (let from = 0; from < index.blockCount;) {
    const job = pieceOf(path, index, from)
    problems.push(...texts(runScrub(disk, job).damage))
    onProgress(job.lengths.reduce((sum, length) => sum + length, 0))
    from += job.offsets.length
  }
  return problems
}

const NO_BLOCKS = { offsets: new Float64Array(), lengths: new Uint32Array(), checksums: new Uint32Array() }

function pieceOf(path: string, index: BlockIndex, from: number): ScrubJob {
  const blocks: number[] = []
  let bytes = 0
  for (let block = from; block < index.blockCount && bytes < PIECE_BYTES; block++) {
    blocks.push(block)
    bytes += index.storedLength(block)
  }
  return {
    path,
    offsets: Float64Array.from(blocks, (block) => index.offset(block)),
    lengths: Uint32Array.from(blocks, (block) => index.storedLength(block)),
    checksums: Uint32Array.from(blocks, (block) => index.checksum(block)),
  }
}

function texts(damage: readonly FoundDamage[]): string[] {
  return damage.map(({ offset, what }) => `at byte ${offset}: ${what}`)
}
