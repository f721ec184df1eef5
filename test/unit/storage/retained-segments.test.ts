/** Flushed segments that stay in memory as the cache of their tables: what lookups, walks and memory see of them. */
import t from 'tap'
import { assert } from '../../../src/util/assert.js'
import { keyLength, keyStart, KIND_DELETION } from '../../../src/record/layout.js'
import { KeyHash, TOKEN_END } from '../../../src/ring/token.js'
import { EntryRef } from '../../../src/storage/entry.js'
import type { StoreOptions } from '../../../src/storage/store-options.js'
import type { Table } from '../../../src/storage/table/table.js'
import { FOUND } from '../../../src/storage/table/table-lookup.js'
import { overriding } from '../../sim/overriding-jobs.js'
import { StorageMachine, TINY } from '../../sim/storage-machine.js'

async function started(seed: string, options: Partial<StoreOptions> = {}): Promise<StorageMachine> {
  const machine = StorageMachine.fromSeed(seed, { ...TINY, ...options })
  await machine.start()
  return machine
}

/** Writes without waiting for anything; the key's block must be in memory. */
function write(machine: StorageMachine, key: string, value: string): void {
  const bytes = Buffer.from(key)
  const valueBytes = Buffer.from(value)
  machine.keyspace.beginBatch()
  machine.keyspace.find(bytes, 0, bytes.length)
  machine.keyspace.set(bytes, 0, bytes.length, valueBytes, 0, valueBytes.length, 0)
}

async function store(machine: StorageMachine, key: string, value: string): Promise<void> {
  await machine.admission(value.length + 600)
  await machine.command([Buffer.from(key)], () => write(machine, key, value))
  await machine.settle()
}

async function remove(machine: StorageMachine, key: string): Promise<void> {
  const bytes = Buffer.from(key)
  await machine.command([bytes], () => machine.keyspace.delete(bytes, 0, bytes.length))
  await machine.settle()
}

/** Writes other keys until so many more flushes are done. */
async function flush(machine: StorageMachine, flushes = 1): Promise<void> {
  const goal = machine.store.facts().flushes + flushes
  for (let i = 0; machine.store.facts().flushes < goal; i++) {
    await store(machine, `filler ${i % 200}`, 'x'.repeat(300))
    await machine.advance(1)
  }
  await machine.rest()
}

/** The key's newest record, which must be in memory. */
function find(machine: StorageMachine, key: string): EntryRef {
  const bytes = Buffer.from(key)
  const hash = new KeyHash()
  hash.of(bytes, 0, bytes.length)
  const entry = new EntryRef()
  assert(machine.store.find(hash, bytes, 0, bytes.length, entry) === FOUND, 'the key is there')
  return entry
}

/** The keys that a walk from end to end visits, in its order, dead ones included. */
function walk(machine: StorageMachine): string[] {
  const seen: string[] = []
  const limits = { visits: 100_000, entries: 100_000 }
  const visit = (bytes: Buffer, record: number): boolean => {
    seen.push(bytes.toString('latin1', keyStart(record), keyStart(record) + keyLength(bytes, record)))
    return true
  }
  for (;;) {
    seen.length = 0
    const cold: (() => void)[] = []
    const load = (table: Table, block: number): void => void cold.push(() => table.loadSync(block))
    if (machine.store.walk(0, limits, visit, load) === TOKEN_END) return seen
    for (const one of cold) one()
  }
}

t.test('what has just been flushed is found without reading a block', async (t) => {
  const machine = StorageMachine.fromSeed('no reads', { ...TINY, blockCacheBytes: 4096 })
  machine.wrapJobs = (jobs) => overriding(jobs, { readBlocks: () => Promise.reject(new Error('no reads')) })
  await machine.start()
  for (let i = 0; i < 5; i++) await store(machine, `key ${i}`, `value ${i}`)
  await flush(machine)
  t.not(machine.store.facts().retainedBytes, 0)
  const { coldReads } = machine
  for (let i = 0; i < 5; i++) t.equal((await machine.get(`key ${i}`))?.value, `value ${i}`)
  t.equal(await machine.get('never written'), null)
  t.equal(machine.coldReads, coldReads)
})

t.test('T6 the newest wins, be it in the active segment, a sealed or retained one, or a table', async (t) => {
  const keys = Array.from({ length: 40 }, (_, i) => `key ${i}`)
  for (let seed = 0; seed < 6; seed++) {
    const machine = StorageMachine.fromSeed(`newest ${seed}`, { ...TINY, segmentsMax: 2 + (seed % 3) })
    machine.jobMsMax = seed < 3 ? 0 : 30
    await machine.start()
    const random = machine.env.random.fork('test')
    const model = new Map<string, string>()
    let sawRetained = false
    for (let step = 0; step < 500; step++) {
      const key = keys[random.below(keys.length)]
      if (random.below(8) === 0) {
        await remove(machine, key)
        model.delete(key)
      } else {
        // Now and then a value that needs a larger segment, which is not retained.
        const value = `${step} `.repeat(random.below(60) === 0 ? 2500 : 60)
        await store(machine, key, value)
        model.set(key, value)
      }
      const read = keys[random.below(keys.length)]
      t.equal((await machine.get(read))?.value, model.get(read))
      await machine.advance(1)
      sawRetained ||= machine.store.facts().retainedSegments > 0
      if (step % 100 === 99) {
        const found = await machine.scan(7)
        t.same([...found.keys()].sort(), [...model.keys()].sort())
        t.equal(machine.keyspace.count(), model.size)
      }
    }
    t.ok(sawRetained)
    t.not(machine.store.facts().compactions, 0)
  }
})

t.test(
  'an older version in a retained segment does not hide what a segment that did not stay held',
  async (t) => {
    const machine = await started('gap', { segmentsMax: 8 })
    await store(machine, 'key', 'old')
    await flush(machine)
    t.not(machine.store.facts().retainedSegments, 0)
    await store(machine, 'key', 'larger than a segment '.repeat(1000))
    await flush(machine, 2)
    t.equal((await machine.get('key'))?.value.length, 22_000)
  },
)

t.test('a walk sees each key once', async (t) => {
  const machine = await started('walk', { blockCacheBytes: 64 * 4096 })
  await flush(machine, 3)
  t.not(machine.store.facts().retainedSegments, 0)
  const seen = walk(machine)
  t.equal(seen.length, new Set(seen).size)
  t.equal(seen.length, machine.keyspace.count())
})

t.test('FLUSHALL hides what is retained, and no restart shows it', async (t) => {
  const machine = await started('flushall')
  await store(machine, 'key', 'value')
  await flush(machine)
  t.not(machine.store.facts().retainedSegments, 0)
  const flushing = machine.keyspace.flushAll()
  await machine.settle()
  await flushing
  t.equal(await machine.get('key'), null)
  await machine.until(() => machine.store.facts().tables === 0, 'tables go')
  t.equal(await machine.get('key'), null)
  await store(machine, 'key', 'after')
  t.equal((await machine.get('key'))?.value, 'after')
  machine.crash('lose-all')
  await machine.start()
  t.same([...(await machine.scan(10)).keys()], ['key'])
})

t.test('T4 deletions are purged although the segment that has them is retained', async (t) => {
  const machine = await started('purge', { segmentsMax: 64, blockCacheBytes: 64 * 4096 })
  const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`)
  for (const key of keys) await store(machine, key, 'x'.repeat(400))
  for (const key of keys) await remove(machine, key)
  await flush(machine, 4)
  await machine.advance(100_000)
  await machine.rest()
  t.not(machine.store.facts().retainedSegments, 0)
  t.equal(await machine.get('key 0'), null)
  t.notOk(walk(machine).some((key) => key.startsWith('key')))
})

t.test('segments in memory, retained ones included, are at most segments-max', async (t) => {
  for (const segmentsMax of [2, 3, 5]) {
    const machine = StorageMachine.fromSeed(`bound ${segmentsMax}`, { ...TINY, segmentsMax })
    machine.jobMsMax = 20
    await machine.start()
    let most = 0
    const arenas = new Set<Buffer>()
    for (let i = 0; i < 400; i++) {
      await store(machine, `key ${i}`, 'x'.repeat(300))
      const { segments, retainedSegments } = machine.store.facts()
      most = Math.max(most, segments + retainedSegments)
      arenas.add(find(machine, `key ${i}`).bytes)
    }
    t.equal(most, segmentsMax)
    t.equal(arenas.size, segmentsMax, 'their memory serves again and again')
    await machine.rest()
    t.equal(machine.store.facts().retainedSegments, segmentsMax - 1)
  }
})

t.test('an entry that was found in a retained segment stays as it is to the end of the step', async (t) => {
  const machine = await started('in use')
  await store(machine, 'key', 'kept')
  await flush(machine, 2)
  const { segments, retainedSegments } = machine.store.facts()
  t.equal(segments, 1)
  t.equal(retainedSegments, TINY.segmentsMax - 1, 'the next segment takes the place of one of these')
  const { bytes } = find(machine, 'key')
  t.equal(bytes.length, TINY.segmentBytes, 'it is in one of them')
  const before = Buffer.from(bytes)
  const other = Buffer.from('other')
  const hash = new KeyHash()
  hash.of(other, 0, other.length)
  // Past admission, as the deletions of one request are: rotations must not wait and take what memory there is.
  while (machine.store.facts().segments < 4) {
    machine.store.find(hash, other, 0, other.length, new EntryRef())
    machine.store.append(hash, other, 0, 5, null, 0, 5, 5, KIND_DELETION, 0, other, 0, 0, 0, 2 ** 48 - 1)
  }
  t.ok(before.equals(bytes))
  t.equal(machine.store.facts().retainedSegments, 0)
  await machine.until(() => machine.store.facts().segments === 1, 'all are flushed')
  t.equal(machine.store.facts().retainedSegments, TINY.segmentsMax - 1, 'not all of them stay')
})
