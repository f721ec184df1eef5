/**
 * What goes on behind the request path: segments are flushed, tables compacted (compactions.ts), the next log file is made
 * ahead (log-files.ts), disk space is watched (disk-space.ts), and the manifest records it all (live-files.ts). The work
 * itself runs in jobs (worker threads); this class decides when, flushes, and tells the store how writers are to be treated.
 *
 * Nothing here grows without bound: at most `segmentsMax` segments are in memory, the flushed ones that are retained
 * included, at most `stopDepth` tables of level 0 lie over each other beside what those segments become, and a rotation
 * waits (WRITE_LATER) where there would be more. One flush and one compaction run at a time. A job that fails changed
 * nothing and is tried again later.
 */
import type { Timer } from '../env/clock.js'
import { assert } from '../util/assert.js'
import { CacheWarmUp } from './cache-warm-up.js'
import { debt } from './compaction/debt.js'
import { sizeTieredBacklog } from './compaction/size-tiered.js'
import { Compactions } from './compactions.js'
import type { CompactionFacts } from './compaction-facts.js'
import type { CompactionScope } from './compaction/wanted.js'
import type { CorruptionError } from './corruption-error.js'
import { DamageControl } from './damage-control.js'
import type { DamageFacts } from './damage-control.js'
import { DiskSpace } from './disk-space.js'
import type { Gap } from './gap.js'
import { FAMILY_LEVELED, LEVELED_ONLY } from './families.js'
import { flushNumbersFor } from './jobs/storage-jobs.js'
import { filesBeside, LiveFiles } from './live-files.js'
import type { HeldFiles } from './live-files.js'
import type { Segment } from './log/segment.js'
import { LogFiles } from './log-files.js'
import type { NewSegment } from './log-files.js'
import type { LoadedStore, SealedSegment } from './open-store.js'
import type { PurgeRanges } from './purge-ranges.js'
import { Scrub } from './scrub.js'
import type { ScrubFacts, ScrubSettings } from './scrub.js'
import type { StoreEnv, StoreOptions } from './store-options.js'
import { closeAll } from './table-set.js'
import type { TableSet } from './table-set.js'
import type { WindowFacts } from './windows/window-picker.js'
import { WriteStalls } from './write-stalls.js'
import type { StallFacts } from './write-stalls.js'

const RETRY_AFTER_MS = 1000
const WATCH_EVERY_MS = 1000

export interface MaintenanceHost {
  /** Tables, sealed segments or retained ones (youngest first) have changed. */
  install(tables: TableSet, sealed: readonly SealedSegment[], retained: readonly Segment[]): void
  active(): Segment
  onRoom(): void
  writeDelayChanged(): void
  /** The oldest sealed segment was not flushed; it is tried again. */
  onFlushFailed(error: unknown): void
  /** See StoreEvents.onGap. */
  onGap(gap: Gap): void
  /** See Store.whenSynced. */
  whenSynced(): Promise<void>
}

export interface MaintenanceFacts {
  readonly diskIsFull: boolean
  readonly lastFlushAtMs: number
  readonly flushing: boolean
  readonly compacting: boolean
  readonly flushes: number
  readonly flushedBytes: number
  readonly compactions: number
  /** Windows whose tables were unlinked whole, their bytes, and the local tombstones that they have left (RULES T2). */
  readonly windowsDropped: number
  readonly windowBytesDropped: number
  readonly localTombstones: number
  /** By their end. */
  readonly windows: readonly WindowFacts[]
  /** Lookups that memory did not answer, and the filters of tables that they asked. */
  readonly tableLookups: number
  readonly filterProbes: number
  readonly compactionReadBytes: number
  readonly compactionWrittenBytes: number
  readonly tables: number
  readonly tableBytes: number
  readonly tablesByLevel: readonly number[]
  /** Indexes, filters and bookkeeping of the tables. */
  readonly residentBytes: number
  /** Entries of all tables: a key counts once in each that has a version of it. */
  readonly tableEntries: number
  /** What all blocks take in the files, and would take uncompressed. */
  readonly storedBlockBytes: number
  readonly blockBytes: number
  /** Not flushed yet. */
  readonly segments: number
  /** Flushed and still in memory. */
  readonly retainedSegments: number
  readonly logBytes: number
  readonly writeDelayMs: number
  readonly compaction: CompactionFacts
  readonly stalls: StallFacts
  readonly damage: DamageFacts
  readonly scrub: ScrubFacts
  readonly lastJobError: string
}

export class Maintenance {
  readonly #env: StoreEnv
  readonly #options: StoreOptions
  readonly #host: MaintenanceHost
  readonly #files: LiveFiles
  readonly #logs: LogFiles
  readonly #compactions: Compactions
  readonly #space: DiskSpace
  #flushing = false
  #makingMemory = false
  #stopped = false
  #timer: Timer | null = null
  writeDelayMs = 0
  readonly stalls = new WriteStalls()
  /** Level 0, or a tier, is as deep as it may become: no segment is begun that would add to it. */
  #levelZeroIsFull = false
  #lastFlushAtMs: number
  #flushes = 0
  #flushedBytes = 0
  #lastJobError = ''
  #compactionRate: number
  readonly #warmUp: CacheWarmUp
  readonly #damage: DamageControl
  /** Found by the start. */
  readonly #damagedBlocks: readonly CorruptionError[]
  readonly #scrub: Scrub

  constructor(env: StoreEnv, options: StoreOptions, loaded: LoadedStore, host: MaintenanceHost) {
    this.#env = env
    this.#options = options
    this.#host = host
    const active = (): Segment => host.active()
    this.#files = new LiveFiles(env, options, loaded, {
      active,
      onDamage: (table, error) => this.#damage.note(table, error),
      install: (tables, sealed, retained) => {
        host.install(tables, sealed, retained)
        this.#followLevelZero()
      },
    })
    this.#damage = new DamageControl(env, options, this.#files, {
      onGap: (gap) => host.onGap(gap),
      setAside: (table) => this.#compactions.setAside(table),
      onDue: () => this.#compactions.next(),
    })
    this.#damagedBlocks = loaded.damagedBlocks
    this.#scrub = new Scrub(env, options.directory, this.#files)
    this.#warmUp = new CacheWarmUp(env, loaded.cache, this.#files.retained)
    this.#logs = new LogFiles(env, options, this.#files, {
      active,
      onSpare: () => host.onRoom(),
      onSpareFailed: (error) => this.#spareFailed(error),
    })
    this.#compactions = new Compactions(env, options, this.#files, this.#warmUp, {
      active,
      onLook: () => this.#followLevelZero(),
      whenSynced: () => host.whenSynced(),
      damage: this.#damage,
      onDamage: (table, error) => this.#damage.note(table, error),
      onFailed: (event, error) => this.#jobFailed(event, error),
    })
    this.#space = new DiskSpace(env, options, (isFull) => {
      if (!isFull) this.#logs.makeSpare()
      host.onRoom()
    })
    this.#lastFlushAtMs = env.clock.wallMs()
    this.#compactionRate = options.compactionBytesPerSecond
  }

  get tables(): TableSet {
    return this.#files.tables
  }

  /** Youngest first. */
  get sealed(): readonly SealedSegment[] {
    return this.#files.sealed
  }

  get diskIsFull(): boolean {
    return this.#space.isFull
  }

  /** Makes the first active segment and the manifest that names it; removes leftovers. On a full disk it takes what there is. */
  async start(firstSequence: number): Promise<NewSegment> {
    this.#space.look()
    const recovered = this.sealed.map(({ segment }) => segment.header.fileNumber)
    const first = await this.#logs.first(!this.diskIsFull, recovered.at(0) ?? 0, firstSequence)
    try {
      const noRoom = this.#files.start([...recovered, first.segment.header.fileNumber])
      if (noRoom !== null) this.#space.noteFailure(noRoom)
    } catch (error) {
      this.#env.disk.close(first.file)
      throw error
    }
    return first
  }

  /** Starts working; start() and the installation of its segment have to come first. */
  run(): void {
    this.#logs.makeSpare()
    for (const error of this.#damagedBlocks) {
      const found = this.tables.all.find(({ table }) => table.path === error.file)
      if (found !== undefined) this.#damage.note(found.table, error)
    }
    this.#flushNext()
    this.#compactions.next()
    this.#timer = this.#env.clock.after(WATCH_EVERY_MS, () => this.#watch())
  }

  /** Whether the active segment may be given up for a new one now. */
  get canRotate(): boolean {
    return this.#logs.hasSpare && this.#logs.hasMemory && !this.#levelZeroIsFull && this.#maySealAnother
  }

  get #maySealAnother(): boolean {
    return this.sealed.length + 1 < this.#options.segmentsMax
  }

  /** Has a segment's memory ready for the next one by the end of this turn, unless all of it holds what is not flushed. */
  makeMemory(): void {
    if (this.#logs.hasMemory || !this.#maySealAnother || this.#makingMemory) return
    this.#makingMemory = true
    this.#env.clock.endOfTurn(() => {
      this.#makingMemory = false
      if (this.#stopped) return
      this.#logs.makeMemory()
      this.#host.onRoom()
    })
  }

  /** Why the next log file could not be made, at the last attempt; null while all is well. */
  get logTrouble(): string | null {
    return this.#logs.trouble
  }

  /** Why what the manifest names is not to be kept as a copy; null when it is. */
  get copyTrouble(): string | null {
    if (this.#files.isInDoubt) return 'which manifest the disk holds is in doubt'
    if (this.#damage.isDue) return 'a damaged table is about to be taken out: try again'
    const damaged = this.tables.all.filter(({ facts }) => this.#compactions.isDamaged(facts))
    if (damaged.length > 0) return `${damaged[0].table.path} is damaged, and no other node has its data`
    const isAlone = this.#options.onDamage !== 'quarantine'
    return isAlone && this.gaps.length > 0 ? 'damage has left gaps, and no other node has their data' : null
  }

  /** See LiveFiles.hold. */
  hold(): Promise<HeldFiles> {
    return this.#files.hold()
  }

  get isIdle(): boolean {
    return !this.#flushing && !this.#compactions.isRunning && this.#logs.isIdle && this.#files.isIdle
  }

  /** See LogFiles.next. */
  nextSegment(recordBytes: number, active: Segment, firstSequence: number): NewSegment {
    return this.#logs.next(recordBytes, active, firstSequence)
  }

  /** The active segment has been given up for the next one. */
  addSealed(segment: SealedSegment): void {
    this.#files.addSealed(segment)
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

  /** See Compactions.setPurgeRanges. */
  setPurgeRanges(ranges: PurgeRanges): void {
    this.#compactions.setPurgeRanges(ranges)
  }

  /** See Compactions.want. */
  compact(scope: CompactionScope): void {
    this.#compactions.want(scope)
  }

  setScrub(settings: ScrubSettings): void {
    this.#scrub.set(settings)
  }

  /** What nothing is known of: see gap.ts. */
  get gaps(): readonly Gap[] {
    return this.#damage.gaps
  }

  /** No clock may show less (RULES T5): windows that ended until then are gone. Milliseconds since 1970. */
  get droppedUntilMs(): number {
    return this.#files.state.droppedUntilMs
  }

  get recordedGaps(): readonly Gap[] {
    return this.#files.state.gaps
  }

  get takesOutDamage(): boolean {
    return this.#damage.isDue
  }

  /** What was missing is here again. Rejects as manifest edits do. */
  closeGap(gap: Gap): Promise<void> {
    return this.#files.record({ removeGaps: [gap] }, {})
  }

  /** See Compactions.dropFlushedTables. */
  dropFlushedTables(mark: number): void {
    this.#compactions.dropFlushedTables(mark)
  }

  facts(): MaintenanceFacts {
    const byLevel: number[] = []
    let tableBytes = 0
    let residentBytes = 0
    let tableEntries = 0
    let storedBlockBytes = 0
    let blockBytes = 0
    for (const { facts, table } of this.tables.all) {
      const { level, family } = facts
      if (family === FAMILY_LEVELED) byLevel[level] = (byLevel[level] ?? 0) + 1
      tableBytes += table.summary.sizeBytes
      residentBytes += table.residentBytes
      tableEntries += table.summary.entryCount
      storedBlockBytes += table.storedBlockBytes
      blockBytes += table.expandedBlockBytes
    }
    return {
      diskIsFull: this.diskIsFull,
      lastFlushAtMs: this.#lastFlushAtMs,
      flushing: this.#flushing,
      compacting: this.#compactions.isRunning,
      flushes: this.#flushes,
      flushedBytes: this.#flushedBytes,
      compactions: this.#compactions.count,
      windowsDropped: this.#compactions.windowsDropped,
      windowBytesDropped: this.#compactions.windowBytesDropped,
      localTombstones: this.#compactions.localTombstones,
      windows: this.#compactions.windows(),
      tableLookups: this.#files.probes.lookups,
      filterProbes: this.#files.probes.probes,
      compactionReadBytes: this.#compactions.readBytes,
      compactionWrittenBytes: this.#compactions.writtenBytes,
      tables: this.tables.all.length,
      tableBytes,
      tablesByLevel: Array.from(byLevel, (count) => count ?? 0),
      residentBytes,
      tableEntries,
      storedBlockBytes,
      blockBytes,
      segments: this.sealed.length + 1,
      retainedSegments: this.#files.retained.count,
      logBytes: this.sealed.reduce((sum, { segment }) => sum + segment.tail, this.#host.active().tail),
      writeDelayMs: this.writeDelayMs,
      compaction: this.#compactions.facts(),
      stalls: this.stalls.facts(this.#env.clock.monotonicMs()),
      damage: this.#damage.facts,
      scrub: this.#scrub.facts,
      lastJobError: this.#lastJobError,
    }
  }

  /** Takes no new work. */
  stop(): void {
    this.#stopped = true
    this.#logs.stop()
    this.#compactions.stop()
    this.#damage.stop()
    this.#scrub.stop()
    this.#timer?.cancel()
  }

  async close(): Promise<void> {
    this.stop()
    await this.#env.jobs.close()
  }

  #spareFailed(error: unknown): void {
    this.#jobFailed('log not made ahead', error)
    this.#space.look()
    // Those who wait for the next log are told why it does not come.
    if (!this.#space.noteFailure(error)) this.#host.onRoom()
  }

  /** Flushes the oldest segment once it is synced; segments leave in the order of their sequences. */
  #flushNext(): void {
    const oldest = this.sealed.at(-1)
    if (this.#stopped || this.#flushing || this.#files.isInDoubt) return
    if (oldest === undefined || !oldest.synced) return
    this.#flushing = true
    this.#flush(oldest).then(
      () => {
        this.#flushing = false
        this.#host.onRoom()
        this.#flushNext()
        this.#compactions.next()
      },
      (error: unknown) => {
        this.#flushing = false
        this.#jobFailed('flush failed', error)
        this.#host.onFlushFailed(error)
        this.#space.noteFailure(error)
        this.#env.clock.after(RETRY_AFTER_MS, () => this.#flushNext())
      },
    )
  }

  async #flush(oldest: SealedSegment): Promise<void> {
    const { segment, counts, trees, flushMark } = oldest
    const { directory, tableTargetBytes } = this.#options
    const families = this.#options.families ?? LEVELED_ONLY
    const count = flushNumbersFor(segment.tail, segment.memory.records.length, tableTargetBytes, families)
    const first = this.#files.takeNumbers(count)
    const countsFile = this.#files.takeNumbers()
    // Without trees the older file stays: from its entry on they can be brought up to date.
    const treesFile = trees === null ? undefined : this.#files.takeNumbers()
    const edit = { countsFile, ...(treesFile === undefined ? {} : { treesFile }) }
    const result = await this.#env.jobs.flush({
      directory,
      arena: segment.memory.shared,
      arenaBytes: segment.tail,
      recordOffsets: segment.memory.records,
      fileNumbers: { first, count },
      targetBytes: tableTargetBytes,
      families,
      nowMs: Math.max(this.#env.clock.wallMs(), this.#files.state.droppedUntilMs),
      compression: this.#options.compression?.tables ?? 'none',
      counts: this.#files.hasCounts ? { fileNumber: countsFile, counts } : null,
      trees: trees === null || treesFile === undefined ? null : { fileNumber: treesFile, bytes: trees },
    })
    if (this.#stopped) return
    const { countsFile: previousCounts, treesFile: previousTrees } = this.#files.state
    const added = this.#files.openAll(result.tables, filesBeside(edit))
    if (this.#files.memoryIsUsedUp) {
      // The next rotation takes away the oldest segment that is retained, this one included.
      const leaving = this.#files.retained.oldest?.tables ?? added.map(({ table }) => table)
      await this.#warmUp.leaving(leaving)
    }
    if (this.#stopped) return closeAll(added)
    const hasCounts = this.#files.hasCounts
    await this.#files.record(
      { ...edit, countsFile: hasCounts ? countsFile : 0, lastSequence: segment.maxSequence, flushMark },
      { added, flushed: oldest },
    )
    this.#flushes++
    this.#flushedBytes += result.bytesWritten
    this.#lastFlushAtMs = this.#env.clock.wallMs()
    this.#logs.release(segment)
    const previous = filesBeside({
      countsFile: previousCounts,
      treesFile: treesFile === undefined ? 0 : previousTrees,
    })
    const wrong = hasCounts ? [] : filesBeside({ countsFile })
    for (const name of [...previous, ...wrong]) this.#files.unlink(name)
  }

  #jobFailed(event: string, error: unknown): void {
    if (this.#stopped) return
    this.#lastJobError = String(error)
    this.#env.log.error(event, { error: String(error) })
  }

  /**
   * Acknowledgements slow down in proportion to how deep level 0 has become, or how many size-tiered runs wait for one merge, and at `stopDepth` no new segment is begun. There
   * a compaction is always possible, so that writers do not wait for ever: the depth is then at least what triggers one,
   * and tables that are never compacted again, because they are damaged, do not count.
   */
  #followLevelZero(): void {
    const { slowdownDepth, stopDepth, writeDelayMaxMs, compaction } = this.#options
    const tables = this.tables.manifestTables().filter((table) => !this.#compactions.isDamaged(table))
    const depth = Math.max(debt(tables, compaction).l0Depth, sizeTieredBacklog(tables, compaction))
    const wasFull = this.#levelZeroIsFull
    const stopsAt = Math.max(stopDepth, compaction.l0Trigger, compaction.tierRunsMin)
    this.#levelZeroIsFull = depth >= stopsAt
    if (wasFull && !this.#levelZeroIsFull) this.#host.onRoom()
    const excess = Math.max(0, depth - slowdownDepth + 1) / Math.max(1, stopDepth - slowdownDepth)
    const delay = Math.min(writeDelayMaxMs, Math.ceil(excess * writeDelayMaxMs))
    if (delay === this.writeDelayMs) return
    this.writeDelayMs = delay
    this.#applyCompactionRate()
    this.#host.writeDelayChanged()
  }

  #watch(): void {
    if (this.#stopped) return
    this.#space.look()
    this.#files.resolveDoubt(
      () => {
        this.#flushNext()
        this.#compactions.next()
      },
      (error) => this.#jobFailed('manifest not written', error),
    )
    this.#compactions.next()
    this.#timer = this.#env.clock.after(WATCH_EVERY_MS, () => this.#watch())
  }
}
