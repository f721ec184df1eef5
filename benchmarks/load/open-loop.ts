/**
 * A load generator that measures what users would feel. Paced, it is *open-loop*: when a request is due was decided
 * before the run began (t0 + i / rate), it is sent whether or not earlier ones were answered, and its latency counts from
 * that moment. A closed-loop tool such as redis-benchmark waits with its next request while the server hesitates, and so
 * leaves out the very requests that would have suffered ("coordinated omission": Gil Tene, "How NOT to Measure Latency").
 * Without a rate it is closed-loop, to find the highest throughput of the same mixture.
 *
 * Requests arrive in groups on one connection, as from a client that pipelines; a group is all SETs or all GETs, at random.
 * Every key exists and values have one size, so replies have known lengths: they are counted, not parsed, and only each
 * first byte is checked. It speaks plain RESP2 and treats every server alike.
 *
 * Between turns of its event loop it sleeps 50 us instead of spinning, which leaves the cores to the server. That, and
 * whatever else delays the generator itself, is part of the latencies: they are upper bounds.
 */
import { connect } from 'node:net'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { assert } from '../../src/util/assert.js'
import { LatencyHistogram } from '../measure/statistics.js'
import { Requests, seededRandom } from './requests.js'

export interface OpenLoopOptions {
  readonly port: number
  readonly connections: number
  /** Requests that arrive together on one connection. */
  readonly groupSize: number
  /** Requests a second; null for a closed loop with one group under way on each connection. */
  readonly requestsPerSecond: number | null
  readonly warmUpSeconds: number
  readonly seconds: number
  /** Share of SETs, 0 to 1. */
  readonly writeShare: number
  /** Keys 0 to keys - 1 must exist, with values of this size. */
  readonly keys: number
  readonly valueBytes: number
}

export interface OpenLoopResult {
  readonly requestsPerSecond: number
  readonly read: LatencySummary
  readonly write: LatencySummary
  /** CPU seconds of the generator per second, all threads. */
  readonly cpuShare: number
  /** How late the generator itself sent what was due: 99th percentile, in milliseconds; 0 in a closed loop. */
  readonly lateP99Ms: number
}

export interface LatencySummary {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
}

/** Groups that may be under way on one connection; more means that the server is hopelessly behind. */
const GROUPS_MAX = 1 << 14
const READ_BUFFER_BYTES = 256 * 1024
const SLEEP_MS = 0.05
const DRAIN_LIMIT_MS = 20_000
const SEED = 11

const PLUS = 43
const DOLLAR = 36
const MINUS = 45

export async function runOpenLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const generator = new OpenLoop(options)
  return generator.run()
}

class OpenLoop {
  readonly #options: OpenLoopOptions
  readonly #random = seededRandom(SEED)
  readonly #requests: Requests
  readonly #connections: Connection[] = []
  readonly #reads = new LatencyHistogram()
  readonly #writes = new LatencyHistogram()
  readonly #late = new LatencyHistogram()
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4))
  #measureFromMs = 0
  #endMs = 0
  #answered = 0
  #failure: Error | null = null

  constructor(options: OpenLoopOptions) {
    this.#options = options
    this.#requests = new Requests(options.valueBytes, this.#random)
  }

  async run(): Promise<OpenLoopResult> {
    const { warmUpSeconds, seconds, requestsPerSecond } = this.#options
    await this.#connect()
    const startMs = performance.now()
    this.#measureFromMs = startMs + warmUpSeconds * 1000
    this.#endMs = this.#measureFromMs + seconds * 1000
    const cpuFrom = process.cpuUsage()
    if (requestsPerSecond === null) await this.#closedLoop()
    else await this.#openLoop(startMs, requestsPerSecond)
    const { user, system } = process.cpuUsage(cpuFrom)
    const cpuShare = (user + system) / 1e6 / (warmUpSeconds + seconds)
    await this.#drain()
    for (const connection of this.#connections) connection.close()
    return {
      requestsPerSecond: this.#answered / seconds,
      read: summary(this.#reads),
      write: summary(this.#writes),
      cpuShare,
      lateP99Ms: this.#late.percentileMs(0.99),
    }
  }

  async #connect(): Promise<void> {
    const into = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
    for (let i = 0; i < this.#options.connections; i++) {
      const connection = new Connection(this.#options.port, into, this.#requests, this.#options.groupSize, {
        answered: (connection, isWrite, dueMs, nowMs, times) =>
          this.#record(connection, isWrite, dueMs, nowMs, times),
        groupDone: (connection) => this.#groupDone(connection),
        failed: (error) => (this.#failure ??= error),
      })
      await connection.ready
      this.#connections.push(connection)
    }
  }

  #addGroup(connection: Connection, dueMs: number): void {
    const isWrite = this.#random() < this.#options.writeShare
    connection.addGroup(isWrite, dueMs, () => Math.floor(this.#random() * this.#options.keys))
  }

  async #closedLoop(): Promise<void> {
    for (const connection of this.#connections) {
      this.#addGroup(connection, performance.now())
      connection.flush()
    }
    while (performance.now() < this.#endMs) {
      this.#check()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  #groupDone(connection: Connection): void {
    const nowMs = performance.now()
    if (this.#options.requestsPerSecond !== null || nowMs >= this.#endMs) return
    this.#addGroup(connection, nowMs)
    connection.flush()
  }

  async #openLoop(startMs: number, requestsPerSecond: number): Promise<void> {
    const everyMs = (this.#options.groupSize / requestsPerSecond) * 1000
    const connections = this.#connections
    for (let group = 0; ;) {
      const nowMs = performance.now()
      let dueMs = startMs + group * everyMs
      for (; dueMs <= nowMs && dueMs < this.#endMs; dueMs = startMs + group * everyMs) {
        this.#addGroup(connections[group % connections.length], dueMs)
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

  /** Open loop: what was due while measuring counts, whenever it is answered. Closed: what was answered meanwhile. */
  #record(_: Connection, isWrite: boolean, dueMs: number, nowMs: number, times: number): void {
    const atMs = this.#options.requestsPerSecond === null ? nowMs : dueMs
    if (atMs < this.#measureFromMs || atMs >= this.#endMs) return
    this.#answered += times
    const histogram = isWrite ? this.#writes : this.#reads
    histogram.record(nowMs - dueMs, times)
  }

  async #drain(): Promise<void> {
    const limitMs = performance.now() + DRAIN_LIMIT_MS
    while (this.#connections.some((connection) => connection.groups > 0)) {
      this.#check()
      if (performance.now() > limitMs) throw new Error('the server left requests unanswered')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure
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

interface ConnectionEvents {
  answered(connection: Connection, isWrite: boolean, dueMs: number, nowMs: number, times: number): void
  groupDone(connection: Connection): void
  failed(error: Error): void
}

/** One socket and the groups that are under way on it, oldest first in a ring. */
class Connection {
  readonly ready: Promise<unknown>
  readonly #socket: Socket
  readonly #requests: Requests
  readonly #groupSize: number
  readonly #events: ConnectionEvents
  readonly #due = new Float64Array(GROUPS_MAX)
  readonly #isWrite = new Uint8Array(GROUPS_MAX)
  #first = 0
  groups = 0
  /** Bytes of the first group's replies that are still to come. */
  #left = 0
  #out: Buffer
  #outEnd = 0
  #closed = false

  constructor(port: number, into: Buffer, requests: Requests, groupSize: number, events: ConnectionEvents) {
    this.#requests = requests
    this.#groupSize = groupSize
    this.#events = events
    this.#out = Buffer.allocUnsafeSlow(requests.setBytes * groupSize * 4)
    const onread = {
      buffer: into,
      callback: (bytes: number, buffer: Uint8Array) => this.#read(buffer, bytes),
    }
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread })
    this.#socket.on('error', (error) => events.failed(error))
    this.#socket.on('close', () => {
      if (!this.#closed) events.failed(new Error('the server closed a connection'))
    })
    this.ready = once(this.#socket, 'connect')
  }

  addGroup(isWrite: boolean, dueMs: number, nextKey: () => number): void {
    if (this.groups === GROUPS_MAX) return this.#events.failed(new Error('the server is far behind the pace'))
    const slot = (this.#first + this.groups++) % GROUPS_MAX
    this.#due[slot] = dueMs
    this.#isWrite[slot] = isWrite ? 1 : 0
    if (this.groups === 1) this.#beginFirst()
    const requests = this.#requests
    if (this.#outEnd + requests.setBytes * this.#groupSize > this.#out.length) this.flush()
    for (let i = 0; i < this.#groupSize; i++) {
      const key = nextKey()
      this.#outEnd = isWrite
        ? requests.writeSet(this.#out, this.#outEnd, key)
        : requests.writeGet(this.#out, this.#outEnd, key)
    }
  }

  flush(): void {
    if (this.#outEnd === 0) return
    this.#socket.write(this.#out.subarray(0, this.#outEnd))
    this.#outEnd = 0
    // What the kernel did not take at once still belongs to the socket.
    if (this.#socket.writableLength !== 0) this.#out = Buffer.allocUnsafeSlow(this.#out.length)
  }

  close(): void {
    this.#closed = true
    this.#socket.destroy()
  }

  #replyBytes(): number {
    return this.#isWrite[this.#first] === 1 ? this.#requests.setReplyBytes : this.#requests.getReplyBytes
  }

  #beginFirst(): void {
    this.#left = this.#replyBytes() * this.#groupSize
  }

  #read(buffer: Uint8Array, length: number): boolean {
    const nowMs = performance.now()
    let at = 0
    while (at < length) {
      if (this.groups === 0) return this.#refuse(buffer, at, length)
      const replyBytes = this.#replyBytes()
      const taken = Math.min(this.#left, length - at)
      const first = at + (this.#left % replyBytes)
      for (let reply = first; reply < at + taken; reply += replyBytes) {
        if (!this.#isGood(buffer, reply, length)) return this.#refuse(buffer, reply, length)
      }
      const before = Math.ceil(this.#left / replyBytes)
      this.#left -= taken
      at += taken
      const answered = before - Math.ceil(this.#left / replyBytes)
      const isWrite = this.#isWrite[this.#first] === 1
      if (answered > 0) this.#events.answered(this, isWrite, this.#due[this.#first], nowMs, answered)
      if (this.#left === 0) this.#endFirst()
    }
    return true
  }

  #isGood(buffer: Uint8Array, at: number, length: number): boolean {
    if (this.#isWrite[this.#first] === 1) return buffer[at] === PLUS
    return buffer[at] === DOLLAR && (at + 1 === length || buffer[at + 1] !== MINUS)
  }

  #endFirst(): void {
    assert(this.groups > 0, 'a group that ends has begun')
    this.#first = (this.#first + 1) % GROUPS_MAX
    this.groups--
    if (this.groups > 0) this.#beginFirst()
    this.#events.groupDone(this)
  }

  #refuse(buffer: Uint8Array, at: number, length: number): boolean {
    const text = Buffer.from(buffer.subarray(at, Math.min(length, at + 80))).toString('latin1')
    this.#events.failed(new Error(`not the reply that was due: ${JSON.stringify(text)}`))
    this.#closed = true
    this.#socket.destroy()
    return false
  }
}
