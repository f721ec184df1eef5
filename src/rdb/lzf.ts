/**
 * LZF, in which Redis compresses strings above 20 bytes: literal runs of up to 32 bytes, and references of 3 to 264 bytes to
 * what stands up to 8 KB before. A control byte below 32 starts a run of one byte more; else its upper three bits are the
 * length less 2, where 7 adds the next byte, and its lower five with the next byte are the distance less 1.
 */
const RUN_MAX = 32
/** A reference of three bytes makes at most 264. */
const EXPANSION_MAX = 88

/** Whether `compressedBytes` can become `bytes` at all: asked before memory is taken for a damaged length. */
export function canExpandTo(compressedBytes: number, bytes: number): boolean {
  return bytes <= compressedBytes * EXPANSION_MAX
}

/** Fills `output` from `input`; false when the input does not make exactly that many bytes. */
export function expandLzf(input: Uint8Array, output: Uint8Array): boolean {
  let from = 0
  let to = 0
  while (from < input.length) {
    const control = input[from++]
    if (control < RUN_MAX) {
      const run = control + 1
      if (from + run > input.length || to + run > output.length) return false
      for (let i = 0; i < run; i++) output[to++] = input[from++]
      continue
    }
    let length = (control >> 5) + 2
    if (length === 9) length += input[from++] ?? 0
    if (from >= input.length) return false
    let source = to - (((control & 0x1f) << 8) | input[from++]) - 1
    if (source < 0 || to + length > output.length) return false
    // Byte by byte: a reference may reach into what it is writing.
    for (let i = 0; i < length; i++) output[to++] = output[source++]
  }
  return to === output.length
}
