/**
 * The frame: what travels between two nodes once they have proved themselves. Layout (little-endian) and rules are in
 * README.md; this file is the only one that knows the offsets.
 *
 *     frame := length u32, of the body      checksum u32, xxHash32 of all that follows it, seed per connection and direction
 *              type u8   zero u24   sequence u32   hlc u53   zero u8   body
 *
 * `sequence` is the low half of the sequence that the first message of a BATCH, or the message of a PIECE, has: both ends count,
 * and a disagreement must not go unnoticed. It is 0 in other frames.
 */
import { assert } from '../util/assert.js'
import { readU32, readU53, writeU24, writeU32, writeU53 } from '../util/bytes.js'
import { xxh32 } from '../util/xxhash.js'

export const FRAME_HEADER_BYTES = 24

export const HELLO = 1
export const BATCH = 2
export const PIECE = 3
export const ACK = 4
export const PING = 5
export const PONG = 6
export const GOODBYE = 7

/** kind u8, length u24. */
export const MESSAGE_HEADER_BYTES = 4
/** kind u8, zero u24, total length u32, offset u32. */
export const PIECE_HEADER_BYTES = 12
/** watermark u48, zero u16. */
export const ACK_HEADER_BYTES = 8
/** sequence u48, reason u8, zero u8. */
export const REFUSAL_BYTES = 8

const CHECKSUM_AT = 4
const TYPE_AT = 8
const SEQUENCE_AT = 12
const HLC_AT = 16
const TWO_32 = 0x1_0000_0000

/** Fills in the header of the frame bytes[start, end), whose body already stands behind it. */
export function sealFrame(
  bytes: Uint8Array,
  start: number,
  end: number,
  type: number,
  sequence: number,
  hlc: number,
  seed: number,
): void {
  assert(end >= start + FRAME_HEADER_BYTES, 'a frame has a header')
  writeU32(bytes, start, end - start - FRAME_HEADER_BYTES)
  bytes[start + TYPE_AT] = type
  writeU24(bytes, start + TYPE_AT + 1, 0)
  writeU32(bytes, start + SEQUENCE_AT, (sequence % TWO_32) | 0)
  writeU53(bytes, start + HLC_AT, hlc)
  bytes[start + HLC_AT + 7] = 0
  writeU32(bytes, start + CHECKSUM_AT, xxh32(bytes, start + TYPE_AT, end, seed))
}

export function bodyLength(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at)
}

export function frameType(bytes: Uint8Array, at: number): number {
  return bytes[at + TYPE_AT]
}

export function frameSequence(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + SEQUENCE_AT)
}

export function frameHlc(bytes: Uint8Array, at: number): number {
  return readU53(bytes, at + HLC_AT)
}

/** Whether the bytes that are always zero are, and the HLC is a safe integer. Needs the whole header. */
export function headerIsSound(bytes: Uint8Array, at: number): boolean {
  const reserved = bytes[at + TYPE_AT + 1] | bytes[at + TYPE_AT + 2] | bytes[at + TYPE_AT + 3]
  return (reserved | bytes[at + HLC_AT + 7]) === 0 && bytes[at + HLC_AT + 6] < 0x20
}

/** Whether the checksum of the frame bytes[at, end) is right. */
export function checksumFits(bytes: Uint8Array, at: number, end: number, seed: number): boolean {
  return readU32(bytes, at + CHECKSUM_AT) === xxh32(bytes, at + TYPE_AT, end, seed) >>> 0
}
