/**
 * How many keys live as of the end of a segment, and how many of them die in which second, by partition: what DBSIZE
 * answers from (RULES R5), so that a start need not read every table to count. Written with the tables of the flushed
 * segment; the manifest names the newest one. Keys without a time to live are in `live` only, so the count of a partition
 * at a time t is live - (sum of deaths in seconds up to t).
 *
 *     file      := magic u32 "KDCT", format u16 = 2, versionBytes u16, partitionCount u32, version, partitions, pairs,
 *                  checksum u32           xxHash32, seed 0, of everything before it
 *     version   := UTF-8                  of the partitions (partitions.ts); none for one partition of all slots
 *     partition := live u48, pairCount u32
 *     pair      := second u48, keys u32   those of partition 0 first; of one partition the seconds since 1970 strictly
 *                                         ascend; keys > 0
 *
 * Format 1, which is read but no longer written, is that of one partition of all slots:
 *
 *     file      := magic u32, format u16 = 1, zero u16, live u48, zero u16, pairCount u32, pairs, checksum u32
 */
import { assert } from '../util/assert.js'
import { readU16, readU32, readU48, writeU16, writeU32, writeU48 } from '../util/bytes.js'
import { xxh32 } from '../util/xxhash.js'
import type { Disk } from '../env/disk.js'
import { readWhole, writeWhole } from './checked-file.js'
import { CorruptionError } from './corruption-error.js'
import { ONE_PARTITION, VERSION_BYTES_MAX } from './partitions.js'

export const COUNTS_MAGIC = 0x5443_444b
export const COUNTS_FORMAT = 2

const HEADER_BYTES = 12
const PARTITION_BYTES = 10
const PAIR_BYTES = 10
const CHECKSUM_BYTES = 4
const ONE_PARTITION_FORMAT = 1
const ONE_PARTITION_HEADER_BYTES = 20
const ADVICE = 'Remove the file: the keys are then counted anew at the next start.'

export interface KeyCounts {
  /** Of the partitions. */
  readonly version: string
  /** By partition: keys that had a live record, those with a time to live included. */
  readonly live: Float64Array
  /** By partition: how many of the following are its. */
  readonly pairs: Uint32Array
  /** Seconds since 1970 in which keys die, partition after partition, strictly ascending in each. */
  readonly seconds: Float64Array
  /** How many keys die in the second at the same index. */
  readonly deaths: Uint32Array
}

/** Writes and syncs the file; the caller syncs the directory. Throws the disk's errors. Returns bytes written. */
export function writeCounts(disk: Disk, path: string, counts: KeyCounts): number {
  const bytes = encodeCounts(counts)
  writeWhole(disk, path, bytes)
  return bytes.length
}

/** Reads the file back. Throws CorruptionError when its bytes are not what was written. */
export function readCounts(disk: Disk, path: string): KeyCounts {
  return decodeCounts(readWhole(disk, path), path)
}

export function encodeCounts(counts: KeyCounts): Buffer {
  const { live, pairs, seconds, deaths } = counts
  const version = Buffer.from(counts.version)
  const partitions = live.length
  assert(version.length <= VERSION_BYTES_MAX, 'the version of the partitions is short')
  assert(pairs.length === partitions && deaths.length === seconds.length, 'counts are complete')
  const pairsAt = HEADER_BYTES + version.length + partitions * PARTITION_BYTES
  const bytes = Buffer.alloc(pairsAt + seconds.length * PAIR_BYTES + CHECKSUM_BYTES)
  writeU32(bytes, 0, COUNTS_MAGIC)
  writeU16(bytes, 4, COUNTS_FORMAT)
  writeU16(bytes, 6, version.length)
  writeU32(bytes, 8, partitions)
  version.copy(bytes, HEADER_BYTES)
  let pair = 0
  for (let partition = 0; partition < partitions; partition++) {
    const at = HEADER_BYTES + version.length + partition * PARTITION_BYTES
    writeU48(bytes, at, live[partition])
    writeU32(bytes, at + 6, pairs[partition])
    const end = pair + pairs[partition]
    for (let previous = -1; pair < end; pair++) {
      assert(seconds[pair] > previous && deaths[pair] > 0, 'seconds ascend and have deaths')
      previous = seconds[pair]
      writeU48(bytes, pairsAt + pair * PAIR_BYTES, previous)
      writeU32(bytes, pairsAt + pair * PAIR_BYTES + 6, deaths[pair])
    }
  }
  assert(pair === seconds.length, 'every pair has its partition')
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
  const counts = readU32(bytes, 0) === COUNTS_MAGIC ? decodeFormat(bytes, end) : null
  if (counts === null) throw new CorruptionError(path, 0, 'key counts: not a file of this format', ADVICE)
  return counts
}

/** The counts in bytes[0, end); null when they are of no format that is known. */
function decodeFormat(bytes: Buffer, end: number): KeyCounts | null {
  const format = readU16(bytes, 4)
  if (format === COUNTS_FORMAT) return decodePartitions(bytes, end)
  return format === ONE_PARTITION_FORMAT ? decodeOnePartition(bytes, end) : null
}

function decodePartitions(bytes: Buffer, end: number): KeyCounts | null {
  const partitionsAt = HEADER_BYTES + readU16(bytes, 6)
  const partitions = readU32(bytes, 8)
  const pairsAt = partitionsAt + partitions * PARTITION_BYTES
  if (pairsAt > end) return null
  const live = new Float64Array(partitions)
  const pairs = new Uint32Array(partitions)
  let pairCount = 0
  for (let i = 0; i < partitions; i++) {
    live[i] = readU48(bytes, partitionsAt + i * PARTITION_BYTES)
    pairs[i] = readU32(bytes, partitionsAt + i * PARTITION_BYTES + 6)
    pairCount += pairs[i]
  }
  if (pairsAt + pairCount * PAIR_BYTES !== end) return null
  const version = bytes.toString('utf8', HEADER_BYTES, partitionsAt)
  return { version, live, pairs, ...decodePairs(bytes, pairsAt, pairCount) }
}

function decodeOnePartition(bytes: Buffer, end: number): KeyCounts | null {
  if (end < ONE_PARTITION_HEADER_BYTES) return null
  const pairCount = readU32(bytes, 16)
  if (ONE_PARTITION_HEADER_BYTES + pairCount * PAIR_BYTES !== end) return null
  const { version } = ONE_PARTITION
  const live = Float64Array.of(readU48(bytes, 8))
  const pairs = Uint32Array.of(pairCount)
  return { version, live, pairs, ...decodePairs(bytes, ONE_PARTITION_HEADER_BYTES, pairCount) }
}

function decodePairs(bytes: Buffer, at: number, count: number): Pick<KeyCounts, 'seconds' | 'deaths'> {
  const seconds = new Float64Array(count)
  const deaths = new Uint32Array(count)
  for (let i = 0; i < count; i++) {
    seconds[i] = readU48(bytes, at + i * PAIR_BYTES)
    deaths[i] = readU32(bytes, at + i * PAIR_BYTES + 6)
  }
  return { seconds, deaths }
}
