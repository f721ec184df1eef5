/**
 * A storage engine on a simulated machine, with what a server does around it: it asks for admission, loads cold blocks,
 * counts a write as acknowledged when the store calls it durable, and starts again after a crash. Settings are tiny, so
 * that a few hundred operations see rotations, flushes, compactions on several levels, and cold reads.
 */
import { LocalKeyspace } from '../../src/coordinator/local-keyspace.js'
import { COLD, COLD_SCAN, LIVE } from '../../src/coordinator/keyspace.js'
import type { BlockLoad } from '../../src/coordinator/block-load.js'
import { MachineOff } from '../../src/sim/disk/disk-error.js'
import type { CrashMode } from '../../src/sim/disk/sim-file.js'
import { SimEnv } from '../../src/sim/sim-env.js'
import type { SimRandom } from '../../src/sim/sim-random.js'
import { NEVER_DIES } from '../../src/record/layout.js'
import type { FamilyPolicies } from '../../src/storage/families.js'
import type { Gap } from '../../src/storage/gap.js'
import { InlineJobs } from '../../src/storage/jobs/inline-jobs.js'
import type { StorageJobs } from '../../src/storage/jobs/storage-jobs.js'
import type { StoreEvents, StoreOptions } from '../../src/storage/store-options.js'
import { StoreError } from '../../src/storage/store-error.js'
import { Store, WRITE_NOW } from '../../src/storage/store.js'
import { assert } from '../../src/util/assert.js'
import { SlowJobs } from './slow-jobs.js'

export const DIRECTORY = '/data'

export const TINY: StoreOptions = {
  directory: DIRECTORY,
  appendfsync: 'always',
  segmentBytes: 8 * 1024,
  segmentsMax: 3,
  blockCacheBytes: 4 * 4096,
  tableTargetBytes: 4 * 1024,
  compaction: {
    l0Trigger: 2,
    levelBaseBytes: 12 * 1024,
    levelMultiplier: 2,
    levels: 4,
    l0BytesMax: 32 * 1024,
    tierRunsMin: 3,
    tierRunsMax: 8,
    tierSmallBytes: 4096,
    garbageFraction: 0.3,
    garbageDelayMs: 2_000,
    garbageAgeMs: 60_000,
  },
  compactionBytesPerSecond: 0,
  slowdownDepth: 6,
  stopDepth: 10,
  writeDelayMaxMs: 10,
  diskReserveBytes: 0,
}

/** Windows that end within a life of a few minutes. */
export const TINY_WINDOWS: FamilyPolicies = {
  windowTiers: [
    { withinMs: 2_000, widthMs: 500 },
    { withinMs: 20_000, widthMs: 4_000 },
    { withinMs: NEVER_DIES, widthMs: 20_000 },
  ],
  prefixes: [],
}

/** What a read showed of a key. */
export interface Shown {
  readonly value: string
  readonly expireAtMs: number
}

const WAIT_MS_MAX = 60_000
/** The server answers a write that waits longer with an error. */
const ROOM_MS_MAX = 10_000
const POLL_MS = 0.5
const SCAN_STEPS_MAX = 10_000

export class StorageMachine {
  env: SimEnv
  store!: Store
  keyspace!: LocalKeyspace
  options: StoreOptions
  /** Errors of the log since the last start. */
  logFailures: Error[] = []
  /** Told by the store since the last start. */
  gaps: Gap[] = []
  /** How often a command had to wait for blocks. */
  coldReads = 0
  /** How often the store re-read its log by itself since the last start. */
  reopenings = 0
  /** Told when the durable sequence has grown. */
  onDurable: () => void = () => {}
  /** Told when writers may try again. */
  onRoom: () => void = () => {}
  /** Told when the store has re-read its log by itself. */
  onReopened: () => void = () => {}

  /** How long a job may take; 0 runs it at once. */
  jobMsMax = 0
  /** Replaces the jobs of the next start. */
  wrapJobs: (jobs: StorageJobs) => StorageJobs = (jobs) => jobs
  readonly #drivesTime: boolean
  #starts = 0

  /** `drivesTime`: false when somebody else runs the events, and all that is done here is to wait. */
  constructor(env: SimEnv, options: StoreOptions = TINY, drivesTime = true) {
    this.env = env
    this.options = options
    this.#drivesTime = drivesTime
  }

  static fromSeed(seed: number | string, options: StoreOptions = TINY): StorageMachine {
    return new StorageMachine(SimEnv.fromSeed(seed), options)
  }

  /** Starts the engine on what the disk holds. Rejects as Store.open does. */
  async start(): Promise<void> {
    const { env } = this
    const random = env.random.fork(`start-${++this.#starts}`)
    this.logFailures = []
    this.gaps = []
    this.reopenings = 0
    const { disk, clock, log } = env
    const inline = new InlineJobs(disk)
    const jobs =
      this.jobMsMax === 0 ? inline : new SlowJobs(inline, clock, random.fork('jobs'), this.jobMsMax)
    const world = { disk, clock, log, random: random.fork('store'), jobs: this.wrapJobs(jobs) }
    this.store = await this.ended(Store.open(world, this.options, this.#events()), 'the store opens')
    this.keyspace = new LocalKeyspace(this.store, clock, random.fork('keyspace'))
  }

  #events(): StoreEvents {
    return {
      onDurable: () => {
        this.keyspace.durableAdvanced()
        this.onDurable()
      },
      onRoom: () => this.onRoom(),
      onLogFailed: (error) => {
        this.logFailures.push(error)
        this.keyspace.logFailed(error)
      },
      onGap: (gap) => this.gaps.push(gap),
      onReopened: () => {
        this.reopenings++
        this.keyspace.renewActor()
        this.onReopened()
      },
    }
  }

  get isOff(): boolean {
    return this.env.disk.isOff
  }

  get nowMs(): number {
    return this.store.expiryMs(this.env.clock.wallMs())
  }

  /** Runs what is due within the next `ms` of virtual time. A power cut stops the time where it is. */
  async advance(ms: number): Promise<void> {
    if (!this.#drivesTime) return this.#sleep(ms)
    const { queue } = this.env
    const endMs = queue.nowMs + ms
    await this.#whileOn(async () => {
      await queue.until(() => this.isOff, ms)
      if (!this.isOff) queue.advanceSync(endMs - queue.nowMs)
    })
  }

  /** Runs until `condition` holds; an error when that takes longer than a minute of virtual time. */
  async until(condition: () => boolean, what: string): Promise<void> {
    if (!this.#drivesTime) return this.#poll(condition, what)
    await this.#whileOn(async () => {
      assert(
        await this.env.queue.until(() => condition() || this.isOff, WAIT_MS_MAX),
        `${what} within a minute`,
      )
    })
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.env.clock.after(ms, resolve))
  }

  async #poll(condition: () => boolean, what: string): Promise<void> {
    const endMs = this.env.queue.nowMs + WAIT_MS_MAX
    while (!condition()) {
      assert(this.env.queue.nowMs < endMs, `${what} within a minute`)
      await this.#sleep(POLL_MS)
    }
  }

  /** Lets everything that was written become durable; false when the log has failed. */
  async settle(): Promise<boolean> {
    const { sequence } = this.store
    await this.until(
      () => this.store.durableSequence >= sequence || this.store.logFailure !== null,
      'the log commits',
    )
    return this.store.logFailure === null
  }

  /** Lets flushes and compactions come to an end. */
  async rest(): Promise<void> {
    const { store } = this
    const isBusy = (): boolean => {
      const { flushing, compacting } = store.facts()
      return flushing || compacting
    }
    await this.until(() => !isBusy(), 'flushes and compactions end')
  }

  /** Waits until writes of `bytes` are admitted; throws StoreError when they are refused. */
  async admission(bytes: number): Promise<void> {
    if (this.store.admit(bytes) === WRITE_NOW) return
    let refusal: unknown = null
    const endMs = this.env.queue.nowMs + ROOM_MS_MAX
    await this.until(() => {
      try {
        if (this.store.admit(bytes) === WRITE_NOW) return true
        if (this.env.queue.nowMs >= endMs) throw new StoreError('behind', 'no room in the log for long')
        return false
      } catch (error) {
        refusal = error
        return true
      }
    }, 'room for writes')
    if (refusal !== null) throw refusal as Error
  }

  /**
   * Runs a command over these keys as the server does: once no key is COLD, in one step with the last lookups. `run` may
   * find() them again.
   */
  async command<T>(keys: readonly Buffer[], run: () => T): Promise<T> {
    let load: BlockLoad | null = null
    while (!this.#findAll(keys)) load = await this.#load(load)
    try {
      return run()
    } finally {
      load?.release()
    }
  }

  /** Runs a command at once; false, without running it, when a key is COLD. Costs no promise. */
  commandNow(keys: readonly Buffer[], run: () => void): boolean {
    if (!this.#findAll(keys)) return false
    run()
    return true
  }

  #findAll(keys: readonly Buffer[]): boolean {
    this.keyspace.beginBatch()
    this.keyspace.beginRequest()
    let isCold = false
    for (const key of keys) if (this.keyspace.find(key, 0, key.length) === COLD) isCold = true
    return !isCold
  }

  async get(key: string): Promise<Shown | null> {
    const bytes = Buffer.from(key)
    return this.command([bytes], () => this.#getNow(bytes))
  }

  #getNow(key: Buffer): Shown | null {
    return this.keyspace.find(key, 0, key.length) === LIVE ? this.shown() : null
  }

  /** What the last find() or the visited key holds. */
  shown(): Shown {
    const { bytes, start, end, expireAtMs } = this.keyspace.found
    return { value: bytes.toString('latin1', start, end), expireAtMs }
  }

  /** One step of a scan: its keys with what they hold, and the cursor to go on from. */
  async scanStep(cursor: number, count: number): Promise<{ keys: Map<string, Shown>; next: number }> {
    let load: BlockLoad | null = null
    for (;;) {
      this.keyspace.beginRequest()
      const keys = new Map<string, Shown>()
      const next = this.keyspace.scan(cursor, count, (bytes, start, end) => {
        keys.set(bytes.toString('latin1', start, end), this.shown())
      })
      if (next !== COLD_SCAN) {
        load?.release()
        return { keys, next }
      }
      load = await this.#load(load)
    }
  }

  /** Every live key, by a scan from end to end; `between` runs between its steps. */
  async scan(count: number, between: () => Promise<void> = async () => {}): Promise<Map<string, Shown>> {
    const all = new Map<string, Shown>()
    let cursor = 0
    for (let steps = 0; steps < SCAN_STEPS_MAX; steps++) {
      const { keys, next } = await this.scanStep(cursor, count)
      for (const [key, shown] of keys) all.set(key, shown)
      if (next === 0) return all
      assert(next > cursor, 'a scan goes forward')
      cursor = next
      await between()
    }
    throw new Error('the scan does not end')
  }

  async #load(before: BlockLoad | null): Promise<BlockLoad> {
    this.coldReads++
    let loaded = false
    const load = this.keyspace.startLoads(() => (loaded = true), before)
    assert(load !== null, 'a COLD answer has asked for blocks')
    await this.until(() => loaded, 'blocks are loaded')
    if (load.error !== null && !this.isOff) {
      load.release()
      throw load.error
    }
    return load
  }

  /** Stops cleanly. */
  async stop(): Promise<void> {
    await this.ended(this.store.close(), 'the store closes')
  }

  /** Lets time pass until the promise is settled. */
  async ended<T>(promise: Promise<T>, what: string): Promise<T> {
    if (!this.#drivesTime) return promise
    const ending: { done: boolean; error?: unknown } = { done: false }
    promise.then(
      () => void (ending.done = true),
      (error: unknown) => void Object.assign(ending, { done: true, error }),
    )
    await this.until(() => ending.done, what)
    return promise
  }

  /** The machine goes down and comes up again, its clock with the time it had; the engine is not started. */
  crash(mode: CrashMode, random?: SimRandom): void {
    const wallMs = this.env.clock.wallMs()
    this.env = this.env.reboot(mode, random)
    this.env.clock.jumpWall(wallMs - this.env.clock.wallMs())
  }

  /** Lets a power cut during the task end it, whatever was under way. */
  async #whileOn(task: () => Promise<void>): Promise<void> {
    if (this.isOff) throw new MachineOff()
    try {
      await task()
    } catch (error) {
      if (!this.isOff) throw error
    }
    if (this.isOff) throw new MachineOff()
  }
}
