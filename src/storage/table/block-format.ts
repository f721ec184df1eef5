/**
 * A block: some neighbouring entries, the unit of reading, checking and caching.
 *
 *     block   := header tokens offsets entries padding
 *     header  := checksum u32      xxHash32, seed 0, of bytes [4, storedLength)
 *                storedLength u32  bytes in the file, header and padding included; a multiple of 8
 *                byteLength u32    bytes in memory; equal to storedLength unless compressed
 *                entryCount u16
 *                compression u8    0: none; 1: LZ4, 2: Zstandard (block-compression.ts), of all that follows the header
 *                padding u8        zero bytes at the end, 0 to 7
 *     tokens  := entryCount x f64  ascending; at 16, so that they can be searched in place through a Float64Array
 *     offsets := entryCount x u16  of the entry's record, from the start of the block
 *     entries := entryCount x entry (storage/entry.ts: eight header bytes, then the record)
 *
 * An ordinary block takes at most BLOCK_BYTES in memory, one slot of the cache. An entry that does not fit such a block
 * with nothing beside it stands alone in a *jumbo* block of whatever length it needs.
 *
 * In memory every block is expanded: it has `byteLength` bytes, the header as it is in the file, and padding of its own. The
 * checksum is of the bytes in the file, so nothing is expanded that is not what was written.
 *
 * Tokens stand apart from the entries because a search compares a handful of them, and side by side they are one or two
 * cache lines. Hash slots within the block were rejected: a block then could not be walked in order without sorting.
 */
import { assert } from '../../util/assert.js'
import { readU16, readU32, writeU16, writeU32 } from '../../util/bytes.js'
import type { BlockCompression } from './block-compression.js'
import {
  COMPRESSED_PAYLOAD_MAX,
  METHOD_NONE,
  isKnownMethod,
  packPayload,
  unpackPayload,
} from './block-compression.js'
import { tableChecksum } from './table-format.js'

/** Most bytes of a block that is not jumbo: what one slot of the cache holds. */
export const BLOCK_BYTES = 4096
export const BLOCK_HEADER_BYTES = 16
/** Longest block: what a u32 and one Buffer can hold, less some room for the rest of the format. */
export const JUMBO_BYTES_MAX = 2 ** 32 - 65536

const TOKEN_BYTES = 8
const OFFSET_BYTES = 2
/** Bytes of an entry's token and offset. */
export const ENTRY_OVERHEAD_BYTES = TOKEN_BYTES + OFFSET_BYTES

/** Bytes of a block of `count` entries that take `entriesBytes` themselves, padding included. */
export function blockLength(count: number, entriesBytes: number): number {
  return align8(BLOCK_HEADER_BYTES + count * ENTRY_OVERHEAD_BYTES + entriesBytes)
}

function align8(length: number): number {
  return Math.ceil(length / 8) * 8
}

/**
 * Writes header and padding of the block at bytes[at…], whose tokens, offsets and entries are there already, and compresses
 * what follows the header if that is asked for and pays. Answers its checksum; storedLengthOf() says how long it is.
 */
export function sealBlock(
  bytes: Buffer,
  at: number,
  count: number,
  entriesBytes: number,
  compression: BlockCompression = 'none',
): number {
  const unpadded = BLOCK_HEADER_BYTES + count * ENTRY_OVERHEAD_BYTES + entriesBytes
  const length = align8(unpadded)
  assert(length <= JUMBO_BYTES_MAX, 'a block fits its length field')
  bytes.fill(0, at + unpadded, at + length)
  writeU32(bytes, at + 8, length)
  writeU16(bytes, at + 12, count)
  const packed = packPayload(compression, bytes.subarray(at + BLOCK_HEADER_BYTES, at + length))
  if (packed === null) return finishBlock(bytes, at, METHOD_NONE, unpadded)
  bytes.set(packed.bytes, at + BLOCK_HEADER_BYTES)
  return finishBlock(bytes, at, packed.method, BLOCK_HEADER_BYTES + packed.bytes.length)
}

function finishBlock(bytes: Buffer, at: number, method: number, unpadded: number): number {
  const storedLength = align8(unpadded)
  bytes.fill(0, at + unpadded, at + storedLength)
  writeU32(bytes, at + 4, storedLength)
  bytes[at + 14] = method
  bytes[at + 15] = storedLength - unpadded
  const checksum = tableChecksum(bytes, at + 4, at + storedLength)
  writeU32(bytes, at, checksum)
  return checksum
}

/** Bytes in the file of the block at bytes[at…]. */
export function storedLengthOf(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 4)
}

/** Bytes in memory of the block at bytes[at…], which blockDamage() has found sound. */
export function byteLengthOf(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 8)
}

/** Whether the block at bytes[at…] has to be expanded before its entries can be read. */
export function isCompressed(bytes: Uint8Array, at: number): boolean {
  return bytes[at + 14] !== METHOD_NONE
}

/**
 * Writes the block at bytes[at…], sound and compressed, to into[intoAt, intoAt + byteLengthOf()) as it is in memory. Answers what is
 * wrong with it, or null; what stands in `into` is then of no use.
 */
export function expandBlock(bytes: Buffer, at: number, into: Buffer, intoAt: number): string | null {
  const end = at + storedLengthOf(bytes, at) - bytes[at + 15]
  bytes.copy(into, intoAt, at, at + BLOCK_HEADER_BYTES)
  const isWhole = unpackPayload(
    bytes[at + 14],
    bytes.subarray(at + BLOCK_HEADER_BYTES, end),
    into,
    intoAt + BLOCK_HEADER_BYTES,
    byteLengthOf(bytes, at) - BLOCK_HEADER_BYTES,
  )
  return isWhole
    ? null
    : `its ${end - at} bytes do not become the ${byteLengthOf(bytes, at)} that it should have`
}

/**
 * What is wrong with the block at bytes[at, at + storedLength), or null. The index names its length and checksum once
 * more: that also finds a sound block in the wrong place.
 */
export function blockDamage(
  bytes: Buffer,
  at: number,
  storedLength: number,
  checksum: number,
): string | null {
  if (readU32(bytes, at) !== checksum || tableChecksum(bytes, at + 4, at + storedLength) !== checksum) {
    return 'its checksum does not match'
  }
  if (readU32(bytes, at + 4) !== storedLength) return 'its length is not what the index says'
  const method = bytes[at + 14]
  if (!isKnownMethod(method)) return `it is compressed by method ${method}, unknown to this version`
  return lengthMisfit(bytes, at, storedLength)
}

/** Nothing takes memory by a length that no block has. */
function lengthMisfit(bytes: Uint8Array, at: number, storedLength: number): string | null {
  const byteLength = byteLengthOf(bytes, at)
  const largest = blockEntryCount(bytes, at) === 1 ? BLOCK_HEADER_BYTES + COMPRESSED_PAYLOAD_MAX : BLOCK_BYTES
  const isRight = isCompressed(bytes, at)
    ? byteLength > storedLength && byteLength <= largest && storedLength > BLOCK_HEADER_BYTES + bytes[at + 15]
    : byteLength === storedLength
  return isRight ? null : `it has ${storedLength} bytes and ${byteLength} in memory, which no block has`
}

export function blockEntryCount(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at + 12)
}

/** Token of the entry `index` of the block at `at`. */
export function blockToken(bytes: Buffer, at: number, index: number): number {
  return bytes.readDoubleLE(at + BLOCK_HEADER_BYTES + index * TOKEN_BYTES)
}

/** Where in `bytes` the record of the entry `index` starts; `count` is the block's entry count. */
export function blockRecord(bytes: Uint8Array, at: number, count: number, index: number): number {
  return at + readU16(bytes, at + BLOCK_HEADER_BYTES + count * TOKEN_BYTES + index * OFFSET_BYTES)
}
