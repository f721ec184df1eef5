/** RULES C2: `kindred restamp` on a directory of many segments and tables, whole and cut short anywhere. */
import t from 'tap'
import { restamp } from '../../src/coordinator/restamp.js'
import type { RestampResult } from '../../src/coordinator/restamp.js'
import { wallMsToHlc } from '../../src/record/hlc.js'
import { SimEnv } from '../../src/sim/sim-env.js'
import { crashAtEveryOperation } from '../support/op-crash.js'
import type { StoreOptions } from '../../src/storage/store-options.js'
import { StorageMachine, TINY } from './storage-machine.js'
import type { Shown } from './storage-machine.js'

const DAY_MS = 24 * 60 * 60 * 1000
const LIMIT_MS = 1000
const FILLING = 'x'.repeat(150)
/** As in a cluster: a compaction would otherwise take some of the deletions that are counted here. */
const KEEPING: StoreOptions = { ...TINY, keepsDead: true }

/** What a client sees; keys that were deleted are not in it. */
type Model = Map<string, Shown>

async function write(
  machine: StorageMachine,
  model: Model,
  key: string,
  text: string,
  expireAtMs = 0,
): Promise<void> {
  const name = Buffer.from(key)
  const value = Buffer.from(text)
  await machine.admission(key.length + text.length + 200)
  await machine.command([name], () =>
    machine.keyspace.set(name, 0, name.length, value, 0, value.length, expireAtMs),
  )
  model.set(key, { value: text, expireAtMs })
}

async function remove(machine: StorageMachine, model: Model, key: string): Promise<void> {
  const name = Buffer.from(key)
  await machine.command([name], () => machine.keyspace.delete(name, 0, name.length))
  model.delete(key)
}

interface Written {
  readonly model: Model
  /** How many keys have a newest version from the future. */
  readonly future: number
}

/**
 * Keys from before the clock went ahead, from while it was, and both; `count` of each kind. The clock is right again in
 * the end.
 */
async function wrongClock(env: SimEnv, drivesTime: boolean, count: number): Promise<Written> {
  const machine = new StorageMachine(env, KEEPING, drivesTime)
  const model: Model = new Map()
  await machine.start()
  const each = async (task: (i: number) => Promise<void>): Promise<void> => {
    for (let i = 0; i < count; i++) await task(i)
    await machine.settle()
  }
  await each((i) => write(machine, model, `sound:${i}`, `sound ${FILLING}`))
  await each((i) => write(machine, model, `both:${i}`, `early ${FILLING}`))
  await each((i) => write(machine, model, `removed:${i}`, 'early'))
  await machine.stop()
  env.clock.jumpWall(DAY_MS)
  await machine.start()
  const expireAtMs = env.clock.wallMs() + DAY_MS
  await each((i) => write(machine, model, `both:${i}`, `late ${FILLING}`))
  await each((i) => write(machine, model, `dies:${i}`, `late ${FILLING}`, expireAtMs))
  await each((i) => remove(machine, model, `removed:${i}`))
  await machine.stop()
  env.clock.jumpWall(-DAY_MS)
  return { model, future: 3 * count }
}

/** What a started node shows, and where its HLC begins. */
async function seen(env: SimEnv, drivesTime: boolean): Promise<{ machine: StorageMachine; shown: Model }> {
  const machine = new StorageMachine(env, KEEPING, drivesTime)
  await machine.start()
  return { machine, shown: await machine.scan(50) }
}

const sorted = (model: Model): (readonly [string, Shown])[] => [...model].sort(([a], [b]) => (a < b ? -1 : 1))

t.test(
  'C2 restamp lists the keys that hold stamps from the future, and changes them only when told to',
  async (t) => {
    const machine = StorageMachine.fromSeed('restamp', KEEPING)
    const { env } = machine
    const { model, future } = await wrongClock(env, true, 60)
    const run = (apply: boolean): Promise<RestampResult & { keys: number }> => {
      told = []
      const request = {
        limitMs: LIMIT_MS,
        apply,
        onKey: (key: Buffer, aheadMs: number) =>
          told.push(`${key.toString()} ${Math.round(aheadMs / 60_000)}`),
      }
      return machine.ended(restamp(env, KEEPING, request), 'restamp ends')
    }
    let told: string[] = []
    const expected = [...Array(60).keys()].flatMap((i) =>
      ['both', 'dies', 'removed'].map((kind) => `${kind}:${i} 1440`),
    )

    for (const apply of [false, false, true]) {
      const result = await run(apply)
      t.equal(result.keys, future)
      t.ok(result.aheadMs > DAY_MS - 60_000)
      t.equal(result.flushMarkAheadMs, 0)
      t.same(told.toSorted(), expected.toSorted())
    }
    t.match(await run(true), { keys: 0, aheadMs: 0 })
    t.same(told, [])

    const { machine: after, shown } = await seen(env, true)
    t.same(sorted(shown), sorted(model))
    t.ok(
      after.store.loaded.maxHlc < wallMsToHlc(env.clock.wallMs() + LIMIT_MS),
      'the HLC begins at the present',
    )
    const table = after.store.tablesMaxHlc
    t.ok(table > wallMsToHlc(env.clock.wallMs() - DAY_MS))
    t.equal(after.keyspace.count(), model.size, 'the keys are counted right')
    t.equal(after.keyspace.countExpiring(), 60)
    await after.stop()
  },
)

t.test('C2 a mark of FLUSHALL from the future is said, and nothing is replaced', async (t) => {
  const machine = StorageMachine.fromSeed('flushed')
  const { env } = machine
  env.clock.jumpWall(DAY_MS)
  await machine.start()
  await machine.ended(machine.keyspace.flushAll(), 'the flush ends')
  await write(machine, new Map(), 'key', 'late')
  await machine.settle()
  await machine.stop()
  env.clock.jumpWall(-DAY_MS)
  const told: string[] = []
  const request = { limitMs: LIMIT_MS, apply: true, onKey: (key: Buffer) => told.push(key.toString()) }
  for (let i = 0; i < 2; i++) {
    const result = await machine.ended(restamp(env, KEEPING, request), 'restamp ends')
    t.equal(result.keys, 1)
    t.ok(result.flushMarkAheadMs > DAY_MS - 60_000)
  }
  t.same(told, ['key', 'key'])
  const { machine: after, shown } = await seen(env, true)
  t.same([...shown.keys()], ['key'])
  await after.stop()
})

t.test('C2 a mark of FLUSHALL from before stays below the new stamps', async (t) => {
  const machine = StorageMachine.fromSeed('mark')
  const { env } = machine
  // Within the limit, but ahead of the clock: a stamp of just the clock would lie below the mark.
  env.clock.jumpWall(LIMIT_MS / 2)
  await machine.start()
  await machine.ended(machine.keyspace.flushAll(), 'the flush ends')
  await machine.stop()
  env.clock.jumpWall(DAY_MS)
  await machine.start()
  const model: Model = new Map()
  await write(machine, model, 'key', 'late')
  await machine.settle()
  await machine.stop()
  env.clock.jumpWall(-DAY_MS - LIMIT_MS / 2)
  const result = await machine.ended(
    restamp(env, KEEPING, { limitMs: LIMIT_MS, apply: true, onKey: () => {} }),
    'restamp ends',
  )
  t.match(result, { keys: 1, flushMarkAheadMs: 0 })
  const { machine: after, shown } = await seen(env, true)
  t.same(sorted(shown), sorted(model))
  await after.stop()
})

t.test('C2 restamp may be cut short anywhere: the values stay, and the next run finishes it', async (t) => {
  const COUNT = 8
  let model: Model = new Map()
  const apply = (env: SimEnv): Promise<RestampResult> =>
    restamp(env, KEEPING, { limitMs: LIMIT_MS, apply: true, onKey: () => {} })
  const expectModel = (shown: Model, when: string): void => {
    const [left, right] = [JSON.stringify(sorted(shown)), JSON.stringify(sorted(model))]
    if (left !== right) throw new Error(`${when}: ${left} instead of ${right}`)
  }
  const report = await crashAtEveryOperation<null>(
    {
      seed: 'restamp',
      prepare: async (env) => {
        ;({ model } = await wrongClock(env, false, COUNT))
      },
      begin: () => null,
      scenario: async (env) => void (await apply(env)),
      check: async (env) => {
        const before = await seen(env, false)
        expectModel(before.shown, 'before the next run')
        await before.machine.stop()
        await apply(env)
        const { machine, shown } = await seen(env, false)
        expectModel(shown, 'after the next run')
        const limitHlc = wallMsToHlc(env.clock.wallMs() + LIMIT_MS)
        if (machine.store.loaded.maxHlc >= limitHlc) throw new Error('a stamp from the future is left')
        return sorted(shown)
      },
    },
    { everyNth: 5, randomCrashes: 1 },
  )
  t.ok(report.operations > 50, `${report.operations} operations`)
  t.ok(report.checks > 50, `${report.checks} checks`)
})
