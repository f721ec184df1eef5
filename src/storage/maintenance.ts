/**
 * What goes on behind the request path: segments are flushed, tables compacted, the next log file is made ahead, disk
 * space is watched. The work itself runs in jobs (worker threads); this class decides, and records the outcome in the manifest
 * before anything is let go of: first the manifest, then the switch in memory, then the unlink.
 *
 * Nothing here grows without bound: at most `segmentsMax` segments are in memory, and a rotation waits (WRITE_LATER)
 * when they are. One flush and one compaction run at a time. A job that fails changed nothing and is tried again later;
 * tables in which it met damage are left alone from then on, and said.
 */
import type { Timer } from '../env/clock.js'
import { assert } from '../util/assert.js'
import type { CompactionPick } from './compaction/picker.js'
import { pickCompaction } from './compaction/picker.js'
import { debt } from './compaction/debt.js'
import type { SequenceRange } from './compaction/older-elsewhere.js'
import { CorruptionError } from './corruption-error.js'
import { diskErrorCode } from './disk-error.js'
import { countsFileName, logFileName, pathOf, tableFileName } from './file-names.js'
import { fileNumbersFor } from './jobs/storage-jobs.js'
import { Segment, SegmentMemory } from './log/segment.js'
import { applyEdit, Manifest, ManifestWriteError } from './manifest.js'
import type { ManifestEdit, ManifestState, ManifestTable, WrittenTable } from './manifest.js'
import { nextFreeNumber, removeLeftovers } from './open-store.js'
import type { LoadedStore, SealedSegment } from './open-store.js'
import type { StoreEnv, StoreOptions } from './store-options.js'
import { Table } from './table/table.js'
import { TableSet } from './table-set.js'
import type { LiveTable } from './table-set.js'
import { TOKEN_END } from '../ring/token.js'

const RETRY_AFTER_MS = 1000
const WATCH_EVERY_MS = 1000
/** Idle segment memory kept for the next rotation. */
const SPARE_MEMORIES = 1

export interface MaintenanceHost {
  /** Tables and sealed segments (youngest first) have changed. */
  install(tables: TableSet, sealed: readonly SealedSegment[]): void
  active(): Segment
  onRoom(): void
  writeDelayChanged(): void
}

export interface NewSegment {
  readonly segment: Segment
  /** Open for writing; the log writer closes it. */
  readonly file: number
}

export interface MaintenanceFacts {
  readonly diskIsFull: boolean
  readonly lastFlushAtMs: number
  readonly flushing: boolean
  readonly compacting: boolean
  readonly flushes: number
  readonly flushedBytes: number
  readonly compactions: number
  readonly compactionReadBytes: number
  readonly compactionWrittenBytes: number
  readonly tables: number
  readonly tableBytes: number
  readonly tablesByLevel: readonly number[]
  readonly residentBytes: number
  readonly segments: number
  readonly logBytes: number
  readonly writeDelayMs: number
  readonly lastJobError: string
}

export class Maintenance {
  readonly #env: StoreEnv
  readonly #options: StoreOptions
  readonly #host: MaintenanceHost
  readonly #cache
  #state: ManifestState
  tables: TableSet
  /** Youngest first. */
  sealed: readonly SealedSegment[]
  #nextNumber: number
  /** The log file made ahead; null while none is ready. */
  #spare: number | null = null
  #preparing = false
  #flushing = false
  #compacting = false
  #stopped = false
  #timer: Timer | null = null
  readonly #memories: SegmentMemory[] = []
  /** Tables with damage: never compacted again. */
  readonly #damaged = new Set<number>()
  #cursors: readonly number[] = []
  diskIsFull = false
  writeDelayMs = 0
  #lastFlushAtMs: number
  #flushes = 0
  #flushedBytes = 0
  #compactions = 0
  #compactionReadBytes = 0
  #compactionWrittenBytes = 0
  #lastJobError = ''
  #compactionPausedUntilMs = 0
  /** Ends when the last edit that was asked for has: manifests are written one after the other. */
  #lastEdit: Promise<void> = Promise.resolve()
  /** Edits that wait or are being written. */
  #edits = 0
  /** The manifest on disk may be the known or the next one: until it is written again, nothing that either names may go. */
  #manifestInDoubt = false
  /** What only the manifest names that may or may not have been written. */
  readonly #doubtful: string[] = []
  /** FLUSHALL's mark, synced: tables below it may go. */
  #dropMark = 0
  #compactionRate: number

  constructor(env: StoreEnv, options: StoreOptions, loaded: LoadedStore, host: MaintenanceHost) {
    this.#env = env
    this.#options = options
    this.#host = host
    this.#state = loaded.state
    this.#cache = loaded.cache
    this.tables = loaded.tables
    this.sealed = [...loaded.segments].reverse()
    this.#nextNumber = nextFreeNumber(env, options.directory, loaded.state)
    this.#lastFlushAtMs = env.clock.wallMs()
    this.#compactionRate = options.compactionBytesPerSecond
  }

  /** Makes the first active segment and the manifest that names it; removes leftovers. */
  async start(firstSequence: number): Promise<NewSegment> {
    this.#watchDisk()
    const number = this.#takeNumber()
    try {
      await this.#prepare(number)
    } catch (error) {
      this.#env.log.warn('log not made ahead', { error: String(error) })
    }
    const previous = this.sealed.at(0)?.segment.header.fileNumber ?? 0
    const first = this.#makeSegment(number, this.#options.segmentBytes, previous, firstSequence)
    // Nothing is served yet: this one may take its time on the event loop.
    const recovered = this.sealed.map(({ segment }) => segment.header.fileNumber)
    const live = [...recovered, number]
    const state = applyEdit(this.#state, {
      addLogs: live.filter((log) => !this.#state.logs.includes(log)),
      removeLogs: this.#state.logs.filter((log) => !live.includes(log)),
      nextFileNumber: this.#nextNumber,
    })
    Manifest.write(this.#env.disk, this.#options.directory, state)
    this.#state = state
    removeLeftovers(this.#env, this.#options.directory, this.#state, new Set(live))
    return first
  }

  /** Starts working; start() and the installation of its segment have to come first. */
  run(): void {
    this.#prepareSpare()
    this.#flushNext()
    this.#compactNext()
    this.#timer = this.#env.clock.after(WATCH_EVERY_MS, () => this.#watch())
  }

  /** Whether the active segment may be given up for a new one now. */
  get canRotate(): boolean {
    return this.#spare !== null && this.sealed.length + 1 < this.#options.segmentsMax
  }

  get isIdle(): boolean {
    return !this.#flushing && !this.#compacting && !this.#preparing && this.#edits === 0
  }

  /**
   * The segment that takes over from `active`. Usually its file is ready; a record larger than a segment, or a rotation
   * that nobody foresaw, gets a file made on the spot.
   */
  nextSegment(recordBytes: number, active: Segment, firstSequence: number): NewSegment {
    const needed = Segment.capacityFor(recordBytes)
    const capacity = Math.max(needed, this.#options.segmentBytes)
    this.#env.clock.endOfTurn(() => this.#prepareSpare())
    if (needed > this.#options.segmentBytes) this.#dropSpare()
    const number = this.#spare ?? this.#takeNumber()
    const next = this.#makeSegment(number, capacity, active.header.fileNumber, firstSequence)
    this.#spare = null
    return next
  }

  /** Numbers order logs, so a spare that is passed over must not be used later. */
  #dropSpare(): void {
    if (this.#spare !== null) this.#unlink(logFileName(this.#spare))
    this.#spare = null
  }

  /** The writer has synced a sealed segment to its end. */
  segmentSynced(segment: Segment): void {
    const sealed = this.sealed.find((one) => one.segment === segment)
    assert(sealed !== undefined, 'a synced segment is one of the sealed ones')
    sealed.synced = true
    this.#flushNext()
  }

  setCompactionRate(bytesPerSecond: number): void {
    this.#compactionRate = bytesPerSecond
    this.#applyCompactionRate()
  }

  /** While writers wait for compaction, its rate limit would only make them wait longer. */
  #applyCompactionRate(): void {
    this.#env.jobs.setCompactionRate(this.writeDelayMs > 0 ? 0 : this.#compactionRate)
  }

  /** Lets go of all tables below FLUSHALL's `mark`, which is synced; behind the compaction that may be reading them. */
  dropFlushedTables(mark: number): void {
    this.#dropMark = mark
    this.#compactNext()
  }

  async #dropBelow(mark: number): Promise<void> {
    const gone = this.tables.all.filter(({ table }) => table.summary.maxHlc <= mark)
    await this.#record({ removeTables: numbersOf(gone), flushMark: mark }, [], gone)
  }

  facts(): MaintenanceFacts {
    const byLevel: number[] = []
    let tableBytes = 0
    let residentBytes = 0
    for (const { facts, table } of this.tables.all) {
      const { level } = facts
      byLevel[level] = (byLevel[level] ?? 0) + 1
      tableBytes += table.summary.sizeBytes
      residentBytes += table.residentBytes
    }
    return {
      diskIsFull: this.diskIsFull,
      lastFlushAtMs: this.#lastFlushAtMs,
      flushing: this.#flushing,
      compacting: this.#compacting,
      flushes: this.#flushes,
      flushedBytes: this.#flushedBytes,
      compactions: this.#compactions,
      compactionReadBytes: this.#compactionReadBytes,
      compactionWrittenBytes: this.#compactionWrittenBytes,
      tables: this.tables.all.length,
      tableBytes,
      tablesByLevel: Array.from(byLevel, (count) => count ?? 0),
      residentBytes,
      segments: this.sealed.length + 1,
      logBytes: this.sealed.reduce((sum, { segment }) => sum + segment.tail, this.#host.active().tail),
      writeDelayMs: this.writeDelayMs,
      lastJobError: this.#lastJobError,
    }
  }

  /** Takes no new work. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async close(): Promise<void> {
    this.stop()
    await this.#env.jobs.close()
  }

  #takeNumber(): number {
    return this.#nextNumber++
  }

  async #prepare(number: number): Promise<void> {
    const path = pathOf(this.#options.directory, logFileName(number))
    try {
      await this.#env.jobs.prepare({ path, sizeBytes: this.#options.segmentBytes })
    } catch (error) {
      this.#unlink(logFileName(number))
      throw error
    }
    this.#env.disk.syncDirectory(this.#options.directory)
  }

  #prepareSpare(): void {
    if (this.#stopped || this.#preparing || this.#spare !== null) return
    this.#preparing = true
    const number = this.#takeNumber()
    this.#prepare(number).then(
      () => {
        this.#preparing = false
        if (number < this.#host.active().header.fileNumber) {
          // A rotation that could not wait has taken a later number meanwhile.
          this.#unlink(logFileName(number))
          return this.#prepareSpare()
        }
        this.#spare = number
        this.#host.onRoom()
      },
      (error: unknown) => {
        this.#preparing = false
        this.#jobFailed('log not made ahead', error)
        this.#watchDisk()
        this.#noteFullDisk(error)
        this.#env.clock.after(RETRY_AFTER_MS, () => this.#prepareSpare())
      },
    )
  }

  #makeSegment(number: number, capacityBytes: number, previous: number, firstSequence: number): NewSegment {
    const path = pathOf(this.#options.directory, logFileName(number))
    const known = this.#env.disk.exists(path)
    const file = this.#env.disk.open(path, 'create')
    try {
      if (!known) this.#env.disk.syncDirectory(this.#options.directory)
    } catch (error) {
      this.#env.disk.close(file)
      throw error
    }
    const header = {
      id: this.#env.random.next53(),
      fileNumber: number,
      previousFileNumber: previous,
      firstSequence,
    }
    return { segment: new Segment(header, path, this.#takeMemory(capacityBytes)), file }
  }

  #takeMemory(capacityBytes: number): SegmentMemory {
    const fitting = this.#memories.findIndex((memory) => memory.capacityBytes === capacityBytes)
    if (fitting === -1) return new SegmentMemory(capacityBytes)
    const [memory] = this.#memories.splice(fitting, 1)
    memory.clear()
    return memory
  }

  #giveMemoryBack(memory: SegmentMemory): void {
    if (memory.capacityBytes !== this.#options.segmentBytes || this.#memories.length >= SPARE_MEMORIES) return
    this.#memories.push(memory)
  }

  /** Flushes the oldest segment once it is synced; segments leave in the order of their sequences. */
  #flushNext(): void {
    const oldest = this.sealed.at(-1)
    if (this.#stopped || this.#flushing || this.#manifestInDoubt || oldest === undefined || !oldest.synced)
      return
    this.#flushing = true
    this.#flush(oldest).then(
      () => {
        this.#flushing = false
        this.#host.onRoom()
        this.#flushNext()
        this.#compactNext()
      },
      (error: unknown) => {
        this.#flushing = false
        this.#jobFailed('flush failed', error)
        this.#noteFullDisk(error)
        this.#env.clock.after(RETRY_AFTER_MS, () => this.#flushNext())
      },
    )
  }

  async #flush(oldest: SealedSegment): Promise<void> {
    const { segment, counts, flushMark } = oldest
    const { directory, tableTargetBytes } = this.#options
    const count = fileNumbersFor(segment.tail, tableTargetBytes)
    const fileNumbers = { first: this.#nextNumber, count }
    this.#nextNumber += count
    const countsNumber = this.#takeNumber()
    const result = await this.#env.jobs.flush({
      directory,
      arena: segment.memory.shared,
      arenaBytes: segment.tail,
      recordOffsets: segment.memory.records,
      fileNumbers,
      targetBytes: tableTargetBytes,
      counts: { fileNumber: countsNumber, counts },
    })
    if (this.#stopped) return
    const previousCounts = this.#state.countsFile
    await this.#record(
      { countsFile: countsNumber, lastSequence: segment.maxSequence, flushMark },
      this.#openAll(result.tables, 0, countsNumber),
      [],
      oldest,
    )
    this.#flushes++
    this.#flushedBytes += result.bytesWritten
    this.#lastFlushAtMs = this.#env.clock.wallMs()
    this.#unlink(logFileName(segment.header.fileNumber))
    if (previousCounts !== 0) this.#unlink(countsFileName(previousCounts))
    this.#giveMemoryBack(segment.memory)
  }

  #compactNext(): void {
    if (this.#stopped || this.#compacting || this.#manifestInDoubt) return
    if (this.#env.clock.monotonicMs() < this.#compactionPausedUntilMs) return
    if (this.#dropMark > this.#state.flushMark) {
      return this.#compactWith(this.#dropBelow(this.#dropMark), (error) => {
        this.#compactionPausedUntilMs = this.#env.clock.monotonicMs() + RETRY_AFTER_MS
        this.#jobFailed('flushed tables not dropped', error)
      })
    }
    const nowMs = this.#env.clock.wallMs()
    const pick = pickCompaction(
      {
        tables: this.tables.manifestTables(),
        segments: this.#segmentRanges(),
        busy: NOTHING_BUSY,
        damaged: this.#damaged,
        cursors: this.#cursors,
        purgeableUntilMs: nowMs,
        flushMark: this.#state.flushMark,
      },
      this.#options.compaction,
    )
    this.#updateWriteDelay()
    if (pick === null) return
    this.#compactWith(this.#compact(pick, nowMs), (error) => this.#compactionFailed(pick, error))
  }

  #compactWith(work: Promise<void>, failed: (error: unknown) => void): void {
    this.#compacting = true
    work.then(
      () => {
        this.#compacting = false
        this.#compactNext()
      },
      (error: unknown) => {
        this.#compacting = false
        failed(error)
      },
    )
  }

  async #compact(pick: CompactionPick, nowMs: number): Promise<void> {
    const inputs = pick.inputs.map((table) => this.#leveled(table))
    const removeTables = pick.inputs.map((table) => table.fileNumber)
    if (pick.kind === 'move') {
      const moved = inputs.map(({ table, facts }) => ({
        table,
        facts: { ...facts, level: pick.outputLevel },
      }))
      await this.#record({ removeTables }, moved, [], undefined, inputs)
    } else if (pick.kind === 'drop') {
      await this.#record({ removeTables }, [], inputs)
    } else {
      const outputs = await this.#merge(pick, nowMs)
      if (this.#stopped) return
      await this.#record({ removeTables }, this.#openAll(outputs, pick.outputLevel), inputs)
    }
    this.#cursors = pick.cursors
    this.#compactions++
  }

  async #merge(pick: CompactionPick, nowMs: number): Promise<readonly WrittenTable[]> {
    const { directory, tableTargetBytes } = this.#options
    const inputBytes = pick.inputs.reduce((sum, table) => sum + table.sizeBytes, 0)
    const count = fileNumbersFor(inputBytes, tableTargetBytes)
    const fileNumbers = { first: this.#nextNumber, count }
    this.#nextNumber += count
    const result = await this.#env.jobs.compact({
      directory,
      inputs: pick.inputs,
      others: pick.others,
      purgeableUntilMs: nowMs,
      flushMark: this.#state.flushMark,
      fileNumbers,
      targetBytes: tableTargetBytes,
    })
    this.#compactionReadBytes += result.bytesRead
    this.#compactionWrittenBytes += result.bytesWritten
    return result.tables
  }

  #compactionFailed(pick: CompactionPick, error: unknown): void {
    if (error instanceof CorruptionError) this.#setAside(pick, error)
    this.#compactionPausedUntilMs = this.#env.clock.monotonicMs() + RETRY_AFTER_MS
    this.#jobFailed('compaction failed', error)
  }

  /** A damaged table goes to level 0, where it holds nobody up, and is never merged again; lookups that need it fail. */
  #setAside(pick: CompactionPick, error: CorruptionError): void {
    const damaged = pick.inputs.filter((table) => error.file.endsWith(tableFileName(table.fileNumber)))
    for (const table of damaged) this.#damaged.add(table.fileNumber)
    const deep = damaged.filter((table) => table.level > 0).map((table) => this.#leveled(table))
    if (deep.length === 0) return
    const moved = deep.map(({ table, facts }) => ({ table, facts: { ...facts, level: 0 } }))
    this.#record({ removeTables: numbersOf(deep) }, moved, [], undefined, deep).catch((failure: unknown) =>
      this.#jobFailed('damaged table not set aside', failure),
    )
  }

  #jobFailed(event: string, error: unknown): void {
    if (this.#stopped) return
    this.#lastJobError = String(error)
    this.#env.log.error(event, { error: String(error) })
  }

  /**
   * Writes the edit to the manifest, then switches over: `added` come, `removed` go and are unlinked, `flushed` leaves
   * memory. `replaced` go without being closed (they come again on another level). The manifest is written by a job: its
   * syncs would hold up the event loop. Edits wait for each other.
   */
  #record(
    edit: ManifestEdit,
    added: readonly LiveTable[],
    removed: readonly LiveTable[],
    flushed?: SealedSegment,
    replaced: readonly LiveTable[] = [],
  ): Promise<void> {
    this.#edits++
    const recorded = this.#lastEdit.then(async () => {
      try {
        await this.#edit({
          ...edit,
          addLogs: this.#unlistedLogs(flushed),
          removeLogs: this.#listedLogs(flushed),
          addTables: added.map(({ facts }) => facts),
        })
      } catch (error) {
        const made = added.filter(({ table }) => !replaced.some((one) => one.table === table))
        this.#giveUp(made, edit.countsFile)
        throw error
      } finally {
        this.#edits--
      }
      this.#switchOver(added, removed, flushed, replaced)
    })
    this.#lastEdit = recorded.catch(() => {})
    return recorded
  }

  #switchOver(
    added: readonly LiveTable[],
    removed: readonly LiveTable[],
    flushed: SealedSegment | undefined,
    replaced: readonly LiveTable[],
  ): void {
    const gone = new Set([...removed, ...replaced].map(({ table }) => table))
    this.tables = new TableSet([...this.tables.all.filter(({ table }) => !gone.has(table)), ...added])
    this.sealed = this.sealed.filter((one) => one !== flushed)
    this.#host.install(this.tables, this.sealed)
    for (const { table } of removed) table.retire(true)
    this.#updateWriteDelay()
  }

  /**
   * Live logs that the manifest does not list yet. They go in with every edit: the oldest listed one is where recovery starts,
   * so the list must never run empty, and a log that is listed and missing is noticed.
   */
  #unlistedLogs(flushed: SealedSegment | undefined): number[] {
    const live = [
      ...this.sealed.filter((one) => one !== flushed).map(({ segment }) => segment),
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
    await this.#writeManifest(state)
    this.#state = state
  }

  async #writeManifest(state: ManifestState): Promise<void> {
    try {
      await this.#env.jobs.writeManifest({ directory: this.#options.directory, state })
    } catch (error) {
      // Whatever is not known to have failed before the rename may have happened; also when a worker died of it.
      if (!(error instanceof ManifestWriteError && error.applied === 'no')) this.#doubtManifest()
      throw error
    }
    if (!this.#manifestInDoubt) return
    this.#manifestInDoubt = false
    this.#env.log.warn('the manifest is certain again')
    for (const name of this.#doubtful.splice(0)) this.#unlink(name)
  }

  #doubtManifest(): void {
    this.#manifestInDoubt = true
    this.#env.log.error(
      'the manifest on disk is in doubt: no flushes or compactions until it is written again',
    )
  }

  /** An edit has failed: the files that were made for it are removed, at once or when it is certain that nobody names them. */
  #giveUp(made: readonly LiveTable[], countsFile: number | undefined): void {
    const names = made.map(({ facts }) => tableFileName(facts.fileNumber))
    if (countsFile !== undefined) names.push(countsFileName(countsFile))
    for (const { table } of made) table.retire(false)
    if (this.#manifestInDoubt) this.#doubtful.push(...names)
    else for (const name of names) this.#unlink(name)
  }

  /** Writes the known manifest again: then it is this one that the disk holds, whatever became of the last edit. */
  #resolveDoubt(): void {
    if (!this.#manifestInDoubt || this.#edits > 0) return
    this.#edits++
    const written = this.#writeManifest(this.#state)
    this.#lastEdit = written.then(
      () => {
        this.#edits--
        this.#flushNext()
        this.#compactNext()
      },
      (error: unknown) => {
        this.#edits--
        this.#jobFailed('manifest not written', error)
      },
    )
  }

  /** Opens what a job has written; if that fails, nothing of it stays, nor of the counts that belong to it. */
  #openAll(written: readonly WrittenTable[], level: number, countsFile?: number): readonly LiveTable[] {
    const opened: LiveTable[] = []
    try {
      for (const summary of written) opened.push(this.#open(summary, level))
      return opened
    } catch (error) {
      this.#giveUp(opened, countsFile)
      for (const { fileNumber } of written.slice(opened.length)) this.#unlink(tableFileName(fileNumber))
      throw error
    }
  }

  #open(written: WrittenTable, level: number): LiveTable {
    const path = pathOf(this.#options.directory, tableFileName(written.fileNumber))
    const table = Table.open(this.#env.disk, path, this.#cache, written.fileNumber)
    return { table, facts: { ...written, level } }
  }

  #leveled(table: ManifestTable): LiveTable {
    const found = this.tables.all.find((one) => one.table.summary.fileNumber === table.fileNumber)
    assert(found !== undefined, 'a picked table is one of the open ones')
    return found
  }

  #segmentRanges(): SequenceRange[] {
    const segments = [this.#host.active(), ...this.sealed.map(({ segment }) => segment)]
    return segments.map((segment) => ({
      minToken: 0,
      maxToken: TOKEN_END,
      minSequence: segment.header.firstSequence,
    }))
  }

  /** Acknowledgements slow down in proportion to how deep level 0 has become. */
  #updateWriteDelay(): void {
    const { slowdownDepth, stopDepth, writeDelayMaxMs, compaction } = this.#options
    const { l0Depth } = debt(this.tables.manifestTables(), compaction)
    const excess = Math.max(0, l0Depth - slowdownDepth + 1) / Math.max(1, stopDepth - slowdownDepth)
    const delay = Math.min(writeDelayMaxMs, Math.ceil(excess * writeDelayMaxMs))
    if (delay === this.writeDelayMs) return
    this.writeDelayMs = delay
    this.#applyCompactionRate()
    this.#host.writeDelayChanged()
  }

  #watch(): void {
    if (this.#stopped) return
    this.#watchDisk()
    this.#resolveDoubt()
    this.#compactNext()
    this.#timer = this.#env.clock.after(WATCH_EVERY_MS, () => this.#watch())
  }

  #watchDisk(): void {
    const { directory, diskReserveBytes, segmentBytes } = this.#options
    let free: number
    try {
      free = this.#env.disk.freeBytes(directory)
    } catch (error) {
      this.#env.log.warn('free disk space unknown', { error: String(error) })
      return
    }
    const full = this.diskIsFull ? free < diskReserveBytes + segmentBytes : free < diskReserveBytes
    if (full === this.diskIsFull) return
    if (full) return this.#refuseWrites(`${free} bytes are free`)
    this.diskIsFull = false
    this.#env.log.warn('disk has room again: writes are accepted', { freeBytes: free })
    this.#prepareSpare()
    this.#host.onRoom()
  }

  /**
   * A disk can be full before disk-reserve says so (a reserve smaller than a segment, a quota): without a next log or a flush
   * writes cannot go on, so they are refused at once instead of each waiting for room.
   */
  #noteFullDisk(error: unknown): void {
    const code = diskErrorCode(error)
    if ((code === 'ENOSPC' || code === 'EDQUOT') && !this.diskIsFull) this.#refuseWrites(String(error))
  }

  #refuseWrites(why: string): void {
    this.diskIsFull = true
    this.#env.log.error('disk full: writes are refused', { why })
    this.#host.onRoom()
  }

  #unlink(name: string): void {
    this.#env.disk.discard(pathOf(this.#options.directory, name))
  }
}

const NOTHING_BUSY: ReadonlySet<number> = new Set()

function numbersOf(tables: readonly LiveTable[]): number[] {
  return tables.map(({ facts }) => facts.fileNumber)
}
