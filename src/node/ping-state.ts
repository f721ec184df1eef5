/**
 * What a node tells one peer in every ping besides what the link itself says. Ten go out each second to every peer, so it is
 * bytes in place, and the encoder writes into one buffer that it keeps.
 *
 *     state := flushMark u53, zero u8     the highest FLUSHALL mark known (RULES P4)
 *              handoffsForYou u32         hints and fallback copies that the sender holds for the receiver (RULES H1)
 *              staleBits: length u16 in bytes, bytes
 *
 * staleBits is by index of the ring's ranges, from the low bit of the first byte on: set where the sender is stale (RULES P2).
 * A range without a bit is not stale, so that a node which is stale for none sends none.
 */
import { PING_STATE_BYTES_MAX } from '../link/limits.js'
import { assert } from '../util/assert.js'
import { readU16, readU32, readU53, writeU16, writeU32, writeU53 } from '../util/bytes.js'

const FLUSH_MARK_BYTES = 7
const HANDOFFS_AT = 8
const STALE_LENGTH_AT = 12
const FIXED_BYTES = 14
const U32_MAX = 2 ** 32 - 1

/** Of staleBits. */
export const STALE_BYTES_MAX = PING_STATE_BYTES_MAX - FIXED_BYTES

export interface PingState {
  readonly flushMark: number
  readonly handoffsForYou: number
  readonly staleBits: Uint8Array
}

/** The bits of a node that is stale for nothing. */
export const NO_STALE_RANGES = new Uint8Array(0)

export class PingStateEncoder {
  readonly #bytes = new Uint8Array(PING_STATE_BYTES_MAX)

  /** The bytes are good until the next call. `staleBits`: STALE_BYTES_MAX at most. */
  encode(flushMark: number, handoffsForYou: number, staleBits: Uint8Array): Uint8Array {
    assert(staleBits.length <= STALE_BYTES_MAX, 'the state of a ping is bounded')
    const bytes = this.#bytes
    writeU53(bytes, 0, flushMark)
    bytes[FLUSH_MARK_BYTES] = 0
    writeU32(bytes, HANDOFFS_AT, Math.min(handoffsForYou, U32_MAX))
    writeU16(bytes, STALE_LENGTH_AT, staleBits.length)
    bytes.set(staleBits, FIXED_BYTES)
    return bytes.subarray(0, FIXED_BYTES + staleBits.length)
  }
}

/** Null for bytes that are no such state. staleBits is a part of `bytes`. */
export function decodePingState(bytes: Uint8Array): PingState | null {
  if (bytes.length < FIXED_BYTES || bytes[FLUSH_MARK_BYTES] !== 0) return null
  if (bytes[FLUSH_MARK_BYTES - 1] >= 0x20) return null
  const length = readU16(bytes, STALE_LENGTH_AT)
  if (FIXED_BYTES + length !== bytes.length) return null
  return {
    flushMark: readU53(bytes, 0),
    handoffsForYou: readU32(bytes, HANDOFFS_AT),
    staleBits: bytes.subarray(FIXED_BYTES),
  }
}

/** Whether the sender of `staleBits` is stale for a range. */
export function isStaleIn(staleBits: Uint8Array, range: number): boolean {
  const at = range >> 3
  return at < staleBits.length && (staleBits[at] & (1 << (range & 7))) !== 0
}
