/**
 * Reads a table from its first entry to its last: the way of compactions and tools, in worker threads, past the cache.
 * Large reads of whole blocks, synchronous; every block is checked before an entry of it is handed out. Who can go on
 * without a block that fails is told and does; for all others it is the end.
 */
import type { Disk } from '../../env/disk.js'
import { HEADER_BYTES, keyLength } from '../../record/layout.js'
import { KeyHash } from '../../ring/token.js'
import { assert } from '../../util/assert.js'
import type { CorruptionError } from '../corruption-error.js'
import { diskErrorCode } from '../disk-error.js'
import { EntryRef } from '../entry.js'
import {
  BLOCK_BYTES,
  blockDamage,
  blockEntryCount,
  blockRecord,
  blockToken,
  byteLengthOf,
  expandBlock,
  isCompressed,
} from './block-format.js'
import type { FlaggedEntry } from './flagged-list.js'
import type { BlockIndex } from './block-index.js'
import { decodeFlagged } from './flagged-list.js'
import type { TableFile } from './table-file.js'
import { openTableFile, tableCorruption } from './table-file.js'
import type { TableSummary } from './table-summary.js'

/** Told of a block that is passed over, by its number; may throw. */
export type OnBlockDamage = (error: CorruptionError, block: number) => void

/** Bytes per read; a jumbo block is a read of its own. */
const READ_BYTES = 512 * 1024

export class TableScanner {
  /** Token of the current entry. */
  token = 0
  /** The current entry; its bytes are valid until next(). */
  readonly entry = new EntryRef()
  readonly #disk: Disk
  readonly #opened: TableFile
  readonly #onDamage: OnBlockDamage | null
  #hasSkipped = false
  readonly #hash = new KeyHash()
  #isHashed = false
  #isClosed = false

  #chunk: Buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  /** Blocks that were read are those before #readTo; the current one starts at #storedAt of the bytes #stored … */
  #stored = this.#chunk
  #readTo = 0
  #block = -1
  #storedAt = 0
  /** … and is, expanded if need be, at #blockAt of the bytes #memory. */
  #memory = this.#chunk
  #blockAt = 0
  #expanded = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  #count = 0
  #index = 0
  #entriesRead = 0
  /** Entries with a lower token are passed over. */
  readonly #from: number

  /**
   * Opens the table, to be read from its first entry at or after the token `from`. `onDamage`: null has next() throw. Throws
   * CorruptionError or what the disk throws.
   */
  constructor(disk: Disk, path: string, from = 0, onDamage: OnBlockDamage | null = null) {
    this.#disk = disk
    this.#onDamage = onDamage
    this.#opened = openTableFile(disk, path)
    this.#from = from
    if (from <= this.summary.minToken) return
    const block = this.#opened.index.lastBelow(from)
    this.#block = block - 1
    this.#readTo = block
  }

  get summary(): TableSummary {
    return this.#opened.footer.summary
  }

  get index(): BlockIndex {
    return this.#opened.index
  }

  /** Goes to the next entry, at first to the first; false at the end. Throws CorruptionError or what the disk throws. */
  next(): boolean {
    assert(!this.#isClosed, 'a closed scanner reads nothing')
    do {
      this.#index++
      while (this.#index >= this.#count) if (!this.#nextBlock()) return false
      this.token = blockToken(this.#memory, this.#blockAt, this.#index)
      this.#entriesRead++
    } while (this.token < this.#from)
    this.entry.bytes = this.#memory
    this.entry.record = blockRecord(this.#memory, this.#blockAt, this.#count, this.#index)
    this.#isHashed = false
    return true
  }

  /** The next entry is not before `token`: blocks that hold only lower ones are not read, as far as they have not been. */
  skipTo(token: number): void {
    const block = this.#opened.index.lastBelow(token)
    if (block < this.#readTo || block <= this.#block) return
    this.#hasSkipped = true
    this.#block = block - 1
    this.#readTo = block
    this.#count = 0
    this.#index = 0
  }

  /** KeyHash.first of the current entry's key, computed when asked for. */
  get first(): number {
    return this.#hashed().first
  }

  /** KeyHash.second of the current entry's key, computed when asked for. */
  get second(): number {
    return this.#hashed().second
  }

  /** The table's flagged entries, in its order. */
  flagged(): Generator<FlaggedEntry> {
    return decodeFlagged(this.#opened.flagged)
  }

  /** Closes the file; harmless a second time. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#disk.close(this.#opened.file)
  }

  #hashed(): KeyHash {
    if (!this.#isHashed) {
      const { bytes, record } = this.entry
      const key = record + HEADER_BYTES
      this.#hash.of(bytes, key, key + keyLength(bytes, record))
      this.#isHashed = true
    }
    return this.#hash
  }

  #nextBlock(): boolean {
    const { index, path } = this.#opened
    const block = this.#block + 1
    if (block === index.blockCount) {
      const isWhole = this.#from <= this.summary.minToken && !this.#hasSkipped
      if (isWhole && this.#entriesRead !== this.summary.entryCount) {
        throw tableCorruption(
          path,
          index.endOffset,
          `it has ${this.#entriesRead} entries, not ${this.summary.entryCount}`,
        )
      }
      return false
    }
    const damage = this.#read(block)
    this.#block = block
    this.#index = 0
    if (damage !== null) {
      const error = tableCorruption(path, index.offset(block), `block ${block}: ${damage}`)
      if (this.#onDamage === null) throw error
      this.#onDamage(error, block)
      this.#hasSkipped = true
      this.#count = 0
      return true
    }
    this.#count = blockEntryCount(this.#memory, this.#blockAt)
    return true
  }

  /** Has the block in memory; answers what is wrong with it, or null. */
  #read(block: number): string | null {
    const { index } = this.#opened
    try {
      if (block === this.#readTo) this.#readBlocks()
      else this.#storedAt += index.storedLength(this.#block)
    } catch (error) {
      // Without its block the disk has nothing to give; read one by one, the blocks behind it are their own matter.
      if (this.#onDamage === null || diskErrorCode(error) !== 'EIO') throw error
      this.#readTo = block + 1
      return 'it cannot be read (EIO)'
    }
    const length = index.storedLength(block)
    return blockDamage(this.#stored, this.#storedAt, length, index.checksum(block)) ?? this.#expand()
  }

  /** Has the sound block expanded; answers what is wrong with it, or null. */
  #expand(): string | null {
    this.#memory = this.#stored
    this.#blockAt = this.#storedAt
    if (!isCompressed(this.#stored, this.#storedAt)) return null
    const length = byteLengthOf(this.#stored, this.#storedAt)
    this.#memory = length <= BLOCK_BYTES ? this.#expanded : Buffer.allocUnsafeSlow(length)
    this.#blockAt = 0
    return expandBlock(this.#stored, this.#storedAt, this.#memory, 0)
  }

  /** Reads as many whole blocks as a chunk holds, at least one. */
  #readBlocks(): void {
    const { index, path, file } = this.#opened
    const start = index.offset(this.#readTo)
    let end = this.#readTo + 1
    // One that passes over damage reads block by block: an error of the disk is then that of one block.
    const isStepwise = this.#onDamage !== null
    while (!isStepwise && end < index.blockCount && index.offset(end + 1) - start <= READ_BYTES) end++
    const length = index.offset(end) - start
    this.#stored = length <= READ_BYTES ? this.#chunk : Buffer.allocUnsafeSlow(length)
    const got = this.#disk.readSync(file, this.#stored, 0, length, start)
    if (got < length) throw tableCorruption(path, start + got, 'it ends in the middle of a block')
    this.#readTo = end
    this.#storedAt = 0
  }
}
