/**
 * The one place that knows the xxhash-wasm package: long inputs, and the oracle of our own xxHash32 in tests.
 *
 * Its memory grows to the longest input and never shrinks, so that hashing one value of 512 MB would cost the process
 * 512 MB for good. Inputs above a chunk therefore go through its streaming interface, a chunk at a time.
 */
import xxhash from 'xxhash-wasm'

const { h32Raw, create32 } = await xxhash()

/** Most bytes handed over at once: the package's memory grows to this size. */
const CHUNK_BYTES = 65_536

/** xxHash32 of bytes[start, end) as a signed 32-bit integer. */
export function wasmXxh32(bytes: Uint8Array, start: number, end: number, seed: number): number {
  if (end - start <= CHUNK_BYTES) return h32Raw(bytes.subarray(start, end), seed >>> 0) | 0
  const hash = create32(seed >>> 0)
  for (let at = start; at < end; at += CHUNK_BYTES)
    hash.update(bytes.subarray(at, Math.min(at + CHUNK_BYTES, end)))
  return hash.digest() | 0
}
