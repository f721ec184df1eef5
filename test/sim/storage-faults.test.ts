/**
 * A scripted life of a storage engine, with rotations, flushes, compactions, manifest edits, FLUSHALL and a restart, in
 * which each disk operation in turn is the last before a crash, or fails.
 */
import t from 'tap'
import type { Test } from 'tap'
import type { SimEnv } from '../../src/sim/sim-env.js'
import { SimRandom } from '../../src/sim/sim-random.js'
import type { Disk } from '../../src/env/disk.js'
import { CorruptionError } from '../../src/storage/corruption-error.js'
import { FAMILY_SIZE_TIERED } from '../../src/storage/families.js'
import { MANIFEST_NAME, pathOf, tableFileName } from '../../src/storage/file-names.js'
import { Manifest } from '../../src/storage/manifest.js'
import { StoreError } from '../../src/storage/store-error.js'
import type { StoreOptions } from '../../src/storage/store-options.js'
import { crashAtEveryOperation, failEveryOperation } from '../support/op-crash.js'
import type { CrashReport, CrashStory } from '../support/op-crash.js'
import { difference, History } from './storage-history.js'
import type { Change } from './storage-history.js'
import { life, put } from './storage-life.js'
import type { Shown } from './storage-machine.js'
import { DIRECTORY, StorageMachine, TINY, TINY_WINDOWS } from './storage-machine.js'

const FAR_MS = 3600_000

interface Promises {
  readonly history: History
  /** Sequences up to this one were acknowledged. */
  acknowledged: number
  /** Every actor that may have issued a dot. */
  readonly actors: Set<number>
  /** What the scenario saw on the way. */
  flushes: number
  compactions: number
  windowsDropped: number
}

/** The scenario's side of the machine: writes that it promises to keep, and goes on whatever fails. */
class Client {
  readonly machine: StorageMachine
  readonly #promises: Promises

  constructor(env: SimEnv, options: StoreOptions, promises: Promises) {
    this.machine = new StorageMachine(env, options, false)
    this.#promises = promises
    this.machine.onDurable = () => {
      promises.acknowledged = Math.max(promises.acknowledged, this.machine.store.durableSequence)
    }
    this.machine.onReopened = () => this.#begun()
  }

  /** The store holds what the disk does, and mints under a name that it has never used (V6). */
  #begun(): void {
    const { history, actors, acknowledged } = this.#promises
    const { keyspace, store, options } = this.machine
    const { sequence } = store.loaded
    if (options.appendfsync === 'always' && history.lastUpTo(acknowledged) > sequence)
      throw new Error(`sequence ${acknowledged} was acknowledged, ${sequence} is what there is`)
    const divided = history.cut(sequence)
    if (divided !== null) throw new Error(divided)
    refuseKnownActor(actors, keyspace.actor)
    actors.add(keyspace.actor)
  }

  /** Starts the engine, again and again if the disk fails it. */
  async start(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.machine.start()
        break
      } catch (error) {
        if (!isDiskError(error) || attempt === STARTS_MAX) throw error
      }
    }
    this.#begun()
  }

  get windowsDropped(): number {
    return this.#promises.windowsDropped
  }

  async stop(): Promise<void> {
    this.#tally()
    await this.machine.stop()
  }

  #tally(): void {
    const { flushes, compactions, windowsDropped } = this.machine.store.facts()
    this.#promises.windowsDropped += windowsDropped
    this.#promises.flushes += flushes
    this.#promises.compactions += compactions
  }

  set(key: string, value: string, expireAtMs = 0): Promise<void> {
    return this.#write([{ key, value, expireAtMs }])
  }

  delete(key: string): Promise<void> {
    return this.#write([{ key, value: null, expireAtMs: 0 }])
  }

  setMany(pairs: Readonly<Record<string, string>>): Promise<void> {
    return this.#write(Object.entries(pairs).map(([key, value]) => ({ key, value, expireAtMs: 0 })))
  }

  async #write(changes: readonly Change[]): Promise<void> {
    const { machine } = this
    const payloadBytes = changes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)
    await this.#persist(async () => {
      await machine.admission(payloadBytes + changes.length * 600)
      await machine.command(
        changes.map(({ key }) => Buffer.from(key)),
        () => this.#put(changes, payloadBytes),
      )
      await machine.settle()
    })
  }

  #put(changes: readonly Change[], payloadBytes: number): void {
    const { keyspace, store } = this.machine
    if (changes.length > 1) keyspace.reserve(changes.length, payloadBytes)
    for (const { key, value, expireAtMs } of changes) {
      const bytes = Buffer.from(key)
      if (value === null) keyspace.delete(bytes, 0, bytes.length)
      else keyspace.set(bytes, 0, bytes.length, Buffer.from(value), 0, value.length, expireAtMs)
    }
    this.#promises.history.wrote(store.sequence - changes.length + 1, changes)
  }

  async flushAll(): Promise<void> {
    const { machine } = this
    await this.#persist(async () => {
      const { sequence } = machine.store
      const flushing = machine.keyspace.flushAll()
      if (machine.store.sequence > sequence) this.#promises.history.flushed(machine.store.sequence)
      await flushing
    })
  }

  /** Tries until it works: while the disk does, service must come back, by itself or by a restart. */
  async #persist(task: () => Promise<void>): Promise<void> {
    for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
      try {
        await task()
        if (this.machine.store.logFailure === null) return
      } catch (error) {
        if (!(error instanceof StoreError) && !isDiskError(error)) throw error
      }
      await this.#recover()
    }
    throw new OutOfService()
  }

  /**
   * What is shown although the disk has failed is what is there: a read answers, or says why it cannot, within
   * bounded time.
   */
  async readAll(): Promise<void> {
    const { machine } = this
    const { history } = this.#promises
    for (const key of history.keys) {
      const expected = history.at(key, machine.nowMs)
      try {
        const shown = await machine.get(key)
        if (shown?.value !== expected?.value) throw new Error(`${key} shows ${shown?.value}`)
      } catch (error) {
        if (!(error instanceof StoreError) && !isDiskError(error)) throw error
      }
    }
  }

  /** After a full disk the store comes back by itself; after any other failure of the log somebody has to restart it. */
  async #recover(): Promise<void> {
    const { machine } = this
    const failure = machine.store.logFailure
    if (failure === null || isFull(failure)) {
      const endMs = machine.env.queue.nowMs + RECOVERY_MS_MAX
      // A next log that could not be made is tried again every second, and refuses what does not fit into this one.
      await machine.advance(1000)
      while (!this.#isOpen() && machine.env.queue.nowMs < endMs) await machine.advance(100)
      return
    }
    if (this.#isOpen()) throw new Error('W3: writes are accepted after the log has failed')
    await this.readAll()
    await this.stop()
    await this.start()
  }

  #isOpen(): boolean {
    try {
      this.machine.store.admit(0)
      return true
    } catch (error) {
      if (error instanceof StoreError) return false
      throw error
    }
  }
}

/** The disk has failed for good. */
class OutOfService extends Error {}

const ATTEMPTS_MAX = 10
/** More than one fault after another makes starts fail. */
const STARTS_MAX = 50
const RECOVERY_MS_MAX = 20_000

function refuseKnownActor(actors: ReadonlySet<number>, actor: number): void {
  if (actors.has(actor)) throw new Error(`V6: actor ${actor} is used again`)
}

function isDiskError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EIO' || error.code === 'ENOSPC')
}

/** The scenario on a disk that may fail for good: then it ends early, with the reads that are left. */
async function scenarioOrOutOfService(env: SimEnv, options: StoreOptions, promises: Promises): Promise<void> {
  const client = new Client(env, options, promises)
  try {
    await scenario(client)
  } catch (error) {
    // The disk's own error is that of a start.
    if (isDiskError(error)) return
    if (!(error instanceof OutOfService)) throw error
    await client.readAll()
    await client.stop()
  }
}

function isFull(error: Error): boolean {
  return 'code' in error && error.code === 'ENOSPC'
}

async function scenario(client: Client): Promise<void> {
  const { machine } = client
  await client.start()
  for (let i = 0; i < 14; i++) await client.set(`key ${i % 5}`, `first ${i} `.repeat(28))
  // Several pages in one write: what a failed sync leaves of it in the page cache looks whole.
  await client.set('long', 'page after page '.repeat(600))
  await client.set('mortal', 'will die', machine.nowMs + FAR_MS)
  await client.delete('key 1')
  await client.setMany({ 'pair a': 'together '.repeat(20), 'pair b': 'together '.repeat(20) })
  for (let i = 0; i < 14; i++) await client.set(`key ${i % 5}`, `second ${i} `.repeat(28))
  await client.flushAll()
  for (let i = 0; i < 10; i++) await client.set(`after ${i % 4}`, `third ${i} `.repeat(28))
  await client.stop()
  await client.start()
  for (let i = 0; i < 4; i++) await client.set(`after ${i}`, `fourth ${i} `.repeat(28))
  await machine.rest()
  await client.stop()
}

/** A flush into windows, and the drop of one that leaves local tombstones. */
async function windowScenario(client: Client): Promise<void> {
  const { machine } = client
  await client.start()
  for (let i = 0; i < 10; i++) await client.set(`key ${i}`, `stays ${i} `.repeat(28))
  for (let i = 0; i < 8; i++) await client.set(`key ${i}`, `dies ${i} `.repeat(28), machine.nowMs + 1900)
  for (let i = 0; i < 4; i++) await client.set(`late ${i}`, `dies ${i} `.repeat(28), machine.nowMs + 15_000)
  await client.set('key 0', 'again '.repeat(100))
  for (let i = 8; i < 12; i++) await client.set(`key ${i}`, `stays ${i} `.repeat(28))
  await machine.advance(4000)
  for (let i = 1; i < 4; i++) await client.set(`key ${i}`, `after ${i} `.repeat(28))
  await machine.rest()
  await client.stop()
}

function storyOf(
  options: StoreOptions,
  seed: string,
  endsEarly = false,
  play = scenario,
): CrashStory<Promises> {
  return {
    seed,
    prepare({ disk }) {
      disk.makeDirectory(DIRECTORY)
      disk.syncDirectory('/')
    },
    begin: () => ({
      history: new History(),
      actors: new Set(),
      acknowledged: 0,
      flushes: 0,
      compactions: 0,
      windowsDropped: 0,
    }),
    scenario: (env, promises) =>
      endsEarly ? scenarioOrOutOfService(env, options, promises) : play(new Client(env, options, promises)),
    async check(env, promises) {
      const machine = new StorageMachine(env, options, false)
      const leftovers = leftoversOn(env.disk)
      await machine.start()
      const kept = leftovers.filter((name) => env.disk.exists(pathOf(DIRECTORY, name)))
      if (kept.length > 0) throw new Error(`left behind: ${kept.join(' ')}`)
      refuseKnownActor(promises.actors, machine.keyspace.actor)
      const { sequence } = machine.store.loaded
      if (options.appendfsync === 'always' && sequence < promises.acknowledged) {
        throw new Error(`sequence ${promises.acknowledged} was acknowledged, ${sequence} is what there is`)
      }
      const history = promises.history.clone()
      const divided = history.cut(sequence)
      if (divided !== null) throw new Error(divided)
      const shown = await machine.scan(10)
      const expected = history.live(machine.nowMs)
      const problem = difference(shown, expected, expected)
      if (problem !== null) throw new Error(problem)
      if (machine.keyspace.count() !== expected.size) {
        throw new Error(`${machine.keyspace.count()} keys are counted, ${expected.size} are there`)
      }
      // Time goes on between one check and the next.
      const lasts = ({ expireAtMs }: Shown): boolean =>
        expireAtMs === 0 || expireAtMs > machine.nowMs + FAR_MS / 2
      return [...shown].filter(([, one]) => lasts(one)).sort()
    },
  }
}

/** Tables that no manifest names: what a job was writing when the power went. */
function leftoversOn(disk: Disk): string[] {
  if (!disk.exists(pathOf(DIRECTORY, MANIFEST_NAME))) return []
  const tables = Manifest.load(disk, DIRECTORY)?.tables ?? []
  const named = new Set(tables.map(({ fileNumber }) => tableFileName(fileNumber)))
  return disk.list(DIRECTORY).filter((name) => name.endsWith('.table') && !named.has(name))
}

const OPTIONS: StoreOptions = { ...TINY, segmentBytes: 4096 }
/** Half of the keys; the others are leveled. */
const SIZE_TIERED: StoreOptions = {
  ...OPTIONS,
  families: {
    windowTiers: [],
    prefixes: [{ prefix: Buffer.from('key'), family: FAMILY_SIZE_TIERED }],
  },
}

function reported(t: Test, report: CrashReport): void {
  t.comment(JSON.stringify(report))
  t.ok(report.operations > 300 && report.checks > report.operations)
}

t.test('W1 W2 V2 T4 T6 power off at every operation loses nothing that was acknowledged', async (t) => {
  reported(t, await crashAtEveryOperation(storyOf(OPTIONS, 'power off'), { randomCrashes: 1 }))
})

t.test('W1 W2 V2 T4 T6 the same with size-tiered tables, and no half-written one stays behind', async (t) => {
  reported(t, await crashAtEveryOperation(storyOf(SIZE_TIERED, 'size-tiered'), { randomCrashes: 1 }))
})

t.test('T1 T2 T3 T5 power off at every operation of flushes into windows and of their drops', async (t) => {
  const options = { ...OPTIONS, families: TINY_WINDOWS }
  let windowsDropped = 0
  const story = storyOf(options, 'windows', false, async (client) => {
    await windowScenario(client)
    windowsDropped += client.windowsDropped
  })
  const report = await crashAtEveryOperation(story, { randomCrashes: 1 })
  t.comment(JSON.stringify(report))
  t.ok(report.operations > 100 && report.checks > report.operations && windowsDropped > 0)
})

t.test('W1 W2 power off under everysec and no leaves a prefix', async (t) => {
  for (const appendfsync of ['everysec', 'no'] as const) {
    const story = storyOf({ ...OPTIONS, appendfsync }, `power off ${appendfsync}`)
    const report = await crashAtEveryOperation(story, { randomCrashes: 1, everyNth: 7 })
    t.ok(report.checks > 300, JSON.stringify(report))
  }
})

/** Some sweeps strike only at every n-th operation, unless KINDRED_EVERY_OPERATION asks for all. */
function thinned(everyNth: number): number {
  return process.env['KINDRED_EVERY_OPERATION'] === undefined ? everyNth : 1
}

function swept(t: Test, report: CrashReport, everyNth: number): void {
  t.comment(JSON.stringify(report))
  t.ok(report.operations > 300 && report.checks > (3 * report.operations) / everyNth)
}

t.test('W3 any operation may fail with EIO: nothing is acknowledged that a crash can take', async (t) => {
  reported(t, await failEveryOperation(storyOf(OPTIONS, 'EIO'), 'EIO', { randomCrashes: 0 }))
})

t.test('W3 any operation may fail with ENOSPC, and service resumes', async (t) => {
  reported(t, await failEveryOperation(storyOf(OPTIONS, 'ENOSPC'), 'ENOSPC', { randomCrashes: 0 }))
})

t.test(
  'W1 W3 V6 an operation fails, and so does one of the recovery behind it: nothing is lost',
  async (t) => {
    for (const code of ['EIO', 'ENOSPC'] as const) {
      const everyNth = thinned(25)
      const settings = { randomCrashes: 1, failsChecks: true, everyNth }
      swept(t, await failEveryOperation(storyOf(OPTIONS, `${code} twice`), code, settings), everyNth)
    }
  },
)

t.test('W3 V6 the disk may be full for a while from any operation on, and service resumes', async (t) => {
  const everyNth = thinned(20)
  const settings = { randomCrashes: 1, times: 40, everyNth }
  swept(t, await failEveryOperation(storyOf(OPTIONS, 'full for a while'), 'ENOSPC', settings), everyNth)
})

t.test('W3 the disk may fail for good from any operation on: reads end, and nothing is lost', async (t) => {
  const settings = { randomCrashes: 1, times: Infinity, everyNth: thinned(20) }
  const report = await failEveryOperation(storyOf(OPTIONS, 'EIO for good', true), 'EIO', settings)
  t.comment(JSON.stringify(report))
  t.ok(report.checks > 100)
})

t.test('W3 R2 after a failed fsync nothing is acknowledged, and what was not is not shown', async (t) => {
  const machine = StorageMachine.fromSeed('fsync')
  await machine.start()
  await put(machine, 'durable', 'value')
  await machine.settle()
  const { durableSequence } = machine.store
  machine.env.disk.failAt(1, 'EIO', 'sync')
  await put(machine, 'lost', 'value')
  t.notOk(await machine.settle())
  for (let second = 0; second < 5; second++) {
    t.throws(() => machine.store.admit(1), { code: 'log-failed' })
    t.equal(machine.store.durableSequence, durableSequence)
    t.equal((await machine.get('durable'))?.value, 'value')
    await t.rejects(machine.get('lost'), { code: 'log-failed' })
    await machine.advance(1000)
  }
  machine.env.disk.dropCaches()
  await machine.stop()
  await machine.start()
  t.same([...(await machine.scan(10)).keys()], ['durable'])
})

t.test(
  'a full disk refuses writes and serves reads; with room again service resumes by itself',
  async (t) => {
    for (let seed = 0; seed < 12; seed++) {
      const random = new SimRandom(seed)
      const machine = StorageMachine.fromSeed(`full ${seed}`, OPTIONS)
      const { disk } = machine.env
      await machine.start()
      const acknowledged = new Map<string, string>()
      const write = async (): Promise<void> => {
        const key = `key ${random.below(300)}`
        const value = `${random.next32()} `.repeat(20)
        await put(machine, key, value)
        if (await machine.settle()) acknowledged.set(key, value)
        else acknowledged.delete(key)
      }
      for (let i = 0; i < 40; i++) await write()
      disk.setCapacity(disk.usedBytes + random.below(30_000))
      let refusal: unknown = null
      for (let i = 0; refusal === null && i < 2000; i++) {
        try {
          await write()
        } catch (error) {
          refusal = error
        }
      }
      t.match(refusal, { name: 'StoreError', code: 'disk-full' }, `seed ${seed}`)
      const check = async (when: string): Promise<void> => {
        for (const [key, value] of acknowledged) {
          const shown = await machine.get(key)
          if (shown?.value !== value) t.fail(`seed ${seed}: ${key} is lost ${when}`)
        }
      }
      await check('while the disk is full')
      await machine.advance(10_000)
      disk.setCapacity(disk.usedBytes + 4_000_000)
      await machine.until(() => isOpen(machine), 'writes are accepted again')
      for (let i = 0; i < 60; i++) await write()
      machine.crash('lose-all')
      await machine.start()
      await check('after a crash')
      await machine.rest()
      t.ok(machine.env.disk.usedBytes < 400_000, 'failed attempts have left nothing behind')
    }
  },
)

function isOpen(machine: StorageMachine): boolean {
  try {
    machine.store.admit(0)
    return true
  } catch (error) {
    if (error instanceof StoreError) return false
    throw error
  }
}

type FlipOutcome = 'refused to start' | 'said which reads fail' | 'cut, and said so' | 'did no harm'

/** What becomes of a store of which one bit was flipped; throws when it answers wrong. */
async function startAfterFlip(machine: StorageMachine, history: History): Promise<FlipOutcome> {
  try {
    await machine.start()
  } catch (error) {
    if (error instanceof CorruptionError) return 'refused to start'
    throw error
  }
  const { sequence, cutBytes } = machine.store.loaded
  const isCut = sequence < history.sequence
  if (isCut && cutBytes === 0)
    throw new Error(`${history.sequence - sequence} writes are gone without a word`)
  const remaining = history.clone()
  remaining.cut(sequence)
  const expected = remaining.live(machine.nowMs)
  let failures = 0
  for (const [key, { value }] of expected) {
    const shown = await orCorruption(() => machine.get(key))
    if (shown === 'corruption') failures++
    else if (shown?.value !== value) throw new Error(`${key} shows ${shown?.value}`)
  }
  const scanned = await orCorruption(() => machine.scan(20))
  const problem = scanned === 'corruption' ? null : difference(scanned, expected, expected)
  if (problem !== null) throw new Error(`a scan: ${problem}`)
  if (machine.keyspace.count() !== expected.size)
    throw new Error(`${machine.keyspace.count()} keys are counted`)
  if (failures > 0 || scanned === 'corruption') return 'said which reads fail'
  return isCut ? 'cut, and said so' : 'did no harm'
}

async function orCorruption<T>(task: () => Promise<T>): Promise<T | 'corruption'> {
  try {
    return await task()
  } catch (error) {
    if (error instanceof CorruptionError) return 'corruption'
    throw error
  }
}

t.test('a flipped bit anywhere is reported or harmless: never a wrong answer, never silence', async (t) => {
  const FLIPS = 500
  const outcomes = new Map<string, number>()
  for (const isClean of [true, false]) {
    const { env, history } = await life(isClean)
    const files = env.disk.list(DIRECTORY).map((name) => `${DIRECTORY}/${name}`)
    t.ok(files.some((name) => name.endsWith('.counts')) && files.some((name) => name.endsWith('.table')))
    for (let flip = 0; flip < FLIPS; flip++) {
      const random = new SimRandom(`flip ${flip}`)
      const twin = env.reboot('keep-all')
      const path = random.pick(files)
      const file = twin.disk.open(path, 'read')
      const offset = random.below(twin.disk.sizeBytes(file))
      twin.disk.close(file)
      twin.disk.flipBit(path, offset, random.below(8))
      try {
        const outcome = await startAfterFlip(new StorageMachine(twin), history)
        // After a clean stop a seal testifies to every byte before it.
        if (isClean && outcome === 'cut, and said so') throw new Error(outcome)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      } catch (error) {
        t.fail(`flip ${flip}, clean ${isClean}, byte ${offset} of ${path}: ${String(error)}`)
      }
    }
  }
  t.comment(JSON.stringify([...outcomes]))
  for (const outcome of ['refused to start', 'said which reads fail', 'did no harm'])
    t.ok(outcomes.get(outcome))
})
