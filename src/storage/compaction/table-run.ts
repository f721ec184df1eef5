/**
 * A sorted run of new tables: entries go in by ascending (token, key), tables of about the target size come out. A table
 * ends only where the token changes, so that equal tokens never straddle two tables of a level and "which table of this
 * level" has one answer. The job that writes the run owns its files until it is finished: on any failure `abandon`
 * removes them, and whatever it cannot remove is a leftover for the next start.
 */
import type { Disk } from '../../env/disk.js'
import { deathTime } from '../../record/death.js'
import { recordLength } from '../../record/layout.js'
import { ENTRY_HEADER_BYTES } from '../entry.js'
import { pathOf, tableFileName } from '../file-names.js'
import type { FileNumbers } from '../jobs/storage-jobs.js'
import type { WrittenTable } from '../manifest.js'
import type { BlockCompression } from '../table/block-compression.js'
import { TableBuilder } from '../table/table-builder.js'
import { assert } from '../../util/assert.js'
import { DeathSample } from './death-sample.js'
import { PACE_STEP_BYTES, type Pace } from './pace.js'

export interface TableRunPlan {
  readonly directory: string
  readonly fileNumbers: FileNumbers
  /** A table ends at the first change of token at or above this size. */
  readonly targetBytes: number
  readonly compression?: BlockCompression
  /** What was judged when the entries were chosen: see WrittenTable. */
  readonly purgedUntilMs: number
  readonly purgedMark: number
}

export class TableRun {
  readonly #disk: Disk
  readonly #plan: TableRunPlan
  readonly #pace: Pace
  readonly #tables: WrittenTable[] = []
  #builder: TableBuilder | null = null
  #deaths = new DeathSample()
  #lastToken = -1
  #numbersUsed = 0
  #unpacedBytes = 0
  #entries = 0

  constructor(disk: Disk, plan: TableRunPlan, pace: Pace) {
    this.#disk = disk
    this.#plan = plan
    this.#pace = pace
  }

  get entries(): number {
    return this.#entries
  }

  /** Adds the entry whose record is at bytes[record…]; `first` and `second` are the hashes of its key. The bytes are copied. */
  add(token: number, first: number, second: number, bytes: Buffer, record: number): void {
    if (token !== this.#lastToken && this.#isFull()) this.#endTable()
    this.#builder ??= this.#startTable()
    this.#builder.add(token, first, second, bytes, record)
    this.#deaths.add(deathTime(bytes, record))
    this.#lastToken = token
    this.#entries++
    this.#unpacedBytes += ENTRY_HEADER_BYTES + recordLength(bytes, record)
    if (this.#unpacedBytes >= PACE_STEP_BYTES) this.#spend()
  }

  /** Ends the last table and makes the names durable. */
  finish(): readonly WrittenTable[] {
    const tables = this.end()
    if (tables.length > 0) this.#disk.syncDirectory(this.#plan.directory)
    return tables
  }

  /** Ends the last table; the caller syncs the directory. */
  end(): readonly WrittenTable[] {
    if (this.#builder !== null) this.#endTable()
    this.#spend()
    return this.#tables
  }

  /** Removes everything that was written, as far as the disk lets it. Never throws. */
  abandon(): void {
    const builder = this.#builder
    if (builder !== null) quietly(() => builder.abandon())
    for (const table of this.#tables) quietly(() => this.#disk.unlink(this.#pathOf(table.fileNumber)))
  }

  #isFull(): boolean {
    // With the last number in use the table just grows: too large is better than a job that fails.
    if (this.#builder === null || this.#numbersUsed === this.#plan.fileNumbers.count) return false
    return this.#builder.sizeBytes >= this.#plan.targetBytes
  }

  #startTable(): TableBuilder {
    assert(this.#numbersUsed < this.#plan.fileNumbers.count, 'a job has a file number for its table')
    const fileNumber = this.#plan.fileNumbers.first + this.#numbersUsed++
    this.#deaths = new DeathSample()
    return new TableBuilder(this.#disk, this.#pathOf(fileNumber), fileNumber, this.#plan.compression)
  }

  #endTable(): void {
    const builder = this.#builder
    assert(builder !== null, 'there is a table to end')
    const summary = builder.finish()
    this.#builder = null
    this.#tables.push({
      ...summary,
      deathQuartilesMs: this.#deaths.quartilesMs(),
      purgedUntilMs: this.#plan.purgedUntilMs,
      purgedMark: this.#plan.purgedMark,
    })
  }

  #spend(): void {
    this.#pace.spend(this.#unpacedBytes)
    this.#unpacedBytes = 0
  }

  #pathOf(fileNumber: number): string {
    return pathOf(this.#plan.directory, tableFileName(fileNumber))
  }
}

function quietly(run: () => void): void {
  try {
    run()
  } catch {
    // The job has failed already, and that is what its caller hears of.
  }
}
