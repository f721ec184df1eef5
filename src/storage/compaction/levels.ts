/**
 * The tables of the leveled family by level, and the questions about overlap that picking asks. A value made for one pick; with the
 * tens to few thousands of tables that a node has, plain scans are cheap beside the compaction they decide about.
 */
import { FAMILY_LEVELED } from '../families.js'
import type { ManifestTable } from '../manifest.js'
import type { SequenceRange } from './older-elsewhere.js'

export class Levels {
  readonly tables: readonly ManifestTable[]
  readonly #byLevel: readonly (readonly ManifestTable[])[]

  /** `levels` counts level 0 too; no table may lie beyond the last. Level 0 is kept oldest first, the others by token. */
  constructor(tables: readonly ManifestTable[], levels: number) {
    this.tables = tables
    const byLevel: ManifestTable[][] = Array.from({ length: levels }, () => [])
    for (const table of tables) if (table.family === FAMILY_LEVELED) byLevel[table.level].push(table)
    byLevel[0].sort((a, b) => a.maxSequence - b.maxSequence)
    for (let level = 1; level < levels; level++) byLevel[level].sort((a, b) => a.minToken - b.minToken)
    this.#byLevel = byLevel
  }

  get last(): number {
    return this.#byLevel.length - 1
  }

  at(level: number): readonly ManifestTable[] {
    return this.#byLevel[level]
  }

  /** The tables of a level that share a token with the range from the first to the last token of `tables`. */
  under(level: number, tables: readonly ManifestTable[]): ManifestTable[] {
    const hull = {
      minToken: Math.min(...tables.map((table) => table.minToken)),
      maxToken: Math.max(...tables.map((table) => table.maxToken)),
    }
    return this.at(level).filter((candidate) => overlap(candidate, hull))
  }

  /** Most tables of level 0 over one token. */
  get depth(): number {
    const ends: { readonly token: number; readonly change: 1 | -1 }[] = []
    for (const table of this.at(0)) {
      ends.push({ token: table.minToken, change: 1 }, { token: table.maxToken, change: -1 })
    }
    // Both ends are inclusive: at one token, tables that start count before tables that end go.
    ends.sort((a, b) => a.token - b.token || b.change - a.change)
    let open = 0
    let deepest = 0
    for (const end of ends) {
      open += end.change
      deepest = Math.max(deepest, open)
    }
    return deepest
  }
}

export function overlap(a: TokenRange, b: TokenRange): boolean {
  return a.minToken <= b.maxToken && b.minToken <= a.maxToken
}

type TokenRange = Pick<SequenceRange, 'minToken' | 'maxToken'>

/** Whether `other` may hold something older than what `table` holds of a key (RULES T4, for a whole table). */
export function mayHoldOlder(other: SequenceRange, table: ManifestTable): boolean {
  return other.minSequence < table.maxSequence && overlap(other, table)
}

export function totalBytes(tables: readonly { readonly sizeBytes: number }[]): number {
  return tables.reduce((sum, table) => sum + table.sizeBytes, 0)
}
