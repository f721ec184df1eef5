/**
 * The manifest: the one file that says which files of a data directory are live. Whatever it does not name is a leftover.
 *
 * It is rewritten whole at every edit: MANIFEST.tmp is written and synced, renamed over MANIFEST, and the directory is
 * synced. Rename is atomic, so a crash leaves the old manifest or the new one, never a mixture, and only after the last
 * step may files that the edit removed be unlinked. Rejected: a log of edits, as in LevelDB. It saves bytes per edit but
 * needs a file that names the current log, its own recovery and its own rotation; an edit happens once per flush
 * or compaction (64 MB and more), and a thousand tables make a manifest of 400 KB.
 *
 *     kindred-manifest 1 xxh32 5f3a9c01 \n     format, and xxHash32 (seed 0) of all bytes after this line, in hexadecimal
 *     { ... }                                  one ManifestState as JSON, every table on a line of its own
 *
 * States are values: an edit makes a new state (`applyEdit`) and the caller goes over to it once it is written. Invariants,
 * asserted for every state that is written and checked for every one that is loaded: levels from 1 on do not overlap,
 * equal tokens included; no file number occurs twice or reaches nextFileNumber.
 */
import { assert } from '../util/assert.js'
import type { Disk } from '../env/disk.js'
import type { CheckedFormat } from './checked-file.js'
import { readWhole, withHeader, withoutHeader, writeWhole } from './checked-file.js'
import { CorruptionError } from './corruption-error.js'
import { diskErrorCode } from './disk-error.js'
import type { TablePlace } from './families.js'
import { FAMILY_LEVELED, FAMILY_WINDOW, LEVEL_ZERO } from './families.js'
import type { Gap } from './gap.js'
import { isGap, isSameGap } from './gap.js'
import { MANIFEST_NAME, MANIFEST_TEMPORARY_NAME, parseFileName, pathOf } from './file-names.js'
import type { TableSummary } from './table/table-summary.js'

export const MANIFEST_FORMAT = 1

/** A table as the job that wrote it describes it: the footer's facts, and how fast it turns into garbage. */
export interface WrittenTable extends TableSummary {
  /** By the i-th of these four times, (i + 1)/4 of the entries that die have died; milliseconds since 1970. Empty when none dies. */
  readonly deathQuartilesMs: readonly number[]
  /** Entries that had died by then were judged when the table was written and had to stay (RULES T4); 0 after a flush. */
  readonly purgedUntilMs: number
  /** The flush mark that was applied when the table was written; 0 after a flush. */
  readonly purgedMark: number
}

/**
 * A live table. In the leveled family levels from 1 on are sorted runs of tables that do not overlap, level 0 is what flushes
 * wrote; tables of other families are of level 0 and may overlap each other.
 */
export interface ManifestTable extends WrittenTable, TablePlace {}

export interface ManifestState {
  readonly formatVersion: number
  /** Random, 53 bits: which directory this is, for peers that remember it. */
  readonly directoryId: number
  /** No file of this number or above exists in the directory, apart from leftovers. */
  readonly nextFileNumber: number
  /** No entry in `tables` has a higher sequence, nor has any that is missing. A start goes on above it and above what the logs hold (RULES T6). */
  readonly lastSequence: number
  /** FLUSHALL: dots at or below this HLC are gone; 0 for none. */
  readonly flushMark: number
  /** The latest end of a window that was ever dropped, milliseconds since 1970: no clock may show less again (RULES T5). 0 for none. */
  readonly droppedUntilMs: number
  /** Number of the newest counts file; 0 for none. */
  readonly countsFile: number
  /** Number of the newest file of trees; 0 for none. It says itself as of which entry they are. */
  readonly treesFile: number
  /** File numbers of the segments that are not flushed, oldest first. */
  readonly logs: readonly number[]
  /** By level; level 0 by file number, the others by token. */
  readonly tables: readonly ManifestTable[]
  /** What files in quarantine have left unknown and nobody has filled yet. */
  readonly gaps: readonly Gap[]
}

/** What changes, all at once. A table moves to another level by being removed and added in one edit. */
export interface ManifestEdit {
  readonly addTables?: readonly ManifestTable[]
  /** File numbers. */
  readonly removeTables?: readonly number[]
  readonly addLogs?: readonly number[]
  readonly removeLogs?: readonly number[]
  readonly addGaps?: readonly Gap[]
  /** Those that are equal to one of these. */
  readonly removeGaps?: readonly Gap[]
  /** These four only ever rise; a lower value changes nothing. */
  readonly nextFileNumber?: number
  readonly lastSequence?: number
  readonly flushMark?: number
  readonly droppedUntilMs?: number
  readonly countsFile?: number
  readonly treesFile?: number
}

const ADVICE =
  'Without its manifest a data directory cannot be read: restore the directory from a copy, or, if other nodes hold its data, ' +
  'start with an empty one, which they fill.'
const FILE: CheckedFormat = {
  word: 'kindred-manifest',
  name: 'a manifest',
  format: MANIFEST_FORMAT,
  advice: ADVICE,
}

type PlaceField = (typeof PLACE_FIELD_NAMES)[number]
/** Left out of leveled tables; missing is 0, as in the manifests of versions before there were families. */
const PLACE_FIELD_NAMES = ['family', 'windowStartMs', 'windowEndMs'] as const

/** Every other numeric field of a table; the compiler sees to it that none is forgotten. */
const TABLE_FIELDS: Readonly<Record<Exclude<keyof ManifestTable, 'deathQuartilesMs' | PlaceField>, true>> = {
  level: true,
  fileNumber: true,
  sizeBytes: true,
  entryCount: true,
  blockCount: true,
  deadCount: true,
  deletionCount: true,
  expiringCount: true,
  minSequence: true,
  maxSequence: true,
  minToken: true,
  maxToken: true,
  minHlc: true,
  maxHlc: true,
  minDeathMs: true,
  maxDeathMs: true,
  flaggedCount: true,
  purgedUntilMs: true,
  purgedMark: true,
}
const TABLE_FIELD_NAMES = Object.keys(TABLE_FIELDS) as (keyof typeof TABLE_FIELDS)[]

const STATE_FIELD_NAMES = [
  'formatVersion',
  'directoryId',
  'nextFileNumber',
  'lastSequence',
  'flushMark',
  'droppedUntilMs',
  'countsFile',
  'treesFile',
] as const satisfies readonly (keyof ManifestState)[]

export class Manifest {
  /**
   * Reads and checks the manifest; null when the directory holds no file of ours. Throws CorruptionError when its bytes
   * are not what was written, or when it is missing beside files of ours: so the first manifest is written before the
   * first log file is made.
   */
  static load(disk: Disk, directory: string): ManifestState | null {
    const path = pathOf(directory, MANIFEST_NAME)
    if (!disk.exists(path)) {
      const orphan = disk.list(directory).find(isNumberedFile)
      if (orphan === undefined) return null
      throw new CorruptionError(path, 0, `the manifest is missing, but there is ${orphan}`, ADVICE)
    }
    return decodeManifest(readWhole(disk, path), path)
  }

  /**
   * Makes `state` the durable one. Whatever the state names must be synced before, its name too. Throws
   * ManifestWriteError; when that is not `applied: 'no'`, no file that the old or the new state names may be removed.
   */
  static write(disk: Disk, directory: string, state: ManifestState): void {
    const bytes = encodeManifest(state)
    const temporary = pathOf(directory, MANIFEST_TEMPORARY_NAME)
    step('no', 'write the new manifest', () => writeWhole(disk, temporary, bytes))
    step('unknown', 'put the new manifest in place', () => {
      disk.rename(temporary, pathOf(directory, MANIFEST_NAME))
      disk.syncDirectory(directory)
    })
  }
}

/** A manifest that could not be written. `applied` says which one the disk holds: surely the old one, or either. */
export class ManifestWriteError extends Error {
  override readonly name = 'ManifestWriteError'
  readonly applied: 'no' | 'unknown'
  /** The disk's code: ENOSPC, EIO, … */
  readonly code: string

  constructor(applied: 'no' | 'unknown', code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.applied = applied
    this.code = code
  }
}

function step(applied: 'no' | 'unknown', what: string, run: () => void): void {
  try {
    run()
  } catch (error) {
    const code = diskErrorCode(error)
    if (code === null) throw error
    throw new ManifestWriteError(applied, code, `could not ${what}: ${code}`, { cause: error })
  }
}

/** The state of a new directory. `directoryId`: random, 53 bits. */
export function emptyManifest(directoryId: number): ManifestState {
  return {
    formatVersion: MANIFEST_FORMAT,
    directoryId,
    nextFileNumber: 1,
    lastSequence: 0,
    flushMark: 0,
    droppedUntilMs: 0,
    countsFile: 0,
    treesFile: 0,
    logs: [],
    tables: [],
    gaps: [],
  }
}

/** The state after the edit. Removing what is not there, or adding what is, is a bug. */
export function applyEdit(state: ManifestState, edit: ManifestEdit): ManifestState {
  const added = edit.addTables ?? []
  const removed = edit.removeTables ?? []
  const kept = without(state.tables, removed, (table) => table.fileNumber, 'table')
  const logs = without(state.logs, edit.removeLogs ?? [], (fileNumber) => fileNumber, 'log')
  const next = {
    ...state,
    nextFileNumber: Math.max(state.nextFileNumber, edit.nextFileNumber ?? 0),
    lastSequence: Math.max(
      state.lastSequence,
      edit.lastSequence ?? 0,
      ...added.map(({ maxSequence }) => maxSequence),
      ...(edit.addGaps ?? []).map(({ floorSequence }) => floorSequence),
    ),
    flushMark: Math.max(state.flushMark, edit.flushMark ?? 0),
    droppedUntilMs: Math.max(state.droppedUntilMs, edit.droppedUntilMs ?? 0),
    countsFile: edit.countsFile ?? state.countsFile,
    treesFile: edit.treesFile ?? state.treesFile,
    logs: [...logs, ...(edit.addLogs ?? [])].sort((a, b) => a - b),
    tables: [...kept, ...added].sort(byLevelThenPlace),
    gaps: gapsAfter(state.gaps, edit),
  }
  const problem = problemOf(next)
  assert(problem === null, `a manifest edit keeps the invariants: ${problem}`)
  return next
}

function gapsAfter(gaps: readonly Gap[], { addGaps = [], removeGaps = [] }: ManifestEdit): readonly Gap[] {
  const added = addGaps.filter((gap) => !gaps.some((known) => isSameGap(known, gap)))
  return [...gaps, ...added].filter((gap) => !removeGaps.some((filled) => isSameGap(filled, gap)))
}

/** Names in the directory (as listed) that are ours and that the state does not mention: leftovers of a crash, to be unlinked. */
export function leftovers(state: ManifestState, names: readonly string[]): string[] {
  const logs = new Set(state.logs)
  const tables = new Set(state.tables.map((table) => table.fileNumber))
  return names.filter((name) => {
    const file = parseFileName(name)
    switch (file?.kind) {
      case undefined:
      case 'manifest':
        return false
      case 'manifest-temporary':
        return true
      case 'log':
        return !logs.has(file.fileNumber)
      case 'table':
        return !tables.has(file.fileNumber)
      case 'counts':
        return file.fileNumber !== state.countsFile
      case 'trees':
        return file.fileNumber !== state.treesFile
    }
  })
}

/** The items without those whose number is in `removed`, each of which must be there, once. */
function without<Item>(
  items: readonly Item[],
  removed: readonly number[],
  numberOf: (item: Item) => number,
  what: string,
): Item[] {
  const gone = new Set(removed)
  assert(gone.size === removed.length, `no ${what} is removed twice`)
  const kept = items.filter((item) => !gone.has(numberOf(item)))
  assert(
    kept.length + gone.size === items.length,
    `every removed ${what} is in the manifest: ${removed.join(' ')}`,
  )
  return kept
}

function byLevelThenPlace(a: ManifestTable, b: ManifestTable): number {
  if (a.level !== b.level) return a.level - b.level
  return a.level === 0 ? a.fileNumber - b.fileNumber : a.minToken - b.minToken
}

/** What breaks the invariants, in words, or null. */
function problemOf(state: ManifestState): string | null {
  const numbers = [...state.logs, ...state.tables.map((table) => table.fileNumber)]
  for (const fileNumber of [state.countsFile, state.treesFile]) if (fileNumber !== 0) numbers.push(fileNumber)
  if (new Set(numbers).size !== numbers.length) return 'a file number occurs twice'
  if (numbers.some((fileNumber) => fileNumber >= state.nextFileNumber || fileNumber === 0)) {
    return 'a file number is 0 or not below nextFileNumber'
  }
  for (let i = 0; i < state.tables.length; i++) {
    const table = state.tables[i]
    if (table.minToken > table.maxToken) return `table ${table.fileNumber} ends before it starts`
    if (table.family !== FAMILY_LEVELED && table.level !== 0)
      return `table ${table.fileNumber} is of a family without levels`
    if (table.family === FAMILY_WINDOW && table.maxDeathMs > table.windowEndMs) {
      return `something in table ${table.fileNumber} outlives its window`
    }
    if (table.maxSequence > state.lastSequence) return `table ${table.fileNumber} is above lastSequence`
    if (i === 0) continue
    const previous = state.tables[i - 1]
    if (byLevelThenPlace(previous, table) > 0) return 'tables are out of order'
    if (table.level > 0 && table.level === previous.level && table.minToken <= previous.maxToken) {
      return `tables ${previous.fileNumber} and ${table.fileNumber} overlap in level ${table.level}`
    }
  }
  return null
}

export function encodeManifest(state: ManifestState): Buffer {
  const problem = problemOf(state)
  assert(problem === null, `a manifest that is written keeps the invariants: ${problem}`)
  const written = STATE_FIELD_NAMES.filter((name) => name !== 'droppedUntilMs' || state[name] > 0)
  const fields = written.map((name) => `  "${name}": ${state[name]},\n`).join('')
  const tables = state.tables.map((table) => `    ${encodeTable(table)}`).join(',\n')
  const logs = `  "logs": ${JSON.stringify(state.logs)},\n`
  const gaps = state.gaps.length === 0 ? '' : `  "gaps": ${JSON.stringify(state.gaps)},\n`
  const body = `{\n${fields}${logs}${gaps}  "tables": [\n${tables}\n  ]\n}\n`
  return withHeader(FILE, Buffer.from(body))
}

function encodeTable(table: ManifestTable): string {
  const fields: Record<string, number | readonly number[]> = {}
  for (const name of TABLE_FIELD_NAMES) fields[name] = table[name]
  fields['deathQuartilesMs'] = table.deathQuartilesMs
  if (table.family !== FAMILY_LEVELED) for (const name of PLACE_FIELD_NAMES) fields[name] = table[name]
  return JSON.stringify(fields)
}

/** Parses and checks a manifest's bytes. Throws CorruptionError that names `path`. */
export function decodeManifest(bytes: Buffer, path: string): ManifestState {
  const body = withoutHeader(FILE, bytes, path)
  const state = stateOf(body.toString())
  const problem = typeof state === 'string' ? state : problemOf(state)
  if (typeof state === 'string' || problem !== null) {
    throw new CorruptionError(path, bytes.length - body.length, `it contradicts itself: ${problem}`, ADVICE)
  }
  return state
}

/** The state that the JSON text describes, or what is wrong with it. */
function stateOf(text: string): ManifestState | string {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return 'it is not JSON'
  }
  if (!isObject(json)) return 'it is not an object'
  // Versions before there were trees wrote none, and gaps are left out where there are none.
  json['treesFile'] ??= 0
  json['droppedUntilMs'] ??= 0
  const { logs, tables, gaps = [] } = json
  if (!STATE_FIELD_NAMES.every((name) => isCount(json[name]))) return 'a field is missing or no number'
  if (json['formatVersion'] !== MANIFEST_FORMAT) return 'two formats are named'
  if (!isNumbers(logs)) return 'logs are not file numbers'
  if (!Array.isArray(tables) || !tables.every(isTable)) return 'a table is not described in full'
  if (!Array.isArray(gaps) || !gaps.every(isGap)) return 'a gap is not described in full'
  const placed = (tables as readonly ManifestTable[]).map((table) => ({ ...LEVEL_ZERO, ...table }))
  return { ...json, gaps, tables: placed } as unknown as ManifestState
}

function isTable(json: unknown): boolean {
  return (
    isObject(json) &&
    TABLE_FIELD_NAMES.every((name) => isCount(json[name])) &&
    PLACE_FIELD_NAMES.every((name) => json[name] === undefined || isCount(json[name])) &&
    isNumbers(json['deathQuartilesMs'])
  )
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function isNumbers(json: unknown): json is number[] {
  return Array.isArray(json) && json.every(isCount)
}

function isCount(json: unknown): json is number {
  return Number.isSafeInteger(json) && (json as number) >= 0
}

function isNumberedFile(name: string): boolean {
  const file = parseFileName(name)
  return file !== null && file.kind !== 'manifest' && file.kind !== 'manifest-temporary'
}
