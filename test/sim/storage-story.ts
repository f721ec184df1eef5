/**
 * A random life of a storage engine: writes of all kinds, reads, scans, time that passes and jumps ahead, clean restarts,
 * crashes at any moment with any loss of what was not synced, and if asked for a disk that fails now and then. Every read on the way and everything after each start is
 * held against the history (storage-history.ts). The same seed is the same life.
 */
import { COLD, LIVE } from '../../src/coordinator/keyspace.js'
import { MachineOff } from '../../src/sim/disk/disk-error.js'
import type { CrashMode } from '../../src/sim/disk/sim-file.js'
import { SimRandom } from '../../src/sim/sim-random.js'
import type { TableCompression } from '../../src/storage/table/block-compression.js'
import { NoRoomYet, StoreError } from '../../src/storage/store-error.js'
import { WRITE_NOW } from '../../src/storage/store.js'
import type { StoreOptions } from '../../src/storage/store-options.js'
import { difference, History } from './storage-history.js'
import type { Change } from './storage-history.js'
import { DIRECTORY, StorageMachine, TINY } from './storage-machine.js'

const COMPRESSION: TableCompression = { tables: 'lz4', deepest: 'zstd' }

/** What happened in a life; a test asserts on the sums, so that a story in which nothing happens is noticed. */
export interface StoryReport {
  operations: number
  writes: number
  crashes: number
  cleanStarts: number
  /** Acknowledged sequences, or such as may have been, that a crash took away under everysec and no. */
  lostWrites: number
  flushes: number
  compactions: number
  coldReads: number
  /** Failures of the log that were lived through; 0 without faults. */
  logFailures: number
  /** How often the store got over a full disk by itself; 0 without faults. */
  reopenings: number
  /** Starts that the disk failed; 0 without faults. */
  failedStarts: number
  /** Windows that were dropped, and what they left behind; 0 without windows. */
  windowsDropped: number
  localTombstones: number
}

const KEYS = 40
const TAGGED_KEYS = 8
/** A flaky disk is mended within that time. */
const FLAKY_MS_MAX = 10_000
/** Starts that may fail before the disk is mended. */
const FAILED_STARTS_MAX = 4
/** Longer than the time between two syncs of everysec and the longest sync. */
const EVERYSEC_LOSS_MS = 1_010
/** More than an entry takes beside key and value. */
const ENTRY_BYTES = 600
const VALUE_BYTES_MAX = 4_000
/** Undefined: the next one, of whatever kind. */
const FAULTY_OPERATIONS = [
  undefined,
  undefined,
  undefined,
  'sync',
  'sync',
  'write',
  'sync-directory',
  'rename',
  'create',
  'read',
] as const
const CRASH_MODES: readonly CrashMode[] = ['lose-all', 'keep-all', 'random', 'random']

/** Most steps end at once, and then cost no promise. */
type Step = Promise<void> | void

export class Story {
  readonly machine: StorageMachine
  readonly report: StoryReport = {
    operations: 0,
    writes: 0,
    crashes: 0,
    cleanStarts: 0,
    lostWrites: 0,
    flushes: 0,
    compactions: 0,
    coldReads: 0,
    logFailures: 0,
    reopenings: 0,
    failedStarts: 0,
    windowsDropped: 0,
    localTombstones: 0,
  }
  readonly #random: SimRandom
  readonly #history = new History()
  readonly #actors = new Set<number>()
  /** When which sequence became durable, oldest first. */
  #durable: { readonly atMs: number; readonly sequence: number }[] = []
  #values = 0
  readonly #hasFaults: boolean
  /** Counts follow no clock that goes back: seconds that are over are over. */
  #isCounted = true

  /** `hasFaults` goes with appendfsync always: when syncs fail, nothing else promises anything. */
  constructor(seed: number | string, options: Partial<StoreOptions> = {}, hasFaults = false) {
    this.#hasFaults = hasFaults
    this.#random = new SimRandom(seed).fork('story')
    this.machine = StorageMachine.fromSeed(seed, { ...TINY, compression: COMPRESSION, ...options })
    this.machine.jobMsMax = this.#random.pick([0, 3, 30])
    this.machine.onDurable = () => {
      const { env, store } = this.machine
      this.#durable.push({ atMs: env.queue.nowMs, sequence: store.durableSequence })
    }
    this.machine.onReopened = () => this.#wentBack('after the log was opened again')
  }

  async live(steps: number): Promise<void> {
    if (this.#hasFaults) this.#makeDirectory()
    await this.#start(0, true)
    for (let step = 0; step < steps; step++) {
      this.report.operations++
      await this.#live(() => this.#step())
    }
    this.machine.env.disk.clearFaults()
    await this.#live(() => this.#endOfLife())
  }

  /**
   * The directory's own name is durable before anything fails: that a sync of its parent succeeds after one has failed
   * proves nothing here, and no store can make the parent dirty again.
   */
  #makeDirectory(): void {
    const { disk } = this.machine.env
    disk.makeDirectory(DIRECTORY)
    disk.syncDirectory('/')
  }

  /** One piece of life, and what it takes to go on after it. */
  async #live(task: () => Step): Promise<void> {
    try {
      const step = task()
      if (step !== undefined) await step
      if (this.machine.store.logFailure !== null) await this.#recover()
    } catch (error) {
      if (error instanceof MachineOff) return this.#crash()
      if (!this.#hasFaults || !isRefusal(error)) throw error
      await this.#live(() => this.#recover())
    }
  }

  async #endOfLife(): Promise<void> {
    await this.machine.until(() => this.machine.store.logFailure === null, 'the log is opened again')
    await this.machine.advance(2000)
    await this.machine.settle()
    await this.machine.rest()
    await this.#compare()
    await this.#restart()
  }

  /** After a full disk service comes back by itself; other failures of the log take a restart of the process. */
  async #recover(): Promise<void> {
    const { machine } = this
    const failure = machine.store.logFailure
    if (failure === null) return machine.advance(1500)
    this.report.logFailures++
    if (isFull(failure) && this.#random.chance(0.7)) return this.#awaitReopening()
    await this.#readAfterFailure()
    const promised = this.#promised('lose-all')
    const isKilled = this.#random.chance(0.3)
    if (isKilled) this.#tally()
    else await this.#stop()
    if (isKilled || this.#random.chance(0.5)) machine.crash(this.#random.pick(CRASH_MODES))
    else if (this.#random.chance(0.3)) machine.env.disk.dropCaches()
    await this.#start(promised, false)
  }

  /** The disk may fail for a while longer: whatever a failed attempt leaves, a later one must get over. */
  async #awaitReopening(): Promise<void> {
    const { machine } = this
    if (this.#random.chance(0.5)) await machine.advance(this.#random.below(5000))
    machine.env.disk.clearFaults()
    await machine.until(() => machine.store.logFailure === null, 'the log is opened again')
    this.report.reopenings++
  }

  /** Without its log the store still reads: it shows what is durable, and of the rest nothing (R2). */
  async #readAfterFailure(): Promise<void> {
    for (let number = 0; number < KEYS; number += 1 + this.#random.below(8)) {
      try {
        const checked = this.#command([nameOf(number)], () => {})
        if (checked !== undefined) await checked
      } catch (error) {
        if (!isRefusal(error)) throw error
      }
    }
  }

  async #stop(): Promise<void> {
    const { machine } = this
    this.#tally()
    await machine.stop()
    // A job that was under way, or a read, may hold one a little longer.
    await machine.until(() => machine.env.disk.openFiles === 0, 'all files are closed after a stop')
  }

  #step(): Step {
    const random = this.#random
    if (this.#hasFaults && random.chance(0.03)) return this.#planFault()
    const dice = random.below(1000)
    if (dice < 400) return this.#set()
    if (dice < 500) return this.#delete()
    if (dice < 545) return this.#changeExpiry()
    if (dice < 570) return this.#append()
    if (dice < 620) return this.#setMany()
    if (dice < 780) return this.#read()
    if (dice < 800) return this.#scanUnderWrites()
    if (dice < 812) return this.#flushAll()
    if (dice < 930) return this.machine.advance(random.fraction() * random.pick([1, 3, 30]))
    if (dice < 950) return this.machine.advance(random.below(3000))
    if (dice < 965) return this.#jump()
    if (dice < 975) return this.#compare()
    if (dice < 980) return this.#restart()
    if (dice < 990) return this.machine.env.disk.powerOffAt(1 + random.below(60))
    return this.#crash()
  }

  /** What is purged by a clock that shows too much stays purged; set back, it is right again for all else (RULES T5). */
  #jump(): void {
    const { env, options } = this.machine
    const isBack = options.families !== undefined && this.#random.chance(0.3)
    env.clock.jumpWall(this.#random.below(20_000) * (isBack ? -1 : 1))
    if (isBack) this.#isCounted = false
  }

  #planFault(): void {
    const random = this.#random
    const { disk } = this.machine.env
    const code = random.pick(['EIO', 'ENOSPC'] as const)
    const dice = random.below(10)
    if (dice < 2) return disk.clearFaults()
    if (dice < 5) {
      disk.failSometimes(random.pick([0.01, 0.05, 0.3]), code)
      // A server refuses a write that finds no room for long; here it waits until the disk is mended.
      this.machine.env.clock.after(random.below(FLAKY_MS_MAX), () => disk.clearFaults())
      return
    }
    const times = random.pick([1, 1, 3, 30])
    disk.failAt(1 + random.below(30), code, random.pick(FAULTY_OPERATIONS), times)
  }

  #key(): string {
    return nameOf(this.#random.below(KEYS))
  }

  /** Never the same twice, so that every value tells where it came from. */
  #value(): string {
    const text = `value ${++this.#values} `
    return this.#random.chance(0.9)
      ? text.padEnd(this.#random.below(300), '.')
      : text.repeat(this.#random.below(300))
  }

  #expiry(): number {
    const random = this.#random
    if (random.chance(0.6)) return 0
    return this.machine.nowMs + random.pick([1, 50, 1500, 5000, 20_000, 100_000])
  }

  /** Runs a command as the server does; each of its keys is looked up and held against the history on the way. */
  #command(names: readonly string[], run: (keys: readonly Buffer[]) => void): Step {
    const { machine } = this
    const keys = names.map((name) => Buffer.from(name))
    const checkAndRun = (): void => {
      names.forEach((name, i) => this.#checkShown(name, keys[i]))
      run(keys)
    }
    return machine.commandNow(keys, checkAndRun) ? undefined : machine.command(keys, checkAndRun)
  }

  /** A command that writes about so many bytes. */
  #writeCommand(bytes: number, names: readonly string[], run: (keys: readonly Buffer[]) => void): Step {
    const again = (error: unknown): Promise<void> => {
      if (!(error instanceof NoRoomYet)) throw error
      return this.machine.advance(1).then(() => this.#writeCommand(bytes, names, run))
    }
    if (this.machine.store.admit(bytes) !== WRITE_NOW) {
      return this.machine.admission(bytes).then(() => this.#writeCommand(bytes, names, run))
    }
    try {
      return this.#command(names, run)?.catch(again)
    } catch (error) {
      return again(error)
    }
  }

  #checkShown(key: string, bytes: Buffer): void {
    const { keyspace, store } = this.machine
    const isLive = keyspace.find(bytes, 0, bytes.length) === LIVE
    const shown = isLive ? this.machine.shown() : null
    const expected = this.#history.at(key, keyspace.nowMs())
    if (shown?.value !== expected?.value || shown?.expireAtMs !== expected?.expireAtMs) {
      throw new Error(`${key} shows ${JSON.stringify(shown)} instead of ${JSON.stringify(expected)}`)
    }
    const sequence = this.#history.sequenceOf(key, keyspace.nowMs())
    if (sequence > store.durableSequence && keyspace.needSequence < sequence) {
      throw new Error(`R2: ${key} is shown before its sequence ${sequence} is durable`)
    }
  }

  #put(key: Buffer, value: string | null, expireAtMs: number): Change {
    const { keyspace } = this.machine
    if (value === null) keyspace.delete(key, 0, key.length)
    else {
      const bytes = Buffer.from(value, 'latin1')
      keyspace.set(key, 0, key.length, bytes, 0, bytes.length, expireAtMs)
    }
    return { key: key.toString('latin1'), value, expireAtMs }
  }

  #wrote(changes: readonly Change[]): void {
    this.report.writes++
    this.#history.wrote(this.machine.store.sequence - changes.length + 1, changes)
  }

  #liveNow(key: string): string | null {
    return this.#history.at(key, this.machine.keyspace.nowMs())?.value ?? null
  }

  #set(): Step {
    const value = this.#value()
    return this.#writeCommand(value.length + ENTRY_BYTES, [this.#key()], ([key]) => {
      this.#wrote([this.#put(key, value, this.#expiry())])
    })
  }

  #delete(): Step {
    const name = this.#key()
    return this.#writeCommand(ENTRY_BYTES, [name], ([key]) => {
      if (this.#liveNow(name) !== null) this.#wrote([this.#put(key, null, 0)])
    })
  }

  /** EXPIRE and PERSIST. */
  #changeExpiry(): Step {
    const name = this.#key()
    return this.#writeCommand(VALUE_BYTES_MAX + ENTRY_BYTES, [name], ([key]) => {
      const value = this.#liveNow(name)
      if (value !== null) this.#wrote([this.#put(key, value, this.#random.chance(0.3) ? 0 : this.#expiry())])
    })
  }

  /** APPEND: what it writes rests on what it read (RULES V2), whoever writes while its block is on the way. */
  #append(): Step {
    const name = this.#key()
    const more = `+${++this.#values}`
    const appending = this.#writeCommand(VALUE_BYTES_MAX + ENTRY_BYTES, [name], ([key]) => {
      const shown = this.#history.at(name, this.machine.keyspace.nowMs())
      const value = ((shown?.value ?? '') + more).slice(-VALUE_BYTES_MAX)
      this.#wrote([this.#put(key, value, shown?.expireAtMs ?? 0)])
    })
    if (appending !== undefined && this.#random.chance(0.5)) this.#overwriteNow(name)
    return appending
  }

  /** Another connection's write, while one that met a cold block waits. */
  #overwriteNow(name: string): void {
    const key = Buffer.from(name)
    this.machine.keyspace.beginRequest()
    if (this.machine.keyspace.find(key, 0, key.length) === COLD) return
    try {
      if (this.machine.store.admit(VALUE_BYTES_MAX + ENTRY_BYTES) !== WRITE_NOW) return
    } catch (error) {
      if (isRefusal(error)) return
      throw error
    }
    this.#wrote([this.#put(key, this.#value(), 0)])
  }

  /** MSET: all of it or nothing, whatever happens. */
  #setMany(): Step {
    const names = [...new Set(Array.from({ length: 2 + this.#random.below(6) }, () => this.#key()))]
    const values = names.map(() => this.#value())
    const payloadBytes = [...names, ...values].reduce((sum, text) => sum + text.length, 0)
    return this.#writeCommand(payloadBytes + names.length * ENTRY_BYTES, names, (keys) => {
      this.machine.keyspace.reserve(keys.length, payloadBytes)
      this.#wrote(keys.map((key, i) => this.#put(key, values[i], 0)))
    })
  }

  #read(): Step {
    return this.#command([this.#key(), this.#key()], () => {})
  }

  async #flushAll(): Promise<void> {
    await this.machine.admission(ENTRY_BYTES)
    const { sequence } = this.machine.store
    const flushing = this.machine.keyspace.flushAll()
    this.report.writes++
    if (this.machine.store.sequence > sequence) this.#history.flushed(this.machine.store.sequence)
    let ended = false
    const end = (): void => void (ended = true)
    flushing.then(end, end)
    if (this.#random.chance(0.5)) await this.machine.until(() => ended, 'FLUSHALL ends')
  }

  /** SCAN's guarantee: every key that is there throughout is shown, whatever happens meanwhile. */
  async #scanUnderWrites(): Promise<void> {
    const { machine } = this
    const touched = new Set<string>()
    const before = this.#history.live(machine.nowMs)
    const shown = await machine.scan(1 + this.#random.below(8), async () => {
      if (this.#random.chance(0.3)) return
      const name = this.#key()
      touched.add(name)
      const value = this.#value()
      await this.#writeCommand(value.length + ENTRY_BYTES, [name], ([key]) => {
        this.#wrote([this.#put(key, value, 0)])
      })
    })
    const after = this.#history.live(machine.nowMs)
    for (const name of touched) {
      if (before.get(name)?.expireAtMs === 0 && !shown.has(name))
        throw new Error(`SCAN misses ${name}, which was overwritten meanwhile`)
      for (const state of [shown, before, after]) state.delete(name)
    }
    this.#fail(difference(shown, before, after), 'SCAN')
  }

  /** Holds everything against the history: every key, and their number. */
  async #compare(): Promise<void> {
    const { machine } = this
    const before = this.#history.live(machine.nowMs)
    const shown = await machine.scan(1 + this.#random.below(60))
    const nowMs = machine.nowMs
    const after = this.#history.live(nowMs)
    this.#fail(difference(shown, before, after), 'a full scan')
    const count = machine.keyspace.count()
    const mayBeOff = this.#history.dyingThisSecond(nowMs)
    if (this.#isCounted && Math.abs(count - after.size) > mayBeOff) {
      throw new Error(`${count} keys are counted, ${after.size} are alive, ${mayBeOff} die in this second`)
    }
    for (let number = this.#random.below(10); number < KEYS; number += 1 + this.#random.below(10)) {
      await this.#command([nameOf(number)], () => {})
    }
  }

  async #restart(): Promise<void> {
    await this.#stop()
    const isClean = this.machine.store.logFailure === null
    const promised = isClean ? this.#history.sequence : this.#promised('lose-all')
    this.report.cleanStarts++
    if (this.#random.chance(0.5)) this.machine.crash(this.#random.pick(CRASH_MODES))
    await this.#start(promised, true)
  }

  async #crash(): Promise<void> {
    this.report.crashes++
    this.#tally()
    const mode = this.#random.pick(CRASH_MODES)
    const promised = this.#promised(mode)
    this.machine.crash(mode)
    await this.#start(promised, false)
    // Whatever was shown since then must be there again.
    if (this.#random.chance(0.3) && !this.machine.isOff) {
      this.machine.crash(this.#random.chance(0.5) ? 'lose-all' : 'random')
      await this.#start(this.#startedAt, true)
    }
  }

  /** Up to which sequence a crash may take nothing away. */
  #promised(mode: CrashMode): number {
    const { store, options, env } = this.machine
    if (options.appendfsync === 'always' || mode === 'keep-all')
      return this.#history.lastUpTo(store.durableSequence)
    if (options.appendfsync === 'no') return 0
    const safe = this.#durable.findLast(({ atMs }) => atMs <= env.queue.nowMs - EVERYSEC_LOSS_MS)
    return safe?.sequence ?? this.#startedAt
  }

  #startedAt = 0

  /** Starts the engine, over a power cut during the start now and then, and checks what it brings back. */
  async #start(promised: number, isSynced: boolean): Promise<void> {
    const { machine } = this
    for (let failures = 0; ;) {
      this.#planFailedStart()
      try {
        await machine.start()
        break
      } catch (error) {
        if (machine.isOff) {
          const mode = this.#random.pick(CRASH_MODES)
          if (!isSynced) promised = Math.min(promised, this.#promised(mode))
          machine.crash(mode)
        } else {
          if (!this.#hasFaults || !isRefusal(error)) throw error
          this.report.failedStarts++
          if (++failures === FAILED_STARTS_MAX || this.#random.chance(0.3)) machine.env.disk.clearFaults()
          if (this.#random.chance(0.3)) machine.crash(this.#random.pick(CRASH_MODES))
        }
      }
    }
    const { sequence } = machine.store.loaded
    if (sequence < promised)
      throw new Error(`sequence ${promised} was promised, and ${sequence} is what there is`)
    this.#durable = []
    this.#wentBack('after a start')
    await this.#live(() => this.#compare())
  }

  #planFailedStart(): void {
    const random = this.#random
    const { disk } = this.machine.env
    if (random.chance(0.1)) disk.powerOffAt(1 + random.below(40))
    if (!this.#hasFaults || !random.chance(0.15)) return
    disk.failAt(1 + random.below(20), 'EIO', random.pick(FAULTY_OPERATIONS))
  }

  /** The store has begun anew with what the disk holds. */
  #wentBack(when: string): void {
    const { keyspace, store } = this.machine
    const { sequence } = store.loaded
    this.report.lostWrites += Math.max(0, this.#history.sequence - sequence)
    this.#fail(this.#history.cut(sequence), when)
    this.#startedAt = sequence
    if (this.#actors.has(keyspace.actor)) throw new Error('V6: an actor is used again')
    this.#actors.add(keyspace.actor)
  }

  #tally(): void {
    const facts = this.machine.store.facts()
    this.report.coldReads = this.machine.coldReads
    this.report.flushes += facts.flushes
    this.report.compactions += facts.compactions
    this.report.windowsDropped += facts.windowsDropped
    this.report.localTombstones += facts.localTombstones
  }

  #fail(problem: string | null, where: string): void {
    if (problem !== null) throw new Error(`${where}: ${problem}`)
  }
}

function nameOf(number: number): string {
  return number < TAGGED_KEYS ? `{tag}${number}` : `key${number}`
}

function isRefusal(error: unknown): boolean {
  if (error instanceof StoreError) return true
  return error instanceof Error && 'code' in error && (error.code === 'EIO' || error.code === 'ENOSPC')
}

function isFull(error: Error): boolean {
  return 'code' in error && error.code === 'ENOSPC'
}
