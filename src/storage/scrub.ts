/**
 * Reads all tables, and what was saved of counts and trees, slowly, over and over: what nobody asks for is damaged unnoticed, until it is the last copy. A piece at a
 * time in a worker thread (jobs/scrub-job.ts), and as much time in between as the rate asks for; a run begins where the tables of
 * that moment begin, leaves out what is compacted away meanwhile, and takes up what is new in the next run.
 *
 * What it reads may come from the operating system's cache, as everybody's reads do; what is cold, and so most in need of it, comes
 * from the disk.
 */
import type { Timer } from '../env/clock.js'
import { pathOf } from './file-names.js'
import { filesBeside } from './live-files.js'
import type { LiveFiles } from './live-files.js'
import type { StoreEnv } from './store-options.js'
import type { Table } from './table/table.js'
import { tableCorruption } from './table/table-file.js'

/** So much is checked in one go: under a millisecond of the thread that also flushes. */
const PIECE_BYTES = 256 * 1024
/** A first run, unless scrub-interval is shorter: a node that is restarted every day is scrubbed, too. */
const FIRST_AFTER_MS = 10 * 60_000

export interface ScrubSettings {
  /** 0: nothing is read. */
  readonly bytesPerSecond: number
  /** From the end of a run to the next; 0 for no runs. */
  readonly intervalMs: number
}

export const NO_SCRUB: ScrubSettings = { bytesPerSecond: 0, intervalMs: 0 }

export interface ScrubFacts {
  readonly isRunning: boolean
  /** Of the current run: bytes read, and of how many. */
  readonly doneBytes: number
  readonly totalBytes: number
  /** When the last whole run ended, wall clock; 0 for never. */
  readonly endedAtMs: number
  /** Damaged places that the current run, or the last one, has found. */
  readonly found: number
}

export class Scrub {
  readonly #env: StoreEnv
  readonly #directory: string
  readonly #files: LiveFiles
  #bytesPerSecond = 0
  #intervalMs = 0
  #timer: Timer | null = null
  #isStopped = false
  #isChecking = false
  #lastRunAtMs: number | null = null
  #isRunning = false
  /** Of the current run. */
  #tables: Table[] = []
  /** Of the first of them: the next block to check, -1 for the frame. */
  #block = -1
  #doneBytes = 0
  #totalBytes = 0
  #endedAtMs = 0
  #found = 0

  constructor(env: StoreEnv, directory: string, files: LiveFiles) {
    this.#env = env
    this.#directory = directory
    this.#files = files
  }

  get facts(): ScrubFacts {
    return {
      isRunning: this.#isRunning,
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      endedAtMs: this.#endedAtMs,
      found: this.#found,
    }
  }

  set({ bytesPerSecond, intervalMs }: ScrubSettings): void {
    this.#bytesPerSecond = bytesPerSecond
    this.#intervalMs = intervalMs
    this.#schedule()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #schedule(): void {
    this.#timer?.cancel()
    this.#timer = null
    if (this.#isStopped || this.#isChecking || this.#bytesPerSecond === 0 || this.#intervalMs === 0) return
    const dueMs = this.#isRunning ? 0 : this.#untilNextRunMs()
    this.#timer = this.#env.clock.after(dueMs, () => this.#next())
  }

  #untilNextRunMs(): number {
    if (this.#lastRunAtMs === null) return Math.min(FIRST_AFTER_MS, this.#intervalMs)
    return Math.max(0, this.#lastRunAtMs + this.#intervalMs - this.#env.clock.monotonicMs())
  }

  #next(): void {
    if (!this.#isRunning) this.#begin()
    this.#skipRetired()
    if (this.#tables.length === 0) return this.#checkBeside()
    const table = this.#tables[0]
    const blocks = this.#blocksOfPiece(table)
    this.#isChecking = true
    this.#check(table, blocks).then(
      (bytes) => this.#checked(bytes),
      (error: unknown) => {
        if (!this.#isStopped && !table.isRetired)
          this.#env.log.warn('a table not scrubbed', { error: String(error) })
        this.#nextTable()
        this.#checked(PIECE_BYTES)
      },
    )
  }

  #begin(): void {
    const all = this.#files.tables.all.map(({ table }) => table)
    this.#tables = all.sort((a, b) => a.summary.fileNumber - b.summary.fileNumber)
    this.#totalBytes = all.reduce((sum, { summary }) => sum + summary.sizeBytes, 0)
    this.#isRunning = true
    this.#doneBytes = 0
    this.#found = 0
    this.#block = -1
  }

  /** Counts and trees: what is wrong with them is said, and written anew with the next flush. */
  #checkBeside(): void {
    this.#isChecking = true
    const none = { offsets: new Float64Array(), lengths: new Uint32Array(), checksums: new Uint32Array() }
    const paths = filesBeside(this.#files.state).map((name) => pathOf(this.#directory, name))
    Promise.all(paths.map((path) => this.#env.jobs.scrub({ path, ...none }))).then(
      (results) => {
        this.#isChecking = false
        results.forEach(({ damage }, i) => {
          for (const { offset, what } of damage) {
            this.#found++
            this.#env.log.error('damage found', { file: paths[i], offset, what })
          }
        })
        this.#end()
      },
      (error: unknown) => {
        this.#isChecking = false
        // As a rule a flush has replaced one of them.
        if (!this.#isStopped) this.#env.log.debug('counts and trees not scrubbed', { error: String(error) })
        this.#end()
      },
    )
  }

  #end(): void {
    this.#isRunning = false
    this.#lastRunAtMs = this.#env.clock.monotonicMs()
    this.#endedAtMs = this.#env.clock.wallMs()
    const facts = { bytes: this.#doneBytes, damaged: this.#found }
    if (this.#found > 0) this.#env.log.error('scrub ended: files are damaged', facts)
    else this.#env.log.info('scrub ended', facts)
    this.#schedule()
  }

  #skipRetired(): void {
    while (this.#tables.length > 0 && this.#tables[0].isRetired) this.#nextTable()
  }

  #nextTable(): void {
    this.#tables.shift()
    this.#block = -1
  }

  /** None: the frame. */
  #blocksOfPiece({ index }: Table): readonly number[] {
    const blocks: number[] = []
    if (this.#block === -1) return blocks
    let bytes = 0
    for (let block = this.#block; block < index.blockCount && bytes < PIECE_BYTES; block++) {
      blocks.push(block)
      bytes += index.storedLength(block)
    }
    return blocks
  }

  /** Answers how many bytes were read. */
  async #check(table: Table, blocks: readonly number[]): Promise<number> {
    const { index, path } = table
    const { damage } = await this.#env.jobs.scrub({
      path,
      offsets: Float64Array.from(blocks, (block) => index.offset(block)),
      lengths: Uint32Array.from(blocks, (block) => index.storedLength(block)),
      checksums: Uint32Array.from(blocks, (block) => index.checksum(block)),
    })
    for (const { offset, what } of damage) {
      if (table.isRetired) break
      this.#found++
      table.onDamage(table, tableCorruption(path, offset, what))
    }
    const isFrame = blocks.length === 0
    this.#block = isFrame ? 0 : this.#block + blocks.length
    if (this.#block === index.blockCount) this.#nextTable()
    if (isFrame) return table.summary.sizeBytes - index.endOffset
    return blocks.reduce((sum, block) => sum + index.storedLength(block), 0)
  }

  #checked(bytes: number): void {
    this.#isChecking = false
    this.#doneBytes += bytes
    if (this.#isStopped || this.#bytesPerSecond === 0 || this.#intervalMs === 0) return
    this.#timer = this.#env.clock.after((bytes * 1000) / this.#bytesPerSecond, () => this.#next())
  }
}
