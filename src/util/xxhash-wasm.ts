/** The one place that knows the xxhash-wasm package: long inputs, and the oracle of our own xxHash32 in tests. */
import xxhash from 'xxhash-wasm'

const { h32Raw } = await xxhash()

/** xxHash32 of bytes[start, end) as a signed 32-bit integer. */
export function wasmXxh32(bytes: Uint8Array, start: number, end: number, seed: number): number {
  return h32Raw(bytes.subarray(start, end), seed >>> 0) | 0
}
