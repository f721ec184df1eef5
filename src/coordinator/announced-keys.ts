/**
 * Keys of which it is known ahead that requests of the same batch will ask for them: they are hashed once, and the CPU fetches
 * what their lookups will read, all of it side by side. Requests then come in the order in which their keys were announced,
 * but some may ask for none, or for others.
 */
import { KeyHash, keyHashOf } from '../ring/token.js'
import type { Store } from '../storage/store.js'
import { assert } from '../util/assert.js'

/** Keys that are looked at ahead of their requests. */
export const AHEAD_MAX = 32
const KEY_BYTES_MAX = 256

export class AnnouncedKeys {
  readonly #store: Store
  /** All keys lie in it, key i at [starts[i], ends[i]), ascending; null when there are none. */
  #bytes: Buffer | null = null
  #count = 0
  #next = 0
  readonly #starts = new Int32Array(AHEAD_MAX)
  readonly #ends = new Int32Array(AHEAD_MAX)
  readonly #hashes: readonly KeyHash[] = Array.from({ length: AHEAD_MAX }, () => new KeyHash())
  /** Takes what prefetching has read, which would not be read if nobody took it. */
  readonly #seen = new Int32Array(1)

  constructor(store: Store) {
    this.#store = store
  }

  /** Forgets the keys that were announced and takes new ones, all of which lie in `bytes`, in ascending order. */
  begin(bytes: Buffer): void {
    this.#bytes = bytes
    this.#count = 0
    this.#next = 0
  }

  forget(): void {
    this.#bytes = null
  }

  /** Announces a key that a request of this batch may ask for, up to AHEAD_MAX of them. Long ones are not worth it. */
  announce(start: number, end: number): void {
    const bytes = this.#bytes
    assert(bytes !== null && this.#count < AHEAD_MAX, 'announcements have begun and are not too many')
    if (end - start > KEY_BYTES_MAX) return
    const i = this.#count++
    this.#starts[i] = start
    this.#ends[i] = end
    this.#hashes[i].of(bytes, start, end)
  }

  /** Has the CPU fetch what the announced keys' lookups will read: see Store.prefetchPlace(). */
  prefetch(): void {
    const store = this.#store
    const hashes = this.#hashes
    const count = this.#count
    let seen = 0
    for (let i = 0; i < count; i++) seen ^= store.prefetchPlace(hashes[i].first)
    for (let i = 0; i < count; i++) seen ^= store.prefetchRecord(hashes[i].first)
    this.#seen[0] = seen
  }

  /** keyHashOf() the key bytes[start, end), whether it was announced or not. */
  keyHashOf(bytes: Buffer, start: number, end: number): number {
    return this.hashOf(bytes, start, end)?.first ?? keyHashOf(bytes, start, end)
  }

  /** The hashes of the key bytes[start, end) if it was announced, else null. */
  hashOf(bytes: Buffer, start: number, end: number): KeyHash | null {
    if (this.#bytes !== bytes) return null
    let next = this.#next
    while (next < this.#count && this.#starts[next] < start) next++
    this.#next = next
    const isAnnounced = next < this.#count && this.#starts[next] === start && this.#ends[next] === end
    return isAnnounced ? this.#hashes[next] : null
  }
}
