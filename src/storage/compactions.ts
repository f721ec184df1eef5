/**
 * Runs compactions, one at a time: picks the next (compaction/picker.ts), has a job carry it out, and has the manifest
 * record it. One that fails changed nothing and is tried again later. A table with damage is left alone from then on: it is
 * set aside to level 0, where it holds nobody up, and lookups that need it fail; or it is taken out (damage-control.ts), between
 * two compactions, so that none reads it meanwhile.
 */
import type { CacheWarmUp } from './cache-warm-up.js'
import type { DamageControl } from './damage-control.js'
import { TOKEN_END } from '../ring/token.js'
import { CompactionTally } from './compaction-facts.js'
import type { CompactionFacts } from './compaction-facts.js'
import { totalBytes } from './compaction/levels.js'
import type { CompactionPick, CompactionView } from './compaction/picker.js'
import { mergeOf, othersThan } from './compaction/picks.js'
import { outputPlace, pickCompaction } from './compaction/picker.js'
import type { SequenceRange } from './compaction/older-elsewhere.js'
import type { CompactionScope } from './compaction/wanted.js'
import { CorruptionError } from './corruption-error.js'
import { FAMILY_LEVELED, FAMILY_WINDOW, LEVEL_ZERO } from './families.js'
import type { TablePlace } from './families.js'
import { tableFileName } from './file-names.js'
import { fileNumbersFor } from './jobs/storage-jobs.js'
import type { CompactJob } from './jobs/storage-jobs.js'
import type { LiveFiles } from './live-files.js'
import type { Segment } from './log/segment.js'
import type { ManifestTable, WrittenTable } from './manifest.js'
import { PurgeRanges } from './purge-ranges.js'
import { mayLose } from './store-options.js'
import type { StoreEnv, StoreOptions } from './store-options.js'
import { closeAll } from './table-set.js'
import type { LiveTable } from './table-set.js'
import type { BlockCompression } from './table/block-compression.js'
import type { Table } from './table/table.js'
import { PurgeClock } from './windows/purge-clock.js'
import { WindowActivity } from './windows/window-activity.js'
import { holdOf, pickDrop, pickWindowMerge, sizesOf, windowsOf } from './windows/window-picker.js'
import type { WindowFacts, WindowView } from './windows/window-picker.js'
import { WantedProgress } from './wanted-progress.js'

const RETRY_AFTER_MS = 1000

export interface CompactionsHost {
  active(): Segment
  /** A pick is about to be made: tables may have changed. */
  onLook(): void
  /** A merge has met damage in this table. */
  onDamage(table: Table, error: CorruptionError): void
  whenSynced(): Promise<void>
  /** Damaged tables that are to be taken out. */
  readonly damage: Pick<DamageControl, 'isDue' | 'takeOut'>
  onFailed(event: string, error: unknown): void
}

export class Compactions {
  readonly #env: StoreEnv
  readonly #options: StoreOptions
  readonly #files: LiveFiles
  readonly #warmUp: CacheWarmUp
  readonly #host: CompactionsHost
  #running = false
  #stopped = false
  #pausedUntilMs = 0
  #cursors: readonly number[] = []
  /** Tables with damage: never compacted again. */
  readonly #damaged = new Set<number>()
  /** File numbers of those that are to go to level 0. */
  #aside: number[] = []
  /** FLUSHALL's mark, synced: tables below it may go. */
  #dropMark = 0
  readonly #purgeClock: PurgeClock
  readonly #activity: WindowActivity
  /** Null on a node that is alone. */
  #ranges: PurgeRanges | null
  readonly #tally = new CompactionTally()
  /** What was asked for last. */
  #wanted: WantedProgress | null = null
  count = 0
  readBytes = 0
  writtenBytes = 0
  windowsDropped = 0
  windowBytesDropped = 0
  localTombstones = 0

  constructor(
    env: StoreEnv,
    options: StoreOptions,
    files: LiveFiles,
    warmUp: CacheWarmUp,
    host: CompactionsHost,
  ) {
    this.#env = env
    this.#options = options
    this.#files = files
    this.#warmUp = warmUp
    this.#host = host
    this.#purgeClock = new PurgeClock(env.clock, options.clockGraceMs ?? 0)
    this.#activity = new WindowActivity(env.clock)
    this.#ranges = options.keepsDead === true ? new PurgeRanges([]) : null
  }

  /** What may be purged on this node, which has replicas, from now on. */
  setPurgeRanges(ranges: PurgeRanges): void {
    this.#ranges = ranges
  }

  /** Every window as it stands, by its end. */
  windows(): WindowFacts[] {
    const view = this.#view()
    return windowsOf(view.tables).map((window) => ({ ...sizesOf(window), hold: holdOf(window, view) }))
  }

  get isRunning(): boolean {
    return this.#running
  }

  /** Whether a compaction has met damage in the table, so that none will take it again. */
  isDamaged(table: ManifestTable): boolean {
    return this.#damaged.has(table.fileNumber)
  }

  /** No compaction takes the table from now on. Unless it is to be taken out, it goes where it is in nobody's way. */
  setAside(table: ManifestTable): void {
    this.#damaged.add(table.fileNumber)
    if (table.level === 0 || mayLose(this.#options, tableFileName(table.fileNumber))) return
    this.#aside.push(table.fileNumber)
    this.next()
  }

  stop(): void {
    this.#stopped = true
  }

  /** Lets go of all tables below FLUSHALL's `mark`, which is synced; behind the compaction that may be reading them. */
  dropFlushedTables(mark: number): void {
    this.#dropMark = mark
    this.next()
  }

  /** Starts the next compaction if one is due and none runs. */
  next(): void {
    if (this.#stopped || this.#running || this.#files.isInDoubt) return
    if (this.#env.clock.monotonicMs() < this.#pausedUntilMs) return
    const { damage } = this.#host
    if (damage.isDue) {
      return this.#run(damage.takeOut(), (error) => {
        this.#pause()
        this.#host.onFailed('damaged table not taken out', error)
      })
    }
    if (this.#aside.length > 0) {
      return this.#run(this.#moveAside(), (error) => {
        this.#pause()
        this.#host.onFailed('damaged table not set aside', error)
      })
    }
    if (this.#dropMark > this.#files.state.flushMark) {
      return this.#run(this.#dropBelow(this.#dropMark), (error) => {
        this.#pause()
        this.#host.onFailed('flushed tables not dropped', error)
      })
    }
    const strays = this.#options.gathersFamilies === true ? this.#beyondLevels() : []
    if (strays.length > 0)
      return this.#run(this.#move(strays, LEVEL_ZERO), (error) => this.#failed([], error))
    const view = this.#view()
    this.#activity.note(windowsOf(view.tables))
    const window = pickDrop(view)
    if (window !== null) {
      const { tables: inputs, endMs } = window
      return this.#run(this.#dropWindow(inputs, endMs), (error) => this.#failed(inputs, error))
    }
    const pick = pickCompaction(view, this.#options.compaction) ?? windowMerge(view) ?? this.#nextWanted(view)
    this.#host.onLook()
    if (pick === null) return
    this.#run(this.#carryOut(pick), (error) => this.#failed(pick.inputs, error))
  }

  #view(): CompactionView & WindowView {
    const nowMs = this.#purgeClock.nowMs()
    return {
      tables: this.#files.tables.manifestTables(),
      segments: this.#segmentRanges(),
      busy: NOTHING_BUSY,
      damaged: this.#damaged,
      cursors: this.#cursors,
      purgeableUntilMs: nowMs,
      nowMs,
      ranges: this.#ranges,
      flushMark: this.#files.state.flushMark,
      isQuiet: (window) => this.#activity.isQuiet(window),
    }
  }

  #nextWanted(view: CompactionView): CompactionPick | null {
    return this.#wanted?.pick(view, this.#options.compaction, this.#env.clock.wallMs()) ?? null
  }

  /** Has everything in the scope compacted from now on, behind what is due anyway; instead of what was asked for before. */
  want(scope: CompactionScope): void {
    const nowMs = this.#env.clock.wallMs()
    const { lastSequence } = this.#files.state
    this.#wanted = new WantedProgress(scope, this.#view(), this.#files.takeNumbers(), lastSequence, nowMs)
    this.next()
  }

  facts(): CompactionFacts {
    return this.#tally.facts(this.#env.clock.monotonicMs(), this.#wanted?.facts(this.#view()) ?? null)
  }

  #run(work: Promise<void>, failed: (error: unknown) => void): void {
    this.#running = true
    work.then(
      () => {
        this.#running = false
        this.next()
      },
      (error: unknown) => {
        this.#running = false
        failed(error)
      },
    )
  }

  async #dropBelow(mark: number): Promise<void> {
    const removed = this.#files.tables.all.filter(({ table }) => table.summary.maxHlc <= mark)
    await this.#files.record({ removeTables: numbersOf(removed), flushMark: mark }, { removed })
  }

  async #carryOut(pick: CompactionPick): Promise<void> {
    const progress = this.#tally.begin(pick, this.#env.clock.monotonicMs())
    try {
      await this.#carryOutInSteps(pick, progress)
      this.#tally.end(!this.#stopped)
    } catch (error) {
      this.#tally.end(false)
      throw error
    }
  }

  async #carryOutInSteps(pick: CompactionPick, progress: Int32Array): Promise<void> {
    const inputs = pick.inputs.map((table) => this.#files.opened(table))
    const removeTables = numbersOf(inputs)
    if (pick.kind === 'move') {
      await this.#move(inputs, outputPlace(pick))
    } else if (pick.kind === 'drop') {
      await this.#files.record(
        { removeTables, droppedUntilMs: this.#lastExpiry(pick.inputs) },
        { removed: inputs },
      )
    } else {
      const { tables: outputs, droppedUntilMs } = await this.#merge(pick, progress)
      if (this.#stopped) return
      const place = outputPlace(pick)
      const added = this.#files.openAll(outputs.map((table) => ({ ...table, ...place })))
      await this.#warmUp.merged(added, inputs)
      if (this.#stopped) return closeAll(added)
      await this.#files.record({ removeTables, droppedUntilMs }, { added, removed: inputs })
    }
    this.#cursors = pick.cursors
    if (pick.reason === 'wanted') this.#wanted?.merged()
    this.count++
  }

  /** Lets go of all tables of a window, and of nothing that they hide (RULES T2, T3). */
  async #dropWindow(tables: readonly ManifestTable[], endMs: number): Promise<void> {
    await this.#host.whenSynced()
    if (this.#stopped) return
    const inputs = tables.map((table) => this.#files.opened(table))
    const { directory, tableTargetBytes } = this.#options
    const hidesSome = tables.some(({ flaggedCount }) => flaggedCount > 0)
    const added = hidesSome ? await this.#tombstonesOf(tables, directory, tableTargetBytes) : []
    if (this.#stopped) return closeAll(added)
    const edit = { removeTables: numbersOf(inputs), droppedUntilMs: endMs }
    await this.#files.record(edit, { added, removed: inputs })
    this.windowsDropped++
    this.windowBytesDropped += totalBytes(tables)
  }

  async #tombstonesOf(
    inputs: readonly ManifestTable[],
    directory: string,
    targetBytes: number,
  ): Promise<readonly LiveTable[]> {
    const count = fileNumbersFor(totalBytes(inputs), targetBytes)
    const result = await this.#env.jobs.dropWindow({
      directory,
      inputs,
      others: othersThan(this.#view(), inputs),
      fileNumbers: { first: this.#files.takeNumbers(count), count },
      targetBytes,
    })
    this.localTombstones += result.tombstones
    this.writtenBytes += result.bytesWritten
    if (this.#stopped) return []
    return this.#files.openAll(result.tables.map((table) => ({ ...table, ...LEVEL_ZERO })))
  }

  async #moveAside(): Promise<void> {
    const numbers = this.#aside
    const tables = this.#files.tables.all.filter(({ facts }) => numbers.includes(facts.fileNumber))
    await this.#move(tables, { level: 0 })
    this.#aside = this.#aside.filter((fileNumber) => !numbers.includes(fileNumber))
  }

  #beyondLevels(): LiveTable[] {
    return this.#files.tables.all.filter(({ facts }) => facts.family !== FAMILY_LEVELED)
  }

  #move(tables: readonly LiveTable[], place: Partial<TablePlace>): Promise<void> {
    const added = tables.map(({ table, facts }) => ({ table, facts: { ...facts, ...place } }))
    return this.#files.record({ removeTables: numbersOf(tables) }, { added, replaced: tables })
  }

  /** By this time everything that expires in tables that are dropped for it has expired (RULES T5). */
  #lastExpiry(tables: readonly ManifestTable[]): number {
    const { flushMark } = this.#files.state
    const expired = tables.filter(({ expiringCount, maxHlc }) => expiringCount > 0 && maxHlc > flushMark)
    return Math.max(0, ...expired.map(({ maxDeathMs }) => maxDeathMs))
  }

  async #merge(pick: CompactionPick, progress: Int32Array): Promise<MergedTables> {
    const { directory } = this.#options
    // A window is to come down to two tables however much is in it.
    const isWindow = pick.inputs[0].family === FAMILY_WINDOW
    const tableTargetBytes = isWindow ? Number.MAX_SAFE_INTEGER : this.#options.tableTargetBytes
    const inputBytes = pick.inputs.reduce((sum, table) => sum + table.sizeBytes, 0)
    const count = fileNumbersFor(inputBytes, tableTargetBytes)
    const limits = this.#purgeLimits(pick.inputs)
    const result = await this.#env.jobs.compact({
      directory,
      inputs: pick.inputs,
      others: pick.others,
      ...limits,
      flushMark: this.#files.state.flushMark,
      fileNumbers: { first: this.#files.takeNumbers(count), count },
      targetBytes: tableTargetBytes,
      compression: this.#compressionOf(pick.outputLevel),
      progress,
    })
    this.#tally.merged(pick, result)
    this.readBytes += result.bytesRead
    this.writtenBytes += result.bytesWritten
    const until = limits.purgeRanges?.map(({ untilMs }) => untilMs) ?? [limits.purgeableUntilMs]
    return {
      tables: result.tables,
      droppedUntilMs: result.dropped.expired > 0 ? Math.max(0, ...until) : 0,
    }
  }

  /** What is rewritten seldom, and is most of the data, may be compressed harder. */
  #compressionOf(outputLevel: number): BlockCompression {
    const { compression } = this.#options
    if (compression === undefined) return 'none'
    const isDeepest =
      outputLevel > 0 && this.#files.tables.all.every(({ facts }) => facts.level <= outputLevel)
    return isDeepest ? compression.deepest : compression.tables
  }

  /** RULES P1: alone, a node may let go of what is dead; with replicas only of what they are known to have seen. */
  #purgeLimits(inputs: readonly ManifestTable[]): Pick<CompactJob, 'purgeableUntilMs' | 'purgeRanges'> {
    const ranges = this.#ranges
    if (ranges === null) return { purgeableUntilMs: this.#purgeClock.nowMs() }
    const untilMs = inputs.map(({ minToken, maxToken }) => ranges.untilMsWithin(minToken, maxToken))
    return { purgeableUntilMs: Math.min(...untilMs), purgeRanges: ranges.ranges }
  }

  #failed(inputs: readonly ManifestTable[], error: unknown): void {
    if (error instanceof CorruptionError) this.#noteDamage(inputs, error)
    this.#pause()
    this.#host.onFailed('compaction failed', error)
  }

  #pause(): void {
    this.#pausedUntilMs = this.#env.clock.monotonicMs() + RETRY_AFTER_MS
  }

  #noteDamage(inputs: readonly ManifestTable[], error: CorruptionError): void {
    const damaged = inputs.filter((table) => error.file.endsWith(tableFileName(table.fileNumber)))
    for (const table of damaged) this.#host.onDamage(this.#files.opened(table).table, error)
  }

  #segmentRanges(): SequenceRange[] {
    const segments = [this.#host.active(), ...this.#files.sealed.map(({ segment }) => segment)]
    return segments.map((segment) => ({
      minToken: 0,
      maxToken: TOKEN_END,
      minSequence: segment.header.firstSequence,
    }))
  }
}

interface MergedTables {
  readonly tables: readonly WrittenTable[]
  /** Nothing that was left out for being expired would be alive before (RULES T5). */
  readonly droppedUntilMs: number
}

/** A merge within a window, as a pick. */
function windowMerge(view: CompactionView & WindowView): CompactionPick | null {
  const inputs = pickWindowMerge(view)
  return inputs === null ? null : mergeOf(view, 'window', inputs, 0)
}

const NOTHING_BUSY: ReadonlySet<number> = new Set()

function numbersOf(tables: readonly LiveTable[]): number[] {
  return tables.map(({ facts }) => facts.fileNumber)
}
