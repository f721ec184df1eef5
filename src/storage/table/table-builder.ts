/**
 * Writes a table from entries that come in its order: ascending token, then key bytes, one entry per key. It streams:
 * finished blocks collect in a buffer that goes out in large writes, and only what the end of the file needs (a row per
 * block, eight bytes per key for the filter, the flagged entries) is kept until finish().
 *
 * Runs in worker threads and in simulations: synchronous calls of the injected Disk only. The file is synced as it
 * grows, so that finish() does not leave the device with hundreds of megabytes at once, behind which the log's own
 * syncs would wait. After finish() the file's bytes are durable, its name only once the caller has synced the directory.
 * After a throw from the disk the only thing left to do is abandon().
 */
import type { Disk } from '../../env/disk.js'
import { compareBytes, writeU16 } from '../../util/bytes.js'
import { assert } from '../../util/assert.js'
import { keyLength, keyStart, recordLength } from '../../record/layout.js'
import { ENTRY_HEADER_BYTES, KIND_RECORD, entryKind } from '../entry.js'
import type { BlockCompression } from './block-compression.js'
import {
  BLOCK_BYTES,
  BLOCK_HEADER_BYTES,
  ENTRY_OVERHEAD_BYTES,
  blockLength,
  byteLengthOf,
  isCompressed,
  sealBlock,
  storedLengthOf,
} from './block-format.js'
import { BlockIndexWriter } from './block-index.js'
import { PROBES, addToFilter, filterBytes, filterScale } from './bloom-filter.js'
import type { TableSection } from './table-format.js'
import { FOOTER_BYTES, encodeFileHeader, encodeFooter, tableChecksum } from './table-format.js'
import { TableStatistics } from './table-statistics.js'
import type { TableSummary } from './table-summary.js'

/** Bytes per write of blocks; a jumbo block is a write of its own. */
const WRITE_BYTES = 512 * 1024
/** Bytes after which the file is synced while it grows. */
const SYNC_EVERY_BYTES = 16 * 1024 * 1024
/** Most entries that fit a block: an entry has at least a header of 8 and a record of 16 bytes. */
const BLOCK_ENTRIES_MAX = Math.floor(BLOCK_BYTES / (ENTRY_OVERHEAD_BYTES + 24))
const HASHES_PER_CHUNK = 64 * 1024

export class TableBuilder {
  readonly #disk: Disk
  readonly #path: string
  readonly #fileNumber: number
  readonly #compression: BlockCompression
  #file: number
  /** Offset in the file where #out begins. */
  #written = 0
  #unsyncedBytes = 0
  readonly #out = Buffer.allocUnsafeSlow(WRITE_BYTES)
  readonly #outTokens = new Float64Array(this.#out.buffer)
  #outLength = 0

  /** The block being filled: its entries, side by side, with their tokens and the places of their records in it. */
  readonly #entries = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  readonly #tokens = new Float64Array(BLOCK_ENTRIES_MAX)
  readonly #records = new Uint16Array(BLOCK_ENTRIES_MAX)
  #count = 0
  #entriesBytes = 0

  /** The newest entry's token and where its record can still be read, to check the order. */
  #lastToken = -1
  #lastBytes = this.#entries
  #lastRecord = 0

  readonly #statistics = new TableStatistics()
  readonly #index = new BlockIndexWriter()
  /** Bytes that the blocks have in memory, and whether any has fewer in the file. */
  #blockBytes = 0
  #anyCompressed = false
  /** Both hashes of every key, in chunks. */
  readonly #hashes: Int32Array[] = []

  /** Creates the file; one that a crash left under this name is overwritten. Leaves none behind when it throws. */
  constructor(disk: Disk, path: string, fileNumber: number, compression: BlockCompression = 'none') {
    this.#disk = disk
    this.#compression = compression
    this.#path = path
    this.#fileNumber = fileNumber
    this.#file = disk.open(path, 'create')
    this.#append(encodeFileHeader())
    try {
      disk.truncate(this.#file, 0)
    } catch (error) {
      this.abandon()
      throw error
    }
  }

  get entryCount(): number {
    return this.#statistics.entryCount
  }

  /** Bytes of the file so far, what is still buffered included; index, filter and footer come on top. */
  get sizeBytes(): number {
    const open = this.#count === 0 ? 0 : blockLength(this.#count, this.#entriesBytes)
    return this.#written + this.#outLength + open
  }

  /**
   * Adds the entry whose record is at bytes[record…] with its eight header bytes before it; `first` and `second` are
   * the hashes of its key (KeyHash). The bytes are copied.
   */
  add(token: number, first: number, second: number, bytes: Buffer, record: number): void {
    assert(entryKind(bytes, record) === KIND_RECORD, 'a table holds records of keys')
    assert(this.#isNext(token, bytes, record), 'entries come in the order of the table, one per key')
    const length = ENTRY_HEADER_BYTES + recordLength(bytes, record)
    if (blockLength(this.#count + 1, this.#entriesBytes + length) > BLOCK_BYTES) this.#endBlock()
    if (blockLength(1, length) > BLOCK_BYTES) this.#addJumbo(token, bytes, record, length)
    else this.#addOrdinary(token, bytes, record, length)
    this.#lastToken = token
    this.#addHashes(first, second)
    this.#statistics.add(token, bytes, record)
  }

  /** Writes what is left, syncs and closes the file. */
  finish(): TableSummary {
    assert(this.entryCount > 0, 'a table is not empty')
    this.#endBlock()
    const index = this.#appendSection(this.#index.encode())
    const filter = this.#appendSection(this.#encodeFilter())
    const flagged = this.#appendSection(this.#statistics.flagged.encode())
    const summary = this.#statistics.summary(
      this.#fileNumber,
      this.#written + this.#outLength + FOOTER_BYTES,
      this.#index.blockCount,
    )
    const blockBytes = this.#anyCompressed ? this.#blockBytes : 0
    this.#append(encodeFooter({ index, filter, flagged, probes: PROBES, blockBytes, summary }))
    this.#flush()
    this.#disk.syncSync(this.#file)
    this.#close()
    return summary
  }

  /** Closes and removes what was written so far. Harmless after finish() failed, and a second time. */
  abandon(): void {
    if (this.#file === -1) return
    this.#close()
    this.#disk.unlink(this.#path)
  }

  #close(): void {
    const file = this.#file
    this.#file = -1
    this.#disk.close(file)
  }

  #isNext(token: number, bytes: Buffer, record: number): boolean {
    if (token !== this.#lastToken) return token > this.#lastToken
    const lastKey = keyStart(this.#lastRecord)
    const lastKeyEnd = lastKey + keyLength(this.#lastBytes, this.#lastRecord)
    const key = keyStart(record)
    const keyEnd = key + keyLength(bytes, record)
    return compareBytes(this.#lastBytes, lastKey, lastKeyEnd, bytes, key, keyEnd) < 0
  }

  #addOrdinary(token: number, bytes: Buffer, record: number, length: number): void {
    const at = this.#entriesBytes
    bytes.copy(this.#entries, at, record - ENTRY_HEADER_BYTES, record - ENTRY_HEADER_BYTES + length)
    this.#tokens[this.#count] = token
    this.#records[this.#count] = at + ENTRY_HEADER_BYTES
    this.#count++
    this.#entriesBytes = at + length
    this.#lastBytes = this.#entries
    this.#lastRecord = at + ENTRY_HEADER_BYTES
  }

  /** An entry that fits no ordinary block: a block of its own, written at once. */
  #addJumbo(token: number, bytes: Buffer, record: number, length: number): void {
    const block = Buffer.allocUnsafeSlow(blockLength(1, length))
    const entryAt = BLOCK_HEADER_BYTES + ENTRY_OVERHEAD_BYTES
    block.writeDoubleLE(token, BLOCK_HEADER_BYTES)
    writeU16(block, BLOCK_HEADER_BYTES + 8, entryAt + ENTRY_HEADER_BYTES)
    bytes.copy(block, entryAt, record - ENTRY_HEADER_BYTES, record - ENTRY_HEADER_BYTES + length)
    // Compressed it is no key any more to compare the next one with.
    this.#lastBytes = Buffer.from(
      block.subarray(0, keyStart(entryAt + ENTRY_HEADER_BYTES) + keyLength(bytes, record)),
    )
    this.#lastRecord = entryAt + ENTRY_HEADER_BYTES
    const checksum = sealBlock(block, 0, 1, length, this.#compression)
    this.#append(block.subarray(0, this.#addRow(block, 0, token, checksum)))
  }

  /** Lays out the block being filled in the output buffer; its length is known only now. */
  #endBlock(): void {
    const count = this.#count
    if (count === 0) return
    const length = blockLength(count, this.#entriesBytes)
    if (this.#outLength + length > WRITE_BYTES) this.#flush()
    const at = this.#outLength
    const entriesAt = BLOCK_HEADER_BYTES + count * ENTRY_OVERHEAD_BYTES
    const tokensAt = (at + BLOCK_HEADER_BYTES) / 8
    const offsetsAt = at + BLOCK_HEADER_BYTES + count * 8
    for (let i = 0; i < count; i++) {
      this.#outTokens[tokensAt + i] = this.#tokens[i]
      writeU16(this.#out, offsetsAt + 2 * i, entriesAt + this.#records[i])
    }
    this.#entries.copy(this.#out, at + entriesAt, 0, this.#entriesBytes)
    const checksum = sealBlock(this.#out, at, count, this.#entriesBytes, this.#compression)
    this.#outLength = at + this.#addRow(this.#out, at, this.#tokens[0], checksum)
    this.#count = 0
    this.#entriesBytes = 0
  }

  /** Notes the sealed block at bytes[at…] in the index; answers its length. */
  #addRow(bytes: Buffer, at: number, firstToken: number, checksum: number): number {
    const length = storedLengthOf(bytes, at)
    this.#index.add(firstToken, length, checksum)
    this.#blockBytes += byteLengthOf(bytes, at)
    if (isCompressed(bytes, at)) this.#anyCompressed = true
    return length
  }

  #addHashes(first: number, second: number): void {
    const at = (this.#statistics.entryCount % HASHES_PER_CHUNK) * 2
    if (at === 0) this.#hashes.push(new Int32Array(HASHES_PER_CHUNK * 2))
    const chunk = this.#hashes[this.#hashes.length - 1]
    chunk[at] = first
    chunk[at + 1] = second
  }

  #encodeFilter(): Buffer {
    const filter = Buffer.alloc(filterBytes(this.entryCount))
    const scale = filterScale(filter.length)
    for (let i = 0; i < this.entryCount; i++) {
      const chunk = this.#hashes[Math.floor(i / HASHES_PER_CHUNK)]
      const at = (i % HASHES_PER_CHUNK) * 2
      addToFilter(filter, scale, chunk[at], chunk[at + 1])
    }
    return filter
  }

  #appendSection(bytes: Buffer): TableSection {
    const offset = this.#written + this.#outLength
    this.#append(bytes)
    return { offset, length: bytes.length, checksum: tableChecksum(bytes, 0, bytes.length) }
  }

  /** Appends bytes whose length is a multiple of 8; long ones go straight to the file. */
  #append(bytes: Buffer): void {
    if (this.#outLength + bytes.length > WRITE_BYTES) this.#flush()
    if (bytes.length > WRITE_BYTES) {
      this.#write(bytes, bytes.length)
    } else {
      bytes.copy(this.#out, this.#outLength)
      this.#outLength += bytes.length
    }
  }

  #flush(): void {
    this.#write(this.#out, this.#outLength)
    this.#outLength = 0
  }

  #write(bytes: Buffer, length: number): void {
    this.#disk.writeSync(this.#file, bytes, 0, length, this.#written)
    this.#written += length
    this.#unsyncedBytes += length
    if (this.#unsyncedBytes < SYNC_EVERY_BYTES) return
    this.#disk.syncSync(this.#file)
    this.#unsyncedBytes = 0
  }
}
