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
import { xxh32 } from '../util/xxhash.js'
import type { Disk } from '../env/disk.js'
import { CorruptionError } from './corruption-error.js'
import { MANIFEST_NAME, MANIFEST_TEMPORARY_NAME, parseFileName, pathOf } from './file-names.js'
import type { TableSummary } from './table/table-summary.js'

export const MANIFEST_FORMAT = 1

/** A table as the job that wrote it describes it: the footer's facts, and how fast it turns into garbage. */
export interface WrittenTable extends TableSummary {
  /** By the i-th of these four times, (i + 1)/4 of the entries that die have died; milliseconds since 1970. Empty when none dies. */
  readonly deathQuartilesMs: readonly number[]
}

/** A live table. Levels from 1 on are sorted runs of tables that do not overlap; level 0 is what flushes wrote. */
export interface ManifestTable extends WrittenTable {
  readonly level: number
}

export interface ManifestState {
  readonly formatVersion: number
  /** Random, 53 bits: which directory this is, for peers that remember it. */
  readonly directoryId: number
  /** No file of this number or above exists in the directory, apart from leftovers. */
  readonly nextFileNumber: number
  /** No entry in `tables` has a higher sequence. */
  readonly lastSequence: number
  /** FLUSHALL: dots at or below this HLC are gone; 0 for none. */
  readonly flushMark: number
  /** Number of the newest counts file; 0 for none. */
  readonly countsFile: number
  /** File numbers of the segments that are not flushed, oldest first. */
  readonly logs: readonly number[]
  /** By level; level 0 by file number, the others by token. */
  readonly tables: readonly ManifestTable[]
}

/** What changes, all at once. A table moves to another level by being removed and added in one edit. */
export interface ManifestEdit {
  readonly addTables?: readonly ManifestTable[]
  /** File numbers. */
  readonly removeTables?: readonly number[]
  readonly addLogs?: readonly number[]
  readonly removeLogs?: readonly number[]
  readonly nextFileNumber?: number
  readonly lastSequence?: number
  readonly flushMark?: number
  readonly countsFile?: number
}

export class Manifest {
  /**
   * Reads and checks the manifest; null when the directory holds no file of ours. Throws CorruptionError when its bytes
   * are not what was written, or when it is missing beside files of ours: so the first manifest is written before the
   * first log file is made.
   */
  static load(disk: Disk, directory: string): ManifestState | null {
    throw new Error(`not yet built ${String(disk)} ${directory}`)
  }

  /**
   * Makes `state` the durable one. Whatever the state names must be synced before, its name too. Throws
   * ManifestWriteError; when that is not `applied: 'no'`, no file that the old or the new state names may be removed.
   */
  static write(disk: Disk, directory: string, state: ManifestState): void {
    throw new Error(`not yet built ${String(disk)} ${directory} ${state.directoryId}`)
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

/** The state of a new directory. `directoryId`: random, 53 bits. */
export function emptyManifest(directoryId: number): ManifestState {
  throw new Error(`not yet built ${directoryId}`)
}

/** The state after the edit. Removing what is not there, or adding what is, is a bug. */
export function applyEdit(state: ManifestState, edit: ManifestEdit): ManifestState {
  throw new Error(`not yet built ${state.directoryId} ${edit.countsFile}`)
}

/** Names in the directory (as listed) that are ours and that the state does not mention: leftovers of a crash, to be unlinked. */
export function leftovers(state: ManifestState, names: readonly string[]): string[] {
  throw new Error(`not yet built ${state.directoryId} ${names.length}`)
}
