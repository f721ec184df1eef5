/**
 * What `kindred import` takes, what it leaves out and why, and what it says about both. Progress goes to standard error, the
 * summary to standard output.
 */
import type { Clock } from '../env/clock.js'
import type { RdbItem, RdbReader } from '../rdb/rdb-reader.js'
import { keyText } from '../storage/describe-entry.js'
import type { Output } from './output.js'

const PROGRESS_EVERY_MS = 2_000
/** The clock is not asked for every key. */
const PROGRESS_EVERY_KEYS = 256
/** Refusals that are told apart; the others are only counted. */
const REFUSALS_SHOWN = 10
const MEGABYTE = 1_000_000

export class ImportReport {
  /** Values above it are left out; the node would end the connection. */
  valueBytesMax = Infinity
  readonly #database: number
  readonly #fileBytes: number
  readonly #clock: Clock
  readonly #output: Output
  readonly #startedMs: number
  /** By what it was, in words. */
  readonly #skipped = new Map<string, number>()
  #seen = 0
  #shownMs: number
  #refused = 0

  /** `database` is the one whose keys are taken, `fileBytes` the size of the dump. */
  constructor(database: number, fileBytes: number, clock: Clock, output: Output) {
    this.#database = database
    this.#fileBytes = fileBytes
    this.#clock = clock
    this.#output = output
    this.#startedMs = this.#shownMs = clock.monotonicMs()
  }

  /** How many keys the node has refused. */
  get refused(): number {
    return this.#refused
  }

  /** Whether an item is to be written; if not it is counted. */
  wants(item: RdbItem): item is Extract<RdbItem, { kind: 'string' }> {
    this.#seen++
    const reason = this.#reasonAgainst(item)
    if (reason !== null) this.#skipped.set(reason, (this.#skipped.get(reason) ?? 0) + 1)
    return reason === null
  }

  #reasonAgainst(item: RdbItem): string | null {
    const type = item.kind === 'string' ? 'string' : item.type
    if (item.database !== this.#database) return `${type}, in database ${item.database}`
    if (item.kind !== 'string') return type
    if (item.expireAtMs !== 0 && item.expireAtMs <= this.#clock.wallMs()) return 'string, expired'
    if (item.value.length > this.valueBytesMax || item.key.length > this.valueBytesMax) {
      return `string, larger than the node takes (proto-max-bulk-len is ${this.valueBytesMax})`
    }
    return null
  }

  onRefused(key: Buffer, error: string): void {
    this.#refused++
    if (this.#refused <= REFUSALS_SHOWN) this.#output.error(`${keyText(key, 0, key.length)}: ${error}`)
    if (this.#refused === REFUSALS_SHOWN) this.#output.error('further refusals are only counted')
  }

  /** Says from time to time how far it is. */
  progress(readBytes: number, writtenKeys: number): void {
    if (this.#seen % PROGRESS_EVERY_KEYS !== 0) return
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#shownMs < PROGRESS_EVERY_MS) return
    this.#shownMs = nowMs
    const percent = Math.floor((100 * readBytes) / this.#fileBytes)
    this.#output.error(`${percent} % of ${megabytes(this.#fileBytes)} read, ${writtenKeys} keys written`)
  }

  /** The summary, at the end or where it had to stop. */
  print(reader: RdbReader, writtenKeys: number, how: 'done' | 'stopped'): void {
    const { format, redisVersion, offset } = reader
    const seconds = (this.#clock.monotonicMs() - this.#startedMs) / 1000
    const server = redisVersion === '' ? '' : `, written by Redis ${redisVersion}`
    const say = (line: string): void => this.#output.out(line)
    if (how === 'stopped')
      say(`Stopped after ${offset} of ${this.#fileBytes} bytes; the import may be repeated.`)
    say(`dump     format ${format}${server}, ${megabytes(this.#fileBytes)}`)
    const rate = seconds > 0 ? `, ${Math.round(writtenKeys / seconds)} a second` : ''
    say(`written  ${writtenKeys} keys in ${seconds.toFixed(1)} s${rate}`)
    if (this.#refused > 0) say(`refused  ${this.#refused} keys, by the node`)
    for (const [what, count] of [...this.#skipped].sort(byName)) say(`skipped  ${count} x ${what}`)
  }
}

function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : 1
}

function megabytes(bytes: number): string {
  return `${(bytes / MEGABYTE).toFixed(1)} MB`
}
