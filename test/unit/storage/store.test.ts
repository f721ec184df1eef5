import t from 'tap'
import type { Test } from 'tap'
import { COLD } from '../../../src/coordinator/keyspace.js'
import { HLC_PER_MS, wallMsToHlc } from '../../../src/record/hlc.js'
import { contextCount, siblingHlc, siblingsStart } from '../../../src/record/layout.js'
import { SLOT_COUNT, slotOf } from '../../../src/ring/slot.js'
import { KeyHash } from '../../../src/ring/token.js'
import { CorruptionError } from '../../../src/storage/corruption-error.js'
import { EntryRef } from '../../../src/storage/entry.js'
import type { StorageJobs } from '../../../src/storage/jobs/storage-jobs.js'
import type { Partitions } from '../../../src/storage/partitions.js'
import { StoreError } from '../../../src/storage/store-error.js'
import { overriding } from '../../sim/overriding-jobs.js'
import { DIRECTORY, StorageMachine, TINY } from '../../sim/storage-machine.js'

async function started(seed: string, options = TINY): Promise<StorageMachine> {
  const machine = StorageMachine.fromSeed(seed, options)
  await machine.start()
  return machine
}

function put(machine: StorageMachine, key: string, value: string, expireAtMs = 0): void {
  const keyBytes = Buffer.from(key)
  const valueBytes = Buffer.from(value)
  machine.keyspace.beginBatch()
  machine.keyspace.find(keyBytes, 0, keyBytes.length)
  machine.keyspace.set(keyBytes, 0, keyBytes.length, valueBytes, 0, valueBytes.length, expireAtMs)
}

/** Writes and waits for the acknowledgement. */
async function store(machine: StorageMachine, key: string, value: string, expireAtMs = 0): Promise<void> {
  await machine.admission(value.length + 600)
  const bytes = Buffer.from(key)
  await machine.command([bytes], () => put(machine, key, value, expireAtMs))
  await machine.settle()
}

async function remove(machine: StorageMachine, key: string): Promise<void> {
  const bytes = Buffer.from(key)
  await machine.command([bytes], () => machine.keyspace.delete(bytes, 0, bytes.length))
  await machine.settle()
}

/** The key's newest record, which must be in memory. */
function recordOf(machine: StorageMachine, key: string): EntryRef {
  const bytes = Buffer.from(key)
  const hash = new KeyHash()
  hash.of(bytes, 0, bytes.length)
  const entry = new EntryRef()
  machine.store.find(hash, bytes, 0, bytes.length, entry)
  return entry
}

function newestHlc(machine: StorageMachine, key: string): number {
  const { bytes, record } = recordOf(machine, key)
  return siblingHlc(bytes, siblingsStart(bytes, record))
}

/** Fills segments until so many flushes are done. */
async function fill(machine: StorageMachine, flushes: number): Promise<void> {
  for (let i = 0; machine.store.facts().flushes < flushes; i++) {
    await store(machine, `filler ${i % 50}`, `${i} `.repeat(100))
    await machine.advance(1)
  }
  await machine.rest()
}

function filesOf(machine: StorageMachine, ending: string): string[] {
  return machine.env.disk
    .list(DIRECTORY)
    .filter((name) => name.endsWith(ending))
    .sort()
}

t.test('V6 every start writes as another actor, after a clean stop as after a crash', async (t) => {
  const machine = await started('actors')
  const actors = new Set([machine.keyspace.actor])
  await machine.stop()
  await machine.start()
  actors.add(machine.keyspace.actor)
  machine.crash('random')
  await machine.start()
  actors.add(machine.keyspace.actor)
  t.equal(actors.size, 3)
})

t.test('V6 a log that was read anew in place is written by another actor', async (t) => {
  const machine = await started('actor after a full disk')
  const { actor } = machine.keyspace
  machine.env.disk.failAt(1, 'ENOSPC', 'write')
  put(machine, 'key', 'forgotten')
  await machine.until(() => machine.reopenings === 1, 'the log is opened again')
  t.not(machine.keyspace.actor, actor)
  t.equal(await machine.get('key'), null)
})

t.test(
  'V4 a dot exceeds everything on disk when the clock has gone back, in logs and in tables',
  async (t) => {
    for (const where of ['log', 'tables'] as const) {
      const machine = await started(`clock behind ${where}`)
      machine.env.clock.jumpWall(3600_000)
      await store(machine, 'key', 'from the future')
      const highest = newestHlc(machine, 'key')
      if (where === 'tables') {
        await fill(machine, 2)
        t.ok(machine.store.facts().tables > 0)
      }
      await machine.stop()
      machine.env.clock.jumpWall(-7200_000)
      await machine.start()
      t.ok(machine.store.loaded.maxHlc >= highest)
      await store(machine, 'key', 'from the past')
      t.ok(newestHlc(machine, 'key') > highest)
      t.equal((await machine.get('key'))?.value, 'from the past')
    }
  },
)

t.test('V4 a dot follows the wall clock', async (t) => {
  const machine = await started('clock ahead')
  await store(machine, 'key', 'one')
  machine.env.clock.jumpWall(60_000)
  const now = wallMsToHlc(machine.nowMs)
  await store(machine, 'key', 'two')
  const hlc = newestHlc(machine, 'key')
  t.ok(hlc > now && hlc <= now + HLC_PER_MS)
})

t.test('V2 every write rests on the newest record, also the second one of a step', async (t) => {
  const machine = await started('twice in a step')
  const key = Buffer.from('key')
  machine.keyspace.beginBatch()
  machine.keyspace.find(key, 0, key.length)
  for (const value of ['one', 'two', 'three']) {
    machine.keyspace.set(key, 0, key.length, Buffer.from(value), 0, value.length, 0)
    t.equal(machine.keyspace.count(), 1)
  }
  machine.keyspace.delete(key, 0, key.length)
  t.equal(machine.keyspace.count(), 0)
  const { bytes, record } = recordOf(machine, 'key')
  t.equal(contextCount(bytes, record), 1)
  await machine.settle()
  machine.crash('lose-all')
  await machine.start()
  t.equal(machine.keyspace.count(), 0)
})

t.test('V2 a write that waited for its predecessor rests on what was written meanwhile', async (t) => {
  const machine = await started('cold predecessor', { ...TINY, blockCacheBytes: 4096 })
  await store(machine, 'key', 'old')
  await fill(machine, 3)
  const key = Buffer.from('key')
  machine.keyspace.beginBatch()
  let isCold = machine.keyspace.find(key, 0, key.length) === COLD
  for (let i = 0; !isCold; i++) {
    // Other blocks push it out of the cache.
    await machine.get(`filler ${i % 50}`)
    machine.keyspace.beginBatch()
    isCold = machine.keyspace.find(key, 0, key.length) === COLD
  }
  const seen: string[] = []
  const appending = machine.command([key], () => {
    machine.keyspace.find(key, 0, key.length)
    seen.push(machine.shown().value)
    machine.keyspace.set(key, 0, key.length, Buffer.from('appended'), 0, 8, 0)
  })
  // A client that holds the key's block, or its record in a memtable, is not held up.
  const hash = new KeyHash()
  hash.of(key, 0, key.length)
  machine.store.append(hash, key, 0, 3, null, 0, 5, newestStamp(machine), 0, 0, key, 0, 3, 0, 2 ** 48 - 1)
  await appending
  t.same(seen, ['key'])
  const { bytes, record } = recordOf(machine, 'key')
  t.equal(contextCount(bytes, record), 2, 'its context has seen the write of the other actor')
})

function newestStamp(machine: StorageMachine): number {
  return wallMsToHlc(machine.nowMs)
}

t.test('several writes of one command share a segment, however long their contexts have grown', async (t) => {
  const machine = await started('long contexts', { ...TINY, segmentBytes: 16 * 1024 })
  const keys = ['a', 'b', 'c', 'd']
  // Every start adds an actor to the context of what is written.
  for (let life = 0; life < 30; life++) {
    for (const key of keys) await store(machine, key, `life ${life}`)
    await machine.stop()
    await machine.start()
  }
  await machine.command(
    keys.map((key) => Buffer.from(key)),
    () => {
      const { bytes, record } = recordOf(machine, 'a')
      t.ok(contextCount(bytes, record) >= 29)
    },
  )
  for (let attempts = 0; attempts < 40; attempts++) {
    await store(machine, `padding ${attempts}`, '.'.repeat(380))
    await machine.admission(4 * 1200)
    const payloadBytes = keys.length + keys.length * 'together'.length
    const segments: number[] = []
    await machine.command(
      keys.map((key) => Buffer.from(key)),
      () => {
        machine.keyspace.reserve(keys.length, payloadBytes)
        for (const key of keys) {
          put(machine, key, 'together')
          segments.push(machine.store.facts().segments)
        }
      },
    )
    if (new Set(segments).size > 1) t.fail(`attempt ${attempts} is divided`)
    await machine.settle()
  }
  t.ok(machine.store.facts().flushes > 2, 'segments were filled on the way')
})

t.test('R2 what FLUSHALL hides is shown as gone only once its mark is durable', async (t) => {
  const machine = await started('flush mark')
  await store(machine, 'key', 'value')
  const key = Buffer.from('key')
  const flushing = machine.keyspace.flushAll()
  machine.keyspace.beginBatch()
  t.equal(machine.keyspace.find(key, 0, key.length), 0)
  t.equal(machine.keyspace.needSequence, machine.store.sequence)
  t.ok(machine.keyspace.needSequence > machine.store.durableSequence)
  await machine.settle()
  await flushing
  machine.keyspace.beginBatch()
  machine.keyspace.find(key, 0, key.length)
  t.equal(machine.keyspace.needSequence, 0)
})

t.test('FLUSHALL drops the tables below its mark, and they stay away', async (t) => {
  for (const appendfsync of ['always', 'everysec', 'no'] as const) {
    const machine = await started(`flushall ${appendfsync}`, { ...TINY, appendfsync })
    await fill(machine, 3)
    t.ok(filesOf(machine, '.table').length > 0)
    const flushing = machine.keyspace.flushAll()
    await machine.settle()
    await flushing
    await machine.until(() => machine.store.facts().tables === 0, 'tables go')
    t.same(filesOf(machine, '.table'), [])
    t.equal(machine.keyspace.count(), 0)
    await store(machine, 'after', 'value')
    await machine.advance(2000)
    machine.crash(appendfsync === 'no' ? 'keep-all' : 'lose-all')
    await machine.start()
    t.same([...(await machine.scan(10)).keys()], ['after'])
    t.equal(machine.keyspace.count(), 1)
  }
})

t.test('FLUSHALL leaves what was written after it alone, while another one is not durable yet', async (t) => {
  const machine = await started('two at once', { ...TINY, appendfsync: 'no' })
  await store(machine, 'before', 'value')
  const first = machine.keyspace.flushAll()
  await machine.settle()
  await first
  await store(machine, 'between', 'value')
  await machine.until(
    () => machine.store.facts().compactions >= 0 && !machine.store.facts().compacting,
    'rest',
  )
  await fill(machine, 1)
  // Its mark is in memory only, and the clean-up after the first one may still be under way.
  machine.keyspace.flushAll().catch(() => {})
  await machine.rest()
  machine.crash('lose-all')
  await machine.start()
  t.equal((await machine.get('between'))?.value, 'value')
  t.equal(await machine.get('before'), null)
  t.equal(machine.keyspace.count(), (await machine.scan(100)).size)
})

t.test('a clean stop seals the log: damage to any byte of it is known afterwards', async (t) => {
  const machine = await started('sealed')
  await store(machine, 'key', 'the only batch of this log')
  await machine.stop()
  const [log] = logsOf(machine)
  for (const offset of [3, 70, 100, 150]) {
    machine.env.disk.flipBit(log, offset, 1)
    await t.rejects(machine.start(), CorruptionError)
    machine.env.disk.flipBit(log, offset, 1)
  }
  await machine.start()
  t.equal((await machine.get('key'))?.value, 'the only batch of this log')
})

t.test('T6 what was read from a table is not shown again once it was overwritten and flushed', async (t) => {
  const machine = await started('shortcuts', { ...TINY, blockCacheBytes: 64 * 4096 })
  for (let round = 1; round <= 8; round++) {
    await store(machine, 'key', `value ${round}`)
    await fill(machine, machine.store.facts().flushes + 2)
    t.equal((await machine.get('key'))?.value, `value ${round}`)
    t.equal((await machine.get('key'))?.value, `value ${round}`, 'and again, by the way that was noted')
  }
  t.not(machine.store.facts().compactions, 0)
  await remove(machine, 'key')
  await fill(machine, machine.store.facts().flushes + 2)
  t.equal(await machine.get('key'), null)
})

t.test('what flushes and compactions write is in the block cache before it is needed', async (t) => {
  const machine = await started('warm', { ...TINY, blockCacheBytes: 256 * 4096 })
  await fill(machine, 12)
  t.not(machine.store.facts().compactions, 0)
  for (let i = 0; i < 50; i++) t.ok(await machine.get(`filler ${i}`))
  t.equal(machine.coldReads, 0)
})

t.test('a cache that is too small for what is written keeps to its size', async (t) => {
  const machine = await started('small cache', { ...TINY, blockCacheBytes: 2 * 4096 })
  await fill(machine, 6)
  for (let i = 0; i < 50; i++) t.ok(await machine.get(`filler ${i}`))
  t.not(machine.coldReads, 0)
  t.ok(machine.store.facts().cacheBytes <= 2 * 4096)
})

t.test('new tables that cannot be read back for the cache are used all the same', async (t) => {
  const machine = await started('unread')
  machine.wrapJobs = (jobs) => overriding(jobs, { readBlocks: () => Promise.reject(new Error('no reads')) })
  await machine.stop()
  await machine.start()
  await fill(machine, 4)
  for (let i = 0; i < 50; i++) t.ok(await machine.get(`filler ${i}`))
})

/** Jobs of which the flushes never end. */
function withoutFlushes(jobs: StorageJobs): StorageJobs {
  return overriding(jobs, { flush: () => new Promise(() => {}) })
}

function logsOf(machine: StorageMachine): string[] {
  return filesOf(machine, '.log').map((name) => `${DIRECTORY}/${name}`)
}

t.test('W1 a log that a later one names must be there, with its header', async (t) => {
  for (const harm of ['header', 'emptied', 'removed'] as const) {
    const machine = StorageMachine.fromSeed(`chain ${harm}`, { ...TINY, segmentBytes: 4096, segmentsMax: 8 })
    machine.wrapJobs = withoutFlushes
    await machine.start()
    for (let i = 0; machine.store.facts().segments < 4; i++) await store(machine, `key ${i}`, 'x'.repeat(200))
    const [, middle, next] = logsOf(machine)
    machine.crash('keep-all')
    const { disk } = machine.env
    if (harm === 'header') disk.flipBit(middle, 20, 0)
    else if (harm === 'removed') disk.unlink(middle)
    else {
      const file = disk.open(middle, 'write')
      disk.writeSync(file, Buffer.alloc(disk.sizeBytes(file)), 0, disk.sizeBytes(file), 0)
      disk.close(file)
    }
    const file = harm === 'removed' ? next : middle
    await t.rejects(machine.start(), { name: 'CorruptionError', file })
  }
})

t.test(
  'W1 what a torn first write has left is missed by nobody, even when its removal is undone',
  async (t) => {
    const machine = StorageMachine.fromSeed('back again', { ...TINY, segmentBytes: 4096, segmentsMax: 8 })
    machine.wrapJobs = withoutFlushes
    await machine.start()
    await store(machine, 'key', 'value')
    machine.crash('lose-all')
    await machine.start()
    await store(machine, 'key', 'newer value')
    const [first, active] = logsOf(machine)
    machine.crash('lose-all')
    const between = first.replace(/\d+/, (digits) => String(Number(digits) + 1).padStart(6, '0'))
    t.ok(first < between && between < active)
    const file = machine.env.disk.open(between, 'create')
    machine.env.disk.writeSync(file, Buffer.alloc(3000, 0x5a), 0, 3000, 500)
    machine.env.disk.close(file)
    await machine.start()
    t.equal((await machine.get('key'))?.value, 'newer value')
    t.equal(machine.store.loaded.cutBytes, 0)
  },
)

t.test('a start without writes leaves nothing to recover', async (t) => {
  const machine = await started('idle')
  for (let i = 0; i < 3; i++) {
    await machine.stop()
    await machine.start()
    t.equal(machine.store.loaded.logBytes, 0)
    t.equal(machine.store.facts().segments, 1)
  }
})

t.test('keys are counted anew when the counts file is damaged or gone', async (t) => {
  for (const harm of ['damaged', 'gone'] as const) {
    const machine = await started(`counts ${harm}`)
    await fill(machine, 2)
    await store(machine, 'mortal', 'value', machine.nowMs + 50_000)
    await remove(machine, 'filler 3')
    await fill(machine, 4)
    await store(machine, 'in the log', 'value')
    await remove(machine, 'filler 4')
    const count = machine.keyspace.count()
    const expiring = machine.keyspace.countExpiring()
    await machine.stop()
    const [file] = filesOf(machine, '.counts').map((name) => `${DIRECTORY}/${name}`)
    if (harm === 'gone') machine.env.disk.unlink(file)
    else machine.env.disk.flipBit(file, 9, 0)
    await machine.start()
    t.equal(machine.env.log.of('key counts are damaged: the keys are counted anew').length, 1)
    t.equal(machine.keyspace.count(), count)
    t.equal(machine.keyspace.countExpiring(), expiring)
    t.equal((await machine.scan(100)).size, count)
  }
})

/** A division of the slots into so many partitions, side by side. */
function partitionsOf(count: number): Partitions {
  const ofSlot = Uint16Array.from({ length: SLOT_COUNT }, (_, slot) =>
    Math.floor((slot * count) / SLOT_COUNT),
  )
  return { version: `${count} parts`, ofSlot, count }
}

/** Live keys and expiring keys by partition, as a walk over all keys finds them. */
async function keysByPartition(machine: StorageMachine, partitions: Partitions): Promise<number[][]> {
  const keys = Array.from({ length: partitions.count }, () => [0, 0])
  for (const [key, { expireAtMs }] of await machine.scan(100)) {
    const bytes = Buffer.from(key)
    const counted = keys[partitions.ofSlot[slotOf(bytes, 0, bytes.length)]]
    counted[0]++
    if (expireAtMs !== 0) counted[1]++
  }
  return keys
}

function countsByPartition(machine: StorageMachine, partitions: Partitions): number[][] {
  const { counts } = machine.store
  return Array.from({ length: partitions.count }, (_, partition) => [
    counts.total(machine.nowMs, partition),
    counts.expiring(machine.nowMs, partition),
  ])
}

const COUNTED_ANEW = 'key counts are of another ring: the keys are counted anew'

t.test('R5 keys are counted by partition, over restarts and changes of the partitions', async (t) => {
  const [four, nine] = [partitionsOf(4), partitionsOf(9)]
  const machine = await started('partitions', { ...TINY, partitions: four })
  await fill(machine, 2)
  for (let i = 0; i < 20; i++) await store(machine, `mortal ${i}`, 'value', machine.nowMs + 500_000)
  await remove(machine, 'filler 3')
  await fill(machine, 4)
  await store(machine, 'mortal 3', 'now for ever')
  await store(machine, 'in the log', 'value')
  await remove(machine, 'filler 4')
  const expected = await keysByPartition(machine, four)
  t.ok(
    expected.every(([keys, expiring]) => keys > expiring && expiring > 0),
    'no partition is idle',
  )
  t.same(countsByPartition(machine, four), expected)

  await machine.stop()
  await machine.start()
  t.same(countsByPartition(machine, four), expected)
  t.equal(machine.env.log.of(COUNTED_ANEW).length, 0)

  await machine.stop()
  machine.options = { ...TINY, partitions: nine }
  await machine.start()
  t.match(machine.env.log.of(COUNTED_ANEW), [{ facts: { from: '4 parts', to: '9 parts' } }])
  t.same(countsByPartition(machine, nine), await keysByPartition(machine, nine))
  await fill(machine, 2)
  t.same(countsByPartition(machine, nine), await keysByPartition(machine, nine))

  await machine.stop()
  await machine.start()
  t.equal(machine.env.log.of(COUNTED_ANEW).length, 1, 'the new counts were written with the next flush')
  t.same(countsByPartition(machine, nine), await keysByPartition(machine, nine))

  await machine.stop()
  machine.options = TINY
  await machine.start()
  t.equal(machine.env.log.of(COUNTED_ANEW).length, 2)
  t.equal(machine.keyspace.count(), (await machine.scan(100)).size)
})

t.test('a stop refuses further writes and ends what is under way', async (t) => {
  const machine = await started('stop')
  put(machine, 'key', 'not acknowledged before the stop')
  const closing = machine.store.close()
  t.throws(() => machine.store.admit(10), { code: 'closed' })
  void t.rejects(machine.keyspace.flushAll(), StoreError)
  let closed = false
  void closing.then(() => (closed = true))
  await machine.until(() => closed, 'the store closes')
  await machine.start()
  t.equal((await machine.get('key'))?.value, 'not acknowledged before the stop')
})

async function rotates(t: Test, machine: StorageMachine): Promise<void> {
  const before = machine.store.facts().flushes
  await fill(machine, before + 2)
  t.ok(machine.store.facts().flushes >= before + 2, 'segments change again')
}

t.test('a log file that cannot be opened at a rotation refuses that write alone', async (t) => {
  const machine = await started('rotation fails')
  machine.env.disk.failAt(1, 'EIO', 'open', 1)
  let refusal: unknown = null
  for (let i = 0; refusal === null; i++) {
    try {
      put(machine, `key ${i % 20}`, '.'.repeat(300))
    } catch (error) {
      refusal = error
    }
  }
  t.match(refusal, { code: 'log-failed' })
  await machine.settle()
  t.equal(machine.store.logFailure, null)
  await rotates(t, machine)
})

t.test('the compaction rate and appendfsync of run time outlive a full disk', async (t) => {
  const machine = await started('settings', { ...TINY, appendfsync: 'everysec' })
  machine.store.setAppendfsync('always')
  await store(machine, 'key', 'value')
  machine.env.disk.failAt(1, 'ENOSPC', 'write', 1)
  put(machine, 'key', 'no room for this one')
  await machine.until(() => machine.store.logFailure !== null, 'the log fails')
  t.throws(() => machine.store.admit(1), { code: 'disk-full' })
  await machine.until(() => machine.reopenings === 1, 'the log is opened again')
  t.equal(machine.store.appendfsync, 'always')
  t.equal((await machine.get('key'))?.value, 'value')
  await rotates(t, machine)
})

t.test(
  'V6 a log that a quota has stopped is opened again, and nothing is written with the old actor',
  async (t) => {
    const machine = await started('quota')
    await store(machine, 'key', 'value')
    const { actor } = machine.keyspace
    machine.env.disk.failAt(1, 'EDQUOT', 'write', 1)
    put(machine, 'key', 'no room for this one')
    await machine.until(() => machine.store.logFailure !== null, 'the log fails')
    t.throws(() => machine.store.admit(1), { code: 'disk-full' })
    let roomWithOldActor = 0
    machine.onRoom = () => {
      if (machine.keyspace.actor === actor && machine.store.logFailure === null) roomWithOldActor++
    }
    await machine.until(() => machine.reopenings === 1, 'the log is opened again')
    await machine.advance(2000)
    t.equal(roomWithOldActor, 0)
    t.not(machine.keyspace.actor, actor)
    await store(machine, 'key', 'another')
    t.equal((await machine.get('key'))?.value, 'another')
  },
)

t.test('a table that the manifest names must be there: the message says which and what to do', async (t) => {
  const machine = await started('a table is gone')
  await fill(machine, 3)
  await machine.stop()
  const gone = `${DIRECTORY}/${filesOf(machine, '.table').at(-1)}`
  machine.env.disk.unlink(gone)
  await t.rejects(machine.start(), {
    name: 'CorruptionError',
    file: gone,
    message: /the table is missing, but \/data\/MANIFEST names it\. Bring the file back, restore/,
  })
})

t.test('zeros are written for the first logs only: later ones take the files of flushed ones', async (t) => {
  for (const jobMsMax of [0, 30]) {
    const machine = StorageMachine.fromSeed(`logs are used again, ${jobMsMax}`)
    machine.jobMsMax = jobMsMax
    const prepared: (string | null)[] = []
    machine.wrapJobs = (jobs) =>
      overriding(jobs, {
        prepare: (job) => {
          prepared.push(job.oldPath)
          return jobs.prepare(job)
        },
      })
    await machine.start()
    for (let i = 0; i < 300; i++) await store(machine, `key ${i % 70}`, `${i} `.repeat(60))
    await machine.rest()
    const fresh = prepared.filter((oldPath) => oldPath === null).length
    t.ok(prepared.length > 8, `${prepared.length} logs were made`)
    t.ok(fresh <= 4, `${fresh} of them of zeros`)
    machine.crash('lose-all')
    machine.wrapJobs = (jobs) => jobs
    await machine.start()
    for (let i = 230; i < 300; i++) {
      t.equal((await machine.get(`key ${i % 70}`))?.value.toString(), `${i} `.repeat(60))
    }
    const logs = machine.env.disk.list(DIRECTORY).filter((name) => name.endsWith('.log'))
    t.ok(logs.length <= 5, `${logs.length} logs are left`)
    await machine.stop()
  }
})

t.test(
  'segments are given up at different points, so that replicas do not flush at the same time',
  async (t) => {
    const tails = await Promise.all(
      ['one', 'other'].map(async (seed) => {
        const machine = StorageMachine.fromSeed(`given up, ${seed}`)
        const flushed: number[] = []
        machine.wrapJobs = (jobs) =>
          overriding(jobs, {
            flush: (job) => {
              flushed.push(job.arenaBytes)
              return jobs.flush(job)
            },
          })
        await machine.start()
        for (let i = 0; i < 400; i++) await store(machine, `key ${i % 70}`, 'x'.repeat(100))
        await machine.rest()
        await machine.stop()
        return flushed
      }),
    )
    const { segmentBytes } = TINY
    for (const flushed of tails) {
      t.ok(flushed.length > 8)
      for (const tail of flushed) {
        if (tail < 0.74 * segmentBytes || tail > segmentBytes) t.fail(`${tail} of ${segmentBytes}`)
      }
      t.ok(Math.max(...flushed) - Math.min(...flushed) > 0.1 * segmentBytes)
    }
    t.notSame(tails[0], tails[1])
  },
)
