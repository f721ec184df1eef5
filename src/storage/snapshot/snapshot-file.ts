/**
 * The file SNAPSHOT of a snapshot: what belongs to it, as of when, and whose it is. It is written last, so a folder that has one is
 * whole; and a folder that has one is never started as a data directory (open-store.ts).
 *
 *     kindred-snapshot 1 xxh32 5f3a9c01 \n    storage/checked-file.ts
 *     { … }                                   one SnapshotFacts as JSON, each file on a line of its own
 *
 * A file's checksum is the xxHash32 (seed 0) of its last 256 bytes where it is a table, of all its bytes otherwise. The end of a table
 * is its footer, which has the checksums of its sections, one of which has those of its blocks: so what is written here
 * stands for every byte, and a snapshot of a terabyte is made without reading it.
 */
import type { Disk } from '../../env/disk.js'
import { xxh32 } from '../../util/xxhash.js'
import type { CheckedFormat } from '../checked-file.js'
import { readWhole, withHeader, withoutHeader, writeWhole } from '../checked-file.js'
import { CorruptionError } from '../corruption-error.js'
import { parseFileName, pathOf } from '../file-names.js'
import { FOOTER_BYTES } from '../table/table-format.js'

export const SNAPSHOT_NAME = 'SNAPSHOT'

const FILE: CheckedFormat = {
  word: 'kindred-snapshot',
  name: 'a snapshot',
  format: 1,
  advice: 'Take another snapshot: what belongs to this one is not known without it.',
}

/** A snapshot cannot be made, or not be used as is asked. Nothing was changed. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
}

export interface SnapshotFile {
  readonly name: string
  readonly sizeBytes: number
  readonly checksum: number
}

/** Whose data they are. Texts are empty for a node that is in no cluster. */
export interface SnapshotOrigin {
  readonly node: string
  readonly nodeId: string
  readonly ringVersion: string
  /** N. */
  readonly replicas: number
}

export interface SnapshotFacts {
  readonly name: string
  /** When it was asked for, milliseconds since 1970 by the node's clock. */
  readonly madeAtMs: number
  readonly origin: SnapshotOrigin
  /** Of the data directory. */
  readonly directoryId: number
  /** Every entry up to this one is in it; later ones may be. */
  readonly sequence: number
  /** FLUSHALL's mark; 0 for none. */
  readonly flushMark: number
  /** Places of which the node did not know what they hold, because of damage: the snapshot does not know it either. */
  readonly gaps: number
  /** All but SNAPSHOT itself. */
  readonly files: readonly SnapshotFile[]
}

/** Describes a file of a snapshot. Throws the disk's errors. */
export function describeFile(disk: Disk, directory: string, name: string): SnapshotFile {
  const file = disk.open(pathOf(directory, name), 'read')
  try {
    const sizeBytes = disk.sizeBytes(file)
    const isTable = parseFileName(name)?.kind === 'table'
    const from = isTable ? Math.max(0, sizeBytes - FOOTER_BYTES) : 0
    return { name, sizeBytes, checksum: checksumFrom(disk, file, from, sizeBytes) }
  } finally {
    disk.close(file)
  }
}

const PIECE_BYTES = 1024 * 1024

/** xxHash32 of the bytes [from, to), each piece with the one before as its seed; so of up to a megabyte simply that. */
function checksumFrom(disk: Disk, file: number, from: number, to: number): number {
  const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, to - from))
  let checksum = 0
  for (let at = from; at < to; at += piece.length) {
    const length = disk.readSync(file, piece, 0, Math.min(piece.length, to - at), at)
    checksum = xxh32(piece, 0, length, checksum) >>> 0
    if (length === 0) break
  }
  return checksum
}

/** Writes and syncs the file; its name is durable once the caller has synced the directory. */
export function writeSnapshotFile(disk: Disk, directory: string, facts: SnapshotFacts): void {
  const { files, ...rest } = facts
  const head = Object.entries(rest).map(
    ([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)},\n`,
  )
  const lines = files.map((file) => `    ${JSON.stringify(file)}`).join(',\n')
  const body = `{\n${head.join('')}  "files": [\n${lines}\n  ]\n}\n`
  writeWhole(disk, pathOf(directory, SNAPSHOT_NAME), withHeader(FILE, Buffer.from(body)))
}

/** Throws SnapshotError where there is none, CorruptionError for bytes that are not what was written, and the disk's errors. */
export function readSnapshotFile(disk: Disk, directory: string): SnapshotFacts {
  const path = pathOf(directory, SNAPSHOT_NAME)
  if (!disk.exists(path))
    throw new SnapshotError(`${directory} is no snapshot: it has no file ${SNAPSHOT_NAME}`)
  const body = withoutHeader(FILE, readWhole(disk, path), path)
  const facts: unknown = JSON.parse(body.toString())
  if (!isFacts(facts))
    throw new CorruptionError(path, 0, 'it does not say what a snapshot has to', FILE.advice)
  return facts
}

/** The checksum says that these are the bytes that were written; this, that it was by a version that wrote the same fields. */
function isFacts(json: unknown): json is SnapshotFacts {
  if (typeof json !== 'object' || json === null) return false
  const { name, origin, files, ...numbers } = json as Record<string, unknown>
  const hasNumbers = ['madeAtMs', 'directoryId', 'sequence', 'flushMark', 'gaps'].every((field) =>
    Number.isSafeInteger(numbers[field]),
  )
  return typeof name === 'string' && typeof origin === 'object' && hasNumbers && Array.isArray(files)
}

/** Bytes of all its files. */
export function snapshotBytes({ files }: Pick<SnapshotFacts, 'files'>): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}
