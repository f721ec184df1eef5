/**
 * Runs compactions, one at a time: picks the next (compaction/picker.ts), has a job carry it out, and has the manifest
 * record it. One that fails changed nothing and is tried again later. A table with damage is left alone from then on: it is
 * set aside to level 0, where it holds nobody up, and lookups that need it fail; or it is taken out (damage-control.ts), between
 * two compactions, so that none reads it meanwhile.
 */
import type { CacheWarmUp } from './cache-warm-up.js'
import type { DamageControl } from './damage-control.js'
import { TOKEN_END } from '../ring/token.js'
import type { CompactionPick } from './compaction/picker.js'
import { outputPlace, pickCompaction } from './compaction/picker.js'
import type { SequenceRange } from './compaction/older-elsewhere.js'
import { CorruptionError } from './corruption-error.js'
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

const RETRY_AFTER_MS = 1000

export interface CompactionsHost {
  active(): Segment
  /** A pick is about to be made: tables may have changed. */
  onLook(): void
  /** A merge has met damage in this table. */
  onDamage(table: Table, error: CorruptionError): void
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
  /** Null on a node that is alone. */
  #ranges: PurgeRanges | null
  count = 0
  readBytes = 0
  writtenBytes = 0

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
    this.#ranges = options.keepsDead === true ? new PurgeRanges([]) : null
  }

  /** What may be purged on this node, which has replicas, from now on. */
  setPurgeRanges(ranges: PurgeRanges): void {
    this.#ranges = ranges
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
    const pick = pickCompaction(
      {
        tables: this.#files.tables.manifestTables(),
        segments: this.#segmentRanges(),
        busy: NOTHING_BUSY,
        damaged: this.#damaged,
        cursors: this.#cursors,
        purgeableUntilMs: this.#env.clock.wallMs(),
        ranges: this.#ranges,
        flushMark: this.#files.state.flushMark,
      },
      this.#options.compaction,
    )
    this.#host.onLook()
    if (pick === null) return
    this.#run(this.#carryOut(pick), (error) => this.#failed(pick, error))
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
    const inputs = pick.inputs.map((table) => this.#files.opened(table))
    const removeTables = numbersOf(inputs)
    if (pick.kind === 'move') {
      await this.#move(inputs, pick.outputLevel)
    } else if (pick.kind === 'drop') {
      await this.#files.record({ removeTables }, { removed: inputs })
    } else {
      const outputs = await this.#merge(pick)
      if (this.#stopped) return
      const place = outputPlace(pick)
      const added = this.#files.openAll(outputs.map((table) => ({ ...table, ...place })))
      await this.#warmUp.merged(added, inputs)
      if (this.#stopped) return closeAll(added)
      await this.#files.record({ removeTables }, { added, removed: inputs })
    }
    this.#cursors = pick.cursors
    this.count++
  }

  async #moveAside(): Promise<void> {
    const numbers = this.#aside
    const tables = this.#files.tables.all.filter(({ facts }) => numbers.includes(facts.fileNumber))
    await this.#move(tables, 0)
    this.#aside = this.#aside.filter((fileNumber) => !numbers.includes(fileNumber))
  }

  #move(tables: readonly LiveTable[], level: number): Promise<void> {
    const added = tables.map(({ table, facts }) => ({ table, facts: { ...facts, level } }))
    return this.#files.record({ removeTables: numbersOf(tables) }, { added, replaced: tables })
  }

  async #merge(pick: CompactionPick): Promise<readonly WrittenTable[]> {
    const { directory, tableTargetBytes } = this.#options
    const inputBytes = pick.inputs.reduce((sum, table) => sum + table.sizeBytes, 0)
    const count = fileNumbersFor(inputBytes, tableTargetBytes)
    const result = await this.#env.jobs.compact({
      directory,
      inputs: pick.inputs,
      others: pick.others,
      ...this.#purgeLimits(pick.inputs),
      flushMark: this.#files.state.flushMark,
      fileNumbers: { first: this.#files.takeNumbers(count), count },
      targetBytes: tableTargetBytes,
      compression: this.#compressionOf(pick.outputLevel),
    })
    this.readBytes += result.bytesRead
    this.writtenBytes += result.bytesWritten
    return result.tables
  }

  /** What is rewritten seldom, and is most of the data, may be compressed harder. */
  #compressionOf(outputLevel: number): BlockCompression {
    const { compression } = this.#options
    if (compression === undefined) return 'none'
    const isDeepest = this.#files.tables.all.every(({ facts }) => facts.level <= outputLevel)
    return isDeepest ? compression.deepest : compression.tables
  }

  /** RULES P1: alone, a node may let go of what is dead; with replicas only of what they are known to have seen. */
  #purgeLimits(inputs: readonly ManifestTable[]): Pick<CompactJob, 'purgeableUntilMs' | 'purgeRanges'> {
    const ranges = this.#ranges
    if (ranges === null) return { purgeableUntilMs: this.#env.clock.wallMs() }
    const untilMs = inputs.map(({ minToken, maxToken }) => ranges.untilMsWithin(minToken, maxToken))
    return { purgeableUntilMs: Math.min(...untilMs), purgeRanges: ranges.ranges }
  }

  #failed(pick: CompactionPick, error: unknown): void {
    if (error instanceof CorruptionError) this.#noteDamage(pick, error)
    this.#pause()
    this.#host.onFailed('compaction failed', error)
  }

  #pause(): void {
    this.#pausedUntilMs = this.#env.clock.monotonicMs() + RETRY_AFTER_MS
  }

  #noteDamage(pick: CompactionPick, error: CorruptionError): void {
    const damaged = pick.inputs.filter((table) => error.file.endsWith(tableFileName(table.fileNumber)))
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

const NOTHING_BUSY: ReadonlySet<number> = new Set()

function numbersOf(tables: readonly LiveTable[]): number[] {
  return tables.map(({ facts }) => facts.fileNumber)
}
