/**
 * A load generator that measures what users would feel. Paced, it is *open-loop*: when a request is due was decided
 * before the run began (t0 + i / rate), it is sent whether or not earlier ones were answered, and its latency counts from
 * that moment. A closed-loop tool such as redis-benchmark waits with its next request while the server hesitates, and so
 * leaves out the very requests that would have suffered ("coordinated omission": Gil Tene, "How NOT to Measure Latency").
 * Without a rate it is closed-loop, to find the highest throughput of the same mixture.
 *
 * Requests arrive in groups on one connection, as from a client that pipelines; a group is all SETs or all GETs, at random.
 * Every key exists and values have one size, so replies have known lengths: they are counted, not parsed. It speaks
 * plain RESP2 and treats every server alike. Connections are spread over the ports; as a cluster client, one asks its node
 * only for keys that have their home there.
 *
 * Between turns of its event loop it sleeps 50 us instead of spinning, which leaves the cores to the server. That, and
 * whatever else delays the generator itself, is part of the latencies: they are upper bounds.
 */
import type { SlotRange } from '../../src/ring/slot-range.js'
import { LatencyHistogram } from '../measure/statistics.js'
import { keysByHome } from './home-keys.js'
import { LoadConnection } from './load-connection.js'
import type { ConnectionEvents, WaitMode } from './load-connection.js'
import { LoadTally } from './load-tally.js'
import type { LatencySummary, SecondFigures, SecondsWindow, WindowFigures } from './load-tally.js'
import { Requests, seededRandom } from './requests.js'

export interface OpenLoopOptions {
  /** Connection i goes to port i modulo their number. */
  readonly ports: readonly number[]
  /** For cluster clients, the slots whose home each port's node is; null when any node is asked for any key. */
  readonly homes: readonly (readonly SlotRange[])[] | null
  readonly connections: number
  /** Requests that arrive together on one connection. */
  readonly groupSize: number
  /** Requests a second; null for a closed loop with one group under way on each connection. */
  readonly requestsPerSecond: number | null
  readonly warmUpSeconds: number
  readonly seconds: number
  /** Share of SETs, 0 to 1. */
  readonly writeShare: number
  /** Where SETs are followed by WAIT 1 0: nowhere, at the end of a group, after each. */
  readonly wait: WaitMode
  /** A command that each connection begins with, to be answered +OK; empty for none. */
  readonly prologue: readonly string[]
  /** Keys 0 to keys - 1 must exist, with values of this size. */
  readonly keys: number
  readonly valueBytes: number
  /** Parts of the measured time to be summed up by themselves. */
  readonly windows: readonly SecondsWindow[]
}

/** What most loads have in common: any key on any connection, no WAIT. */
export const COMMON_LOAD = {
  homes: null,
  connections: 50,
  warmUpSeconds: 1,
  wait: 'none',
  prologue: [],
  valueBytes: 100,
  windows: [],
} as const

export interface OpenLoopResult {
  /** Without errors. */
  readonly requestsPerSecond: number
  readonly read: LatencySummary
  readonly write: LatencySummary
  /** Good replies from the start to the last one, the warm-up's included: what the servers' CPU time was spent on. */
  readonly answered: number
  /** Requests that came to nothing, by the error's text; the warm-up's included. */
  readonly errors: Readonly<Record<string, number>>
  /** The measured time, second by second. */
  readonly series: readonly SecondFigures[]
  /** In the order of the options. */
  readonly windows: readonly WindowFigures[]
  /** CPU seconds of the generator per second, all threads. */
  readonly cpuShare: number
  /** How late the generator itself sent what was due: 99th percentile, in milliseconds; 0 in a closed loop. */
  readonly lateP99Ms: number
}

const READ_BUFFER_BYTES = 256 * 1024
const SLEEP_MS = 0.05
const DRAIN_LIMIT_MS = 20_000
const SEED = 11

/** `onMeasuring` is called when the warm-up is over. */
export async function runOpenLoop(
  options: OpenLoopOptions,
  onMeasuring: () => void = () => {},
): Promise<OpenLoopResult> {
  const generator = new OpenLoop(options)
  return generator.run(onMeasuring)
}

class OpenLoop implements ConnectionEvents {
  readonly #options: OpenLoopOptions
  readonly #random = seededRandom(SEED)
  readonly #requests: Requests
  readonly #connections: LoadConnection[] = []
  /** Draws a key for each connection. */
  readonly #drawKey: (() => number)[]
  readonly #late = new LatencyHistogram()
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4))
  #tally = new LoadTally({ paced: false, measureFromMs: 0, endMs: 0 })
  #measureFromMs = 0
  #endMs = 0
  #failure: Error | null = null

  constructor(options: OpenLoopOptions) {
    this.#options = options
    this.#requests = new Requests(options.valueBytes, this.#random)
    this.#drawKey = this.#keyDrawers()
  }

  async run(onMeasuring: () => void): Promise<OpenLoopResult> {
    const { warmUpSeconds, seconds, requestsPerSecond } = this.#options
    await this.#connect()
    const startMs = performance.now()
    this.#measureFromMs = startMs + warmUpSeconds * 1000
    this.#endMs = this.#measureFromMs + seconds * 1000
    const paced = requestsPerSecond !== null
    this.#tally = new LoadTally({ paced, measureFromMs: this.#measureFromMs, endMs: this.#endMs })
    setTimeout(onMeasuring, warmUpSeconds * 1000)
    const cpuFrom = process.cpuUsage()
    if (paced) await this.#openLoop(startMs, requestsPerSecond)
    else await this.#closedLoop()
    const { user, system } = process.cpuUsage(cpuFrom)
    await this.#drain()
    for (const connection of this.#connections) connection.close()
    const tally = this.#tally
    return {
      requestsPerSecond: tally.answeredPerSecond,
      read: tally.reads,
      write: tally.writes,
      answered: tally.answeredInAll,
      errors: tally.errors,
      series: tally.seconds,
      windows: this.#options.windows.map((window) => tally.window(window)),
      cpuShare: (user + system) / 1e6 / (warmUpSeconds + seconds),
      lateP99Ms: this.#late.percentileMs(0.99),
    }
  }

  #keyDrawers(): (() => number)[] {
    const { ports, homes, keys } = this.#options
    if (homes === null) return ports.map(() => () => Math.floor(this.#random() * keys))
    return keysByHome(keys, homes).map((own, node) => {
      if (own.length === 0) throw new Error(`the node on port ${ports[node]} is the home of no key`)
      return () => own[Math.floor(this.#random() * own.length)]
    })
  }

  async #connect(): Promise<void> {
    const into = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
    const { ports, connections, groupSize, wait, prologue } = this.#options
    for (let index = 0; index < connections; index++) {
      const options = { index, port: ports[index % ports.length], groupSize, wait, prologue, into }
      this.#connections.push(await LoadConnection.open(options, this.#requests, this))
    }
  }

  #addGroup(index: number, dueMs: number): void {
    const isWrite = this.#random() < this.#options.writeShare
    this.#connections[index].addGroup(isWrite, dueMs, this.#drawKey[index % this.#drawKey.length])
  }

  async #closedLoop(): Promise<void> {
    for (const [index, connection] of this.#connections.entries()) {
      this.#addGroup(index, performance.now())
      connection.flush()
    }
    while (performance.now() < this.#endMs) {
      this.#check()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  groupDone(connection: LoadConnection): void {
    const nowMs = performance.now()
    if (this.#options.requestsPerSecond !== null || nowMs >= this.#endMs) return
    this.#addGroup(connection.index, nowMs)
    connection.flush()
  }

  async #openLoop(startMs: number, requestsPerSecond: number): Promise<void> {
    const everyMs = (this.#options.groupSize / requestsPerSecond) * 1000
    const connections = this.#connections
    for (let group = 0; ;) {
      const nowMs = performance.now()
      let dueMs = startMs + group * everyMs
      for (; dueMs <= nowMs && dueMs < this.#endMs; dueMs = startMs + group * everyMs) {
        this.#addGroup(group % connections.length, dueMs)
        if (dueMs >= this.#measureFromMs) this.#late.record(nowMs - dueMs, 1)
        group++
      }
      for (const connection of connections) connection.flush()
      this.#check()
      if (dueMs >= this.#endMs) return
      Atomics.wait(this.#sleeper, 0, 0, SLEEP_MS)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  answered(isWrite: boolean, dueMs: number, nowMs: number, times: number): void {
    this.#tally.answered(isWrite, dueMs, nowMs, times)
  }

  refused(text: string, nowMs: number, times: number): void {
    this.#tally.failed(text, nowMs, times)
  }

  failed(error: Error): void {
    this.#failure ??= error
  }

  /** Waits for the replies that are still to come; those that never do are errors. */
  async #drain(): Promise<void> {
    const limitMs = performance.now() + DRAIN_LIMIT_MS
    while (this.#connections.some((connection) => connection.groups > 0) && performance.now() < limitMs) {
      this.#check()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const groups = this.#connections.reduce((sum, connection) => sum + connection.groups, 0)
    if (groups === 0) return
    const text = `not answered ${DRAIN_LIMIT_MS / 1000} s after the end`
    this.#tally.failed(text, this.#endMs, groups * this.#options.groupSize)
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure
  }
}
