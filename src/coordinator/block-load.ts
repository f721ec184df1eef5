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
  readonly #areWalked: readonly boolean[]
  readonly #onLoaded: (load: BlockLoad) => void
  readonly #before: LoadedBlocks | null
  #pending: number
  #released = false
  readonly #arrived: boolean[]

  /** Block i is blocks[i] of tables[i]; areWalked[i]: a walk wants it, which has no use for it afterwards. `onLoaded` is called once, not before start() has returned. */
  constructor(
    tables: readonly Table[],
    blocks: readonly number[],
    areWalked: readonly boolean[],
    onLoaded: (load: BlockLoad) => void,
    before: LoadedBlocks | null,
  ) {
    this.#before = before
    this.#tables = tables
    this.#blocks = blocks
    this.#areWalked = areWalked
    this.#onLoaded = onLoaded
    this.#pending = tables.length
    this.#arrived = new Array<boolean>(tables.length).fill(false)
  }

  start(): void {
    for (let i = 0; i < this.#tables.length;) {
      const first = i
      if (this.#areWalked[first]) {
        i = this.#endOfRun(first)
        const start = this.#blocks[first]
        this.#tables[first].loadRun(start, start + i - first, (block, error) =>
          this.#done(first + block - start, error),
        )
      } else {
        i++
        this.#tables[first].load(this.#blocks[first], (error) => this.#done(first, error))
      }
    }
  }

  /** Where the neighbours end that a walk wants from `first` on. */
  #endOfRun(first: number): number {
    let end = first + 1
    while (
      end < this.#tables.length &&
      this.#areWalked[end] &&
      this.#tables[end] === this.#tables[first] &&
      this.#blocks[end] === this.#blocks[end - 1] + 1
    )
      end++
    return end
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
