/** The blocks of tables that lookups of the current request have missed, until they are loaded or nobody wants them. */
import type { Store } from '../storage/store.js'
import { readAheadEnd } from '../storage/table/read-ahead.js'
import type { Table } from '../storage/table/table.js'
import { assert } from '../util/assert.js'
import { BlockLoad } from './block-load.js'
import type { LoadedBlocks } from './keyspace.js'

export class ColdBlocks {
  readonly #store: Store
  #tables: Table[] = []
  #blocks: number[] = []
  /** Of each, whether a walk wants it. */
  #areWalked: boolean[] = []

  constructor(store: Store) {
    this.#store = store
  }

  /** The store has just answered COLD. */
  note(): void {
    const table = this.#store.coldTable
    assert(table !== null, 'a COLD answer names its table')
    this.#tables.push(table)
    this.#blocks.push(table.coldBlock)
    this.#areWalked.push(false)
  }

  /** A walk that goes for about `visits` keys lacks this block, and will want those behind it. */
  noteRun(table: Table, block: number, visits: number): void {
    const end = readAheadEnd(table, block, visits)
    for (let next = block; next < end; next++) {
      this.#tables.push(table)
      this.#blocks.push(next)
      this.#areWalked.push(true)
    }
  }

  /** A walk that ended early has asked for blocks that nobody waits for. */
  forget(): void {
    if (this.#tables.length === 0) return
    this.#tables = []
    this.#blocks = []
    this.#areWalked = []
  }

  /** Starts loading what was noted since the last call; null when nothing was. `before`: blocks that the same task holds. */
  startLoads(onLoaded: (load: BlockLoad) => void, before: LoadedBlocks | null): BlockLoad | null {
    if (this.#tables.length === 0) return null
    const load = new BlockLoad(this.#tables, this.#blocks, this.#areWalked, onLoaded, before)
    this.#tables = []
    this.#blocks = []
    this.#areWalked = []
    load.start()
    return load
  }
}
