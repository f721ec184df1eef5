/**
 * Where a key lies on the ring: token = slot (14 bits) || xxHash (39 bits), a safe integer below 2^53. Tokens order
 * tables, streams and SCAN, and a range of slots is one contiguous range of tokens. Equal tokens of different keys are
 * possible and are told apart by key bytes, in lexicographic order.
 *
 * Two xxHash32 under two seeds are computed once per request and serve everything: the token (39 bits of them), the
 * memtable index (first) and the bloom filters (both, by double hashing).
 */
import { xxh32 } from '../util/xxhash.js'
import { slotOf } from './slot.js'

export const TOKENS_PER_SLOT = 2 ** 39
/** One past the highest token. */
export const TOKEN_END = 2 ** 53

const FIRST_SEED = 1
const SECOND_SEED = 2

/** The hashes of one key; mutable, because the hot path keeps a single one and refills it. */
export class KeyHash {
  /** Signed 32-bit xxHash32 of the key. */
  first = 0
  /** Signed 32-bit xxHash32 of the key under another seed. */
  second = 0
  token = 0

  /** Hashes the key bytes[start, end). */
  of(bytes: Uint8Array, start: number, end: number): void {
    this.first = xxh32(bytes, start, end, FIRST_SEED)
    this.second = xxh32(bytes, start, end, SECOND_SEED)
    this.token = slotOf(bytes, start, end) * TOKENS_PER_SLOT + (this.first >>> 0) * 128 + (this.second >>> 25)
  }
}

/** `first` of the KeyHash of the key bytes[start, end). */
export function keyHashOf(bytes: Uint8Array, start: number, end: number): number {
  return xxh32(bytes, start, end, FIRST_SEED)
}

/** The slot that a token lies in. */
export function slotOfToken(token: number): number {
  return Math.floor(token / TOKENS_PER_SLOT)
}
