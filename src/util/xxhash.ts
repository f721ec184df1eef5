/**
 * xxHash32 in place, in plain JavaScript: the hash of keys (tokens, indexes, bloom filters) and the checksum of
 * everything on disk. A key of 16 bytes takes 20-25 ns, where the WebAssembly build needs 80-130 ns because bytes
 * have to be copied into its memory; above `WASM_FROM_BYTES` the copy pays and xxhash-wasm takes over. Tests hold the
 * two against each other.
 *
 * Source: the xxHash specification, XXH32. Results are signed 32-bit integers; `>>> 0` gives the published value.
 */
import { wasmXxh32 } from './xxhash-wasm.js'

const PRIME_1 = 0x9e3779b1 | 0
const PRIME_2 = 0x85ebca77 | 0
const PRIME_3 = 0xc2b2ae3d | 0
const PRIME_4 = 0x27d4eb2f | 0
const PRIME_5 = 0x165667b1 | 0

/**
 * From this length on the WebAssembly build takes over. Its break-even, copy included, is 250 bytes in ordinary memory
 * and 1,100 in a SharedArrayBuffer, from which the engine copies in smaller steps.
 */
export const WASM_FROM_BYTES = 512

/** xxHash32 of bytes[start, end) under `seed` (32 bits), as a signed 32-bit integer. */
export function xxh32(bytes: Uint8Array, start: number, end: number, seed: number): number {
  const length = end - start
  if (length >= WASM_FROM_BYTES) return wasmXxh32(bytes, start, end, seed)
  let p = start
  let h: number
  if (length >= 16) {
    let a = (seed + PRIME_1 + PRIME_2) | 0
    let b = (seed + PRIME_2) | 0
    let c = seed | 0
    let d = (seed - PRIME_1) | 0
    const last = end - 16
    do {
      a = round(a, bytes[p] | (bytes[p + 1] << 8) | (bytes[p + 2] << 16) | (bytes[p + 3] << 24))
      b = round(b, bytes[p + 4] | (bytes[p + 5] << 8) | (bytes[p + 6] << 16) | (bytes[p + 7] << 24))
      c = round(c, bytes[p + 8] | (bytes[p + 9] << 8) | (bytes[p + 10] << 16) | (bytes[p + 11] << 24))
      d = round(d, bytes[p + 12] | (bytes[p + 13] << 8) | (bytes[p + 14] << 16) | (bytes[p + 15] << 24))
      p += 16
    } while (p <= last)
    h =
      (((a << 1) | (a >>> 31)) +
        ((b << 7) | (b >>> 25)) +
        ((c << 12) | (c >>> 20)) +
        ((d << 18) | (d >>> 14))) |
      0
  } else {
    h = (seed + PRIME_5) | 0
  }
  h = (h + length) | 0
  while (p + 4 <= end) {
    h =
      (h + Math.imul(bytes[p] | (bytes[p + 1] << 8) | (bytes[p + 2] << 16) | (bytes[p + 3] << 24), PRIME_3)) |
      0
    h = Math.imul((h << 17) | (h >>> 15), PRIME_4)
    p += 4
  }
  while (p < end) {
    h = (h + Math.imul(bytes[p], PRIME_5)) | 0
    h = Math.imul((h << 11) | (h >>> 21), PRIME_1)
    p++
  }
  h = Math.imul(h ^ (h >>> 15), PRIME_2)
  h = Math.imul(h ^ (h >>> 13), PRIME_3)
  return h ^ (h >>> 16)
}

function round(accumulator: number, word: number): number {
  const x = (accumulator + Math.imul(word, PRIME_2)) | 0
  return Math.imul((x << 13) | (x >>> 19), PRIME_1)
}
