/**
 * A block: some neighbouring entries, the unit of reading, checking and caching.
 *
 *     block   := header tokens offsets entries padding
 *     header  := checksum u32      xxHash32, seed 0, of bytes [4, storedLength)
 *                storedLength u32  bytes in the file, header and padding included; a multiple of 8
 *                byteLength u32    bytes in memory; equal to storedLength unless compressed
 *                entryCount u16
 *                compression u8    0: none (others are reserved for what follows the header)
 *                padding u8        zero bytes at the end, 0 to 7
 *     tokens  := entryCount x f64  ascending; at 16, so that they can be searched in place through a Float64Array
 *     offsets := entryCount x u16  of the entry's record, from the start of the block
 *     entries := entryCount x entry (storage/entry.ts: eight header bytes, then the record)
 *
 * An ordinary block takes at most BLOCK_BYTES in memory, one slot of the cache. An entry that does not fit such a block
 * with nothing beside it stands alone in a *jumbo* block of whatever length it needs.
 *
 * Tokens stand apart from the entries because a search compares a handful of them, and side by side they are one or two
 * cache lines. Hash slots within the block were rejected: a block then could not be walked in order without sorting.
 */
import { assert } from '../../util/assert.js'
import { readU16, readU32, writeU16, writeU32 } from '../../util/bytes.js'
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

const COMPRESSION_NONE = 0

/** Bytes of a block of `count` entries that take `entriesBytes` themselves, padding included. */
export function blockLength(count: number, entriesBytes: number): number {
  return align8(BLOCK_HEADER_BYTES + count * ENTRY_OVERHEAD_BYTES + entriesBytes)
}

function align8(length: number): number {
  return Math.ceil(length / 8) * 8
}

/**
 * Writes header and padding of the block at bytes[at…], whose tokens, offsets and entries are there already, and
 * answers its checksum.
 */
export function sealBlock(bytes: Buffer, at: number, count: number, entriesBytes: number): number {
  const unpadded = BLOCK_HEADER_BYTES + count * ENTRY_OVERHEAD_BYTES + entriesBytes
  const length = align8(unpadded)
  assert(length <= JUMBO_BYTES_MAX, 'a block fits its length field')
  bytes.fill(0, at + unpadded, at + length)
  writeU32(bytes, at + 4, length)
  writeU32(bytes, at + 8, length)
  writeU16(bytes, at + 12, count)
  bytes[at + 14] = COMPRESSION_NONE
  bytes[at + 15] = length - unpadded
  const checksum = tableChecksum(bytes, at + 4, at + length)
  writeU32(bytes, at, checksum)
  return checksum
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
  const compression = bytes[at + 14]
  if (compression !== COMPRESSION_NONE)
    return `it is compressed by method ${compression}, unknown to this version`
  return null
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
