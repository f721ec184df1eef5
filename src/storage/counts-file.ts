/**
 * How many keys live as of the end of a segment, and how many of them die in which second: what DBSIZE answers from
 * (RULES R5), so that a start need not read every table to count. Written with the tables of the flushed segment; the
 * manifest names the newest one. Keys without a time to live are in `live` only, so the count at a time t is
 * live - (sum of deaths in seconds up to t).
 *
 *     file     := magic u32 "KDCT", format u16 = 1, reserved u16 = 0, live u48, reserved u16 = 0, pairCount u32,
 *                 pairs, checksum u32            xxHash32, seed 0, of everything before it
 *     pair     := second u48, keys u32           seconds since 1970, strictly ascending; keys > 0
 */
import { assert } from '../util/assert.js'
import { readU16, readU32, readU48, writeU16, writeU32, writeU48 } from '../util/bytes.js'
import { xxh32 } from '../util/xxhash.js'
import type { Disk } from '../env/disk.js'
import { CorruptionError } from './corruption-error.js'

export const COUNTS_MAGIC = 0x5443_444b
export const COUNTS_FORMAT = 1

const HEADER_BYTES = 20
const PAIR_BYTES = 10
const CHECKSUM_BYTES = 4
const ADVICE = 'Remove the file: the keys are then counted anew at the next start.'

export interface KeyCounts {
  /** Keys that had a live record, those with a time to live included. */
  readonly live: number
  /** Seconds since 1970 in which keys die, strictly ascending. */
  readonly seconds: Float64Array
  /** How many keys die in the second at the same index. */
  readonly deaths: Uint32Array
}

/** Writes and syncs the file; the caller syncs the directory. Throws the disk's errors. Returns bytes written. */
export function writeCounts(disk: Disk, path: string, counts: KeyCounts): number {
  const bytes = encodeCounts(counts)
  const file = disk.open(path, 'create')
  try {
    disk.truncate(file, 0)
    disk.writeSync(file, bytes, 0, bytes.length, 0)
    disk.syncSync(file)
  } finally {
    disk.close(file)
  }
  return bytes.length
}

/** Reads the file back. Throws CorruptionError when its bytes are not what was written. */
export function readCounts(disk: Disk, path: string): KeyCounts {
  const file = disk.open(path, 'read')
  try {
    const bytes = Buffer.allocUnsafe(disk.sizeBytes(file))
    const length = disk.readSync(file, bytes, 0, bytes.length, 0)
    return decodeCounts(bytes.subarray(0, length), path)
  } finally {
    disk.close(file)
  }
}

export function encodeCounts(counts: KeyCounts): Buffer {
  const pairs = counts.seconds.length
  assert(counts.deaths.length === pairs, 'every second has its number of deaths')
  const bytes = Buffer.alloc(HEADER_BYTES + pairs * PAIR_BYTES + CHECKSUM_BYTES)
  writeU32(bytes, 0, COUNTS_MAGIC)
  writeU16(bytes, 4, COUNTS_FORMAT)
  writeU48(bytes, 8, counts.live)
  writeU32(bytes, 16, pairs)
  let previous = -1
  for (let i = 0; i < pairs; i++) {
    const at = HEADER_BYTES + i * PAIR_BYTES
    assert(counts.seconds[i] > previous && counts.deaths[i] > 0, 'seconds ascend and have deaths')
    previous = counts.seconds[i]
    writeU48(bytes, at, previous)
    writeU32(bytes, at + 6, counts.deaths[i])
  }
  const end = bytes.length - CHECKSUM_BYTES
  writeU32(bytes, end, xxh32(bytes, 0, end, 0))
  return bytes
}

function decodeCounts(bytes: Buffer, path: string): KeyCounts {
  const end = bytes.length - CHECKSUM_BYTES
  if (end < HEADER_BYTES) throw new CorruptionError(path, 0, 'key counts: the file is too short', ADVICE)
  if (readU32(bytes, end) !== xxh32(bytes, 0, end, 0) >>> 0) {
    throw new CorruptionError(path, 0, 'key counts: the checksum does not match', ADVICE)
  }
  const pairs = readU32(bytes, 16)
  const known = readU32(bytes, 0) === COUNTS_MAGIC && readU16(bytes, 4) === COUNTS_FORMAT
  if (!known || HEADER_BYTES + pairs * PAIR_BYTES !== end) {
    throw new CorruptionError(path, 0, 'key counts: not a file of this format', ADVICE)
  }
  const seconds = new Float64Array(pairs)
  const deaths = new Uint32Array(pairs)
  for (let i = 0; i < pairs; i++) {
    seconds[i] = readU48(bytes, HEADER_BYTES + i * PAIR_BYTES)
    deaths[i] = readU32(bytes, HEADER_BYTES + i * PAIR_BYTES + 6)
  }
  return { live: readU48(bytes, 8), seconds, deaths }
}
