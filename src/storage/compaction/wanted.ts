/**
 * A compaction that somebody asked for (KV.COMPACT): everything that a family held then, or what lies in some tokens, is rewritten
 * once, and on its way goes where the dead of it can be let go: leveled tables to the deepest level that there was, size-tiered
 * ones into one run, those of a window into one. It is not one job but what is picked while nothing else is due, so
 * that it never stands in the way of what writers wait for, and so that a stop in the middle loses one job's work at most.
 *
 * What was written since is not waited for: a table is done when its number is not below that of the asking, and, in the
 * upper levels, when it holds nothing as old. Data only move down, and each pick rewrites something, so that ends.
 */
import { FAMILY_LEVELED, FAMILY_SIZE_TIERED, FAMILY_WINDOW, isSamePlace } from '../families.js'
import type { Family } from '../families.js'
import type { ManifestTable } from '../manifest.js'
import type { CompactionOptions } from './compaction-options.js'
import { Levels, overlap, totalBytes } from './levels.js'
import type { CompactionPick, CompactionView } from './picker.js'
import { mergeOf } from './picks.js'

/** What is to be compacted; both tokens inclusive. */
export interface CompactionScope {
  readonly families: readonly Family[]
  readonly minToken: number
  readonly maxToken: number
}

export const ALL_FAMILIES: readonly Family[] = [FAMILY_LEVELED, FAMILY_SIZE_TIERED, FAMILY_WINDOW]

export interface WantedCompaction extends CompactionScope {
  /** Tables from this number on are newer than the asking. */
  readonly beforeFile: number
  /** Entries up to this sequence were there. */
  readonly untilSequence: number
  /** The deepest level that held anything in the scope. */
  readonly bottomLevel: number
}

/** `nextFileNumber`: no table has it, or one above it. Pure. */
export function wantedCompaction(
  scope: CompactionScope,
  tables: readonly ManifestTable[],
  nextFileNumber: number,
  untilSequence: number,
): WantedCompaction {
  const levels = tables.filter((table) => table.family === FAMILY_LEVELED && overlap(table, scope))
  const bottomLevel = levels.reduce((deepest, { level }) => Math.max(deepest, level), 1)
  return { ...scope, beforeFile: nextFileNumber, untilSequence, bottomLevel }
}

/** The tables that are still to be rewritten; those with damage never are. Pure. */
export function unfinished(
  wanted: WantedCompaction,
  { tables, damaged }: Pick<CompactionView, 'tables' | 'damaged'>,
): ManifestTable[] {
  const { families, beforeFile, untilSequence, bottomLevel } = wanted
  return tables.filter((table) => {
    if (!families.includes(table.family) || !overlap(table, wanted)) return false
    if (damaged?.has(table.fileNumber) === true) return false
    const isAbove = table.family === FAMILY_LEVELED && table.level < bottomLevel
    return table.fileNumber < beforeFile || (isAbove && table.minSequence <= untilSequence)
  })
}

/** The next merge of it, or null when all is done. Pure. */
export function pickWanted(
  wanted: WantedCompaction,
  view: CompactionView,
  options: CompactionOptions,
): CompactionPick | null {
  const left = unfinished(wanted, view)
  const first = left.find(({ family }) => family !== FAMILY_LEVELED)
  if (first !== undefined) {
    return mergeOf(
      view,
      'wanted',
      left.filter((table) => isSamePlace(table, first)),
      0,
    )
  }
  if (left.length === 0) return null
  const levels = new Levels(view.tables, options.levels)
  const top = left.reduce((highest, table) => (table.level < highest.level ? table : highest))
  if (top.level >= wanted.bottomLevel) return mergeOf(view, 'wanted', [top], top.level)
  const upper = top.level === 0 ? oldestOf(levels.at(0), view, options.l0BytesMax) : [top]
  const lower = levels.under(top.level + 1, upper)
  // They are about to be taken out, or set aside.
  if (lower.some((table) => view.damaged?.has(table.fileNumber) === true)) return null
  return mergeOf(view, 'wanted', [...upper, ...lower], top.level + 1)
}

/** The oldest tables of level 0, which goes down in the order of its ages; two at least, if there are. */
function oldestOf(
  tables: readonly ManifestTable[],
  { damaged }: CompactionView,
  bytesMax: number,
): ManifestTable[] {
  const chosen: ManifestTable[] = []
  for (const table of tables) {
    if (damaged?.has(table.fileNumber) === true) continue
    if (chosen.length >= 2 && totalBytes(chosen) + table.sizeBytes > bytesMax) break
    chosen.push(table)
  }
  return chosen
}
