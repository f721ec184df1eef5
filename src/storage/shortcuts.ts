/**
 * From a key's hash straight to its newest record in the block cache, past filters, indexes and tables: a lookup that takes
 * this way touches one cache line here and the record, instead of some ten that depend on each other. An entry is
 *
 *     address u32       of the record, from the start of the cache's memory
 *     generation u32    of the cache slot that the address lies in, when the entry was made; 0 for no entry
 *
 * at the place that the hash names; keys of one place displace each other.
 *
 * What makes it safe: an entry is made when memtables and tables have been asked and the answer lies in a slot, so it is the
 * newest record then. A newer one comes about by an append, before which the key's entry is removed, or not at all: what
 * leaves the cache or the tables (eviction, compaction, FLUSHALL) changes the slot's generation. Whether the record is of
 * the key that is asked for, its key bytes say. Memtables are asked first, always.
 */
import type { BlockCache } from './block-cache.js'
import type { EntryRef } from './entry.js'
import { BLOCK_BYTES } from './table/block-format.js'
import { isKeyOf } from './table/table.js'

/** Of the cache for each entry of eight bytes, which is at most a sixteenth of it; records are rarely smaller. */
const CACHE_BYTES_PER_ENTRY = 128
const ENTRIES_MIN = 64
const SLOT_SHIFT = Math.log2(BLOCK_BYTES)

export class Shortcuts {
  readonly #cache: BlockCache
  /** [address, generation] by place. */
  readonly #entries: Uint32Array
  readonly #mask: number
  readonly #bytes: Buffer
  readonly #generations: Uint32Array

  constructor(cache: BlockCache) {
    let entries = ENTRIES_MIN
    while (entries * 2 * CACHE_BYTES_PER_ENTRY <= cache.sizeBytes) entries *= 2
    this.#cache = cache
    this.#entries = new Uint32Array(2 * entries)
    this.#mask = entries - 1
    this.#bytes = cache.bytes
    this.#generations = cache.generations
  }

  /** The newest record of the key bytes[start, end) in the tables, if there is a way to it. `first` is KeyHash.first. */
  find(first: number, bytes: Buffer, start: number, end: number, into: EntryRef): boolean {
    const entries = this.#entries
    const at = (first & this.#mask) << 1
    const generation = entries[at + 1]
    if (generation === 0) return false
    const record = entries[at]
    const slot = record >>> SLOT_SHIFT
    if (this.#generations[slot] !== generation || !isKeyOf(this.#bytes, record, bytes, start, end))
      return false
    this.#cache.used(slot)
    into.bytes = this.#bytes
    into.record = record
    return true
  }

  /** For prefetching: what stands at the hash's place. */
  glance(first: number): number {
    return this.#entries[(first & this.#mask) << 1]
  }

  /** The tables have answered that this is the key's newest record. One outside of the cache's slots is not noted. */
  note(first: number, found: EntryRef): void {
    if (found.bytes !== this.#bytes) return
    const at = (first & this.#mask) << 1
    this.#entries[at] = found.record
    this.#entries[at + 1] = this.#generations[found.record >>> SLOT_SHIFT]
  }

  /** A newer record of the key is about to be appended. */
  forget(first: number): void {
    this.#entries[((first & this.#mask) << 1) + 1] = 0
  }
}
