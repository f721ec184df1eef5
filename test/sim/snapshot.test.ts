/**
 * Snapshots on the simulated machine: taken while writes, flushes and compactions go on, restored, pruned; and with each disk
 * operation in turn the last before a crash, or one that fails.
 */
import t from 'tap'
import type { Disk } from '../../src/env/disk.js'
import { SimEnv } from '../../src/sim/sim-env.js'
import { CorruptionError } from '../../src/storage/corruption-error.js'
import { Manifest } from '../../src/storage/manifest.js'
import { restoreDirectory } from '../../src/storage/snapshot/restore-directory.js'
import { readSnapshotFile, SnapshotError } from '../../src/storage/snapshot/snapshot-file.js'
import { listSnapshots, removeFolder, removeUnfinished } from '../../src/storage/snapshot/snapshot-folder.js'
import { verifySnapshot } from '../../src/storage/snapshot/verify-snapshot.js'
import type { StoreOptions } from '../../src/storage/store-options.js'
import { crashAtEveryOperation } from '../support/op-crash.js'
import type { CrashStory } from '../support/op-crash.js'
import { difference, History } from './storage-history.js'
import { overriding } from './overriding-jobs.js'
import { put } from './storage-life.js'
import { DIRECTORY, StorageMachine, TINY } from './storage-machine.js'

const FOLDER = `${DIRECTORY}/snapshots`
const RESTORED = '/restored'
const RESTORED_ID = 4711
const OPTIONS: StoreOptions = { ...TINY, segmentBytes: 4096 }
const ORIGIN = { node: '', nodeId: '', ringVersion: '', replicas: 1 }

function snapshot(machine: StorageMachine, name: string, keep = 0): Promise<unknown> {
  const madeAtMs = machine.nowMs
  return machine.store.snapshot({ folder: FOLDER, name, besides: [], madeAtMs, origin: ORIGIN, keep })
}

async function write(machine: StorageMachine, history: History, key: string, value: string): Promise<void> {
  await put(machine, key, value)
  history.wrote(machine.store.sequence, [{ key, value, expireAtMs: 0 }])
}

function clear(disk: Disk, directory: string): void {
  if (disk.exists(directory)) removeFolder(disk, directory)
}

function restore(env: SimEnv, name: string): void {
  clear(env.disk, RESTORED)
  restoreDirectory(env.disk, env.log, `${FOLDER}/${name}`, RESTORED, RESTORED_ID, [])
}

/** What is wrong with what the directory holds; it must be what the history had when the last entry in it was written. */
async function contentProblem(env: SimEnv, directory: string, written: History): Promise<string | null> {
  const machine = new StorageMachine(env, { ...OPTIONS, directory }, false)
  await machine.start()
  const history = written.clone()
  const divided = history.cut(machine.store.loaded.sequence)
  if (divided !== null) return divided
  const expected = history.live(machine.nowMs)
  const problem = difference(await machine.scan(10), expected, expected)
  const isCounted = machine.keyspace.count() === expected.size
  await machine.stop()
  return problem ?? (isCounted ? null : `${machine.keyspace.count()} keys are counted`)
}

/** Every folder under a final name is a whole snapshot that can be restored. */
async function checkSnapshots(
  env: SimEnv,
  written: History,
  floors: ReadonlyMap<string, number>,
): Promise<void> {
  const { disk } = env
  if (!disk.exists(FOLDER)) return
  removeUnfinished(disk, FOLDER)
  for (const name of disk.list(FOLDER)) {
    const { facts, problems } = verifySnapshot(disk, `${FOLDER}/${name}`)
    if (problems.length > 0) throw new Error(`${name}: ${JSON.stringify(problems)}`)
    if (facts.sequence < (floors.get(name) ?? 0))
      throw new Error(`${name} lacks what was acknowledged before`)
    restore(env, name)
    const lastSequence = Manifest.load(disk, RESTORED)?.lastSequence ?? -1
    if (lastSequence < facts.sequence) throw new Error(`${name} ends at ${lastSequence}`)
    const problem = await contentProblem(env, RESTORED, written)
    if (problem !== null) throw new Error(`${name}: ${problem}`)
  }
}

interface Promises {
  readonly history: History
  acknowledged: number
  /** Sequences acknowledged when each was asked for, by name. */
  readonly asked: Map<string, number>
  readonly made: Set<string>
  failed: number
}

/** Writes, and takes two snapshots meanwhile, of which the second replaces the first. */
async function scenario(env: SimEnv, promises: Promises): Promise<void> {
  const { history, asked, made } = promises
  const machine = new StorageMachine(env, OPTIONS, false)
  machine.onDurable = () => {
    promises.acknowledged = Math.max(promises.acknowledged, machine.store.durableSequence)
  }
  await machine.start()
  const writes = async (count: number, text: string): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await write(machine, history, `key ${i % 7}`, `${text} ${i} `.repeat(30))
      await machine.settle()
    }
  }
  await writes(10, 'first')
  for (const name of ['one', 'two']) {
    asked.set(name, promises.acknowledged)
    const snapshots = snapshot(machine, name, 1).then(
      () => made.add(name),
      () => promises.failed++,
    )
    await writes(12, name)
    await snapshots
  }
  await machine.rest()
  await machine.stop()
}

function storyOf(seed: string): CrashStory<Promises> {
  return {
    seed,
    prepare({ disk }) {
      disk.makeDirectory(DIRECTORY)
      disk.syncDirectory('/')
    },
    begin: () => ({ history: new History(), acknowledged: 0, asked: new Map(), made: new Set(), failed: 0 }),
    scenario,
    async check(env, { history, acknowledged, asked, made }) {
      const { disk } = env
      clear(disk, RESTORED)
      const whole = new Set(listSnapshots(disk, FOLDER).map(({ name }) => name))
      if (made.has('two') && !whole.has('two')) throw new Error('a finished snapshot is gone')
      if (made.has('one') && !whole.has('one') && !whole.has('two'))
        throw new Error('the older one went too early')
      await checkSnapshots(env, history, asked)
      const problem = await contentProblem(env, DIRECTORY, history)
      if (problem !== null) throw new Error(problem)
      const machine = new StorageMachine(env, OPTIONS, false)
      await machine.start()
      if (machine.store.loaded.sequence < acknowledged) throw new Error('an acknowledged write is gone')
      return undefined
    },
  }
}

t.test(
  'the power goes at every operation of a snapshot: the live directory is unharmed, and no half snapshot has a name',
  async (t) => {
    const report = await crashAtEveryOperation(storyOf('snapshot power'), { randomCrashes: 1 })
    t.comment(JSON.stringify(report))
    t.ok(report.operations > 200 && report.checks > report.operations)
  },
)

t.test('a snapshot holds what was written before it, while flushes and compactions go on', async (t) => {
  const machine = StorageMachine.fromSeed('snapshots under load', OPTIONS)
  machine.jobMsMax = 20
  // So long that what it is about to link has been merged into other tables by then.
  machine.wrapJobs = (jobs) =>
    overriding(jobs, {
      async snapshot(job) {
        await new Promise<void>((resolve) => machine.env.clock.after(300, resolve))
        return jobs.snapshot(job)
      },
    })
  const history = new History()
  await machine.start()
  for (let i = 0; i < 60; i++) await write(machine, history, `key ${i % 20}`, `early ${i} `.repeat(30))
  const before = machine.store.sequence
  const { compactions } = machine.store.facts()
  let isMade = false
  void snapshot(machine, 'busy').then(() => (isMade = true))
  for (let i = 0; i < 200 || !isMade; i++) {
    await write(machine, history, `key ${i % 20}`, `late ${i} `.repeat(30))
    await machine.advance(2)
  }
  await machine.settle()
  t.ok(machine.store.facts().compactions > compactions, 'tables were merged meanwhile')
  t.ok(readSnapshotFile(machine.env.disk, `${FOLDER}/busy`).sequence >= before)
  await machine.rest()
  await machine.stop()
  const { env } = machine
  const checked = checkSnapshots(env, history, new Map([['busy', before]]))
  await machine.ended(checked, 'the snapshot is restored')
  t.equal(env.disk.openFiles, 0, 'nothing is left open')
})

t.test(
  'any operation may fail: a snapshot that fails says so and changes nothing, the others are whole',
  async (t) => {
    // A failing log needs a restart, which this scenario does not do: only what happens from the first snapshot's files on is cut.
    for (const code of ['EIO', 'ENOSPC'] as const) {
      for (const operation of [
        'link',
        'rename',
        'make-directory',
        'sync-directory',
        'unlink',
        'list',
      ] as const) {
        for (let nth = 1; nth <= 6; nth++) {
          const machine = StorageMachine.fromSeed(`${code} ${operation} ${nth}`, OPTIONS)
          const history = new History()
          await machine.start()
          for (let i = 0; i < 20; i++) await write(machine, history, `key ${i % 7}`, `value ${i} `.repeat(30))
          await machine.ended(snapshot(machine, 'before'), 'a snapshot is made')
          await machine.rest()
          machine.env.disk.failAt(nth, code, operation)
          const failed = await machine.ended(
            snapshot(machine, 'struck', 1).then(
              () => null,
              (error: unknown) => String(error),
            ),
            'a snapshot ends',
          )
          machine.env.disk.clearFaults()
          const names = listSnapshots(machine.env.disk, FOLDER).map(({ name }) => name)
          if (failed !== null && !names.includes('struck') && !names.includes('before'))
            t.fail(`${code} at ${operation} ${nth} left no snapshot`)
          await machine.rest()
          await machine.stop()
          await machine.ended(checkSnapshots(machine.env, history, new Map()), 'snapshots are checked')
        }
      }
    }
    t.pass()
  },
)

/** A snapshot on the disk of a node that does not run any more. */
async function prepared(env: SimEnv, history: History): Promise<void> {
  const machine = new StorageMachine(env, OPTIONS, false)
  await machine.start()
  for (let i = 0; i < 25; i++) await write(machine, history, `key ${i % 9}`, `value ${i} `.repeat(30))
  await snapshot(machine, 'one')
  await machine.rest()
  await machine.stop()
}

t.test('the power goes at every operation of a restore: nothing starts on half of one', async (t) => {
  const history = new History()
  const story: CrashStory<{ isDone: boolean }> = {
    seed: 'restore power',
    prepare: (env) => prepared(env, new History()),
    begin: () => ({ isDone: false }),
    scenario({ disk, log }, promises) {
      restoreDirectory(disk, log, `${FOLDER}/one`, RESTORED, RESTORED_ID, [])
      promises.isDone = true
    },
    async check(env, { isDone }) {
      const { disk } = env
      if (!isDone && (!disk.exists(RESTORED) || disk.list(RESTORED).length === 0)) return undefined
      try {
        const problem = await contentProblem(env, RESTORED, history)
        if (problem !== null) throw new Error(problem)
        return undefined
      } catch (error) {
        if (isDone || !(error instanceof CorruptionError)) throw error
        if (!error.message.includes('the manifest is missing')) throw error
        return undefined
      }
    },
  }
  const env = SimEnv.fromSeed('restore power')
  const writing = prepared(env, history)
  await env.queue.until(() => history.writes === 25, 60_000)
  void writing
  const report = await crashAtEveryOperation(story, { randomCrashes: 1 })
  t.comment(JSON.stringify(report))
  t.ok(report.operations > 20 && report.checks > report.operations)
})

t.test('a flipped bit anywhere in a snapshot is found, and is not restored', async (t) => {
  const machine = StorageMachine.fromSeed('flips', OPTIONS)
  const history = new History()
  await machine.start()
  for (let i = 0; i < 25; i++) await write(machine, history, `key ${i % 9}`, `value ${i} `.repeat(30))
  await machine.ended(snapshot(machine, 'one'), 'a snapshot is made')
  await machine.rest()
  await machine.stop()
  const { disk, log } = machine.env
  const { files } = readSnapshotFile(disk, `${FOLDER}/one`)
  let flips = 0
  for (const { name, sizeBytes } of files) {
    for (let at = 0; at < sizeBytes; at += 41) {
      disk.flipBit(`${FOLDER}/one/${name}`, at, 3)
      const { problems } = verifySnapshot(disk, `${FOLDER}/one`)
      if (problems.length !== 1) t.fail(`${name} ${at}: ${JSON.stringify(problems)}`)
      clear(disk, RESTORED)
      t.throws(() => restoreDirectory(disk, log, `${FOLDER}/one`, RESTORED, RESTORED_ID, []), SnapshotError)
      disk.flipBit(`${FOLDER}/one/${name}`, at, 3)
      flips++
    }
  }
  t.ok(flips > 50)
  t.same(verifySnapshot(disk, `${FOLDER}/one`).problems, [])
  disk.unlink(`${FOLDER}/one/${files[1].name}`)
  t.match(verifySnapshot(disk, `${FOLDER}/one`).problems, [{ what: 'it is missing' }])
})

t.test('a snapshot is no data directory, and a restore needs an empty one', async (t) => {
  const machine = StorageMachine.fromSeed('no directory', OPTIONS)
  await machine.start()
  await put(machine, 'key', 'value')
  await machine.ended(snapshot(machine, 'one'), 'a snapshot is made')
  await t.rejects(machine.ended(snapshot(machine, 'one'), 'it ends'), /there is a snapshot .*one already/)
  await machine.stop()
  const { env } = machine
  const other = new StorageMachine(env, { ...OPTIONS, directory: `${FOLDER}/one` })
  await t.rejects(other.start(), /is a snapshot: "kindred restore"/)
  t.throws(() => restoreDirectory(env.disk, env.log, `${FOLDER}/one`, DIRECTORY, 1, []), /is not empty/)
  t.throws(() => restoreDirectory(env.disk, env.log, DIRECTORY, RESTORED, 1, []), /is no snapshot/)
})

t.test('retention: the oldest go when a newer one is whole', async (t) => {
  const machine = StorageMachine.fromSeed('retention', OPTIONS)
  await machine.start()
  for (let i = 1; i <= 5; i++) {
    await put(machine, 'key', `value ${i}`)
    await machine.ended(snapshot(machine, `daily-${i}`, 3), 'a snapshot is made')
    await machine.advance(1000)
  }
  const { disk } = machine.env
  t.same(disk.list(FOLDER).sort(), ['daily-3', 'daily-4', 'daily-5'])
  disk.failAt(1, 'EIO', 'link')
  await t.rejects(machine.ended(snapshot(machine, 'daily-6', 3), 'it ends'))
  t.same(disk.list(FOLDER).sort(), ['daily-3', 'daily-4', 'daily-5'], 'a failed one costs none')
  await machine.stop()
})
