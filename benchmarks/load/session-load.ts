/**
 * What web applications do with a session store: a session is written with a time to live, read at every request, and touched
 * (EXPIRE) so that it stays. Arrivals are paced and open-loop, 16 at a time on one connection, in pipelines of ioredis; latencies
 * count from when a group was due. A part of the sessions is in use, the others are left to expire.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { LatencyHistogram } from '../measure/statistics.js'
import { seededRandom } from './requests.js'

export interface SessionLoadOptions {
  readonly port: number
  readonly sessions: number
  readonly valueBytes: number
  readonly ttlSeconds: number
  readonly connections: number
  readonly groupSize: number
}

export type SessionOrder =
  /** Writes every session once, as fast as the server takes them. */
  | { readonly kind: 'create' }
  /** Reads and touches the first `inUse` sessions. */
  | {
      readonly kind: 'use'
      readonly inUse: number
      readonly requestsPerSecond: number
      readonly seconds: number
      /** Share of requests that are reads; the others touch. */
      readonly readShare: number
    }

export interface SessionFigures {
  readonly seconds: number
  readonly requests: number
  readonly errors: number
  /** Reads and touches that found no session. */
  readonly missing: number
  /** Bytes of values that were written or touched. */
  readonly valueBytes: number
  readonly readP99Ms: number
  readonly touchP99Ms: number
  /** How late the load itself sent what was due: 99th percentile. */
  readonly lateP99Ms: number
}

const SEED = 23
const CREATE_BATCH = 256
const TICK_MS = 1
const DRAIN_LIMIT_MS = 30_000

export class SessionLoad {
  readonly #options: SessionLoadOptions
  readonly #clients: readonly Redis[]
  readonly #random = seededRandom(SEED)
  readonly #value: string

  private constructor(options: SessionLoadOptions, clients: readonly Redis[]) {
    this.#options = options
    this.#clients = clients
    const noise = (): string => String.fromCharCode(33 + Math.floor(this.#random() * 94))
    this.#value = Array.from({ length: 2 * options.valueBytes }, noise).join('')
  }

  /** Resolves when all connections are there. */
  static async open(options: SessionLoadOptions): Promise<SessionLoad> {
    // A server that ends ends the load, too.
    const clients = Array.from({ length: options.connections }, () => {
      return new Redis(options.port, '127.0.0.1', { retryStrategy: () => null })
    })
    for (const client of clients) client.on('error', () => {})
    await Promise.all(clients.map((client) => once(client, 'ready')))
    return new SessionLoad(options, clients)
  }

  close(): void {
    for (const client of this.#clients) client.disconnect()
  }

  run(order: SessionOrder): Promise<SessionFigures> {
    return order.kind === 'create' ? this.#create() : this.#use(order)
  }

  async #create(): Promise<SessionFigures> {
    const began = performance.now()
    const { sessions, ttlSeconds, valueBytes } = this.#options
    const tally = new Tally()
    let next = 0
    const work = async (client: Redis): Promise<void> => {
      while (next < sessions) {
        const pipeline = client.pipeline()
        const end = Math.min(sessions, next + CREATE_BATCH)
        for (; next < end; next++) pipeline.set(keyOf(next), this.#valueOf(next), 'EX', ttlSeconds)
        tally.take(await pipeline.exec(), 'touch', performance.now(), null)
      }
    }
    await Promise.all(this.#clients.map(work))
    return tally.figures(performance.now() - began, sessions * valueBytes)
  }

  async #use(order: SessionOrder & { kind: 'use' }): Promise<SessionFigures> {
    const { requestsPerSecond, seconds } = order
    const { groupSize, valueBytes } = this.#options
    const tally = new Tally()
    const began = performance.now()
    const endMs = began + seconds * 1000
    const everyMs = (groupSize / requestsPerSecond) * 1000
    let touches = 0
    let underWay = 0
    for (let group = 0, dueMs = began; dueMs < endMs;) {
      const nowMs = performance.now()
      for (; dueMs <= nowMs && dueMs < endMs; dueMs = began + ++group * everyMs) {
        tally.late.record(nowMs - dueMs, 1)
        const isRead = this.#random() < order.readShare
        if (!isRead) touches += groupSize
        const client = this.#clients[group % this.#clients.length]
        underWay++
        void this.#group(client, isRead, order.inUse, dueMs, tally).finally(() => underWay--)
      }
      await sleep(TICK_MS)
    }
    const limitMs = performance.now() + DRAIN_LIMIT_MS
    while (underWay > 0 && performance.now() < limitMs) await sleep(TICK_MS)
    tally.errors += underWay * groupSize
    return tally.figures(performance.now() - began, touches * valueBytes)
  }

  async #group(client: Redis, isRead: boolean, inUse: number, dueMs: number, tally: Tally): Promise<void> {
    const { groupSize, ttlSeconds } = this.#options
    const pipeline = client.pipeline()
    for (let i = 0; i < groupSize; i++) {
      const key = keyOf(Math.floor(this.#random() * inUse))
      if (isRead) pipeline.get(key)
      else pipeline.expire(key, ttlSeconds)
    }
    const replies = await pipeline.exec().catch(() => null)
    tally.take(
      replies ?? Array.from({ length: groupSize }, () => [new Error('no reply'), null]),
      isRead ? 'read' : 'touch',
      performance.now(),
      dueMs,
    )
  }

  #valueOf(session: number): string {
    const at = session % this.#options.valueBytes
    return this.#value.slice(at, at + this.#options.valueBytes)
  }
}

function keyOf(session: number): string {
  return `sess:${String(session).padStart(11, '0')}`
}

/** Replies of one order. */
class Tally {
  readonly late = new LatencyHistogram()
  readonly #latencies = { read: new LatencyHistogram(), touch: new LatencyHistogram() }
  #requests = 0
  errors = 0
  #missing = 0

  /** `dueMs`: null where latencies are of no interest. */
  take(
    replies: readonly (readonly [Error | null, unknown])[] | null,
    kind: 'read' | 'touch',
    nowMs: number,
    dueMs: number | null,
  ): void {
    for (const [error, reply] of replies ?? []) {
      this.#requests++
      if (error !== null) this.errors++
      else if (reply === null || reply === 0) this.#missing++
    }
    if (dueMs !== null) this.#latencies[kind].record(nowMs - dueMs, replies?.length ?? 0)
  }

  figures(tookMs: number, valueBytes: number): SessionFigures {
    return {
      seconds: tookMs / 1000,
      requests: this.#requests,
      errors: this.errors,
      missing: this.#missing,
      valueBytes,
      readP99Ms: this.#latencies.read.percentileMs(0.99),
      touchP99Ms: this.#latencies.touch.percentileMs(0.99),
      lateP99Ms: this.late.percentileMs(0.99),
    }
  }
}
