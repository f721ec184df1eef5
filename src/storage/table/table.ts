/**
 * A table open for reading on the event loop. A lookup never does I/O: index and bloom filter are resident, the block is
 * in the cache or the answer is COLD, and then load() reads it while other requests go on.
 *
 * find() is the hot path of every read that the memtables do not answer: it makes no garbage, calls only what V8 inlines,
 * and works on typed arrays that never change. An entry it found is valid until the caller returns to the event loop or
 * calls loadSync(): blocks are evicted only when a load completes.
 *
 * Loads: one read per block however many wait for it; each load() that succeeds pins the block once for its caller, who
 * calls unpin() after the last use. The bytes are checked against the index and their own checksum before they reach
 * the cache; a block that fails is an error for everyone who waits, never an absent key, and is read again next time.
 *
 * Life: retire() says that the current version no longer contains the table. Its blocks leave the cache at once; the file
 * is closed, and removed if asked, when the last read under way, and the last job that holds it, has ended. Who waited for such a read is called without
 * an error, runs again, and asks the tables of the new version. A lookup in a retired table is harmless (it answers
 * COLD, or ABSENT by the filter), and so is a load, which reads nothing and answers as if it had.
 */
import type { Disk } from '../../env/disk.js'
import type { CorruptionError } from '../corruption-error.js'
import type { KeyHash } from '../../ring/token.js'
import { assert } from '../../util/assert.js'
import { HEADER_BYTES } from '../../record/layout.js'
import type { BlockCache } from '../block-cache.js'
import { FOR_LOOKUP, FOR_NOBODY, FOR_WALK, NOWHERE } from '../block-cache.js'
import type { LoadedFor } from '../block-cache.js'
import { diskErrorCode } from '../disk-error.js'
import type { EntryRef } from '../entry.js'
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
import { FILE_HEADER_BYTES } from './table-format.js'
import type { BlockIndex } from './block-index.js'
import { filterMayContain, filterScale } from './bloom-filter.js'
import type { TableFile } from './table-file.js'
import { openTableFile, tableCorruption } from './table-file.js'
import type { TableLookup } from './table-lookup.js'
import { ABSENT, COLD, FOUND } from './table-lookup.js'
import type { TableSummary } from './table-summary.js'

/** Called from the event loop when the block is in memory and pinned, or could not be read. */
export type LoadDone = (error: Error | null) => void

/** A block that is being read. */
interface Load {
  readonly waiting: LoadDone[]
  loadedFor: LoadedFor
}

/** What comes with one read of neighbours: the event loop expands them in one go, so it is not much. */
const RUN_BYTES_MAX = 64 * 1024
const RUN_BLOCKS_MAX = 16

const WORDS_PER_SLOT = BLOCK_BYTES / 2
const TOKENS_PER_SLOT = BLOCK_BYTES / 8
/** Where tokens begin in a block, in tokens. */
const FIRST_TOKEN = 2
const WORDS_PER_TOKEN = 4

const HITS = 0
const MISSES = 1

export class Table {
  readonly path: string
  readonly summary: TableSummary
  /** The block that the last COLD answer asked for. */
  coldBlock = -1
  /** Told of every block that fails its check, before whoever asked for it. */
  onDamage: (table: Table, error: CorruptionError) => void = () => {}
  /** A block that the disk does not give (EIO) is as good as damaged: others have what is in it. */
  losesUnreadable = false

  readonly #disk: Disk
  readonly #file: number
  readonly #index: BlockIndex
  readonly #filter: Uint8Array
  readonly #filterScale: number
  readonly #probes: number
  readonly #blockBytes: number

  readonly #cache: BlockCache
  readonly #cacheHandle: number
  /** Per block, where the cache has it. */
  readonly #places: Int32Array
  /**
   * Per block in memory, its entry count: the block has it too, but there it costs the first of three cache misses that
   * have to wait for each other, a tenth of the whole lookup.
   */
  readonly #entryCounts: Uint16Array
  readonly #slotBytes: Buffer
  readonly #slotTokens: Float64Array
  readonly #slotWords: Uint16Array
  readonly #referenced: Uint8Array
  readonly #tallies: Float64Array

  readonly #loads = new Map<number, Load>()
  #isRetired = false
  #unlinks = false
  /** Jobs that read the file by its name. */
  #holds = 0

  private constructor(disk: Disk, opened: TableFile, cache: BlockCache) {
    this.path = opened.path
    this.summary = opened.footer.summary
    this.#disk = disk
    this.#file = opened.file
    this.#index = opened.index
    this.#filter = opened.filter
    this.#filterScale = filterScale(opened.filter.length)
    this.#probes = opened.footer.probes
    this.#blockBytes = opened.footer.blockBytes
    this.#cache = cache
    this.#places = new Int32Array(opened.index.blockCount).fill(NOWHERE)
    this.#entryCounts = new Uint16Array(opened.index.blockCount)
    this.#cacheHandle = cache.register(this.#places)
    this.#slotBytes = cache.bytes
    this.#slotTokens = cache.tokens
    this.#slotWords = cache.words
    this.#referenced = cache.referenced
    this.#tallies = cache.tallies
  }

  /**
   * Opens the table with this number, reading and checking everything but its blocks. Throws CorruptionError, also when
   * it is another table than it should be, or what the disk throws.
   */
  static open(disk: Disk, path: string, cache: BlockCache, fileNumber: number): Table {
    const opened = openTableFile(disk, path)
    const actual = opened.footer.summary.fileNumber
    if (actual === fileNumber) return new Table(disk, opened, cache)
    disk.close(opened.file)
    throw tableCorruption(
      path,
      opened.footer.summary.sizeBytes,
      `it is table ${actual}, not table ${fileNumber}`,
    )
  }

  /** Memory that the table takes besides its blocks in the cache. */
  get residentBytes(): number {
    return (
      this.#index.residentBytes + this.#filter.length + this.#places.byteLength + this.#entryCounts.byteLength
    )
  }

  /** Bytes that all blocks have in the file. */
  get storedBlockBytes(): number {
    return this.#index.endOffset - FILE_HEADER_BYTES
  }

  /** Bytes that all blocks have in memory: more than in the file where they are compressed. */
  get expandedBlockBytes(): number {
    return this.#blockBytes === 0 ? this.storedBlockBytes : this.#blockBytes
  }

  get index(): BlockIndex {
    return this.#index
  }

  /** False only when the table has no entry of the key. */
  mayContain(hash: KeyHash): boolean {
    return filterMayContain(this.#filter, this.#filterScale, this.#probes, hash.first, hash.second)
  }

  /**
   * Looks up the key bytes[start, end), whose hash the caller has computed. FOUND fills `into`; COLD sets `coldBlock`.
   */
  find(hash: KeyHash, bytes: Buffer, start: number, end: number, into: EntryRef): TableLookup {
    const token = hash.token
    if (!filterMayContain(this.#filter, this.#filterScale, this.#probes, hash.first, hash.second))
      return ABSENT
    const firstTokens = this.#index.firstTokens
    for (let block = this.#index.lastAtMost(token); block >= 0; block--) {
      const slot = this.#places[block]
      if (slot === NOWHERE) return this.#answerCold(block)
      this.#tallies[HITS]++
      if (slot >= 0) {
        const record = this.#findInSlot(slot, block, token, bytes, start, end)
        if (record >= 0) {
          into.bytes = this.#slotBytes
          into.record = record
          return FOUND
        }
      } else if (this.#findInTemporary(slot, token, bytes, start, end, into)) {
        return FOUND
      }
      // Other keys of the same token may stand at the end of the block before.
      if (firstTokens[block] !== token) break
    }
    return ABSENT
  }

  /** find() for tools and tests: reads cold blocks on the spot. The entry is valid until the next call of any table. */
  findSync(hash: KeyHash, bytes: Buffer, start: number, end: number, into: EntryRef): TableLookup {
    const pinned: number[] = []
    try {
      let answer = this.find(hash, bytes, start, end, into)
      while (answer === COLD) {
        const block = this.coldBlock
        this.loadSync(block)
        this.#cache.pin(this.#places[block])
        pinned.push(block)
        answer = this.find(hash, bytes, start, end, into)
      }
      return answer
    } finally {
      for (const block of pinned) this.unpin(block)
    }
  }

  /** The block's place in the cache. */
  placeOf(block: number): number {
    return this.#places[block]
  }

  /** placeOf() for a walk that comes to the block: NOWHERE sets `coldBlock`. Not a use for which a block is kept. */
  visit(block: number): number {
    const place = this.#places[block]
    if (place === NOWHERE) this.#answerCold(block)
    else this.#tallies[HITS]++
    return place
  }

  /** The bytes that hold the block with this place: at place * BLOCK_BYTES, for a temporary (below 0) at the start. */
  blockBytes(place: number): Buffer {
    return place >= 0 ? this.#slotBytes : this.#cache.temporary(place)
  }

  /** Reads a block into memory and pins it for the caller, who is told from the event loop, never from within this call. */
  load(block: number, done: LoadDone): void {
    if (!this.#isUnderWay(block, done, FOR_LOOKUP)) {
      this.#loads.set(block, { waiting: [done], loadedFor: FOR_LOOKUP })
      this.#read(block)
    }
  }

  /**
   * load() of the neighbours [first, end) for a walk, which has no use for them afterwards; those that have to be read come with few
   * reads. `done` is told of each.
   */
  loadRun(first: number, end: number, done: (block: number, error: Error | null) => void): void {
    let from = first
    for (let block = first; block < end; block++) {
      const doneBlock: LoadDone = (error) => done(block, error)
      if (this.#isUnderWay(block, doneBlock, FOR_WALK)) {
        this.#readRun(from, block)
        from = block + 1
      } else {
        this.#loads.set(block, { waiting: [doneBlock], loadedFor: FOR_WALK })
      }
    }
    this.#readRun(from, end)
  }

  /** Whether the block need not be read for `done`, who will be told. */
  #isUnderWay(block: number, done: LoadDone, loadedFor: LoadedFor): boolean {
    assert(block >= 0 && block < this.#places.length, 'the block is one of the table')
    const load = this.#loads.get(block)
    const place = this.#places[block]
    if (load !== undefined) {
      load.waiting.push(done)
      if (loadedFor === FOR_LOOKUP) load.loadedFor = FOR_LOOKUP
      return true
    }
    // Nobody needs a block of a retired table any more: whoever runs again asks the tables of the new version.
    if (!this.#isRetired && place === NOWHERE) return false
    if (!this.#isRetired) {
      this.#cache.pin(place)
      if (loadedFor === FOR_LOOKUP) this.#cache.wantedByLookup(place)
    }
    queueMicrotask(() => done(null))
    return true
  }

  /** Reads a block into memory at once, without pinning it. Throws CorruptionError or what the disk throws. */
  loadSync(block: number): void {
    assert(!this.#isRetired, 'a retired table is not read')
    if (this.#places[block] !== NOWHERE) return
    const length = this.#index.storedLength(block)
    const buffer = this.#cache.takeReadBuffer(length)
    let bytes
    try {
      bytes = this.#disk.readSync(this.#file, buffer, 0, length, this.#index.offset(block))
    } catch (error) {
      throw this.#unreadable(block, error as Error)
    }
    const ready = this.#ready(block, buffer, bytes)
    if (ready instanceof Error) throw ready
    this.#insert(block, ready, FOR_NOBODY)
  }

  /** No version contains it any more. */
  get isRetired(): boolean {
    return this.#isRetired
  }

  /** Whether the place of this token, which lies within the table, is in memory. */
  hasInMemory(token: number): boolean {
    return this.#places[this.#index.lastAtMost(token)] !== NOWHERE
  }

  /** The table is about to go: the block that this token, which lies within the table, is in may leave the cache first. */
  demote(token: number): void {
    this.#cache.demote(this.#places[this.#index.lastAtMost(token)])
  }

  /** Takes a block that nobody has asked for, checked and expanded, at bytes[start…), into the cache if there is room; it is not pinned. */
  offer(block: number, bytes: Buffer, start: number): void {
    if (this.#isRetired || this.#places[block] !== NOWHERE) return
    this.#entryCounts[block] = blockEntryCount(bytes, start)
    this.#cache.offer(this.#cacheHandle, block, bytes, start, byteLengthOf(bytes, start))
  }

  /** Ends what one successful load() began; harmless when the table was retired meanwhile. */
  unpin(block: number): void {
    if (!this.#isRetired) this.#cache.unpin(this.#places[block])
  }

  /** Ends the table's use; `unlink` also removes the file. The caller syncs the directory. */
  retire(unlink: boolean): void {
    assert(!this.#isRetired, 'a table is retired once')
    this.#isRetired = true
    this.#unlinks = unlink
    this.#cache.release(this.#cacheHandle)
    this.#closeWhenUnused()
  }

  /** A job reads the file by its name: that stays until release(), also when the table is retired meanwhile. */
  hold(): void {
    assert(!this.#isRetired, 'a retired table is not read')
    this.#holds++
  }

  /** Ends what hold() began. */
  release(): void {
    this.#holds--
    if (this.#isRetired) this.#closeWhenUnused()
  }

  #closeWhenUnused(): void {
    if (this.#loads.size === 0 && this.#holds === 0) this.#close()
  }

  /** An error of the disk is nobody's to handle: the file has no user, and one that stays is removed at the next start. */
  #close(): void {
    try {
      this.#disk.close(this.#file)
      if (this.#unlinks) this.#disk.discard(this.path)
    } catch (error) {
      if (diskErrorCode(error) === null) throw error
    }
  }

  #answerCold(block: number): TableLookup {
    this.coldBlock = block
    this.#tallies[MISSES]++
    return COLD
  }

  /** Offset of the record in the slots, or -1. */
  #findInSlot(slot: number, block: number, token: number, bytes: Buffer, start: number, end: number): number {
    this.#referenced[slot] = 1
    const words = this.#slotWords
    const tokens = this.#slotTokens
    const count = this.#entryCounts[block]
    const low = slot * TOKENS_PER_SLOT + FIRST_TOKEN
    const high = low + count
    let at = low + this.#index.guess(block, token, count)
    while (at > low && tokens[at - 1] >= token) at--
    while (at < high && tokens[at] < token) at++
    const offsets = slot * WORDS_PER_SLOT + (FIRST_TOKEN + count) * WORDS_PER_TOKEN - low
    for (; at < high && tokens[at] === token; at++) {
      const record = slot * BLOCK_BYTES + words[offsets + at]
      if (isKeyOf(this.#slotBytes, record, bytes, start, end)) return record
    }
    return -1
  }

  #findInTemporary(
    place: number,
    token: number,
    bytes: Buffer,
    start: number,
    end: number,
    into: EntryRef,
  ): boolean {
    const block = this.#cache.temporary(place)
    const count = blockEntryCount(block, 0)
    for (let i = 0; i < count; i++) {
      if (blockToken(block, 0, i) !== token) continue
      const record = blockRecord(block, 0, count, i)
      if (!isKeyOf(block, record, bytes, start, end)) continue
      into.bytes = block
      into.record = record
      return true
    }
    return false
  }

  #read(block: number): void {
    const length = this.#index.storedLength(block)
    const buffer = this.#cache.takeReadBuffer(length)
    this.#disk.read(this.#file, buffer, 0, length, this.#index.offset(block), (error, bytes) =>
      this.#arrived(block, buffer, bytes, error),
    )
  }

  /** Reads the neighbours [first, end). */
  #readRun(first: number, end: number): void {
    for (let from = first; from < end;) {
      const start = this.#index.offset(from)
      let next = from + 1
      while (
        next < end &&
        next - from < RUN_BLOCKS_MAX &&
        this.#index.offset(next) + this.#index.storedLength(next) - start <= RUN_BYTES_MAX
      )
        next++
      if (next === from + 1) this.#read(from)
      else this.#readTogether(from, next)
      from = next
    }
  }

  #readTogether(first: number, end: number): void {
    const start = this.#index.offset(first)
    const length = this.#index.offset(end - 1) + this.#index.storedLength(end - 1) - start
    const run = Buffer.allocUnsafeSlow(length)
    this.#disk.read(this.#file, run, 0, length, start, (error, got) => {
      for (let block = first; block < end; block++) {
        // Which of them the disk does not give shows when each is read by itself.
        if (error !== null || got < length) {
          this.#read(block)
          continue
        }
        const bytes = this.#index.storedLength(block)
        const from = this.#index.offset(block) - start
        const buffer = this.#cache.takeReadBuffer(bytes)
        run.copy(buffer, 0, from, from + bytes)
        this.#arrived(block, buffer, bytes, null)
      }
    })
  }

  /** The read of a block has ended, with so many bytes of it in `buffer`. */
  #arrived(block: number, buffer: Buffer, bytes: number, error: Error | null): void {
    const load = this.#loads.get(block)
    assert(load !== undefined, 'a block that arrives was asked for')
    this.#loads.delete(block)
    const ready = error === null ? this.#ready(block, buffer, bytes) : this.#unreadable(block, error)
    const failure = ready instanceof Error ? ready : null
    if (ready instanceof Error) this.#cache.giveReadBuffer(buffer)
    else if (this.#isRetired) this.#cache.giveReadBuffer(ready)
    else this.#takeIn(block, ready, load)
    if (this.#isRetired) this.#closeWhenUnused()
    for (const each of load.waiting) each(this.#isRetired ? null : failure)
  }

  /** Takes in a block that was read for those who wait, unless loadSync() was faster. */
  #takeIn(block: number, buffer: Buffer, { waiting, loadedFor }: Load): void {
    if (this.#places[block] === NOWHERE) this.#insert(block, buffer, loadedFor)
    else this.#cache.giveReadBuffer(buffer)
    for (let i = 0; i < waiting.length; i++) this.#cache.pin(this.#places[block])
  }

  #insert(block: number, buffer: Buffer, loadedFor: LoadedFor): void {
    this.#entryCounts[block] = blockEntryCount(buffer, 0)
    this.#cache.insert(this.#cacheHandle, block, buffer, byteLengthOf(buffer, 0), loadedFor)
  }

  /** The block as it is in memory, of the `bytes` that were read of it: in `buffer` or, once expanded, in another read buffer. */
  #ready(block: number, buffer: Buffer, bytes: number): Buffer | Error {
    const length = this.#index.storedLength(block)
    const what =
      bytes < length
        ? `block ${block} ends in the middle`
        : blockDamage(buffer, 0, length, this.#index.checksum(block))
    if (what !== null) return this.#damaged(block, what)
    if (!isCompressed(buffer, 0)) return buffer
    const expanded = this.#cache.takeReadBuffer(byteLengthOf(buffer, 0))
    const misfit = expandBlock(buffer, 0, expanded, 0)
    if (misfit !== null) return this.#damaged(block, misfit)
    this.#cache.giveReadBuffer(buffer)
    return expanded
  }

  /** What a disk's error of reading a block comes to. */
  #unreadable(block: number, error: Error): Error {
    const isLost = this.losesUnreadable && diskErrorCode(error) === 'EIO'
    return isLost ? this.#damaged(block, 'it cannot be read (EIO)') : error
  }

  #damaged(block: number, what: string): CorruptionError {
    const error = tableCorruption(this.path, this.#index.offset(block), `block ${block}: ${what}`)
    if (!this.#isRetired) this.onDamage(this, error)
    return error
  }
}

/** Whether the record in memory[record…] is of the key bytes[start, end). */
export function isKeyOf(memory: Buffer, record: number, bytes: Buffer, start: number, end: number): boolean {
  const length = memory[record + 9] | (memory[record + 10] << 8) | (memory[record + 11] << 16)
  if (length !== end - start) return false
  const key = record + HEADER_BYTES
  for (let i = 0; i < length; i++) if (memory[key + i] !== bytes[start + i]) return false
  return true
}
