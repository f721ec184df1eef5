/**
 * The bloom filter of a table: says for sure that a key is absent, or that it may be there, wrongly for 0.8 % of the
 * absent ones (BITS_PER_KEY 10, PROBES 7). Double hashing: probe i looks at hash first + i x second, both of them the
 * key hashes that the request has computed already (Kirsch and Mitzenmacher, "Less Hashing, Same Performance").
 *
 *     h   := (first + i x second) mod 2^32                    i from 0 to probes - 1
 *     bit := floor(h x (bits / 2^32))                         in IEEE double arithmetic; bits = 8 x the filter's bytes
 *     set := byte[bit >> 3] has the bit (bit & 7)
 *
 * Scaling instead of a remainder: a multiplication costs a tenth of an integer division, and the number of bits need
 * not be a power of two. A filter whose probes share one cache line was measured and rejected: 10 ns faster a lookup,
 * but 0.96 % wrong answers instead of 0.82 %, and each of those may cost a read from disk.
 */
import { assert } from '../../util/assert.js'

export const BITS_PER_KEY = 10
export const PROBES = 7

const TWO_32 = 2 ** 32
/** Bit positions are kept in 31 bits. */
export const FILTER_KEYS_MAX = Math.floor((2 ** 31 - 64) / BITS_PER_KEY)

/** Bytes of the filter of `keyCount` keys, a multiple of 8. */
export function filterBytes(keyCount: number): number {
  assert(keyCount > 0 && keyCount <= FILTER_KEYS_MAX, 'a filter holds some keys and not too many')
  return Math.ceil((keyCount * BITS_PER_KEY) / 64) * 8
}

/** What a hash is multiplied with to become a bit position in a filter of `byteLength` bytes. */
export function filterScale(byteLength: number): number {
  return (byteLength * 8) / TWO_32
}

export function addToFilter(filter: Uint8Array, scale: number, first: number, second: number): void {
  let hash = first
  for (let i = 0; i < PROBES; i++) {
    const bit = ((hash >>> 0) * scale) | 0
    filter[bit >>> 3] |= 1 << (bit & 7)
    hash = (hash + second) | 0
  }
}

/** Whether the key with these hashes may be in the filter. */
export function filterMayContain(
  filter: Uint8Array,
  scale: number,
  probes: number,
  first: number,
  second: number,
): boolean {
  let hash = first
  for (let i = 0; i < probes; i++) {
    const bit = ((hash >>> 0) * scale) | 0
    if (((filter[bit >>> 3] >>> (bit & 7)) & 1) === 0) return false
    hash = (hash + second) | 0
  }
  return true
}
