/**
 * Files that are read at once, small ones that are written and synced at once, and the text ones among them under a line that
 * says what they are and checks their bytes:
 *
 *     kindred-manifest 1 xxh32 5f3a9c01 \n   what it is, format, and xxHash32 (seed 0) of all bytes after this line, in hexadecimal
 */
import type { Disk } from '../env/disk.js'
import { xxh32 } from '../util/xxhash.js'
import { CorruptionError } from './corruption-error.js'

const HEADER = /^(\S+) (\d+) xxh32 ([0-9a-f]{8})$/
const HEADER_BYTES_MAX = 64

/** A kind of file with such a line. */
export interface CheckedFormat {
  /** First word of the line. */
  readonly word: string
  /** As in 'a manifest', for errors. */
  readonly name: string
  readonly format: number
  /** What to do about a damaged one. */
  readonly advice: string
}

/** All bytes of the file. Throws the disk's errors. */
export function readWhole(disk: Disk, path: string): Buffer {
  const file = disk.open(path, 'read')
  try {
    const bytes = Buffer.allocUnsafe(disk.sizeBytes(file))
    return bytes.subarray(0, disk.readSync(file, bytes, 0, bytes.length, 0))
  } finally {
    disk.close(file)
  }
}

/** Makes `bytes` the whole file and syncs it; the caller syncs the directory. Throws the disk's errors. */
export function writeWhole(disk: Disk, path: string, bytes: Buffer): void {
  const file = disk.open(path, 'create')
  try {
    disk.truncate(file, 0)
    disk.writeSync(file, bytes, 0, bytes.length, 0)
    disk.syncSync(file)
  } finally {
    disk.close(file)
  }
}

/** The line and `body`. */
export function withHeader({ word, format }: CheckedFormat, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${word} ${format} xxh32 ${checksum(body)}\n`), body])
}

/** The body of a file, whose bytes are `bytes`. Throws CorruptionError, which names `path`. */
export function withoutHeader(
  { word, name, format, advice }: CheckedFormat,
  bytes: Buffer,
  path: string,
): Buffer {
  const lineEnd = bytes.subarray(0, HEADER_BYTES_MAX).indexOf(0x0a)
  const header = HEADER.exec(bytes.toString('latin1', 0, Math.max(lineEnd, 0)))
  if (header?.[1] !== word) throw new CorruptionError(path, 0, `it does not begin as ${name} does`, advice)
  const body = bytes.subarray(lineEnd + 1)
  if (header[3] !== checksum(body)) {
    throw new CorruptionError(path, lineEnd + 1, 'the checksum does not match', advice)
  }
  if (Number(header[2]) !== format) {
    const another = 'It takes another version of Kindred to read it.'
    throw new CorruptionError(path, 0, `format ${header[2]} is not known`, another)
  }
  return body
}

function checksum(bytes: Uint8Array): string {
  return (xxh32(bytes, 0, bytes.length, 0) >>> 0).toString(16).padStart(8, '0')
}
