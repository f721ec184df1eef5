/**
 * Reads the log in the order of its sequences, from the segments that are in memory: what follows the node's own writes at leisure
 * (hints) needs no hook where they are made. Segments leave memory from the oldest on, so a reader that is too slow finds
 * that what it wants next is gone; it is told how much.
 *
 * Invariant: every sequence has one entry, and within a segment, and from one to the next, sequences ascend. Those of a batch
 * follow each other without gaps. (A log that was reopened may leave some out between segments.)
 */
import { recordLength } from '../../record/layout.js'
import { assert } from '../../util/assert.js'
import { entryKind, entrySequence, KIND_RECORD } from '../entry.js'
import type { Segment } from './segment.js'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchByteLength,
  batchEntryCount,
  batchMagic,
  ENTRY_FRAME_BYTES,
  SEGMENT_HEADER_BYTES,
} from './segment-format.js'

/** Told of an entry; its bytes are good until it returns. */
export type LogVisitor = (bytes: Buffer, record: number, sequence: number) => void

export class LogTail {
  /** Oldest first, the active one last. */
  readonly #segments: () => readonly Segment[]
  #segment: Segment | null = null
  /** In #segment: where the next batch, or the next entry of the batch at #batch, begins. */
  #at = 0
  /** -1 between batches. */
  #batch = -1
  #next = 1

  constructor(segments: () => readonly Segment[]) {
    this.#segments = segments
  }

  /** The next sequence to be read. */
  get next(): number {
    return this.#next
  }

  /** Goes on from this sequence. */
  seek(sequence: number): void {
    if (sequence === this.#next) return
    this.#next = sequence
    this.#segment = null
  }

  /**
   * Visits records with sequences up to `last`, `entriesMax` entries of any kind at most; next says how far it came. Answers how many
   * sequences had left memory and were passed over.
   */
  read(last: number, entriesMax: number, visit: LogVisitor): number {
    let lost = 0
    let left = entriesMax
    const segments = this.#segments()
    while (left > 0 && this.#next <= last) {
      const index = this.#segment === null ? -1 : segments.indexOf(this.#segment)
      if (index === -1) {
        const skipped = this.#enter(segments, last)
        if (skipped === -1) break
        lost += skipped
        continue
      }
      left -= this.#readSegment(segments[index], last, left, visit)
      if (left === 0 || this.#next > last) break
      // The segment has no more: either nothing follows yet, or the next one goes on.
      if (index === segments.length - 1) break
      assert(this.#next > segments[index].maxSequence, 'a sealed segment was read to its end')
      this.#segment = null
    }
    return lost
  }

  /** Stands before the entry of #next, or of the next one that is in memory. Answers how many are not; -1: none follows. */
  #enter(segments: readonly Segment[], last: number): number {
    const segment = segments.find(({ maxSequence, isEmpty }) => !isEmpty && maxSequence >= this.#next)
    if (segment === undefined) return -1
    this.#segment = segment
    this.#at = SEGMENT_HEADER_BYTES
    this.#batch = -1
    const first = Math.min(segment.minSequence, last + 1)
    const lost = Math.max(0, first - this.#next)
    this.#next += lost
    this.#skipBatches(segment)
    return lost
  }

  /** Over batches that end before #next. */
  #skipBatches(segment: Segment): void {
    const { arena } = segment
    while (this.#at < segment.tail && this.#at !== segment.openBatchAt) {
      if (batchMagic(arena, this.#at) !== BATCH_MAGIC) return
      const first = entrySequence(arena, this.#at + BATCH_HEADER_BYTES + ENTRY_FRAME_BYTES)
      if (first + batchEntryCount(arena, this.#at) > this.#next) return
      this.#at += BATCH_HEADER_BYTES + batchByteLength(arena, this.#at)
    }
  }

  /** Answers how many entries it has looked at. */
  #readSegment(segment: Segment, last: number, entriesMax: number, visit: LogVisitor): number {
    const { arena } = segment
    let seen = 0
    while (seen < entriesMax) {
      const end = this.#batchEnd(segment)
      if (end === -1) return seen
      while (this.#at < end && seen < entriesMax) {
        const record = this.#at + ENTRY_FRAME_BYTES
        const sequence = entrySequence(arena, record)
        if (sequence > last) {
          this.#next = last + 1
          return seen
        }
        if (sequence >= this.#next) {
          seen++
          if (entryKind(arena, record) === KIND_RECORD) visit(arena, record, sequence)
          this.#next = sequence + 1
        }
        this.#at = record + recordLength(arena, record)
      }
      assert(this.#at <= end, 'entries end where their batch does')
      if (this.#at < end || this.#batch === segment.openBatchAt) return seen
      this.#batch = -1
    }
    return seen
  }

  /** Where the current batch ends, the next one being entered if there is none; -1 when nothing follows. */
  #batchEnd(segment: Segment): number {
    if (this.#batch === -1) {
      if (this.#at >= segment.tail) return -1
      const isOpen = this.#at === segment.openBatchAt
      if (!isOpen && batchMagic(segment.arena, this.#at) !== BATCH_MAGIC) return -1
      this.#batch = this.#at
      this.#at += BATCH_HEADER_BYTES
    }
    if (this.#batch === segment.openBatchAt) return segment.tail
    return this.#batch + BATCH_HEADER_BYTES + batchByteLength(segment.arena, this.#batch)
  }
}
