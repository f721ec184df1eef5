/**
 * The blocks that one request waits for. They load side by side, each is pinned in the cache when it has arrived, and stays
 * so until release(): the request that runs again is certain to find them, however small the cache is. A request that then
 * misses further blocks holds on to the earlier ones (`before`), or two of its blocks could push each other out for ever.
 */
import type { Table } from '../storage/table/table.js'
import type { LoadedBlocks } from './keyspace.js'

export class BlockLoad implements LoadedBlocks {
  /** The first error of any of the loads. */
  error: Error | null = null
  readonly #tables: readonly Table[]
  readonly #blocks: readonly number[]
  readonly #onLoaded: (load: BlockLoad) => void
  readonly #before: LoadedBlocks | null
  #pending: number
  #released = false
  readonly #arrived: boolean[]

  /** Block i is blocks[i] of tables[i]. `onLoaded` is called once, not before start() has returned. */
  constructor(
    tables: readonly Table[],
    blocks: readonly number[],
    onLoaded: (load: BlockLoad) => void,
    before: LoadedBlocks | null,
  ) {
    this.#before = before
    this.#tables = tables
    this.#blocks = blocks
    this.#onLoaded = onLoaded
    this.#pending = tables.length
    this.#arrived = new Array<boolean>(tables.length).fill(false)
  }

  start(): void {
    for (let i = 0; i < this.#tables.length; i++) {
      this.#tables[i].load(this.#blocks[i], (error) => this.#done(i, error))
    }
  }

  get isLoaded(): boolean {
    return this.#pending === 0
  }

  /** Lets the blocks go, and those of earlier loads; blocks that have yet to arrive are let go when they do. Called once. */
  release(): void {
    this.#released = true
    this.#before?.release()
    for (let i = 0; i < this.#tables.length; i++) if (this.#arrived[i]) this.#tables[i].unpin(this.#blocks[i])
  }

  #done(i: number, error: Error | null): void {
    if (error === null && this.#released) this.#tables[i].unpin(this.#blocks[i])
    else if (error === null) this.#arrived[i] = true
    else this.error ??= error
    this.#pending--
    if (this.#pending === 0) this.#onLoaded(this)
  }
}
