/**
 * What this node holds of a stretch of tokens, as an exchange looks at it: digests of its keys, or their records, as they count under
 * a cut-off (RULES P3). A walk goes in steps of bounded work, between which everything else of the node runs; blocks that are
 * not in memory are waited for. Both sides of an exchange read their data through this.
 */
import { ColdBlocks } from '../coordinator/cold-blocks.js'
import type { LoadedBlocks } from '../coordinator/keyspace.js'
import type { Clock } from '../env/clock.js'
import { Digest } from '../record/digest.js'
import { keyLength, keyStart, recordLength } from '../record/layout.js'
import { KeyHash } from '../ring/token.js'
import type { Store } from '../storage/store.js'
import { assert } from '../util/assert.js'
import { BodyWriter } from './body.js'
import type { KeyDigests } from './exchange-messages.js'
import { LIST_KEYS_MAX, RECORDS_BYTES_MAX } from './exchange-messages.js'

/** Entries that a step looks at. */
const STEP_ENTRIES = 512

/** Whole records, one behind the other, each with its length in front. */
export interface RecordPage {
  /** Everything in [from, next) is in it. */
  readonly next: number
  readonly records: Buffer
}

/** Takes the newest record of a key, which counts under the cut-off. */
type RecordVisitor = (bytes: Buffer, record: number, digest: Digest) => void

export class RangeContent {
  readonly #store: Store
  readonly #clock: Clock
  readonly #hash = new KeyHash()
  readonly #digest = new Digest()

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Keys from token `from` on, LIST_KEYS_MAX or somewhat more, and before `end`. Rejects when a block cannot be read. */
  async digests(from: number, end: number, cutoffMs: number): Promise<KeyDigests> {
    const tokens: number[] = []
    const halves: number[] = []
    const isFull = (): boolean => tokens.length >= LIST_KEYS_MAX
    const next = await this.#walk(from, end, cutoffMs, isFull, (bytes, record, { first, second }) => {
      const key = keyStart(record)
      this.#hash.of(bytes, key, key + keyLength(bytes, record))
      tokens.push(this.#hash.token)
      halves.push(first, second)
    })
    return { next, tokens, digests: Uint32Array.from(halves) }
  }

  /** Records from token `from` on, RECORDS_BYTES_MAX of them or one token's more. Rejects as above. */
  async records(
    from: number,
    end: number,
    cutoffMs: number,
    bytesMax = RECORDS_BYTES_MAX,
  ): Promise<RecordPage> {
    const page = new BodyWriter()
    const next = await this.#walk(
      from,
      end,
      cutoffMs,
      () => page.length >= bytesMax,
      (bytes, record) => {
        page.sized(bytes, record, record + recordLength(bytes, record))
      },
    )
    return { next, records: page.bytes }
  }

  /** The records of the first so many of these tokens, one at least. Rejects as above. */
  async recordsOf(tokens: readonly number[], cutoffMs: number): Promise<{ tokens: number; records: Buffer }> {
    const pages: Buffer[] = []
    let bytes = 0
    let done = 0
    for (; done < tokens.length && bytes < RECORDS_BYTES_MAX; done++) {
      const { records } = await this.records(tokens[done], tokens[done] + 1, cutoffMs, Infinity)
      pages.push(records)
      bytes += records.length
    }
    return { tokens: done, records: Buffer.concat(pages) }
  }

  /** Answers the token to go on from. */
  async #walk(
    from: number,
    end: number,
    cutoffMs: number,
    isFull: () => boolean,
    visit: RecordVisitor,
  ): Promise<number> {
    let held: LoadedBlocks | null = null
    let next = from
    try {
      while (next < end && !isFull()) {
        const cold = new ColdBlocks(this.#store)
        const reached = this.#step(next, end, cutoffMs, cold, visit)
        if (reached === -1) {
          const before = held
          held = null
          held = await whenLoaded(cold, before)
          continue
        }
        next = reached
        if (next < end && !isFull()) await this.#turn()
      }
      return next
    } finally {
      held?.release()
    }
  }

  /** -1 when blocks are missing; then nothing was visited. */
  #step(from: number, end: number, cutoffMs: number, cold: ColdBlocks, visit: RecordVisitor): number {
    const cutoffs = { flushMark: this.#store.flushMark, purgeHorizonMs: cutoffMs }
    const found: { bytes: Buffer; record: number }[] = []
    const next = this.#store.walk(
      from,
      { visits: STEP_ENTRIES, entries: STEP_ENTRIES, end },
      (bytes, record) => {
        found.push({ bytes, record })
        return true
      },
      (table, block) => cold.noteRun(table, block, STEP_ENTRIES),
    )
    if (next === -1) return -1
    for (const { bytes, record } of found) {
      if (this.#digest.of(bytes, record, cutoffs)) visit(bytes, record, this.#digest)
    }
    return next
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.after(0, resolve))
  }
}

/** Rejects when a block cannot be read. `held` goes with the new ones. */
function whenLoaded(cold: ColdBlocks, held: LoadedBlocks | null): Promise<LoadedBlocks> {
  return new Promise((resolve, reject) => {
    const load = cold.startLoads((loaded) => {
      if (loaded.error === null) return resolve(loaded)
      loaded.release()
      reject(loaded.error)
    }, held)
    assert(load !== null, 'a walk that cannot go on says what it lacks')
  })
}
