/**
 * Walks the entries of a table in order, from a token on, over blocks that are in memory: SCAN's way through a table. Like
 * a lookup it does no I/O. COLD leaves `table.coldBlock` set, and after loading that block either next() is called again,
 * which goes on where it stopped, or the walk starts over with seek().
 *
 * The entry is valid until the caller returns to the event loop; so is the cursor's place if the table may be retired.
 * A walk does not mark blocks as used: one pass over everything must not displace what is asked for again and again.
 */
import { NOWHERE } from '../block-cache.js'
import { EntryRef } from '../entry.js'
import { BLOCK_BYTES, blockEntryCount, blockRecord, blockToken } from './block-format.js'
import type { TableLookup } from './table-lookup.js'
import { ABSENT, COLD, FOUND } from './table-lookup.js'
import type { Table } from './table.js'

export class TableCursor {
  /** Token of the current entry, after FOUND. */
  token = 0
  readonly entry = new EntryRef()
  readonly #table: Table
  #block = 0
  /** The entry within the block; after COLD the one before the one wanted. */
  #index = 0
  /** Entries with a lower token are passed over. */
  #from = 0

  constructor(table: Table) {
    this.#table = table
  }

  /** Goes to the first entry whose token is at least `token`; ABSENT when there is none. */
  seek(token: number): TableLookup {
    this.#block = this.#table.index.lastBelow(token)
    this.#index = 0
    this.#from = token
    return this.#settle()
  }

  /** Goes to the entry after the current one; ABSENT at the end. After COLD, tries again. */
  next(): TableLookup {
    this.#index++
    return this.#settle()
  }

  /** Stops at the first entry from the current position on that is not passed over. */
  #settle(): TableLookup {
    const table = this.#table
    while (this.#block < table.index.blockCount) {
      let place = table.placeOf(this.#block)
      if (this.#index === 0 || place === NOWHERE) place = table.visit(this.#block)
      if (place === NOWHERE) {
        this.#index--
        return COLD
      }
      if (this.#settleIn(place)) return FOUND
      this.#block++
      this.#index = 0
    }
    return ABSENT
  }

  #settleIn(place: number): boolean {
    const bytes = this.#table.blockBytes(place)
    const at = place >= 0 ? place * BLOCK_BYTES : 0
    const count = blockEntryCount(bytes, at)
    for (; this.#index < count; this.#index++) {
      const token = blockToken(bytes, at, this.#index)
      if (token < this.#from) continue
      this.token = token
      this.entry.bytes = bytes
      this.entry.record = blockRecord(bytes, at, count, this.#index)
      return true
    }
    return false
  }
}
