/**
 * By which method the blocks of a table are compressed, and what a byte in a block's header says of it. Methods that save
 * less than an eighth are not worth what each read of the block pays for them (the bound of RocksDB), and Zstandard
 * becomes LZ4 on a node that cannot write it: every node reads all of them.
 */
import { lz4Compress, lz4Expand } from '../../util/lz4.js'
import { zstdCompress, zstdExpand } from '../../util/zstd.js'

export type BlockCompression = 'none' | 'lz4' | 'zstd'

/** What tables are written with. */
export interface TableCompression {
  readonly tables: BlockCompression
  /** Of the deepest level that there is: most of the data, and what is rewritten least often. */
  readonly deepest: BlockCompression
}

/** Longest payload that is compressed: it is expanded in one call, often on the event loop, in 1 to 3 ms. */
export const COMPRESSED_PAYLOAD_MAX = 256 * 1024

/** Values of the header's byte. */
export const METHOD_NONE = 0
const METHOD_LZ4 = 1
const METHOD_ZSTD = 2

export interface PackedPayload {
  readonly method: number
  readonly bytes: Uint8Array
}

/** The payload compressed; null when that saves too little. It lies in private memory. */
export function packPayload(compression: BlockCompression, payload: Buffer): PackedPayload | null {
  if (compression === 'none' || payload.length > COMPRESSED_PAYLOAD_MAX) return null
  const packed = pack(compression, payload)
  return packed.bytes.length <= payload.length - payload.length / 8 ? packed : null
}

function pack(compression: 'lz4' | 'zstd', payload: Buffer): PackedPayload {
  const frame = compression === 'zstd' ? zstdCompress(payload) : null
  if (frame !== null) return { method: METHOD_ZSTD, bytes: frame }
  return { method: METHOD_LZ4, bytes: lz4Compress(payload) }
}

export function isKnownMethod(method: number): boolean {
  return method <= METHOD_ZSTD
}

/** Expands a payload to into[at, at + length); false when that is not what it becomes. */
export function unpackPayload(
  method: number,
  packed: Buffer,
  into: Buffer,
  at: number,
  length: number,
): boolean {
  return method === METHOD_LZ4 ? lz4Expand(packed, into, at, length) : zstdExpand(packed, into, at, length)
}
