/** Gathers, entry by entry, what a table's summary says of its contents. */
import { deathTime, maxHlc } from '../../record/death.js'
import {
  KIND_DELETION,
  NEVER_DIES,
  SIBLING_BYTES,
  siblingCount,
  siblingHlc,
  siblingKind,
  siblingsStart,
} from '../../record/layout.js'
import { FLAG_SHADOWS, entryFlags, entrySequence } from '../entry.js'
import { FlaggedListWriter } from './flagged-list.js'
import type { TableSummary } from './table-summary.js'

export class TableStatistics {
  readonly flagged = new FlaggedListWriter()
  #entryCount = 0
  #deletionCount = 0
  #expiringCount = 0
  #minSequence = Infinity
  #maxSequence = 0
  #minToken = 0
  #maxToken = 0
  #minHlc = Infinity
  #maxHlc = 0
  #minDeathMs = NEVER_DIES
  #maxDeathMs = 0

  get entryCount(): number {
    return this.#entryCount
  }

  /** Counts the entry whose record is at bytes[record…]; entries come in the order of their tokens. */
  add(token: number, bytes: Uint8Array, record: number): void {
    const sequence = entrySequence(bytes, record)
    const deathMs = deathTime(bytes, record)
    if (this.#entryCount === 0) this.#minToken = token
    this.#maxToken = token
    this.#entryCount++
    if (sequence < this.#minSequence) this.#minSequence = sequence
    if (sequence > this.#maxSequence) this.#maxSequence = sequence
    if (deathMs < this.#minDeathMs) this.#minDeathMs = deathMs
    if (deathMs > this.#maxDeathMs) this.#maxDeathMs = deathMs
    if (deathMs !== NEVER_DIES) this.#countMortal(bytes, record)
    if ((entryFlags(bytes, record) & FLAG_SHADOWS) !== 0) this.flagged.add(token, sequence, deathMs)
    this.#addStamps(bytes, record)
  }

  summary(fileNumber: number, sizeBytes: number, blockCount: number): TableSummary {
    return {
      fileNumber,
      sizeBytes,
      entryCount: this.#entryCount,
      blockCount,
      deadCount: this.#deletionCount + this.#expiringCount,
      deletionCount: this.#deletionCount,
      expiringCount: this.#expiringCount,
      minSequence: this.#minSequence,
      maxSequence: this.#maxSequence,
      minToken: this.#minToken,
      maxToken: this.#maxToken,
      minHlc: this.#minHlc,
      maxHlc: this.#maxHlc,
      minDeathMs: this.#minDeathMs,
      maxDeathMs: this.#maxDeathMs,
      flaggedCount: this.flagged.count,
    }
  }

  #countMortal(bytes: Uint8Array, record: number): void {
    const count = siblingCount(bytes, record)
    let siblingAt = siblingsStart(bytes, record)
    for (let i = 0; i < count; i++, siblingAt += SIBLING_BYTES) {
      if (siblingKind(bytes, siblingAt) === KIND_DELETION) continue
      this.#expiringCount++
      return
    }
    this.#deletionCount++
  }

  #addStamps(bytes: Uint8Array, record: number): void {
    const highest = maxHlc(bytes, record)
    const winner =
      siblingCount(bytes, record) === 0 ? highest : siblingHlc(bytes, siblingsStart(bytes, record))
    if (winner < this.#minHlc) this.#minHlc = winner
    if (winner > this.#maxHlc) this.#maxHlc = winner
    if (highest > this.#maxHlc) this.#maxHlc = highest
  }
}
