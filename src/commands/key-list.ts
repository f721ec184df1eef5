/** What the commands that walk the keyspace share, on one node (scan.ts) and over a cluster (cluster-scan.ts): the keys collected,
 * and what bounds a call. */
import { COLD_SCAN } from '../coordinator/keyspace.js'
import type { Keyspace } from '../coordinator/keyspace.js'
import { ReplyWriter } from '../resp/reply-writer.js'
import type { Glob } from '../util/glob.js'

export const KEYS_REPLY_TOO_LARGE = 'ERR KEYS would answer more than proto-max-bulk-len, use SCAN'

/** Keys that one call of the keyspace walks: the unit in which SCAN ends early, and KEYS lets others run. */
export const SCAN_STEP_KEYS = 256
export const KEYS_STEP_KEYS = 1024
/** What ends a SCAN call before its COUNT does. */
export const SCAN_KEYS_MAX = 100_000
export const SCAN_REPLY_BYTES_MAX = 8 * 1024 * 1024
export const SCAN_GLOB_STEPS_MAX = 5_000_000

/** Cursors from here on lie behind every token. */
export const CURSOR_END = 2 ** 53

/** Keys that RANDOMKEY chooses among, behind a random token: with one, keys behind large gaps would be favoured. */
export const RANDOM_KEYS = 16

const ITEMS_BYTES_FIRST = 1024

/** Collects the keys that match as rendered bulk strings; a reply needs their number before the first of them. */
export class KeyList {
  count = 0
  readonly items = new ReplyWriter(ITEMS_BYTES_FIRST)
  readonly #glob: Glob | null
  #markedCount = 0
  #markedLength = 0

  constructor(glob: Glob | null) {
    this.#glob = glob
  }

  readonly visit = (bytes: Buffer, start: number, end: number): void => {
    if (this.#glob !== null && !this.#glob.matches(bytes, start, end)) return
    this.items.bulk(bytes, start, end)
    this.count++
  }

  /** Walks one step from `cursor`; what a step that ends in COLD_SCAN has visited is forgotten again. */
  step(keyspace: Keyspace, cursor: number, keys: number): number {
    this.#markedCount = this.count
    this.#markedLength = this.items.length
    const next = keyspace.scan(cursor, keys, this.visit)
    if (next === COLD_SCAN) {
      this.count = this.#markedCount
      this.items.length = this.#markedLength
    }
    return next
  }

  get globSteps(): number {
    return this.#glob === null ? 0 : this.#glob.steps
  }

  render(reply: ReplyWriter): void {
    reply.array(this.count)
    reply.rendered(this.items.buffer, 0, this.items.length)
  }
}

/** The reply to SCAN. */
export function renderScan(reply: ReplyWriter, next: number, list: KeyList): void {
  reply.array(2)
  reply.bulkText(String(next))
  list.render(reply)
}
