/**
 * Kindred's engine in this process, without sockets and RESP: the store with its worker threads, and the keyspace of a
 * single node over it, which reads blocks on the spot as a node does. Lookups and writes take the path of GET and SET from there on: hash, memtables, tables, block
 * cache, is the record alive; and for writes the same lookup, a dot, the record, the log.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalKeyspace } from '../../src/coordinator/local-keyspace.js'
import { COLD, LIVE } from '../../src/coordinator/keyspace.js'
import type { Log } from '../../src/env/log.js'
import { NodeClock } from '../../src/env/node-clock.js'
import { NodeDisk } from '../../src/env/node-disk.js'
import { NodeRandom } from '../../src/env/node-random.js'
import { COMPACTION_DEFAULTS } from '../../src/storage/compaction/compaction-options.js'
import { WorkerJobs } from '../../src/storage/jobs/worker-jobs.js'
import { Store, WRITE_LATER } from '../../src/storage/store.js'
import type { StoreFacts } from '../../src/storage/store.js'
import type { StoreOptions } from '../../src/storage/store-options.js'
import { MB } from '../measure/units.js'
import type { AppendFsync } from '../servers/start-server.js'
import { ENTRY_BYTES, KEY_BYTES, VALUE_BYTES } from './engine-keys.js'
import type { EngineKeys } from './engine-keys.js'

/** The settings' defaults, but for the cache: here all blocks are to be resident. */
const CACHE_BYTES = 1024 * MB
const COMPACTION_BYTES_PER_SECOND = 128 * MB
const SETTINGS = {
  segmentBytes: 128 * MB,
  segmentsMax: 3,
  blockCacheBytes: CACHE_BYTES,
  tableTargetBytes: 64 * MB,
  compaction: COMPACTION_DEFAULTS,
  compactionBytesPerSecond: COMPACTION_BYTES_PER_SECOND,
  slowdownDepth: 12,
  stopDepth: 24,
  writeDelayMaxMs: 100,
  diskReserveBytes: 64 * MB,
}
/** Requests that share a reading of the clock, as a batch from a socket does. */
const BATCH = 100
const SETTLE_POLL_MS = 100
const SETTLED_POLLS = 10
const KEEP_ALIVE_MS = 1000

const SILENT: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: (event, facts) => console.error(event, facts),
  error: (event, facts) => console.error(event, facts),
}

export class KindredEngine {
  readonly #store: Store
  readonly #keyspace: LocalKeyspace
  readonly #room: { waiting: (() => void)[] }
  /** The engine's own timers do not keep a process alive. */
  readonly #keepAlive = setInterval(() => undefined, KEEP_ALIVE_MS)
  readonly #out = Buffer.alloc(VALUE_BYTES)

  private constructor(store: Store, keyspace: LocalKeyspace, room: { waiting: (() => void)[] }) {
    this.#store = store
    this.#keyspace = keyspace
    this.#room = room
  }

  /** `changed`: other settings than those above. */
  static async open(
    directory: string,
    appendfsync: AppendFsync,
    changed: Partial<StoreOptions> = {},
  ): Promise<KindredEngine> {
    const clock = new NodeClock()
    const random = new NodeRandom()
    const jobs = new WorkerJobs(clock, COMPACTION_BYTES_PER_SECOND)
    const room: { waiting: (() => void)[] } = { waiting: [] }
    let keyspace: LocalKeyspace | null = null
    const env = { disk: new NodeDisk(), clock, random, log: SILENT, jobs }
    const store = await Store.open(
      env,
      { ...SETTINGS, directory, appendfsync, ...changed },
      {
        onDurable: () => keyspace?.durableAdvanced(),
        onRoom: () => {
          for (const resolve of room.waiting.splice(0)) resolve()
        },
        onLogFailed: (error) => keyspace?.logFailed(error),
        onReopened: () => keyspace?.renewActor(),
      },
    )
    keyspace = new LocalKeyspace(store, clock, random, true)
    return new KindredEngine(store, keyspace, room)
  }

  /**
   * Opens a folder with all keys put, at rest, all blocks in the cache. It is opened twice: a start flushes what logs
   * hold, so that afterwards everything lies in tables and nothing in memtables.
   */
  static async openFilled(directory: string, keys: EngineKeys): Promise<KindredEngine> {
    const filling = await KindredEngine.open(directory, 'no')
    await filling.fill(keys)
    await filling.close()
    const engine = await KindredEngine.open(directory, 'no')
    await engine.settle()
    await engine.readRandom(keys, keys.count)
    return engine
  }

  get facts(): StoreFacts {
    return this.#store.facts()
  }

  /** Puts the first `count` keys of the random order in batches, each durable before the next. Answers puts a second. */
  async fill(keys: EngineKeys, count = keys.count): Promise<number> {
    const keyspace = this.#keyspace
    const began = performance.now()
    for (let next = 0; next < count; next += BATCH) {
      keyspace.beginBatch()
      const end = Math.min(count, next + BATCH)
      for (let i = next; i < end;) {
        if (this.#store.admit(ENTRY_BYTES) === WRITE_LATER) {
          await new Promise<void>((resolve) => this.#room.waiting.push(resolve))
        } else if (this.#put(keys, keys.order[i])) {
          i++
        } else {
          await this.#load()
        }
      }
      await keyspace.whenDurable(keyspace.needSequence)
      if (this.#store.writeDelayMs > 0) await sleep(this.#store.writeDelayMs)
    }
    return (count * 1000) / (performance.now() - began)
  }

  /** Has the missing blocks read; they stay for the rest of this turn at least. */
  async #load(): Promise<void> {
    const loaded = await this.#keyspace.whenLoaded(null)
    setImmediate(() => loaded?.release())
  }

  /** False when a block has to be loaded first. */
  #put(keys: EngineKeys, key: number): boolean {
    const start = key * KEY_BYTES
    const valueAt = keys.valueAt(key)
    if (this.#keyspace.find(keys.bytes, start, start + KEY_BYTES) === COLD) return false
    this.#keyspace.set(keys.bytes, start, start + KEY_BYTES, keys.noise, valueAt, valueAt + VALUE_BYTES, 0)
    return true
  }

  /** Looks up `count` keys at random and copies each value out. Answers gets a second. */
  async readRandom(keys: EngineKeys, count: number): Promise<number> {
    const began = performance.now()
    for (let next = 0; next < count;) {
      next = this.#readUntilCold(keys, next, count)
      if (next < count) await this.#load()
    }
    return (count * 1000) / (performance.now() - began)
  }

  #readUntilCold(keys: EngineKeys, from: number, to: number): number {
    const keyspace = this.#keyspace
    const { bytes, order, count } = keys
    const { found } = keyspace
    const out = this.#out
    let place = from % count
    for (let i = from; i < to; i++) {
      if (i % BATCH === 0) keyspace.beginBatch()
      const start = order[place] * KEY_BYTES
      const answer = keyspace.find(bytes, start, start + KEY_BYTES)
      if (answer !== LIVE) {
        if (answer === COLD) return i
        throw new Error(`key ${order[place]} is missing`)
      }
      found.bytes.copy(out, 0, found.start, found.end)
      if (++place === count) place = 0
    }
    return to
  }

  /** Puts the keys as one batch; resolves when all of it is durable. */
  async putAll(keys: readonly Buffer[], values: readonly Buffer[]): Promise<void> {
    const keyspace = this.#keyspace
    keyspace.beginBatch()
    for (let i = 0; i < keys.length;) {
      const key = keys[i]
      const value = values[i]
      if (this.#store.admit(key.length + value.length) === WRITE_LATER) {
        await new Promise<void>((resolve) => this.#room.waiting.push(resolve))
      } else if (keyspace.find(key, 0, key.length) === COLD) {
        await this.#load()
      } else {
        keyspace.set(key, 0, key.length, value, 0, value.length, 0)
        i++
      }
    }
    await keyspace.whenDurable(keyspace.needSequence)
    if (this.#store.writeDelayMs > 0) await sleep(this.#store.writeDelayMs)
  }

  /** A copy of the value; undefined when there is none. A promise only where the disk has to be waited for. */
  get(key: Buffer): Buffer | undefined | Promise<Buffer | undefined> {
    const keyspace = this.#keyspace
    keyspace.beginBatch()
    const answer = keyspace.find(key, 0, key.length)
    if (answer === COLD) return this.#load().then(() => this.get(key))
    const { found } = keyspace
    return answer === LIVE ? Buffer.from(found.bytes.subarray(found.start, found.end)) : undefined
  }

  /** Resolves when flushes and compactions have been at rest for a second. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < SETTLED_POLLS; quiet++) {
      const { flushing, compacting } = this.#store.facts()
      if (flushing || compacting) quiet = -1
      await sleep(SETTLE_POLL_MS)
    }
  }

  async close(): Promise<void> {
    await this.#store.close()
    clearInterval(this.#keepAlive)
  }
}
