/**
 * The buffer in which commands build a new value (INCR, APPEND, SETRANGE, SETBIT) before the keyspace copies it. One
 * serves the whole process: a command uses it and is done with it within one synchronous step. It grows to what a value
 * needs, up to proto-max-bulk-len, and is given back when it has grown beyond SCRATCH_BYTES_KEPT.
 */
import type { Request } from './request.js'

const SCRATCH_BYTES_FIRST = 16 * 1024
export const SCRATCH_BYTES_KEPT = 1024 * 1024

export class Scratch {
  /** What a command has built lies at its start. */
  buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES_FIRST)

  /** At least `sizeBytes` long; what it held before may be gone. */
  take(sizeBytes: number): Buffer {
    if (sizeBytes > this.buffer.length) this.buffer = Buffer.allocUnsafeSlow(grownSize(sizeBytes))
    return this.buffer
  }

  /** Call when the value has been copied (or the write has failed). */
  giveBack(): void {
    if (this.buffer.length > SCRATCH_BYTES_KEPT) this.buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES_FIRST)
  }
}

/** Powers of two as long as the buffer may stay, the exact size beyond. */
function grownSize(sizeBytes: number): number {
  if (sizeBytes > SCRATCH_BYTES_KEPT) return sizeBytes
  let size = SCRATCH_BYTES_FIRST
  while (size < sizeBytes) size *= 2
  return size
}

export const scratch = new Scratch()

/** Writes the first `sizeBytes` of the scratch buffer under the key in argument `keyIndex`, then gives it back. */
export function setScratch(request: Request, keyIndex: number, sizeBytes: number, expireAtMs: number): void {
  const { bytes, offsets, keyspace } = request
  const start = offsets[2 * keyIndex]
  const end = offsets[2 * keyIndex + 1]
  try {
    keyspace.set(bytes, start, end, scratch.buffer, 0, sizeBytes, expireAtMs)
  } finally {
    scratch.giveBack()
  }
}
