/**
 * The files of the running store, and the manifest that names them: which tables are open, which segments are not flushed
 * yet, which numbers are taken. Everything that changes goes through here in the same order: first the manifest, then the
 * switch in memory, then the unlink of what is no longer named. So a crash at any point leaves files too many, never one
 * too few. Edits are written one after the other, by a job, because their syncs would hold up the event loop.
 *
 * A manifest write that fails from the rename on leaves the old or the new manifest on disk (doubt). Nothing that either
 * may name is removed then, and no work begins that would need to, until the known one has been written again.
 */
import { assert } from '../util/assert.js'
import type { BlockCache } from './block-cache.js'
import type { CorruptionError } from './corruption-error.js'
import { isLackOfSpace, takingRoom } from './disk-space.js'
import {
  countsFileName,
  MANIFEST_NAME,
  parseFileName,
  pathOf,
  tableFileName,
  treesFileName,
} from './file-names.js'
import type { Segment } from './log/segment.js'
import { applyEdit, encodeManifest, leftovers, Manifest, ManifestWriteError } from './manifest.js'
import type { ManifestEdit, ManifestState, ManifestTable } from './manifest.js'
import type { LoadedStore, SealedSegment } from './open-store.js'
import { mayLose } from './store-options.js'
import type { StoreEnv, StoreOptions } from './store-options.js'
import { moveToQuarantine, quarantined } from './quarantine.js'
import { RetainedSegments } from './retained-segments.js'
import { Table } from './table/table.js'
import { ProbeCounts, TableSet } from './table-set.js'
import type { LiveTable } from './table-set.js'

export interface LiveFilesHost {
  /** Bytes of an open table are not what was written. */
  onDamage(table: Table, error: CorruptionError): void
  /** Tables, sealed segments or retained ones (youngest first) have changed. */
  install(tables: TableSet, sealed: readonly SealedSegment[], retained: readonly Segment[]): void
  active(): Segment
}

/** What an edit changes in memory once the manifest has it. */
export interface FileChange {
  readonly added?: readonly LiveTable[]
  /** These go and are unlinked. */
  readonly removed?: readonly LiveTable[]
  /** These go and are kept in quarantine. */
  readonly quarantined?: readonly LiveTable[]
  /** These go without being closed: they come again, on another level, among `added`. */
  readonly replaced?: readonly LiveTable[]
  /** Became `added`, and is only retained from now on. */
  readonly flushed?: SealedSegment
}

/** What a manifest names, all of which stays until release(). */
export interface HeldFiles {
  readonly state: ManifestState
  release(): void
}

export class LiveFiles {
  readonly #env: StoreEnv
  readonly #directory: string
  readonly #segmentBytes: number
  readonly #segmentsMax: number
  readonly #host: LiveFilesHost
  readonly #mayLose: (tableNumber: number) => boolean
  readonly #cache: BlockCache
  #state: ManifestState
  #tables: TableSet
  #sealed: readonly SealedSegment[]
  readonly #retained = new RetainedSegments()
  readonly probes = new ProbeCounts()
  #nextNumber: number
  /** Ends when the last edit that was asked for has. */
  #lastEdit: Promise<void> = Promise.resolve()
  /** Edits that wait or are being written. */
  #edits = 0
  #inDoubt = false
  #quarantinedFiles: number
  #hasCounts = true
  /** The entry as of which the saved trees are; 0 when those on disk are of no use, or there are none. */
  #treesSequence: number
  /** Files beside tables that stay while somebody reads them by their names, and those of them that have become unnamed. */
  readonly #held: string[] = []
  readonly #unlinkLater: string[] = []
  /** What only the manifest names that may or may not have been written. */
  readonly #doubtful: string[] = []

  constructor(env: StoreEnv, options: StoreOptions, loaded: LoadedStore, host: LiveFilesHost) {
    this.#env = env
    this.#directory = options.directory
    this.#segmentBytes = options.segmentBytes
    this.#segmentsMax = options.segmentsMax
    this.#host = host
    this.#cache = loaded.cache
    this.#state = loaded.state
    this.#tables = new TableSet(loaded.tables.all, new Set(), this.probes)
    this.#mayLose = (fileNumber) => mayLose(options, tableFileName(fileNumber))
    for (const { table } of loaded.tables.all) this.#watch(table)
    this.#sealed = [...loaded.segments].reverse()
    this.#quarantinedFiles = quarantined(env.disk, options.directory).length
    this.#nextNumber = nextFreeNumber(env, options.directory, loaded.state)
    this.#treesSequence = loaded.trees?.base?.sequence ?? 0
  }

  get state(): ManifestState {
    return this.#state
  }

  get tables(): TableSet {
    return this.#tables
  }

  /** Segments that no table holds yet, youngest first, without the active one. */
  get sealed(): readonly SealedSegment[] {
    return this.#sealed
  }

  /** The active segment has been given up; its successor is the host's active() from now on. */
  addSealed(segment: SealedSegment): void {
    this.#sealed = [segment, ...this.#sealed]
  }

  /** Segments that tables hold, kept as the cache of those tables. */
  get retained(): RetainedSegments {
    return this.#retained
  }

  /** A segment that was begun now would be one more than segments-max in memory. */
  get memoryIsUsedUp(): boolean {
    return this.#segmentsInMemory >= this.#segmentsMax
  }

  get #segmentsInMemory(): number {
    return this.#sealed.length + 1 + this.#retained.count
  }

  /** The oldest retained segment is searched no more; answers it. Its memory may be reused once this step is over. */
  giveUpRetained(): Segment | null {
    const { oldest } = this.#retained
    if (oldest === undefined) return null
    this.#retained.removeOldest()
    this.#install(this.#tables.all)
    return oldest.segment
  }

  /** Files in the folder quarantine, those that were there before included. */
  get quarantinedFiles(): number {
    return this.#quarantinedFiles
  }

  /** The counts in memory have become wrong: none are written any more. */
  forgetCounts(): void {
    this.#hasCounts = false
  }

  get hasCounts(): boolean {
    return this.#hasCounts
  }

  get isInDoubt(): boolean {
    return this.#inDoubt
  }

  /** No edit waits or is being written. */
  get isIdle(): boolean {
    return this.#edits === 0
  }

  /** The first of `count` numbers that nobody else gets. */
  takeNumbers(count = 1): number {
    const first = this.#nextNumber
    this.#nextNumber += count
    return first
  }

  /**
   * Writes the first manifest of this run, which names the logs `live`, and removes leftovers. Blocks. When there is no
   * room for it, that error is answered and the manifest is in doubt: recovery takes every log from the oldest listed one
   * on, so the one on disk will do, unless it lists none; then the error is thrown.
   */
  start(live: readonly number[]): Error | null {
    const { disk, log } = this.#env
    const { logs: listed } = this.#state
    this.#state = applyEdit(this.#state, {
      addLogs: live.filter((number) => !listed.includes(number)),
      removeLogs: listed.filter((number) => !live.includes(number)),
      nextFileNumber: this.#nextNumber,
      // What made them useless may be gone from the tables by the next start.
      ...(this.#treesSequence === 0 ? { treesFile: 0 } : {}),
    })
    const path = pathOf(this.#directory, MANIFEST_NAME)
    try {
      const bytes = encodeManifest(this.#state).length
      takingRoom(path, bytes, () => Manifest.write(disk, this.#directory, this.#state))
    } catch (error) {
      if (!isLackOfSpace(error) || listed.length === 0) throw error
      log.warn('no room for a new manifest: started with the old one', { error: String(error) })
      this.#doubt()
      this.#doubtful.push(...leftovers(this.#state, disk.list(this.#directory)))
      return error as Error
    }
    this.#removeLeftovers()
    return null
  }

  /** Writes the edit to the manifest, then switches over. Edits wait for each other. */
  record(edit: ManifestEdit, change: FileChange): Promise<void> {
    const { added = [], replaced = [], flushed } = change
    this.#edits++
    const recorded = this.#lastEdit.then(async () => {
      const { treesFile } = this.#state
      const isVoid = treesFile !== 0 && this.#makesTreesVoid(change)
      try {
        await this.#edit({
          ...edit,
          ...(isVoid ? { treesFile: 0 } : {}),
          addLogs: this.#unlistedLogs(flushed),
          removeLogs: this.#listedLogs(flushed),
          addTables: added.map(({ facts }) => facts),
        })
      } catch (error) {
        const made = added.filter(({ table }) => !replaced.some((one) => one.table === table))
        this.#giveUp(made, filesBeside(edit))
        throw error
      } finally {
        this.#edits--
      }
      if (edit.treesFile !== undefined) this.#treesSequence = flushed?.segment.maxSequence ?? 0
      this.#switchOver(change)
      if (isVoid) this.unlink(treesFileName(treesFile))
    })
    this.#lastEdit = recorded.catch(() => {})
    return recorded
  }

  /**
   * Whether saved trees count entries that no table will tell of any more. They are brought up to date by looking up what later
   * entries have replaced; a merge with tables of later entries lets go of just that.
   */
  #makesTreesVoid({ added = [], removed = [], quarantined = [] }: FileChange): boolean {
    const isCounted = ({ facts }: LiveTable): boolean => facts.minSequence <= this.#treesSequence
    if (quarantined.some(isCounted)) return true
    const hasLater = removed.some(({ facts }) => facts.maxSequence > this.#treesSequence)
    // What a dropped window has left is not what was in it.
    const isDrop = !added.some(({ facts }) => facts.family === removed.at(0)?.facts.family)
    return removed.some(isCounted) && (hasLater || isDrop)
  }

  /** Writes the known manifest again: then it is this one that the disk holds, whatever became of the last edit. */
  resolveDoubt(resolved: () => void, failed: (error: unknown) => void): void {
    if (!this.#inDoubt || this.#edits > 0) return
    this.#edits++
    const written = this.#write(this.#state)
    this.#lastEdit = written.then(
      () => {
        this.#edits--
        resolved()
      },
      (error: unknown) => {
        this.#edits--
        failed(error)
      },
    )
  }

  /** Opens what a job has written; if that fails, nothing of it stays, nor of the files `beside` that belong to it. */
  openAll(written: readonly ManifestTable[], beside: readonly string[] = []): readonly LiveTable[] {
    const opened: LiveTable[] = []
    try {
      for (const facts of written) opened.push(this.#open(facts))
      return opened
    } catch (error) {
      this.#giveUp(opened, beside)
      for (const { fileNumber } of written.slice(opened.length)) this.unlink(tableFileName(fileNumber))
      throw error
    }
  }

  /** The open table that the manifest describes so. */
  opened(table: ManifestTable): LiveTable {
    const found = this.#tables.all.find((one) => one.table.summary.fileNumber === table.fileNumber)
    assert(found !== undefined, 'a picked table is one of the open ones')
    return found
  }

  /** Removes a file that nothing names; an error is left: what stays is a leftover. */
  unlink(name: string): void {
    if (this.#held.includes(name)) this.#unlinkLater.push(name)
    else this.#env.disk.discard(pathOf(this.#directory, name))
  }

  /** Between two edits: the manifest that the disk holds then, which must not be in doubt. One at a time. */
  async hold(): Promise<HeldFiles> {
    await this.#lastEdit
    assert(this.#held.length === 0, 'files are held for one at a time')
    const tables = this.#tables.all.map(({ table }) => table)
    for (const table of tables) table.hold()
    this.#held.push(...filesBeside(this.#state))
    const release = (): void => {
      for (const table of tables) table.release()
      this.#held.length = 0
      for (const name of this.#unlinkLater.splice(0)) this.unlink(name)
    }
    return { state: this.#state, release }
  }

  #open(facts: ManifestTable): LiveTable {
    const path = pathOf(this.#directory, tableFileName(facts.fileNumber))
    const table = Table.open(this.#env.disk, path, this.#cache, facts.fileNumber)
    this.#watch(table)
    return { table, facts }
  }

  #watch(table: Table): void {
    table.onDamage = this.#host.onDamage
    table.losesUnreadable = this.#mayLose(table.summary.fileNumber)
  }

  #switchOver({ added = [], removed = [], quarantined = [], replaced = [], flushed }: FileChange): void {
    const gone = new Set([...removed, ...quarantined, ...replaced].map(({ table }) => table))
    this.#sealed = this.#sealed.filter((one) => one !== flushed)
    if (flushed !== undefined) this.#retain(flushed.segment, added)
    this.#install([...this.#tables.all.filter(({ table }) => !gone.has(table)), ...added])
    for (const { table } of removed) table.retire(true)
    for (const { table, facts } of quarantined) {
      table.retire(false)
      this.#removeUnnamed(tableFileName(facts.fileNumber))
    }
  }

  #install(tables: readonly LiveTable[]): void {
    this.#tables = new TableSet(tables, this.#retained.tables, this.probes)
    this.#host.install(this.#tables, this.#sealed, this.#retained.segments)
  }

  /** Memory of another size serves no later segment: it goes, and with it what is older. */
  #retain(segment: Segment, tables: readonly LiveTable[]): void {
    if (segment.memory.capacityBytes !== this.#segmentBytes) return this.#retained.clear()
    this.#retained.add(
      segment,
      tables.map(({ table }) => table),
    )
    while (this.#retained.count > 0 && this.#segmentsInMemory > this.#segmentsMax)
      this.#retained.removeOldest()
  }

  /**
   * Live logs that the manifest does not list yet. They go in with every edit: the oldest listed one is where recovery starts,
   * so the list must never run empty, and a log that is listed and missing is noticed.
   */
  #unlistedLogs(flushed: SealedSegment | undefined): number[] {
    const live = [
      ...this.#sealed.filter((one) => one !== flushed).map(({ segment }) => segment),
      this.#host.active(),
    ]
    const numbers = live.map((segment) => segment.header.fileNumber).sort((a, b) => a - b)
    return numbers.filter((number) => !this.#state.logs.includes(number))
  }

  /** The flushed log, if an edit has listed it meanwhile: only when an edit's turn comes is it known what it removes. */
  #listedLogs(flushed: SealedSegment | undefined): number[] {
    const number = flushed?.segment.header.fileNumber
    return number !== undefined && this.#state.logs.includes(number) ? [number] : []
  }

  async #edit(edit: ManifestEdit): Promise<void> {
    const state = applyEdit(this.#state, { ...edit, nextFileNumber: this.#nextNumber })
    await this.#write(state)
    this.#state = state
  }

  async #write(state: ManifestState): Promise<void> {
    try {
      await this.#env.jobs.writeManifest({ directory: this.#directory, state })
    } catch (error) {
      // Whatever is not known to have failed before the rename may have happened; also when a worker died of it.
      if (!(error instanceof ManifestWriteError && error.applied === 'no')) this.#doubt()
      throw error
    }
    if (!this.#inDoubt) return
    this.#inDoubt = false
    this.#env.log.warn('the manifest is certain again')
    for (const name of this.#doubtful.splice(0)) this.#removeUnnamed(name)
  }

  #doubt(): void {
    this.#inDoubt = true
    this.#env.log.error(
      'the manifest on disk is in doubt: no flushes or compactions until it is written again',
    )
  }

  /** Removes what the manifest does not name. Errors are reported and left: a leftover harms nothing. */
  #removeLeftovers(): void {
    const names = this.#env.disk.list(this.#directory)
    for (const name of leftovers(this.#state, names)) this.#removeUnnamed(name)
    this.#quarantinedFiles = quarantined(this.#env.disk, this.#directory).length
  }

  /** What a gap was made of goes into quarantine. */
  #removeUnnamed(name: string): void {
    const { disk, log } = this.#env
    const isDamaged = this.#state.gaps.some(({ file }) => file === name)
    try {
      if (isDamaged) moveToQuarantine(disk, this.#directory, name)
      else disk.unlink(pathOf(this.#directory, name))
      if (isDamaged) this.#quarantinedFiles++
      log.debug(isDamaged ? 'file quarantined' : 'leftover removed', { file: name })
    } catch (error) {
      log.warn('leftover not removed', { file: name, error: String(error) })
    }
  }

  /** An edit has failed: the files that were made for it are removed, at once or when it is certain that nobody names them. */
  #giveUp(made: readonly LiveTable[], beside: readonly string[]): void {
    const names = [...made.map(({ facts }) => tableFileName(facts.fileNumber)), ...beside]
    for (const { table } of made) table.retire(false)
    if (this.#inDoubt) this.#doubtful.push(...names)
    else for (const name of names) this.unlink(name)
  }
}

/** The files that an edit names beside tables: counts and trees. */
export function filesBeside({ countsFile = 0, treesFile = 0 }: ManifestEdit): string[] {
  const names: string[] = []
  if (countsFile !== 0) names.push(countsFileName(countsFile))
  if (treesFile !== 0) names.push(treesFileName(treesFile))
  return names
}

/** One above every number that a file of the directory carries or the manifest has given out. */
function nextFreeNumber({ disk }: StoreEnv, directory: string, state: ManifestState): number {
  let next = Math.max(1, state.nextFileNumber)
  for (const name of disk.list(directory)) {
    const file = parseFileName(name)
    if (file !== null && 'fileNumber' in file) next = Math.max(next, file.fileNumber + 1)
  }
  return next
}
