/**
 * One sorted stream of entries into a merge: a table of level 0, or the chosen tables of a level end to end, opened one
 * at a time so that a merge holds one file and one read buffer per level.
 */
import type { Disk } from '../../env/disk.js'
import { compareBytes } from '../../util/bytes.js'
import { keyLength, keyStart } from '../../record/layout.js'
import { FLAG_LOCAL_TOMBSTONE, entryFlags, entrySequence } from '../entry.js'
import { pathOf, tableFileName } from '../file-names.js'
import type { ManifestTable } from '../manifest.js'
import { TableScanner } from '../table/table-scanner.js'
import type { OnBlockDamage } from '../table/table-scanner.js'

/** What a merge orders by. */
export interface MergeEntry {
  readonly token: number
  readonly bytes: Buffer
  readonly record: number
}

export class MergeSource implements MergeEntry {
  /** The current entry: valid until advance(). */
  bytes: Buffer = Buffer.alloc(0)
  record = 0
  token = -1
  readonly #disk: Disk
  readonly #paths: readonly string[]
  readonly #from: number
  readonly #onDamage: OnBlockDamage | null
  #opened = 0
  #scanner: TableScanner | null = null

  /** `paths`: tables that do not overlap, in token order. Entries before the token `from` are passed over. `onDamage`: see TableScanner. */
  constructor(disk: Disk, paths: readonly string[], from = 0, onDamage: OnBlockDamage | null = null) {
    this.#disk = disk
    this.#paths = paths
    this.#from = from
    this.#onDamage = onDamage
  }

  /** Hashes of the current entry's key (KeyHash). */
  get first(): number {
    return this.#scanner?.first ?? 0
  }

  get second(): number {
    return this.#scanner?.second ?? 0
  }

  /** Goes to the next entry, at first to the first; false at the end. Throws CorruptionError and the disk's errors. */
  advance(): boolean {
    for (;;) {
      if (this.#scanner?.next() === true) break
      this.close()
      if (this.#opened === this.#paths.length) return false
      const path = this.#paths[this.#opened++]
      this.#scanner = new TableScanner(this.#disk, path, this.#from, this.#onDamage)
    }
    this.token = this.#scanner.token
    this.bytes = this.#scanner.entry.bytes
    this.record = this.#scanner.entry.record
    return true
  }

  close(): void {
    this.#scanner?.close()
    this.#scanner = null
  }
}

/** One source per table of level 0, one per further level. */
export function mergeSources(
  disk: Disk,
  directory: string,
  inputs: readonly ManifestTable[],
  onDamage: OnBlockDamage | null = null,
): MergeSource[] {
  return levelRuns(inputs).map((tables) => new MergeSource(disk, pathsOf(directory, tables), 0, onDamage))
}

/** Tables that do not overlap, in token order: each of level 0 by itself, those of a further level together. */
export function levelRuns(tables: readonly ManifestTable[]): (readonly ManifestTable[])[] {
  const runs = new Map<string, ManifestTable[]>()
  for (const table of tables) {
    const run = table.level === 0 ? `table ${table.fileNumber}` : `level ${table.level}`
    runs.set(run, [...(runs.get(run) ?? []), table])
  }
  return [...runs.values()].map((run) => run.toSorted((a, b) => a.minToken - b.minToken))
}

export function pathsOf(directory: string, tables: readonly ManifestTable[]): string[] {
  return tables.map(({ fileNumber }) => pathOf(directory, tableFileName(fileNumber)))
}

/** Order of the merge: token, key, and of one key the newest first (RULES T6). */
export function compareSources(a: MergeEntry, b: MergeEntry): number {
  if (a.token !== b.token) return a.token - b.token
  return compareKeys(a, b) || compareAges(a, b)
}

export function haveSameKey(a: MergeEntry, b: MergeEntry): boolean {
  return a.token === b.token && compareKeys(a, b) === 0
}

function compareKeys(a: MergeEntry, b: MergeEntry): number {
  const aStart = keyStart(a.record)
  const bStart = keyStart(b.record)
  const aEnd = aStart + keyLength(a.bytes, a.record)
  const bEnd = bStart + keyLength(b.bytes, b.record)
  return compareBytes(a.bytes, aStart, aEnd, b.bytes, bStart, bEnd)
}

/** Higher sequence first; a tombstone that a dropped window left wins over its original, whose sequence it has (RULES T2). */
function compareAges(a: MergeEntry, b: MergeEntry): number {
  const newer = entrySequence(b.bytes, b.record) - entrySequence(a.bytes, a.record)
  return newer !== 0 ? newer : localTombstone(b) - localTombstone(a)
}

function localTombstone(source: MergeEntry): number {
  return entryFlags(source.bytes, source.record) & FLAG_LOCAL_TOMBSTONE
}
