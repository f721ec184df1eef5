/**
 * What a load has seen: latencies of good replies, errors by their text, and both by the second. An error is never counted
 * as an answer and never as a latency.
 */
import { LatencyHistogram } from '../measure/statistics.js'

export interface LatencySummary {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
}

/** Good replies and errors that came in one second; the latencies are of the requests that were due in it (see `paced`). */
export interface SecondFigures {
  readonly answered: number
  readonly errors: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** Seconds of the measured time, from the first up to but without the second. */
export type SecondsWindow = readonly [number, number]

export interface WindowFigures {
  readonly answeredPerSecond: number
  readonly errors: number
  readonly latency: LatencySummary
}

interface Second {
  answered: number
  errors: number
  readonly latencies: LatencyHistogram
}

export interface TallyOptions {
  /** Whether requests have a time at which they were due by the pace. */
  readonly paced: boolean
  readonly measureFromMs: number
  readonly endMs: number
}

const TEXTS_MAX = 20
const OTHER_ERRORS = 'other errors'

export class LoadTally {
  readonly #options: TallyOptions
  readonly #reads = new LatencyHistogram()
  readonly #writes = new LatencyHistogram()
  readonly #seconds: Second[]
  readonly #errors = new Map<string, number>()
  #answered = 0
  #answeredInAll = 0

  constructor(options: TallyOptions) {
    this.#options = options
    const seconds = Math.ceil(Math.round(options.endMs - options.measureFromMs) / 1000)
    this.#seconds = Array.from({ length: seconds }, () => ({
      answered: 0,
      errors: 0,
      latencies: new LatencyHistogram(),
    }))
  }

  /** Paced: what was due while measuring counts, whenever it is answered. Closed loop: what was answered meanwhile. */
  answered(isWrite: boolean, dueMs: number, nowMs: number, times: number): void {
    this.#answeredInAll += times
    const { paced, measureFromMs, endMs } = this.#options
    const came = this.#secondOf(nowMs)
    if (came !== undefined) came.answered += times
    const atMs = paced ? dueMs : nowMs
    if (atMs < measureFromMs || atMs >= endMs) return
    this.#answered += times
    const histogram = isWrite ? this.#writes : this.#reads
    histogram.record(nowMs - dueMs, times)
    this.#secondOf(atMs)?.latencies.record(nowMs - dueMs, times)
  }

  /** `times` requests came to nothing, while measuring or not. */
  failed(text: string, nowMs: number, times: number): void {
    const known = this.#errors.has(text) || this.#errors.size < TEXTS_MAX ? text : OTHER_ERRORS
    this.#errors.set(known, (this.#errors.get(known) ?? 0) + times)
    const second = this.#secondOf(nowMs)
    if (second !== undefined) second.errors += times
  }

  /** Good replies, the warm-up's and late ones included. */
  get answeredInAll(): number {
    return this.#answeredInAll
  }

  get answeredPerSecond(): number {
    const { measureFromMs, endMs } = this.#options
    return (this.#answered * 1000) / (endMs - measureFromMs)
  }

  get reads(): LatencySummary {
    return summary(this.#reads)
  }

  get writes(): LatencySummary {
    return summary(this.#writes)
  }

  get errors(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#errors)
  }

  get seconds(): SecondFigures[] {
    return this.#seconds.map(({ answered, errors, latencies }) => ({
      answered,
      errors,
      p99Ms: latencies.percentileMs(0.99),
      maxMs: latencies.maxMs,
    }))
  }

  window([from, to]: SecondsWindow): WindowFigures {
    const seconds = this.#seconds.slice(from, to)
    const all = new LatencyHistogram()
    for (const { latencies } of seconds) all.add(latencies)
    const sum = (of: (second: Second) => number): number =>
      seconds.reduce((total, second) => total + of(second), 0)
    return {
      answeredPerSecond: sum(({ answered }) => answered) / seconds.length,
      errors: sum(({ errors }) => errors),
      latency: summary(all),
    }
  }

  #secondOf(atMs: number): Second | undefined {
    return this.#seconds[Math.floor((atMs - this.#options.measureFromMs) / 1000)]
  }
}

function summary(histogram: LatencyHistogram): LatencySummary {
  return {
    p50Ms: histogram.percentileMs(0.5),
    p99Ms: histogram.percentileMs(0.99),
    p999Ms: histogram.percentileMs(0.999),
    maxMs: histogram.maxMs,
  }
}
