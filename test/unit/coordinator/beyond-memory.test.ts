/** Data that is many times the block cache: what is asked for often is answered from memory, whatever else is read. */
import t from 'tap'
import { COLD, LIVE } from '../../../src/coordinator/keyspace.js'
import { StorageMachine, TINY } from '../../sim/storage-machine.js'

const KEYS = 3000
const CACHE_BLOCKS = 64
const HOT = Array.from({ length: 20 }, (_, i) => `key ${i * 97}`)

async function filled(seed: string): Promise<StorageMachine> {
  const machine = StorageMachine.fromSeed(seed, {
    ...TINY,
    segmentBytes: 64 * 1024,
    tableTargetBytes: 64 * 1024,
    blockCacheBytes: CACHE_BLOCKS * 4096,
    compression: { tables: 'lz4', deepest: 'zstd' },
  })
  await machine.start()
  for (let i = 0; i < KEYS; i++) {
    const key = Buffer.from(`key ${i}`)
    const value = Buffer.from(`${i}`.padEnd(300, 'session '))
    await machine.admission(1000)
    await machine.command([key], () => machine.keyspace.set(key, 0, key.length, value, 0, value.length, 0))
    await machine.settle()
  }
  await machine.rest()
  return machine
}

/** Gets the hot keys; answers how many had to wait. */
async function coldAmongHot(machine: StorageMachine): Promise<number> {
  const before = machine.coldReads
  for (const key of HOT) await machine.get(key)
  return machine.coldReads - before
}

t.test('a scan over several times the cache leaves what is read often in memory', async (t) => {
  const machine = await filled('hot set')
  t.ok(machine.store.facts().blockBytes > 3 * CACHE_BLOCKS * 4096)
  await coldAmongHot(machine)
  t.equal(await coldAmongHot(machine), 0, 'memory has them')
  const before = machine.coldReads
  t.equal((await machine.scan(50)).size, KEYS)
  t.ok(machine.coldReads - before > 10, 'the scan had to read')
  t.equal(await coldAmongHot(machine), 0, 'memory still has them')
  const { cacheHits, cacheMisses } = machine.store.facts()
  await coldAmongHot(machine)
  const after = machine.store.facts()
  t.equal(after.cacheMisses, cacheMisses)
  t.ok(after.cacheHits >= cacheHits)
  await machine.stop()
})

t.test('while a cold block is read, keys in memory are answered at once', async (t) => {
  const machine = await filled('held read')
  const { keyspace } = machine
  await coldAmongHot(machine)
  await coldAmongHot(machine)
  keyspace.beginBatch()
  keyspace.beginRequest()
  const all = Array.from({ length: KEYS }, (_, i) => Buffer.from(`key ${i}`))
  const cold = all.find((key) => keyspace.find(key, 0, key.length) === COLD)
  if (cold === undefined) throw new Error('no key is cold')
  let arrived = false
  const load = keyspace.startLoads(() => (arrived = true))
  for (const key of HOT) {
    keyspace.beginRequest()
    const bytes = Buffer.from(key)
    t.equal(keyspace.find(bytes, 0, bytes.length), LIVE, key)
  }
  t.notOk(arrived, 'the disk still has the read')
  await machine.until(() => arrived, 'it ends')
  t.equal(keyspace.find(cold, 0, cold.length), LIVE)
  load?.release()
  await machine.stop()
})
