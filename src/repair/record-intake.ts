/**
 * Takes whole records of another replica into the own store, as a replica takes those of a link: each is checked first, then merged
 * (RULES L1, C2, P4, P3), cold predecessors are waited for, and so is room in the log. In the end all of them are durable.
 */
import type { BlockLoad } from '../coordinator/block-load.js'
import type { Clock } from '../env/clock.js'
import { MERGE_COLD } from '../coordinator/record-merger.js'
import type { RecordMerger } from '../coordinator/record-merger.js'
import { maxHlc } from '../record/death.js'
import { keyLength, keyStart, recordLength } from '../record/layout.js'
import { verifyRecord } from '../record/record.js'
import { slotOf } from '../ring/slot.js'
import { NoRoomYet } from '../storage/store-error.js'
import type { Store } from '../storage/store.js'
import { WRITE_LATER } from '../storage/store.js'
import { readU32 } from '../util/bytes.js'

const LENGTH_BYTES = 4
/** What a record may take beside its own bytes when it is merged. */
const ENTRY_ROOM_BYTES = 512
const ROOM_EVERY_MS = 10
/** A log that has no room for so long takes nothing more of this. */
const ROOM_MS_MAX = 10_000
/** Records that are merged in one go. */
const STEP_RECORDS = 128

export interface IntakeNode {
  /** Whether this node is a replica of the slot. */
  isPlacedHere(slot: number): boolean
  /** Records with a higher stamp are refused (RULES C2). */
  stampLimit(): number
  /** Resolves once the log is durable up to this sequence; rejects with StoreError when it has failed. */
  whenDurable(sequence: number): Promise<void>
}

/** Some of the records that came may not be taken: what they were sent for is not complete. */
export class RecordsRefused extends Error {
  constructor(count: number) {
    super(`${count} records were refused`)
  }
}

export class RecordIntake {
  /** Since the start. */
  taken = 0
  refused = 0
  readonly #store: Store
  readonly #merger: RecordMerger
  readonly #clock: Clock
  readonly #node: IntakeNode

  constructor(store: Store, merger: RecordMerger, clock: Clock, node: IntakeNode) {
    this.#store = store
    this.#merger = merger
    this.#clock = clock
    this.#node = node
  }

  /**
   * Merges records, each behind its length, and answers how many. Resolves when they are durable. What may not be taken (another's
   * slot, a stamp from the future, bytes that are no record) is left out; the others are merged, and then it rejects with
   * RecordsRefused. Rejects with StoreError when the log takes nothing.
   */
  async take(records: Buffer): Promise<number> {
    let need = 0
    let count = 0
    let refused = 0
    let at = 0
    while (at + LENGTH_BYTES <= records.length) {
      const start = at + LENGTH_BYTES
      const end = start + readU32(records, at)
      if (end > records.length) break
      at = end
      if (!this.#isTakeable(records, start, end)) {
        refused++
        continue
      }
      const sequence = await this.#merge(records, start, end)
      need = Math.max(need, sequence)
      if (++count % STEP_RECORDS === 0) await this.#pause(0)
    }
    if (at !== records.length) refused++
    this.taken += count
    this.refused += refused
    if (need > this.#store.durableSequence) await this.#node.whenDurable(need)
    if (refused > 0) throw new RecordsRefused(refused)
    return count
  }

  #isTakeable(bytes: Buffer, start: number, end: number): boolean {
    if (verifyRecord(bytes, start, end - start) !== null || recordLength(bytes, start) !== end - start)
      return false
    const key = keyStart(start)
    const slot = slotOf(bytes, key, key + keyLength(bytes, start))
    return this.#node.isPlacedHere(slot) && maxHlc(bytes, start) <= this.#node.stampLimit()
  }

  /** A promise only where something has to be waited for. */
  #merge(bytes: Buffer, start: number, end: number): number | Promise<number> {
    const sequence = this.#tryMerge(bytes, start, end)
    return sequence === null || sequence === MERGE_COLD ? this.#mergeLater(bytes, start, end) : sequence
  }

  /** Null: there is no room yet. */
  #tryMerge(bytes: Buffer, start: number, end: number): number | null {
    if (this.#store.admit(end - start + ENTRY_ROOM_BYTES) === WRITE_LATER) return null
    try {
      return this.#merger.merge(bytes, start, end)
    } catch (error) {
      if (error instanceof NoRoomYet) return null
      throw error
    }
  }

  async #mergeLater(bytes: Buffer, start: number, end: number): Promise<number> {
    const sinceMs = this.#clock.monotonicMs()
    let held: BlockLoad | null = null
    try {
      for (;;) {
        const sequence = this.#tryMerge(bytes, start, end)
        if (sequence === MERGE_COLD) {
          const before: BlockLoad | null = held
          held = null
          held = await this.#load(before)
        } else if (sequence !== null) return sequence
        else if (this.#clock.monotonicMs() - sinceMs > ROOM_MS_MAX) throw new NoRoomYet()
        else await this.#pause(ROOM_EVERY_MS)
      }
    } finally {
      held?.release()
    }
  }

  #load(before: BlockLoad | null): Promise<BlockLoad> {
    return new Promise((resolve, reject) => {
      this.#merger.startLoads((load) => {
        if (load.error === null) return resolve(load)
        load.release()
        reject(load.error)
      }, before)
    })
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(delayMs, resolve))
  }
}
