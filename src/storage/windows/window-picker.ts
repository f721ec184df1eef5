/**
 * What to do about windows, as pure functions of what the manifest says. A window whose end has passed and of which everything may
 * be purged is dropped whole. Until then its tables are merged among themselves: while it still receives, as soon as four are of
 * about one size, so that each byte is rewritten about once per fourfold growth; once it is quiet, down to two, the
 * largest one left alone where that is enough. Tables of a window are never merged with anything else: then it could not be
 * dropped, and dropping is why it is there.
 */
import { FAMILY_WINDOW } from '../families.js'
import type { ManifestTable } from '../manifest.js'
import type { PurgeLimits } from '../compaction/garbage.js'
import { isWhollyDead } from '../compaction/garbage.js'

/** Tables of a window that are merged at least, while it receives … */
const SIMILAR_MIN = 4
/** … and at most. */
const INPUTS_MAX = 32
/** Tables are similar when none is more than this many times as large as the smallest of them. */
const SIMILAR_FACTOR = 3
/** Tables that a quiet window may keep. */
const QUIET_TABLES = 2

export interface WindowTables {
  readonly startMs: number
  readonly endMs: number
  readonly tables: readonly ManifestTable[]
}

export interface WindowView extends PurgeLimits {
  readonly tables: readonly ManifestTable[]
  /** The time by which windows end, milliseconds since 1970. */
  readonly nowMs: number
  readonly busy: ReadonlySet<number>
  /** Never read again. */
  readonly damaged: ReadonlySet<number>
  /** Whether no table has come to the window for a while. */
  isQuiet(window: WindowTables): boolean
}

/** The windows among the tables, by their end and then their start. */
export function windowsOf(tables: readonly ManifestTable[]): WindowTables[] {
  const windows = new Map<string, { startMs: number; endMs: number; tables: ManifestTable[] }>()
  for (const table of tables) {
    if (table.family !== FAMILY_WINDOW) continue
    const { windowStartMs: startMs, windowEndMs: endMs } = table
    const name = `${startMs} ${endMs}`
    const window = windows.get(name) ?? { startMs, endMs, tables: [] }
    window.tables.push(table)
    windows.set(name, window)
  }
  return [...windows.values()].sort((a, b) => a.endMs - b.endMs || a.startMs - b.startMs)
}

/** A window in numbers. */
export interface WindowSizes {
  readonly startMs: number
  readonly endMs: number
  readonly tables: number
  readonly bytes: number
  readonly records: number
  /** Entries that hide something which dies later (RULES T1). */
  readonly flagged: number
}

export interface WindowFacts extends WindowSizes {
  readonly hold: WindowHold | null
}

export function sizesOf({ startMs, endMs, tables }: WindowTables): WindowSizes {
  const sum = (of: (table: ManifestTable) => number): number => tables.reduce((all, one) => all + of(one), 0)
  return {
    startMs,
    endMs,
    tables: tables.length,
    bytes: sum(({ sizeBytes }) => sizeBytes),
    records: sum(({ entryCount }) => entryCount),
    flagged: sum(({ flaggedCount }) => flaggedCount),
  }
}

/** What keeps a window from being dropped. */
export type WindowHold = 'open' | 'purge' | 'damage'

/** Why the window may not be dropped: it has not ended, something in it may not be purged, or cannot be read; null when it may. */
export function holdOf(
  window: WindowTables,
  view: Omit<WindowView, 'isQuiet' | 'tables'>,
): WindowHold | null {
  if (view.nowMs < window.endMs) return 'open'
  if (!window.tables.every((table) => isWhollyDead(table, view))) return 'purge'
  const isUnreadable = ({ fileNumber, flaggedCount }: ManifestTable): boolean =>
    flaggedCount > 0 && view.damaged.has(fileNumber)
  return window.tables.some(isUnreadable) ? 'damage' : null
}

/** The first window that may be dropped, or null. */
export function pickDrop(view: WindowView): WindowTables | null {
  const isFree = ({ tables }: WindowTables): boolean => tables.every((one) => !view.busy.has(one.fileNumber))
  return windowsOf(view.tables).find((window) => isFree(window) && holdOf(window, view) === null) ?? null
}

/** Tables of one window that are to be merged into one, or null. */
export function pickWindowMerge(view: WindowView): readonly ManifestTable[] | null {
  for (const window of windowsOf(view.tables)) {
    const bySize = window.tables
      .filter(({ fileNumber }) => !view.busy.has(fileNumber) && !view.damaged.has(fileNumber))
      .sort((a, b) => a.sizeBytes - b.sizeBytes)
    const inputs = view.isQuiet(window) ? surplus(bySize) : similar(bySize)
    if (inputs !== null) return inputs.slice(0, INPUTS_MAX)
  }
  return null
}

/** All but the largest, where there are more than may stay. */
function surplus(bySize: readonly ManifestTable[]): readonly ManifestTable[] | null {
  return bySize.length > QUIET_TABLES ? bySize.slice(0, -1) : null
}

/** The smallest tables that are enough and of about one size. */
function similar(bySize: readonly ManifestTable[]): readonly ManifestTable[] | null {
  for (let first = 0; first + SIMILAR_MIN <= bySize.length; first++) {
    const sizeMax = bySize[first].sizeBytes * SIMILAR_FACTOR
    const group = bySize.filter(({ sizeBytes }, i) => i >= first && sizeBytes <= sizeMax)
    if (group.length >= SIMILAR_MIN) return group
  }
  return null
}
