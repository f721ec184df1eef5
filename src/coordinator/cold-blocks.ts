/** The blocks of tables that lookups of the current request have missed, until they are loaded or nobody wants them. */
import type { Store } from '../storage/store.js'
import type { Table } from '../storage/table/table.js'
import { assert } from '../util/assert.js'
import { BlockLoad } from './block-load.js'
import type { LoadedBlocks } from './keyspace.js'

/** Blocks that a cold walk reads ahead per source. */
const READ_AHEAD_BLOCKS_MAX = 64
/** The same where values are large and so blocks are: the one that has to come may be larger. */
const READ_AHEAD_BYTES_MAX = 1024 * 1024
const ENTRIES_PER_BLOCK = 16

export class ColdBlocks {
  readonly #store: Store
  #tables: Table[] = []
  #blocks: number[] = []

  constructor(store: Store) {
    this.#store = store
  }

  /** The store has just answered COLD. */
  note(): void {
    const table = this.#store.coldTable
    assert(table !== null, 'a COLD answer names its table')
    this.#tables.push(table)
    this.#blocks.push(table.coldBlock)
  }

  /** A walk that goes for about `visits` keys lacks this block, and will want those behind it. */
  noteRun(table: Table, block: number, visits: number): void {
    const ahead = Math.min(READ_AHEAD_BLOCKS_MAX, 1 + Math.ceil(visits / ENTRIES_PER_BLOCK))
    const end = Math.min(table.summary.blockCount, block + ahead)
    let bytes = 0
    for (let next = block; next < end && bytes < READ_AHEAD_BYTES_MAX; next++) {
      this.#tables.push(table)
      this.#blocks.push(next)
      bytes += table.index.storedLength(next)
    }
  }

  /** A walk that ended early has asked for blocks that nobody waits for. */
  forget(): void {
    if (this.#tables.length === 0) return
    this.#tables = []
    this.#blocks = []
  }

  /** Starts loading what was noted since the last call; null when nothing was. `before`: blocks that the same task holds. */
  startLoads(onLoaded: (load: BlockLoad) => void, before: LoadedBlocks | null): BlockLoad | null {
    if (this.#tables.length === 0) return null
    const load = new BlockLoad(this.#tables, this.#blocks, onLoaded, before)
    this.#tables = []
    this.#blocks = []
    load.start()
    return load
  }
}
