/**
 * The bytes of a log segment. The file and the memtable arena are the same bytes at the same offsets, so appending to
 * the arena is the memtable insert, and recovery is reading the file into an arena.
 *
 *     segment := header batch* seal?
 *     header  := magic "KNDRLOG1", checksum u32, format u32 = 1, id u64, fileNumber u64, previousFileNumber u64,
 *                firstSequence u64, isReused u8, zeros to 64 bytes   checksum: xxHash32, seed 0, of bytes [12, 64)
 *     batch   := checksum u32     xxHash32 of the other 28 bytes, seed = low 32 bits of the segment's id
 *                magic u32        "KBAT", or "KEND" for the seal
 *                id u64           the segment's id: bytes of another file are never replayed
 *                byteLength u32   of the entries that follow; 0 for the seal
 *                entryCount u32
 *                syncedTo u64     offset up to which this log was known to be synced when the batch was written
 *                entry*
 *     entry   := checksum u32     xxHash32, seed 0, of the next 24 bytes: they include the record's own checksum and length
 *                displaced u48    what was live under the key before: 0 nothing, 2^48-1 a key without TTL, else its expireAt
 *                reserved u16 = 0
 *                entry header and record (storage/entry.ts)
 *
 * A file that is made ahead is full of zeros, or was a log before: then it begins with the spare mark, and the bytes of its
 * earlier lives stand behind it until they are overwritten. An id begins with the file's number, so even of a file whose
 * header is gone it is known which of its batches are its own.
 *
 *     id      := fileNumber u32, random u21                          as one number, fileNumber * 2^21 + random
 *     mark    := magic "KNDRSPAR", zeros to 4096 bytes
 *
 * A batch is all that one commit wrote, and recovery takes a batch whole or not at all: so several writes of one
 * command (MSET) are atomic over a crash. The entries of a batch need no checksum of their own over all bytes: each
 * record carries one.
 */
import { assert } from '../../util/assert.js'
import { xxh32 } from '../../util/xxhash.js'
import { readU32, readU48, readU53, writeU16, writeU32, writeU48, writeU53 } from '../../util/bytes.js'

export const SEGMENT_HEADER_BYTES = 64
export const BATCH_HEADER_BYTES = 32
/** What stands before each record: 12 bytes of log framing, then the entry header. */
export const ENTRY_FRAME_BYTES = 20

export const BATCH_MAGIC = 0x5441424b
export const SEAL_MAGIC = 0x444e454b
const SEGMENT_MAGIC = Buffer.from('KNDRLOG1', 'latin1')
const SPARE_MAGIC = Buffer.from('KNDRSPAR', 'latin1')
/** A block of every usual file system: written whole, so that nothing has to be read first. */
export const LOG_PAGE_BYTES = 4096
const FORMAT = 1
const ID_RANDOM = 2 ** 21
const FILE_NUMBER_MAX = 2 ** 32 - 1

/** `displaced` of a live key without a time to live. */
export const DISPLACED_FOREVER = 2 ** 48 - 1
/** `displaced` when the key was absent. */
export const DISPLACED_NOTHING = 0

export interface SegmentHeader {
  /** Of 53 bits, different for every segment of a directory: see segmentId. */
  readonly id: number
  readonly fileNumber: number
  /** The segment that was written before this one; 0 for the first of a directory. */
  readonly previousFileNumber: number
  /** Entries in it have this sequence or a higher one. */
  readonly firstSequence: number
  /** The file was a log before: behind the end of this one there are bytes of another. */
  readonly isReused: boolean
}

/** An id for the log of this number; `random` is an integer of 53 bits. */
export function segmentId(fileNumber: number, random: number): number {
  assert(fileNumber <= FILE_NUMBER_MAX, 'file numbers have 32 bits')
  return fileNumber * ID_RANDOM + (random % ID_RANDOM)
}

/** The number of the log that has this id. */
export function fileNumberOfId(id: number): number {
  return Math.floor(id / ID_RANDOM)
}

/** What a file that was a log before begins with until it is used again. */
export function spareMark(): Buffer {
  const mark = Buffer.alloc(LOG_PAGE_BYTES)
  SPARE_MAGIC.copy(mark)
  return mark
}

/** Whether the file that begins with these bytes was a log before, and has not been used since. */
export function hasSpareMark(bytes: Uint8Array): boolean {
  return SPARE_MAGIC.every((byte, i) => bytes[i] === byte)
}

/** Whether nothing was ever written to a log that was made ahead; `head` are its first 64 bytes, or all when it has fewer. */
export function isUnusedHead(head: Uint8Array): boolean {
  return hasSpareMark(head) || head.every((byte) => byte === 0)
}

export function writeSegmentHeader(bytes: Uint8Array, header: SegmentHeader): void {
  bytes.fill(0, 0, SEGMENT_HEADER_BYTES)
  bytes.set(SEGMENT_MAGIC, 0)
  writeU32(bytes, 12, FORMAT)
  writeU53(bytes, 16, header.id)
  writeU53(bytes, 24, header.fileNumber)
  writeU53(bytes, 32, header.previousFileNumber)
  writeU53(bytes, 40, header.firstSequence)
  bytes[48] = header.isReused ? 1 : 0
  writeU32(bytes, 8, xxh32(bytes, 12, SEGMENT_HEADER_BYTES, 0))
}

/** The header, or what is wrong with it. `bytes` holds at least SEGMENT_HEADER_BYTES. */
export function readSegmentHeader(bytes: Uint8Array): SegmentHeader | string {
  for (let i = 0; i < SEGMENT_MAGIC.length; i++) {
    if (bytes[i] !== SEGMENT_MAGIC[i]) return 'not a log segment (wrong magic)'
  }
  if (readU32(bytes, 8) !== xxh32(bytes, 12, SEGMENT_HEADER_BYTES, 0) >>> 0) return 'segment header checksum'
  if (readU32(bytes, 12) !== FORMAT)
    return `segment format ${readU32(bytes, 12)}, this version knows ${FORMAT}`
  return {
    id: readU53(bytes, 16),
    fileNumber: readU53(bytes, 24),
    previousFileNumber: readU53(bytes, 32),
    firstSequence: readU53(bytes, 40),
    isReused: bytes[48] === 1,
  }
}

export function writeBatchHeader(
  bytes: Uint8Array,
  at: number,
  magic: number,
  id: number,
  byteLength: number,
  entryCount: number,
  syncedTo: number,
): void {
  writeU32(bytes, at + 4, magic)
  writeU53(bytes, at + 8, id)
  bytes[at + 15] = 0
  writeU32(bytes, at + 16, byteLength)
  writeU32(bytes, at + 20, entryCount)
  writeU53(bytes, at + 24, syncedTo)
  bytes[at + 31] = 0
  writeU32(bytes, at, xxh32(bytes, at + 4, at + BATCH_HEADER_BYTES, id | 0))
}

/** Whether a batch header of the segment `id` stands at `at`; reads 32 bytes. */
export function isBatchHeader(bytes: Uint8Array, at: number, id: number): boolean {
  const magic = readU32(bytes, at + 4)
  if (magic !== BATCH_MAGIC && magic !== SEAL_MAGIC) return false
  if (bytes[at + 15] !== 0 || bytes[at + 31] !== 0) return false
  if (readU53(bytes, at + 8) !== id) return false
  return readU32(bytes, at) === xxh32(bytes, at + 4, at + BATCH_HEADER_BYTES, id | 0) >>> 0
}

export function batchMagic(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 4)
}

export function batchByteLength(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 16)
}

export function batchEntryCount(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 20)
}

export function batchSyncedTo(bytes: Uint8Array, at: number): number {
  return readU53(bytes, at + 24)
}

/** Completes the framing of the entry whose record starts at `record`; entry header and record are there already. */
export function sealEntry(bytes: Uint8Array, record: number, displaced: number): void {
  const at = record - ENTRY_FRAME_BYTES
  writeU48(bytes, at + 4, displaced)
  writeU16(bytes, at + 10, 0)
  writeU32(bytes, at, xxh32(bytes, at + 4, at + 28, 0))
}

/** Whether the framing checksum of the entry at `at` (its first byte) holds; reads 28 bytes. */
export function entryFrameHolds(bytes: Uint8Array, at: number): boolean {
  return readU32(bytes, at) === xxh32(bytes, at + 4, at + 28, 0) >>> 0
}

export function entryDisplaced(bytes: Uint8Array, record: number): number {
  return readU48(bytes, record - 16)
}
