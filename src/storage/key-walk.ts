/**
 * A walk over all keys in token order: segments and tables merged, each key once, with its newest entry by sequence.
 * SCAN, KEYS and RANDOMKEY stand on it. One walk lives for one step: between steps only the token is remembered, so writes,
 * flushes and compactions may happen in between, and a key that exists throughout a scan is visited (RULES R4): tokens
 * do not move, and a step ends between two tokens, never among equal ones.
 */
import { keyLength, keyStart } from '../record/layout.js'
import { SLOT_COUNT } from '../ring/slot.js'
import { slotOfToken, TOKEN_END, TOKENS_PER_SLOT } from '../ring/token.js'
import { compareBytes } from '../util/bytes.js'
import { entrySequence, isLocalTombstone } from './entry.js'
import type { OrderedRecord, SlotOrder } from './log/slot-order.js'
import type { Table } from './table/table.js'
import { TableCursor } from './table/table-cursor.js'
import { COLD, FOUND } from './table/table-lookup.js'
import type { TableSet } from './table-set.js'

/** The current entry of one source; `token` is TOKEN_END when there is no further one. */
interface Source {
  token: number
  bytes: Buffer
  record: number
  /** False when a block is missing: the walk cannot go on. */
  advance(): boolean
  /** Whether everything that is left in the source has a higher token. */
  isBehind(token: number): boolean
}

const EMPTY = Buffer.alloc(0)

class SegmentSource implements Source {
  token = TOKEN_END
  bytes: Buffer = EMPTY
  record = 0
  readonly #order: SlotOrder
  readonly #batch: number
  #records: OrderedRecord[] = []
  #next = 0
  #slot: number
  #from: number

  constructor(order: SlotOrder, from: number, batch: number) {
    this.#order = order
    this.#batch = batch
    this.#from = from
    this.#slot = slotOfToken(from)
    this.advance()
  }

  advance(): boolean {
    if (this.#next === this.#records.length && !this.#refill()) {
      this.token = TOKEN_END
      return true
    }
    const next = this.#records[this.#next++]
    this.token = next.token
    this.bytes = next.arena
    this.record = next.record
    return true
  }

  isBehind(token: number): boolean {
    return this.token > token
  }

  #refill(): boolean {
    const last = this.#records.at(-1)
    if (last !== undefined) this.#from = last.token + 1
    this.#records = []
    this.#next = 0
    while (this.#records.length === 0) {
      const slot = this.#order.nextUsedSlot(this.#slot)
      if (slot === SLOT_COUNT) return false
      if (slot !== this.#slot) this.#from = slot * TOKENS_PER_SLOT
      this.#slot = slot
      this.#order.collect(slot, this.#from, this.#batch, this.#records)
      if (this.#records.length === 0) this.#slot++
      if (this.#slot === SLOT_COUNT) return false
      if (this.#records.length === 0) this.#from = this.#slot * TOKENS_PER_SLOT
    }
    dropPartialEnd(this.#records, this.#batch)
    return true
  }
}

/** Runs are cut after `batch` keys each, so beyond that many only a part may be there; equal tokens stay together. */
function dropPartialEnd(records: OrderedRecord[], batch: number): void {
  let end = Math.min(records.length, batch)
  while (end < records.length && records[end].token === records[end - 1].token) end++
  records.length = end
}

class TablesSource implements Source {
  token = TOKEN_END
  bytes: Buffer = EMPTY
  record = 0
  cold: Table | null = null
  coldBlock = -1
  readonly #tables: readonly Table[]
  #index: number
  #cursor: TableCursor | null = null
  readonly #from: number

  /** `tables` ascend and do not overlap; the walk starts in tables[index]. */
  constructor(tables: readonly Table[], index: number, from: number) {
    this.#tables = tables
    this.#index = index
    this.#from = from
    this.advance()
  }

  advance(): boolean {
    for (;;) {
      let answer
      if (this.#cursor === null) {
        if (this.#index === this.#tables.length) {
          this.token = TOKEN_END
          return true
        }
        this.#cursor = new TableCursor(this.#tables[this.#index])
        answer = this.#cursor.seek(this.#from)
      } else {
        answer = this.#cursor.next()
      }
      if (answer === COLD) {
        this.cold = this.#tables[this.#index]
        this.coldBlock = this.cold.coldBlock
        this.token = this.cold.index.firstTokens[this.coldBlock]
        return false
      }
      if (answer === FOUND) {
        this.token = this.#cursor.token
        this.bytes = this.#cursor.entry.bytes
        this.record = this.#cursor.entry.record
        return true
      }
      this.#cursor = null
      this.#index++
    }
  }

  isBehind(token: number): boolean {
    return this.token > token
  }
}

/** Told about every block that has to be loaded before the walk can go on. */
export type ColdVisitor = (table: Table, block: number) => void

/** Gets the newest entry of a key; dead ones too. Only valid during the call. Answers whether it counts as a visit. */
export type EntryVisitor = (bytes: Buffer, record: number) => boolean

export interface WalkLimits {
  /** Entries that counted as visits, after which the walk ends at the next change of token. */
  readonly visits: number
  /** Entries looked at, dead ones included, after which it ends likewise: a step is bounded work. */
  readonly entries: number
  /** The token before which the walk ends in any case; TOKEN_END unless said. */
  readonly end?: number
}

/**
 * Walks from token `from` (inclusive). Answers the token to go on from, `limits.end` after the last key, or -1 when blocks
 * are missing (`cold` has been told about them; visits already made are void).
 */
export function walkKeys(
  segments: readonly SlotOrder[],
  tables: TableSet,
  from: number,
  limits: WalkLimits,
  visit: EntryVisitor,
  cold: ColdVisitor,
): number {
  const { end = TOKEN_END } = limits
  const sources: Source[] = segments.map((order) => new SegmentSource(order, from, limits.visits + 1))
  const stored = tableSources(tables, from)
  const missing = stored.filter((source) => source.cold !== null && source.token < end)
  for (const source of missing) if (source.cold !== null) cold(source.cold, source.coldBlock)
  if (missing.length > 0) return -1
  sources.push(...stored)

  let visits = 0
  let entries = 0
  let last = -1
  for (;;) {
    const newest = pickNewest(sources)
    if (newest === null || newest.token >= end) return end
    if (newest.token !== last && (visits >= limits.visits || entries >= limits.entries)) return newest.token
    last = newest.token
    entries++
    if (!isLocalTombstone(newest.bytes, newest.record) && visit(newest.bytes, newest.record)) visits++
    if (advancePast(sources, newest, cold)) continue
    // What the missing blocks start with is known: when it lies behind this token, the step may end here.
    return sources.every((source) => source.isBehind(last)) ? last + 1 : -1
  }
}

function tableSources(set: TableSet, from: number): TablesSource[] {
  const sources: TablesSource[] = []
  for (const table of set.level0) {
    if (table.summary.maxToken >= from) sources.push(new TablesSource([table], 0, from))
  }
  for (const level of set.levels) {
    const index = level.indexFor(from)
    if (index < level.tables.length) sources.push(new TablesSource(level.tables, index, from))
  }
  return sources
}

/** The source with the smallest (token, key), and of several with that key the one with the highest sequence. */
function pickNewest(sources: readonly Source[]): Source | null {
  let best: Source | null = null
  for (const source of sources) {
    if (source.token === TOKEN_END) continue
    if (best === null) best = source
    else {
      const order = compareKeys(source, best)
      if (order < 0 || (order === 0 && sequenceOf(source) > sequenceOf(best))) best = source
    }
  }
  return best
}

/** Moves every source that stands on the same key; false when one of them misses a block. */
function advancePast(sources: readonly Source[], key: Source, cold: ColdVisitor): boolean {
  let complete = true
  for (const source of sources) {
    if (source === key || source.token === TOKEN_END || compareKeys(source, key) !== 0) continue
    if (!advance(source, cold)) complete = false
  }
  return advance(key, cold) && complete
}

function advance(source: Source, cold: ColdVisitor): boolean {
  if (source.advance()) return true
  if (source instanceof TablesSource && source.cold !== null) cold(source.cold, source.coldBlock)
  return false
}

function sequenceOf(source: Source): number {
  return entrySequence(source.bytes, source.record)
}

function compareKeys(a: Source, b: Source): number {
  if (a.token !== b.token) return a.token - b.token
  const aKey = keyStart(a.record)
  const bKey = keyStart(b.record)
  const aEnd = aKey + keyLength(a.bytes, a.record)
  return compareBytes(a.bytes, aKey, aEnd, b.bytes, bKey, bKey + keyLength(b.bytes, b.record))
}
