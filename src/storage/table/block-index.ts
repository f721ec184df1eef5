/**
 * The index of a table: where each block lies, and which one a token is in. Resident, with the places in the cache 34 bytes a block of some 4 KB.
 *
 *     index := blockCount x f64 first token, ascending
 *              blockCount x u32 stored length
 *              blockCount x u32 checksum
 *
 * Blocks follow each other without gaps from the end of the file's header on, so their offsets are sums. Columns rather
 * than rows: in memory each is a typed array over the very bytes that were read.
 *
 * Search: keys are spread evenly over tokens, so an array of as many evenly spaced buckets as there are blocks says
 * where to start, and a step or two from there finds the block; a binary search takes sixteen unpredictable branches in
 * a table of 200 MB. Tokens that are not even (one hash tag for everything) fill few buckets; within one the search is
 * binary, so the worst case is what it was.
 */
import { FILE_HEADER_BYTES } from './table-format.js'

export const INDEX_BYTES_PER_BLOCK = 16

/** Candidates up to which stepping beats a binary search. */
const WALK_MAX = 8

export class BlockIndex {
  readonly blockCount: number
  readonly firstTokens: Float64Array
  readonly #lengths: Uint32Array
  readonly #checksums: Uint32Array
  /** Offset in the file of each block, and of the end of the last one. */
  readonly #offsets: Float64Array
  /** Per bucket, and one past the last: the last block before it. */
  readonly #buckets: Int32Array
  readonly #lowest: number
  readonly #scale: number

  /** `bytes` starts at a multiple of 8 of its memory and holds `blockCount` > 0 rows. */
  constructor(bytes: Buffer, blockCount: number) {
    this.blockCount = blockCount
    this.firstTokens = new Float64Array(bytes.buffer, bytes.byteOffset, blockCount)
    this.#lengths = new Uint32Array(bytes.buffer, bytes.byteOffset + 8 * blockCount, blockCount)
    this.#checksums = new Uint32Array(bytes.buffer, bytes.byteOffset + 12 * blockCount, blockCount)
    this.#offsets = new Float64Array(blockCount + 1)
    this.#offsets[0] = FILE_HEADER_BYTES
    for (let i = 0; i < blockCount; i++) this.#offsets[i + 1] = this.#offsets[i] + this.#lengths[i]
    this.#lowest = this.firstTokens[0]
    const span = this.firstTokens[blockCount - 1] - this.#lowest
    this.#scale = span === 0 ? 0 : blockCount / span
    this.#buckets = this.#fillBuckets()
  }

  get residentBytes(): number {
    return this.blockCount * INDEX_BYTES_PER_BLOCK + this.#offsets.byteLength + this.#buckets.byteLength
  }

  /** Offset in the file where the blocks end. */
  get endOffset(): number {
    return this.#offsets[this.blockCount]
  }

  offset(block: number): number {
    return this.#offsets[block]
  }

  storedLength(block: number): number {
    return this.#lengths[block]
  }

  checksum(block: number): number {
    return this.#checksums[block]
  }

  /** What the block's keys may have for tokens, both inclusive; `maxToken` is the table's last one. */
  tokensOf(block: number, maxToken: number): { minToken: number; maxToken: number } {
    // Keys of one token may stand in two blocks.
    const last = block + 1 < this.blockCount ? this.firstTokens[block + 1] : maxToken
    return { minToken: this.firstTokens[block], maxToken: last }
  }

  /** The block that begins at this offset of the file, -1 when none does. */
  blockAt(offset: number): number {
    const block = this.#offsets.indexOf(offset)
    return block === this.blockCount ? -1 : block
  }

  /** The last block whose first token is at most `token`; -1 when there is none. */
  lastAtMost(token: number): number {
    const tokens = this.firstTokens
    if (token < this.#lowest) return -1
    const bucket = this.#bucketOf(token)
    let low = this.#buckets[bucket]
    let high = this.#buckets[bucket + 1]
    while (high - low > WALK_MAX) {
      const middle = (low + high + 1) >>> 1
      if (tokens[middle] <= token) low = middle
      else high = middle - 1
    }
    while (low < high && tokens[low + 1] <= token) low++
    return low
  }

  /** The last block whose first token is below `token`, or the first block: where entries from `token` on begin. */
  lastBelow(token: number): number {
    let block = this.lastAtMost(token)
    while (block > 0 && this.firstTokens[block] === token) block--
    return Math.max(block, 0)
  }

  /** About where among the `count` entries of a block the token stands, 0 to count - 1: tokens are spread evenly. */
  guess(block: number, token: number, count: number): number {
    const next = block + 1 < this.blockCount ? this.firstTokens[block + 1] : token
    const first = this.firstTokens[block]
    const guess = ((token - first) / (next - first)) * count
    return guess < count ? guess | 0 : count - 1
  }

  #bucketOf(token: number): number {
    const bucket = (token - this.#lowest) * this.#scale
    return bucket < this.blockCount ? bucket | 0 : this.blockCount - 1
  }

  #fillBuckets(): Int32Array {
    const buckets = new Int32Array(this.blockCount + 1)
    let block = 0
    for (let bucket = 1; bucket <= this.blockCount; bucket++) {
      while (block + 1 < this.blockCount && this.#bucketOf(this.firstTokens[block + 1]) < bucket) block++
      buckets[bucket] = block
    }
    return buckets
  }
}

/** Collects the rows while a table is written. */
export class BlockIndexWriter {
  readonly #firstTokens: number[] = []
  readonly #lengths: number[] = []
  readonly #checksums: number[] = []

  get blockCount(): number {
    return this.#firstTokens.length
  }

  add(firstToken: number, storedLength: number, checksum: number): void {
    this.#firstTokens.push(firstToken)
    this.#lengths.push(storedLength)
    this.#checksums.push(checksum)
  }

  encode(): Buffer {
    const count = this.blockCount
    const bytes = Buffer.alloc(count * INDEX_BYTES_PER_BLOCK)
    for (let i = 0; i < count; i++) {
      bytes.writeDoubleLE(this.#firstTokens[i], i * 8)
      bytes.writeUInt32LE(this.#lengths[i], count * 8 + i * 4)
      bytes.writeUInt32LE(this.#checksums[i], count * 12 + i * 4)
    }
    return bytes
  }
}
