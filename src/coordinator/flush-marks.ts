/**
 * FLUSHALL's mark on this node (RULES P4): where marks come from other nodes, by a call, in a handshake or with a ping, the higher
 * one is appended, once, and this node's clock goes past it, so that nothing minted from then on lies below it. Whatever
 * lies at or below it is gone for every reader at once; the space comes back when the mark is durable.
 */
import { StoreError } from '../storage/store-error.js'
import type { Store } from '../storage/store.js'
import type { LocalKeyspace } from './local-keyspace.js'

export class FlushMarks {
  readonly #store: Store
  readonly #keyspace: LocalKeyspace
  readonly #stampLimit: () => number

  /** `stampLimit`: the highest stamp that is believed (RULES C2). */
  constructor(store: Store, keyspace: LocalKeyspace, stampLimit: () => number) {
    this.#store = store
    this.#keyspace = keyspace
    this.#stampLimit = stampLimit
  }

  /** Takes in the mark of another node; answers why it cannot, null when all at or below it is gone here. */
  take(mark: number): string | null {
    if (mark <= this.#store.flushMark) return null
    if (mark > this.#stampLimit()) return 'the flush mark is ahead of this node’s clock'
    try {
      this.#append(mark)
      return null
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      return `the flush mark cannot be stored: ${error.code}`
    }
  }

  /** A mark above everything this node and the others, whose highest stamp is `floor`, have minted. Throws StoreError. */
  mint(floor: number): number {
    this.#store.admit(0)
    const mark = this.#keyspace.mintAbove(floor)
    this.#append(mark)
    return mark
  }

  #append(mark: number): void {
    const sequence = this.#keyspace.appendFlushMark(mark)
    this.#keyspace.whenDurable(sequence).then(
      () => this.#store.dropFlushedTables(),
      // The log has failed, which everybody is told.
      () => {},
    )
  }
}
