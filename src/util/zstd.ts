/**
 * Zstandard, the one place that knows the packages: the binaries of @toondepauw/node-zstd, and fzstd, which expands in plain
 * JavaScript where there is none for the platform. The package that chooses among the binaries is left out: it names some that
 * the registry does not have, with which no lock file is complete. Without the binary nothing can be compressed, so the caller takes
 * another method; what other nodes have written is read.
 *
 * Both expanders answer as many bytes as a frame makes, so the frame is looked through before, and one that could become
 * much more than it should is refused: four bytes may stand for 128 KB. Source: RFC 8878, 3.1.1.
 */
import { createRequire } from 'node:module'
import { readU32 } from './bytes.js'

/** Level: the higher ones take several times as long and save two or three percent of a block of 4 KB. */
const LEVEL = 3

const BINARIES = ['@toondepauw/node-zstd-linux-x64-gnu', '@toondepauw/node-zstd-linux-x64-musl']

interface Binary {
  readonly Encoder: new (level: number) => { encodeSync(bytes: Buffer): Uint8Array }
  readonly Decoder: new () => { decodeSync(frame: Buffer): Uint8Array }
}

/** Null where none is installed, because it is for another platform. */
function loadBinary(): Binary | null {
  const require = createRequire(import.meta.url)
  for (const name of BINARIES) {
    try {
      return require(name) as Binary
    } catch {
      // The next one, or none.
    }
  }
  return null
}

const binary = loadBinary()
const coders = binary === null ? null : { encoder: new binary.Encoder(LEVEL), decoder: new binary.Decoder() }
// Only where it is needed.
const plain = coders === null ? await import('fzstd') : null

/** Whether this node can compress. */
export const zstdIsNative = coders !== null

const FRAME_MAGIC = 0xfd2fb528
const MAGIC_BYTES = 4
const SINGLE_SEGMENT = 0x20
const CHECKSUM = 0x04
const DICTIONARY = 0x03
const BLOCK_HEADER_BYTES = 3
const BLOCK_BYTES_MAX = 128 * 1024
const RLE = 1
const COMPRESSED = 2

/** The bytes as one frame; null where there is no binary for the platform. They lie in private memory. */
export function zstdCompress(bytes: Buffer): Uint8Array | null {
  return coders === null ? null : coders.encoder.encodeSync(bytes)
}

/**
 * Expands a frame to into[at, at + length); false when it is not what becomes that many bytes. Never writes elsewhere; takes at most
 * 256 KB more memory than `length`.
 */
export function zstdExpand(frame: Buffer, into: Buffer, at: number, length: number): boolean {
  if (frameBytesMax(frame) > length + 2 * BLOCK_BYTES_MAX) return false
  try {
    const bytes = coders === null ? plain?.decompress(frame) : coders.decoder.decodeSync(frame)
    if (bytes?.length !== length) return false
    into.set(bytes, at)
    return true
  } catch {
    return false
  }
}

/** What the frame can become at most; Infinity when it is not one whole frame without a dictionary. */
export function frameBytesMax(frame: Uint8Array): number {
  if (frame.length <= MAGIC_BYTES || readU32(frame, 0) !== FRAME_MAGIC) return Infinity
  const descriptor = frame[MAGIC_BYTES]
  if ((descriptor & DICTIONARY) !== 0) return Infinity
  const isSingle = (descriptor & SINGLE_SEGMENT) !== 0
  const sizeCode = descriptor >>> 6
  const sizeBytes = sizeCode === 0 ? (isSingle ? 1 : 0) : 1 << sizeCode
  let at = MAGIC_BYTES + 1 + (isSingle ? 0 : 1) + sizeBytes
  let bytes = 0
  for (let isLast = false; !isLast;) {
    if (at + BLOCK_HEADER_BYTES > frame.length) return Infinity
    const header = frame[at] | (frame[at + 1] << 8) | (frame[at + 2] << 16)
    const kind = (header >>> 1) & 3
    const size = header >>> 3
    if (kind > COMPRESSED || size > BLOCK_BYTES_MAX) return Infinity
    bytes += kind === COMPRESSED ? BLOCK_BYTES_MAX : size
    at += BLOCK_HEADER_BYTES + (kind === RLE ? 1 : size)
    isLast = (header & 1) === 1
  }
  const end = at + ((descriptor & CHECKSUM) !== 0 ? 4 : 0)
  return end === frame.length ? bytes : Infinity
}
