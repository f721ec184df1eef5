/**
 * The open tables of a store, by level, and the search through them. A set is replaced, never changed: a compaction's edit
 * makes a new one, so nothing that is being read shifts underneath.
 *
 * Newest means highest sequence, never "first hit wins" (RULES T6): levels are probed from the youngest down because
 * that finds the newest entry early, and a table is skipped when its highest sequence cannot beat what was found.
 */
import type { KeyHash } from '../ring/token.js'
import { EntryRef, entrySequence } from './entry.js'
import type { ManifestTable } from './manifest.js'
import type { Table } from './table/table.js'
import { ABSENT, COLD, FOUND } from './table/table-lookup.js'
import type { TableLookup } from './table/table-lookup.js'

/** An open table and what the manifest says of it. */
export interface LiveTable {
  readonly facts: ManifestTable
  readonly table: Table
}

/** What lookups have cost since the store was opened: grows in place, over the sets that follow each other. */
export class ProbeCounts {
  readonly #numbers = new Float64Array(2)

  /** Lookups that memory did not answer. */
  get lookups(): number {
    return this.#numbers[0]
  }

  /** Tables whose filters they asked. */
  get probes(): number {
    return this.#numbers[1]
  }

  noteLookup(): void {
    this.#numbers[0]++
  }

  noteProbe(): void {
    this.#numbers[1]++
  }
}

class SortedLevel {
  readonly tables: readonly Table[]
  readonly #maxTokens: Float64Array

  constructor(tables: readonly Table[]) {
    this.tables = tables
    this.#maxTokens = Float64Array.from(tables, (table) => table.summary.maxToken)
  }

  /** Index of the first table that ends at or after `token`; tables.length when none does. */
  indexFor(token: number): number {
    const maxTokens = this.#maxTokens
    let low = 0
    let high = maxTokens.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (maxTokens[middle] < token) low = middle + 1
      else high = middle
    }
    return low
  }
}

export class TableSet {
  /** After a COLD answer: the table that misses `coldTable.coldBlock`. */
  coldTable: Table | null = null
  /** Level 0, and the tables of families without levels: newest first. */
  readonly level0: readonly Table[]
  /** Those of level 0 that find() asks. */
  readonly #asked: readonly Table[]
  readonly levels: readonly SortedLevel[]
  readonly #all: readonly LiveTable[]
  readonly #scratch = new EntryRef()
  readonly #counts: ProbeCounts

  /** Tables of level 0 among `answered` are not asked by find(): the caller has asked what has all their keys in vain. */
  constructor(
    all: readonly LiveTable[],
    answered: ReadonlySet<Table> = new Set(),
    counts: ProbeCounts = new ProbeCounts(),
  ) {
    this.#counts = counts
    this.#all = all
    this.level0 = all
      .filter((one) => one.facts.level === 0)
      .map((one) => one.table)
      .sort((a, b) => b.summary.maxSequence - a.summary.maxSequence)
    this.#asked = this.level0.filter((table) => !answered.has(table))
    const deepest = all.reduce((highest, one) => Math.max(highest, one.facts.level), 0)
    const levels: SortedLevel[] = []
    for (let level = 1; level <= deepest; level++) {
      const tables = all.filter((one) => one.facts.level === level).map((one) => one.table)
      if (tables.length > 0) levels.push(new SortedLevel(tables.sort(byToken)))
    }
    this.levels = levels
  }

  /** Every table with its level, in no particular order. */
  get all(): readonly LiveTable[] {
    return this.#all
  }

  /** Summaries as the manifest and the picker know them. */
  manifestTables(): ManifestTable[] {
    return this.#all.map((one) => one.facts)
  }

  /**
   * The newest entry of a key, dead or alive, of a sequence above `floor`; tables without any are not asked. COLD sets coldTable
   * and leaves `into` alone.
   */
  find(
    hash: KeyHash,
    bytes: Buffer,
    start: number,
    end: number,
    into: EntryRef,
    floor = NO_FLOOR,
  ): TableLookup {
    let newest = floor
    this.#counts.noteLookup()
    const asked = this.#asked
    for (let i = 0; i < asked.length; i++) {
      const table = asked[i]
      const { minToken, maxToken, maxSequence } = table.summary
      if (maxSequence <= newest || minToken > hash.token || maxToken < hash.token) continue
      newest = this.#probe(table, hash, bytes, start, end, newest, into)
      if (newest === COLD_PROBE) return COLD
    }
    const levels = this.levels
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i]
      const index = level.indexFor(hash.token)
      if (index === level.tables.length) continue
      const table = level.tables[index]
      if (table.summary.minToken > hash.token || table.summary.maxSequence <= newest) continue
      newest = this.#probe(table, hash, bytes, start, end, newest, into)
      if (newest === COLD_PROBE) return COLD
    }
    return newest === floor ? ABSENT : FOUND
  }

  /** The sequence of the newest entry known after looking into `table`, or COLD_PROBE. */
  #probe(
    table: Table,
    hash: KeyHash,
    bytes: Buffer,
    start: number,
    end: number,
    newest: number,
    into: EntryRef,
  ): number {
    const found = this.#scratch
    this.#counts.noteProbe()
    const answer = table.find(hash, bytes, start, end, found)
    if (answer === ABSENT) return newest
    if (answer === COLD) {
      this.coldTable = table
      return COLD_PROBE
    }
    const sequence = entrySequence(found.bytes, found.record)
    if (sequence <= newest) return newest
    into.bytes = found.bytes
    into.record = found.record
    return sequence
  }
}

const COLD_PROBE = -2
const NO_FLOOR = -1

function byToken(a: Table, b: Table): number {
  return a.summary.minToken - b.summary.minToken
}

/** Closes tables that were made and that no manifest names: the next start removes their files. */
export function closeAll(tables: readonly LiveTable[]): void {
  for (const { table } of tables) table.retire(false)
}
