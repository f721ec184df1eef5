/** Snapshots of several simulated stores put together, with what their nodes held for others. */
import t from 'tap'
import { decodeRecord, encodeRecord, deletionSibling, valueSibling } from '../../src/record/record.js'
import type { Sibling } from '../../src/record/record.js'
import { exportFallbacks } from '../../src/repair/fallback-export.js'
import { COPY, copyValue, keyOf } from '../../src/repair/handoff-entry.js'
import { restoreNodes } from '../../src/repair/restore-nodes.js'
import { SnapshotRecords } from '../../src/repair/snapshot-records.js'
import type { SimEnv } from '../../src/sim/sim-env.js'
import { SimHandoffMedium } from '../../src/sim/sim-handoff-store.js'
import { CorruptionError } from '../../src/storage/corruption-error.js'
import { temporaryPath } from '../../src/storage/snapshot/snapshot-folder.js'
import { crashAtEveryOperation } from '../support/op-crash.js'
import type { CrashStory } from '../support/op-crash.js'
import { put } from './storage-life.js'
import { StorageMachine, TINY } from './storage-machine.js'

const NOW_MS = 1_800_000_000_000
const ORIGIN = { node: '', nodeId: '', ringVersion: '', replicas: 1 }
const OPTIONS = { ...TINY, segmentBytes: 4096 }

/** A store with these keys and a snapshot of it; answers the snapshot's path. */
async function storeOf(
  env: SimEnv,
  directory: string,
  keys: Readonly<Record<string, string>>,
  fallbacks: readonly Buffer[] = [],
): Promise<string> {
  const machine = new StorageMachine(env, { ...OPTIONS, directory }, false)
  const folder = `${directory}/snapshots`
  await machine.start()
  for (const [key, value] of Object.entries(keys)) await put(machine, key, value)
  env.disk.makeDirectory(temporaryPath(folder, 'one'))
  const handoffs = new SimHandoffMedium().open(env.clock)
  const target = Buffer.alloc(20, 7)
  const writes = fallbacks.map((bytes, i) => {
    return { key: keyOf(COPY, target, i + 1, i), value: copyValue(1, [target], bytes, 0, bytes.length) }
  })
  if (writes.length > 0) await new Promise<void>((resolve) => handoffs.apply(writes, () => resolve()))
  t.equal(
    await exportFallbacks(env.disk, env.clock, handoffs, temporaryPath(folder, 'one')),
    fallbacks.length,
  )
  const madeAtMs = machine.nowMs
  await machine.store.snapshot({ folder, name: 'one', besides: [], madeAtMs, origin: ORIGIN, keep: 0 })
  await machine.stop()
  return `${folder}/one`
}

function record(key: string, siblings: readonly Sibling[], seen: readonly Sibling[] = []): Buffer {
  const context = [...siblings, ...seen].map(({ actor, hlc }) => ({ actor, hlc }))
  return encodeRecord({ key: Buffer.from(key), siblings, context })
}

const value = (actor: number, hlc: number, text: string, expireAtMs = 0): Sibling =>
  valueSibling({ actor, hlc }, Buffer.from(text), expireAtMs)

/** By key: its values, the newest first. */
function valuesIn(env: SimEnv, paths: readonly string[], nowMs: number): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const { bytes, record: at } of new SnapshotRecords(env.disk, paths).living(nowMs)) {
    const { key, siblings } = decodeRecord(bytes, at)
    const text = Buffer.from(key).toString()
    if (found.has(text)) throw new Error(`${text} comes twice`)
    found.set(
      text,
      siblings.map((one) => Buffer.from(one.value).toString()),
    )
  }
  return found
}

t.test(
  'records of one key merge: siblings stay, what was overwritten or deleted goes, fallback copies count',
  async (t) => {
    const machine = StorageMachine.fromSeed('merge', OPTIONS)
    const { env } = machine
    const old = value(1, 100, 'old')
    const left = value(2, 200, 'left')
    const right = value(3, 300, 'right')
    const work = async (): Promise<string[]> => [
      await storeOf(env, '/a', { shared: 'of a', 'only a': 'a' }, [
        record('cart', [left], [old]),
        record('cart', [right], [old]),
        record('gone', [value(1, 100, 'gone')]),
      ]),
      await storeOf(env, '/b', { 'only b': 'b' }, [
        record('cart', [old]),
        record('gone', [deletionSibling({ actor: 2, hlc: 200 })], [value(1, 100, 'gone')]),
        record('expired', [value(1, 100, 'expired', 5)]),
      ]),
    ]
    const paths = await machine.ended(work(), 'snapshots are made')
    const found = valuesIn(env, paths, NOW_MS)
    t.same(found.get('cart'), ['right', 'left'])
    t.same([...found.keys()].sort(), ['cart', 'only a', 'only b', 'shared'])
    t.same(valuesIn(env, [paths[1]], NOW_MS).get('cart'), ['old'])
  },
)

t.test(
  'the power goes at every operation of a restore into new nodes: nothing starts on half of one',
  async (t) => {
    const keys: Record<string, string> = {}
    for (let i = 0; i < 60; i++) keys[`key ${i}`] = `value ${i} `.repeat(20)
    let path = ''
    const directories = ['/new-1', '/new-2']
    const story: CrashStory<{ isDone: boolean }> = {
      seed: 'restore nodes',
      async prepare(env) {
        path = await storeOf(env, '/a', keys)
      },
      begin: () => ({ isDone: false }),
      scenario(env, promises) {
        const nodes = directories.map((directory, i) => ({
          name: directory,
          options: { ...OPTIONS, directory },
          directoryId: i + 1,
          holds: (slot: number) => i === 0 || slot % 2 === 0,
        }))
        restoreNodes(env, new SnapshotRecords(env.disk, [path]), nodes)
        promises.isDone = true
      },
      async check(env, { isDone }) {
        const { disk } = env
        for (const directory of directories) {
          if (!isDone && (!disk.exists(directory) || disk.list(directory).length === 0)) continue
          const machine = new StorageMachine(env, { ...OPTIONS, directory }, false)
          try {
            await machine.start()
          } catch (error) {
            if (
              !isDone &&
              error instanceof CorruptionError &&
              error.message.includes('the manifest is missing')
            )
              continue
            throw error
          }
          const shown = await machine.scan(10)
          if (machine.keyspace.count() !== shown.size) throw new Error('keys are counted wrong')
          for (const [key, { value: text }] of shown)
            if (keys[key] !== text) throw new Error(`${key} is another one`)
          if (directory === '/new-1' ? shown.size !== 60 : shown.size === 0 || shown.size === 60)
            throw new Error(`${directory} has ${shown.size} keys`)
          await machine.stop()
        }
        return undefined
      },
    }
    const report = await crashAtEveryOperation(story, { randomCrashes: 1 })
    t.comment(JSON.stringify(report))
    t.ok(report.operations > 30 && report.checks > report.operations)
  },
)
