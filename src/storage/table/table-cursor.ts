import { EntryRef } from '../entry.js'
import type { TableLookup } from './table-lookup.js'
import type { Table } from './table.js'

export class TableCursor {
  token = 0
  readonly entry = new EntryRef()
  readonly #table: Table

  constructor(table: Table) {
    this.#table = table
  }

  /** Goes to the first entry whose token is at least `token`. */
  seek(token: number): TableLookup {
    throw new Error(`not yet built: ${this.#table.path} ${token}`)
  }

  next(): TableLookup {
    throw new Error('not yet built')
  }
}
