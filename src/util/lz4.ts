/**
 * LZ4's block format, the one place that knows the lz4-napi package. Where it has no binary for the platform, the functions
 * below do the same in JavaScript, some four times slower to compress and half as fast to expand, so that every node reads
 * and writes what every other one does.
 *
 * A packed piece is its length once expanded, u32, and one LZ4 block, which is how the package (lz4_flex) writes it too.
 *
 * Source of the format: lz4_Block_format.md of the LZ4 project. The matcher is the greedy one of LZ4's fast mode: a table of
 * the last place of every hash of four bytes.
 */
import { readU32, writeU32 } from './bytes.js'

type Native = Pick<typeof import('lz4-napi'), 'compressSync' | 'uncompressSync'>

const native: Native | null = await import('lz4-napi').then(
  (lz4) => lz4.default ?? lz4,
  () => null,
)

/** Whether the package's own code runs here, and not what stands in for it. */
export const lz4IsNative = native !== null

const PREFIX_BYTES = 4
const MATCH_MIN = 4
/** The last match starts at least so far before the end … */
const MATCH_START_MARGIN = 12
/** … and the last bytes are literals. */
const LITERALS_AT_END = 5
const DISTANCE_MAX = 65_535
const HASH_BITS = 12
const LENGTH_IN_TOKEN = 15

/** The bytes, packed. They lie in private memory, not in shared one. */
export function lz4Compress(bytes: Buffer): Uint8Array {
  return native === null ? lz4CompressPlainly(bytes) : native.compressSync(bytes)
}

/**
 * Expands packed bytes to into[at, at + length); false when they are not what becomes that many bytes. Never writes
 * elsewhere, and takes no more memory than `length`.
 */
export function lz4Expand(packed: Buffer, into: Buffer, at: number, length: number): boolean {
  if (packed.length <= PREFIX_BYTES || readU32(packed, 0) !== length) return false
  if (native === null) return lz4ExpandPlainly(packed, into, at, length)
  try {
    const bytes = native.uncompressSync(packed)
    if (bytes.length !== length) return false
    bytes.copy(into, at)
    return true
  } catch {
    return false
  }
}

/** lz4Compress() without the package. */
export function lz4CompressPlainly(bytes: Uint8Array): Uint8Array {
  // Where nothing matches: a length byte for every 255 literals.
  const out = Buffer.allocUnsafe(PREFIX_BYTES + bytes.length + Math.ceil(bytes.length / 255) + 16)
  writeU32(out, 0, bytes.length)
  const places = new Int32Array(1 << HASH_BITS).fill(-1)
  const lastStart = bytes.length - MATCH_START_MARGIN
  const matchEnd = bytes.length - LITERALS_AT_END
  let anchor = 0
  let to = PREFIX_BYTES
  for (let at = 0; at <= lastStart;) {
    const word = readU32(bytes, at)
    const hash = Math.imul(word, 2654435761) >>> (32 - HASH_BITS)
    const candidate = places[hash]
    places[hash] = at
    if (candidate < 0 || at - candidate > DISTANCE_MAX || readU32(bytes, candidate) !== word) {
      at++
      continue
    }
    let length = MATCH_MIN
    while (at + length < matchEnd && bytes[at + length] === bytes[candidate + length]) length++
    to = writeSequence(out, to, bytes, anchor, at, length - MATCH_MIN)
    out[to++] = (at - candidate) & 0xff
    out[to++] = (at - candidate) >>> 8
    if (length - MATCH_MIN >= LENGTH_IN_TOKEN) to = writeLength(out, to, length - MATCH_MIN)
    at += length
    anchor = at
  }
  return out.subarray(0, writeSequence(out, to, bytes, anchor, bytes.length, 0))
}

/** Token and literals bytes[from, end). */
function writeSequence(
  out: Buffer,
  to: number,
  bytes: Uint8Array,
  from: number,
  end: number,
  matchLength: number,
): number {
  const literals = end - from
  out[to++] = (Math.min(literals, LENGTH_IN_TOKEN) << 4) | Math.min(matchLength, LENGTH_IN_TOKEN)
  if (literals >= LENGTH_IN_TOKEN) to = writeLength(out, to, literals)
  out.set(bytes.subarray(from, end), to)
  return to + literals
}

function writeLength(out: Buffer, to: number, length: number): number {
  let left = length - LENGTH_IN_TOKEN
  for (; left >= 255; left -= 255) out[to++] = 255
  out[to++] = left
  return to
}

/** lz4Expand() without the package. */
export function lz4ExpandPlainly(packed: Uint8Array, into: Uint8Array, at: number, length: number): boolean {
  const end = at + length
  let from = PREFIX_BYTES
  let to = at
  while (from < packed.length) {
    const token = packed[from++]
    let literals = token >>> 4
    if (literals === LENGTH_IN_TOKEN) {
      let more
      do literals += more = packed[from++] ?? 0
      while (more === 255)
    }
    if (to + literals > end || from + literals > packed.length) return false
    for (let i = 0; i < literals; i++) into[to++] = packed[from++]
    if (from === packed.length) return to === end
    const distance = packed[from] | ((packed[from + 1] ?? 0) << 8)
    from += 2
    let match = (token & LENGTH_IN_TOKEN) + MATCH_MIN
    if (match === LENGTH_IN_TOKEN + MATCH_MIN) {
      let more
      do match += more = packed[from++] ?? 0
      while (more === 255)
    }
    if (distance === 0 || to - distance < at || to + match > end) return false
    for (let i = 0; i < match; i++, to++) into[to] = into[to - distance]
  }
  return false
}
