/**
 * A segment is a piece of the write-ahead log and a memtable at once: an arena that holds the file's bytes at the file's
 * offsets, and a hash index from keys to the newest record in the arena. Nothing is copied between log and memtable,
 * and a full segment goes to the flush worker by reference, because arena and index lie in shared memory.
 *
 * The index is open addressing over typed arrays: a probe compares 32-bit hashes and touches the arena only on a match.
 * Keys are never removed and the tables never grow (a segment counts as full when its index is three quarters full), so
 * a position in the index names a key for good. On that rest the slot chains: for each hash slot a linked list of index
 * positions, newest first, which SCAN reads in token order without ever sorting a memtable.
 *
 * Hot path: this file and the two beside it are written low on purpose.
 */
import { assert } from '../../util/assert.js'
import { readU24 } from '../../util/bytes.js'
import { SLOT_COUNT } from '../../ring/slot.js'
import { entrySequence, ENTRY_HEADER_BYTES } from '../entry.js'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  ENTRY_FRAME_BYTES,
  LOG_PAGE_BYTES,
  SEAL_MAGIC,
  sealEntry,
  SEGMENT_HEADER_BYTES,
  writeBatchHeader,
  writeSegmentHeader,
} from './segment-format.js'
import type { SegmentHeader } from './segment-format.js'

/**
 * Arena for each index position. With entries below 171 bytes (128 / 0.75) the index fills first and the segment is
 * given up early; the rest of its arena was never touched and costs no memory.
 */
const ARENA_BYTES_PER_INDEX_SLOT = 128
const MIN_INDEX_SLOTS = 1024
const NO_KEY = -1

/** The memory of a segment, reused from one to the next: fresh pages cost more than clearing an index. */
export class SegmentMemory {
  readonly shared: SharedArrayBuffer
  readonly arena: Buffer
  readonly hashes: Int32Array
  /** Offset of the newest record of the key at this index position; 0 for a free position. */
  readonly records: Uint32Array
  /** The next older index position in the chain of the same hash slot. */
  readonly chain: Int32Array
  readonly chainHeads: Int32Array
  readonly chainLengths: Int32Array
  /** Jobs that read it; until they have ended it serves no other segment. */
  holds = 0

  /** `indexSlots` is a power of two; recovery needs more of them than a segment that can be given up early. */
  constructor(capacityBytes: number, indexSlots = slotsFor(capacityBytes, ARENA_BYTES_PER_INDEX_SLOT)) {
    this.shared = new SharedArrayBuffer(capacityBytes)
    this.arena = Buffer.from(this.shared)
    const slots = indexSlots
    this.hashes = new Int32Array(slots)
    this.records = new Uint32Array(new SharedArrayBuffer(slots * 4))
    this.chain = new Int32Array(slots)
    this.chainHeads = new Int32Array(SLOT_COUNT).fill(NO_KEY)
    this.chainLengths = new Int32Array(SLOT_COUNT)
  }

  get capacityBytes(): number {
    return this.arena.length
  }

  /** Makes it as good as new; the arena's old bytes may stay. */
  clear(): void {
    this.records.fill(0)
    this.chainHeads.fill(NO_KEY)
    this.chainLengths.fill(0)
  }
}

/** Index slots that are never used up, however small the entries in so many bytes of log are (76 at the least). */
export function slotsForAnyEntries(logBytes: number): number {
  return slotsFor(logBytes, 64)
}

function slotsFor(bytes: number, bytesPerSlot: number): number {
  let slots = MIN_INDEX_SLOTS
  while (slots * bytesPerSlot < bytes) slots *= 2
  return slots
}

export class Segment {
  readonly header: SegmentHeader
  readonly path: string
  readonly memory: SegmentMemory
  readonly arena: Buffer
  /** Where the next entry goes: everything below is in the arena. */
  tail = SEGMENT_HEADER_BYTES
  /** Everything below has been handed to write(2) and taken. */
  writtenTo = 0
  /** Everything below is known to be synced. */
  syncedTo = 0
  /** Header of the batch that is being filled; -1 when none is open. */
  #openBatch = -1
  #openEntries = 0
  /** Closed to appends for good: its successor takes them. */
  sealed = false
  keyCount = 0
  minSequence = Number.MAX_SAFE_INTEGER
  maxSequence = 0
  /** Where the last find() that missed ended: the position that insert() fills. */
  #probe = 0
  readonly #hashes: Int32Array
  readonly #records: Uint32Array
  readonly #mask: number
  readonly #keyCountMax: number
  /** At this tail it counts as full. */
  readonly fullAt: number
  /** What was promised room goes on up to here all the same. */
  #reservedTo = 0

  /** `share`: of its arena and its index, above 0 and at most 1, at which it counts as full. */
  constructor(header: SegmentHeader, path: string, memory: SegmentMemory, share = 1) {
    this.header = header
    this.path = path
    this.memory = memory
    this.arena = memory.arena
    this.#hashes = memory.hashes
    this.#records = memory.records
    this.#mask = memory.records.length - 1
    this.#keyCountMax = Math.floor(memory.records.length * 0.75 * share)
    this.fullAt = Math.floor(memory.arena.length * share)
    writeSegmentHeader(this.arena, header)
  }

  /** Whether an entry whose record takes `recordBytes` fits, with room left for its batch and the seal. */
  fits(recordBytes: number): boolean {
    const needed = recordBytes + ENTRY_FRAME_BYTES + 2 * BATCH_HEADER_BYTES
    const { tail } = this
    const isFull = tail >= this.fullAt && tail >= this.#reservedTo
    return this.keyCount < this.#keyCountMax && !isFull && tail + needed <= this.arena.length
  }

  /**
   * Whether `writes` entries with `recordBytes` of records in all fit. If so they stay together: the segment takes them even when
   * the first of them make it full.
   */
  reserve(writes: number, recordBytes: number): boolean {
    const end = this.tail + recordBytes + writes * ENTRY_FRAME_BYTES + 2 * BATCH_HEADER_BYTES
    const hasRoom = this.keyCount + writes <= this.#keyCountMax && this.tail < this.fullAt
    if (!hasRoom || end > this.arena.length) return false
    this.#reservedTo = end
    return true
  }

  /** Nothing was ever appended. */
  get isEmpty(): boolean {
    return this.tail === SEGMENT_HEADER_BYTES
  }

  get hasOpenBatch(): boolean {
    return this.#openBatch !== -1
  }

  /** Where the batch that is being filled begins, whose header is not written yet; -1 without one. */
  get openBatchAt(): number {
    return this.#openBatch
  }

  /**
   * Offset of the newest record of the key bytes[start, end) with KeyHash.first `first`; 0 when the segment has none.
   * Remembers its position for an insert() of the same key that follows at once.
   */
  find(first: number, bytes: Uint8Array, start: number, end: number): number {
    const records = this.#records
    const hashes = this.#hashes
    const mask = this.#mask
    let i = spread(first) & mask
    for (;;) {
      const record = records[i]
      if (record === 0 || (hashes[i] === first && this.#holdsKey(record, bytes, start, end))) {
        this.#probe = i
        return record
      }
      i = (i + 1) & mask
    }
  }

  /** The newest record of every key that it has, in no order. */
  eachNewest(visit: (record: number) => void): void {
    for (const record of this.#records) if (record !== 0) visit(record)
  }

  /** For prefetching: what stands at the index position where a search for this hash begins. */
  glance(first: number): number {
    const i = spread(first) & this.#mask
    return this.#records[i] ^ this.#hashes[i]
  }

  /** For prefetching: the record that the index position where a search begins leads to, or 0. */
  likelyRecord(first: number): number {
    const i = spread(first) & this.#mask
    return this.#hashes[i] === first ? this.#records[i] : 0
  }

  #holdsKey(record: number, bytes: Uint8Array, start: number, end: number): boolean {
    const arena = this.arena
    const length = end - start
    if (readU24(arena, record + 9) !== length) return false
    const key = record + 16
    for (let i = 0; i < length; i++) if (arena[key + i] !== bytes[start + i]) return false
    return true
  }

  /** Opens a batch if none is, and answers where the next record has to be written. The caller has asked fits(). */
  beginRecord(): number {
    assert(!this.sealed, 'append to a sealed segment')
    if (this.#openBatch === -1) {
      this.#openBatch = this.tail
      this.#openEntries = 0
      this.tail += BATCH_HEADER_BYTES
    }
    return this.tail + ENTRY_FRAME_BYTES
  }

  /** Completes the entry whose header and record of `recordBytes` stand at `record`: frames it and moves the tail. */
  endRecord(record: number, recordBytes: number, displaced: number): void {
    sealEntry(this.arena, record, displaced)
    this.tail = record + recordBytes
    this.#openEntries++
    this.noteSequence(record)
  }

  noteSequence(record: number): void {
    const sequence = entrySequence(this.arena, record)
    if (sequence < this.minSequence) this.minSequence = sequence
    if (sequence > this.maxSequence) this.maxSequence = sequence
  }

  /** Makes `record` the newest of its key. `first` and `slot` are the key's; find() of it must have come directly before. */
  insert(first: number, slot: number, record: number): void {
    const i = this.#probe
    if (this.#records[i] === 0) {
      const { chain, chainHeads, chainLengths } = this.memory
      this.#hashes[i] = first
      chain[i] = chainHeads[slot]
      chainHeads[slot] = i
      chainLengths[slot]++
      this.keyCount++
    }
    this.#records[i] = record
  }

  /** Closes the open batch so that the bytes below `tail` can be written. Harmless when none is open. */
  closeBatch(): void {
    const at = this.#openBatch
    if (at === -1) return
    const byteLength = this.tail - at - BATCH_HEADER_BYTES
    writeBatchHeader(
      this.arena,
      at,
      BATCH_MAGIC,
      this.header.id,
      byteLength,
      this.#openEntries,
      this.syncedTo,
    )
    this.#openBatch = -1
  }

  /**
   * Up to where the file has to be written for everything below the tail to be in it: the tail, or in a file that was a log before
   * the end of its page, with zeros. A page that is first written in part would have to be read before.
   */
  pageEnd(): number {
    const { arena, tail } = this
    if (!this.header.isReused) return tail
    const end = Math.min(arena.length, Math.ceil(tail / LOG_PAGE_BYTES) * LOG_PAGE_BYTES)
    arena.fill(0, tail, end)
    return end
  }

  /** No entry is added from here on; a seal that says so ends the file. */
  seal(): void {
    assert(!this.sealed, 'a segment is sealed once')
    this.closeBatch()
    writeBatchHeader(this.arena, this.tail, SEAL_MAGIC, this.header.id, 0, 0, this.syncedTo)
    this.tail += BATCH_HEADER_BYTES
    this.sealed = true
  }

  /** Smallest arena that takes one entry with a record of `recordBytes`. */
  static capacityFor(recordBytes: number): number {
    return (
      SEGMENT_HEADER_BYTES + 2 * BATCH_HEADER_BYTES + ENTRY_FRAME_BYTES + recordBytes + ENTRY_HEADER_BYTES
    )
  }
}

/** The low bits of an xxHash are good enough to index by; this only keeps keys of equal low bits apart from their run. */
function spread(first: number): number {
  return first ^ (first >>> 15)
}
