/**
 * A tree of tables without files: every table's entries are kept as objects, picks are carried out on them, and the
 * manifest's own edits keep the books. So thousands of compactions run in a second, and every rule can be checked after
 * each of them.
 */
import { LEVEL_ZERO, type TablePlace } from '../../../../src/storage/families.js'
import { NEVER_DIES } from '../../../../src/record/layout.js'
import {
  applyEdit,
  emptyManifest,
  type ManifestState,
  type WrittenTable,
} from '../../../../src/storage/manifest.js'
import { DeathSample } from '../../../../src/storage/compaction/death-sample.js'
import { OlderElsewhere, type SequenceRange } from '../../../../src/storage/compaction/older-elsewhere.js'
import { editOf, type CompactionPick } from '../../../../src/storage/compaction/picker.js'
import { tableOf } from '../tables.js'

/** The key is the token. A deletion is an entry that died when it was written. */
export interface ModelEntry {
  readonly token: number
  readonly sequence: number
  readonly hlc: number
  readonly deathMs: number
}

export const ENTRY_BYTES = 100

export class TreeModel {
  state: ManifestState = emptyManifest(1)
  cursors: readonly number[] = []
  writtenBytes = 0
  readonly #entries = new Map<number, readonly ModelEntry[]>()
  readonly #targetBytes: number

  constructor(targetBytes: number) {
    this.#targetBytes = targetBytes
  }

  get entryCount(): number {
    return this.state.tables.reduce((sum, table) => sum + table.entryCount, 0)
  }

  entriesOf(fileNumber: number): readonly ModelEntry[] {
    return this.#entries.get(fileNumber) ?? []
  }

  /** Adds a segment's entries, one per token. */
  flush(entries: readonly ModelEntry[], place: TablePlace = LEVEL_ZERO): void {
    const tables = this.#write(entries, 0, 0)
    this.state = applyEdit(this.state, {
      addTables: tables.map((table) => ({ ...table, ...place })),
      ...this.#numbers(),
    })
  }

  /** The outputs of a pick, written but not yet in force. */
  work(pick: CompactionPick, purgeableUntilMs: number, flushMark: number): readonly WrittenTable[] {
    if (pick.kind !== 'merge') return []
    const older = new OlderElsewhere(pick.others)
    const kept = this.#newestOf(pick).filter((entry) => {
      const isDead = entry.deathMs <= purgeableUntilMs || entry.hlc <= flushMark
      return !isDead || older.mayHold(entry.token, entry.sequence)
    })
    return this.#write(kept, purgeableUntilMs, flushMark)
  }

  /** Puts a pick with its outputs in force. */
  finish(pick: CompactionPick, outputs: readonly WrittenTable[]): void {
    this.state = applyEdit(this.state, { ...editOf(pick, outputs), ...this.#numbers() })
    this.cursors = pick.cursors
  }

  /** The entry with the highest sequence of every token. */
  newest(): Map<number, ModelEntry> {
    const newest = new Map<number, ModelEntry>()
    for (const table of this.state.tables) {
      for (const entry of this.entriesOf(table.fileNumber)) {
        if (entry.sequence > (newest.get(entry.token)?.sequence ?? -1)) newest.set(entry.token, entry)
      }
    }
    return newest
  }

  #newestOf(pick: CompactionPick): ModelEntry[] {
    const newest = new Map<number, ModelEntry>()
    for (const table of pick.inputs) {
      for (const entry of this.entriesOf(table.fileNumber)) {
        if (entry.sequence > (newest.get(entry.token)?.sequence ?? -1)) newest.set(entry.token, entry)
      }
    }
    return [...newest.values()].sort((a, b) => a.token - b.token)
  }

  #write(entries: readonly ModelEntry[], purgedUntilMs: number, purgedMark: number): readonly WrittenTable[] {
    const perTable = this.#targetBytes / ENTRY_BYTES
    const tables: WrittenTable[] = []
    for (let at = 0; at < entries.length; at += perTable) {
      const fileNumber = this.#nextFileNumber++
      const chosen = entries.slice(at, at + perTable)
      this.#entries.set(fileNumber, chosen)
      this.writtenBytes += chosen.length * ENTRY_BYTES
      tables.push({ ...describe(fileNumber, chosen), purgedUntilMs, purgedMark })
    }
    // Jobs never use all the numbers that are reserved for them.
    this.#nextFileNumber++
    return tables
  }

  #nextFileNumber = 1

  #numbers(): { nextFileNumber: number } {
    return { nextFileNumber: this.#nextFileNumber }
  }
}

export function rangeOf(entries: readonly ModelEntry[]): SequenceRange {
  return {
    minToken: Math.min(...entries.map((entry) => entry.token)),
    maxToken: Math.max(...entries.map((entry) => entry.token)),
    minSequence: Math.min(...entries.map((entry) => entry.sequence)),
  }
}

function describe(fileNumber: number, entries: readonly ModelEntry[]): WrittenTable {
  const sample = new DeathSample()
  for (const entry of entries) sample.add(entry.deathMs)
  const deaths = entries.map((entry) => entry.deathMs)
  const hlcs = entries.map((entry) => entry.hlc)
  const { level: _, ...table } = tableOf(fileNumber, {
    ...rangeOf(entries),
    maxSequence: Math.max(...entries.map((entry) => entry.sequence)),
    sizeBytes: entries.length * ENTRY_BYTES,
    entryCount: entries.length,
    deadCount: deaths.filter((deathMs) => deathMs !== NEVER_DIES).length,
    minHlc: Math.min(...hlcs),
    maxHlc: Math.max(...hlcs),
    minDeathMs: Math.min(...deaths),
    maxDeathMs: Math.max(...deaths),
    deathQuartilesMs: sample.quartilesMs(),
  })
  return table
}
