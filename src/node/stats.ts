/**
 * The node's counters, as INFO shows them. They are plain fields that the server and the keyspace increment, because
 * they are touched on every request; a command's own counters are an object that its caller looks up once (`command`)
 * and keeps, so that no request pays for a Map.
 *
 * Rates follow Redis: `sample` is called about ten times a second, and a rate is the mean of the last sixteen samples.
 */
import type { CommandStats, NodeStats } from '../commands/node-services.js'
import { LatencyHistogram } from '../commands/latency-histogram.js'

/** Error codes that are counted one by one; what a client could invent beyond that is counted as OTHER. */
export const ERROR_CODES_MAX = 128
const OTHER_ERRORS = 'OTHER'

/** How often the node should call sample(). */
export const SAMPLE_INTERVAL_MS = 100
const SAMPLES = 16

export class NodeCounters implements NodeStats {
  connectionsReceived = 0
  rejectedConnections = 0
  commandsProcessed = 0
  errorReplies = 0
  netInputBytes = 0
  netOutputBytes = 0
  keyspaceHits = 0
  keyspaceMisses = 0
  expiredKeys = 0
  readonly byCommand = new Map<string, CommandStats>()
  readonly byError = new Map<string, number>()
  readonly #operations = new Rate()
  readonly #input = new Rate()
  readonly #output = new Rate()

  get instantaneousOpsPerSecond(): number {
    return Math.floor(this.#operations.perSecond())
  }

  get instantaneousInputKbps(): number {
    return this.#input.perSecond() / 1024
  }

  get instantaneousOutputKbps(): number {
    return this.#output.perSecond() / 1024
  }

  /** The counters of one command; the same object for the life of the node, so callers keep it. */
  command(name: string): CommandStats {
    let stats = this.byCommand.get(name)
    if (stats === undefined) {
      stats = { calls: 0, microseconds: 0, rejectedCalls: 0, failedCalls: 0, latency: new LatencyHistogram() }
      this.byCommand.set(name, stats)
    }
    return stats
  }

  /** Counts an error reply by its code, the first word of its text. */
  countError(code: string): void {
    this.errorReplies++
    const known = this.byError.get(code)
    if (known !== undefined) this.byError.set(code, known + 1)
    else if (this.byError.size < ERROR_CODES_MAX) this.byError.set(code, 1)
    else this.byError.set(OTHER_ERRORS, (this.byError.get(OTHER_ERRORS) ?? 0) + 1)
  }

  /** Takes a sample for the rates. `nowMs` is monotonic. */
  sample(nowMs: number): void {
    this.#operations.sample(this.commandsProcessed, nowMs)
    this.#input.sample(this.netInputBytes, nowMs)
    this.#output.sample(this.netOutputBytes, nowMs)
  }

  /** CONFIG RESETSTAT. The objects that command() handed out stay in use and start again at zero. */
  reset(): void {
    this.connectionsReceived = 0
    this.rejectedConnections = 0
    this.commandsProcessed = 0
    this.errorReplies = 0
    this.netInputBytes = 0
    this.netOutputBytes = 0
    this.keyspaceHits = 0
    this.keyspaceMisses = 0
    this.expiredKeys = 0
    this.byError.clear()
    for (const rate of [this.#operations, this.#input, this.#output]) rate.reset()
    for (const stats of this.byCommand.values()) {
      stats.calls = 0
      stats.microseconds = 0
      stats.rejectedCalls = 0
      stats.failedCalls = 0
      stats.latency.reset()
    }
  }
}

/** How fast a counter grows: the mean over a ring of samples. */
class Rate {
  readonly #perSecond = new Float64Array(SAMPLES)
  #next = 0
  #lastValue = 0
  #lastMs = -1

  sample(value: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#lastMs
    if (this.#lastMs >= 0 && elapsedMs <= 0) return
    if (this.#lastMs >= 0) {
      this.#perSecond[this.#next] = (Math.max(0, value - this.#lastValue) * 1000) / elapsedMs
      this.#next = (this.#next + 1) % SAMPLES
    }
    this.#lastValue = value
    this.#lastMs = nowMs
  }

  perSecond(): number {
    let sum = 0
    for (const sample of this.#perSecond) sum += sample
    return sum / SAMPLES
  }

  reset(): void {
    this.#perSecond.fill(0)
    this.#lastValue = 0
  }
}
