/** Who may write when: what becomes of writers when the next log, the disk, level 0 or memory has no room for them. */
import t from 'tap'
import { CorruptionError } from '../../../src/storage/corruption-error.js'
import { tableFileName } from '../../../src/storage/file-names.js'
import type { StoreOptions } from '../../../src/storage/store-options.js'
import { NoRoomYet } from '../../../src/storage/store-error.js'
import { WRITE_LATER, WRITE_NOW } from '../../../src/storage/store.js'
import { overriding } from '../../sim/overriding-jobs.js'
import { StorageMachine, TINY } from '../../sim/storage-machine.js'

const NO_ROOM_YET = { code: 'behind', message: new NoRoomYet().message }

/** Writes without asking whether it may. */
async function put(machine: StorageMachine, key: string, valueBytes = 300): Promise<void> {
  const bytes = Buffer.from(key)
  const value = Buffer.alloc(valueBytes, key)
  await machine.command([bytes], () => {
    machine.keyspace.set(bytes, 0, bytes.length, value, 0, value.length, 0)
  })
  await machine.settle()
}

/** Writes as long as it may at once; answers the refusal, or WRITE_LATER. */
async function fillUp(machine: StorageMachine, writesMax = 500): Promise<unknown> {
  for (let i = 0; i < writesMax; i++) {
    try {
      if (machine.store.admit(1000) === WRITE_LATER) return WRITE_LATER
    } catch (error) {
      return error
    }
    await put(machine, `key ${i}`)
  }
  return null
}

async function started(seed: string, options: Partial<StoreOptions> = {}): Promise<StorageMachine> {
  const machine = StorageMachine.fromSeed(seed, { ...TINY, ...options })
  await machine.start()
  return machine
}

t.test(
  'a next log that cannot be made is told at once, tried again, and forgotten when it can',
  async (t) => {
    const machine = StorageMachine.fromSeed('no next log')
    let isBroken = false
    machine.wrapJobs = (jobs) =>
      overriding(jobs, {
        prepare: (job) => {
          const error = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
          return isBroken ? Promise.reject(error) : jobs.prepare(job)
        },
      })
    await machine.start()
    isBroken = true
    await put(machine, 'first')
    const before = machine.nowMs
    await machine.until(() => machine.store.facts().segments > 0, 'it runs')
    let refusal: unknown = WRITE_LATER
    while (refusal === WRITE_LATER && machine.nowMs - before < 3000) {
      refusal = await fillUp(machine)
      await machine.advance(10)
    }
    t.match(refusal, { name: 'StoreError', code: 'log-failed', message: 'EACCES: permission denied' })
    t.equal(machine.store.facts().logFailure, 'EACCES: permission denied', 'as INFO has it')
    t.equal(machine.store.facts().diskIsFull, false)
    t.equal((await machine.get('first'))?.value.length, 300)
    isBroken = false
    await machine.until(() => machine.store.facts().logFailure === null, 'the next log is made')
    await machine.admission(1000)
    await put(machine, 'after')
    t.equal((await machine.get('after'))?.value.length, 300)
  },
)

t.test('a full disk at a start: reads are served, writes refused, until there is room', async (t) => {
  for (const end of ['stop', 'crash'] as const) {
    const machine = await started(`full at the start, ${end}`)
    for (let i = 0; i < 40; i++) {
      await machine.admission(1000)
      await put(machine, `key ${i}`)
    }
    await machine.rest()
    if (end === 'stop') await machine.stop()
    else machine.crash('lose-all')
    const { disk } = machine.env
    // The start removes two spare logs, and makes one.
    disk.setCapacity(disk.usedBytes - TINY.segmentBytes)
    await machine.start()
    t.equal((await machine.scan(10)).size, 40)
    t.throws(() => machine.store.admit(1), { code: 'disk-full' })
    await machine.advance(5000)
    t.throws(() => machine.store.admit(1), { code: 'disk-full' })
    disk.setCapacity(disk.usedBytes + 1024 * 1024)
    await machine.until(() => !machine.store.facts().diskIsFull, 'the room is noticed')
    await machine.admission(1000)
    await put(machine, 'after')
    await machine.rest()
    machine.crash('lose-all')
    await machine.start()
    t.equal((await machine.scan(10)).size, 41)
    const logs = machine.env.disk.list('/data').filter((name) => name.endsWith('.log'))
    t.ok(logs.length <= 4, `${logs.length} logs are left`)
  }
})

t.test('without room for a new manifest a start goes on with the old one, and service resumes', async (t) => {
  const machine = await started('old manifest')
  for (let i = 0; i < 10; i++) {
    await machine.admission(1000)
    await put(machine, `key ${i}`)
  }
  await machine.stop()
  machine.env.disk.failAt(1, 'ENOSPC', 'rename')
  await machine.start()
  t.equal((await machine.scan(10)).size, 10)
  t.throws(() => machine.store.admit(1), { code: 'disk-full' })
  await machine.until(() => !machine.store.facts().diskIsFull, 'the room is noticed')
  await machine.admission(1000)
  await put(machine, 'after')
  await machine.settle()
  machine.crash('lose-all')
  await machine.start()
  t.equal((await machine.scan(10)).size, 11)
})

t.test('without room for its first manifest a directory is not begun, and the message says so', async (t) => {
  const machine = StorageMachine.fromSeed('full and empty')
  machine.env.disk.setCapacity(0)
  await t.rejects(machine.start(), {
    code: 'ENOSPC',
    message: /^\/data\/MANIFEST cannot be written: no space left on device. Make room for \d+ bytes/,
  })
})

t.test('writers wait while level 0 is as deep as it may be, and a compaction lets them go on', async (t) => {
  const machine = StorageMachine.fromSeed('deep', { ...TINY, slowdownDepth: 3, stopDepth: 4 })
  const waiting: (() => void)[] = []
  let isHeld = true
  machine.wrapJobs = (jobs) =>
    overriding(jobs, {
      compact: async (job) => {
        if (isHeld) await new Promise<void>((resolve) => waiting.push(resolve))
        return jobs.compact(job)
      },
    })
  await machine.start()
  t.equal(await writeFor(machine, 60_000), WRITE_LATER)
  const { tablesByLevel, flushing } = machine.store.facts()
  t.notOk(flushing, 'what there was to flush is flushed')
  const perFlush = Math.ceil(TINY.segmentBytes / TINY.tableTargetBytes)
  t.ok(tablesByLevel[0] <= (4 + TINY.segmentsMax) * perFlush, `${tablesByLevel[0]} tables on level 0`)
  isHeld = false
  for (const goOn of waiting) goOn()
  await machine.admission(1000)
  t.equal(await writeFor(machine, 3000), null)
})

t.test('level 0 may always become so deep that a compaction is due', async (t) => {
  const compaction = { ...TINY.compaction, l0Trigger: 6 }
  const machine = await started('shallow', { slowdownDepth: 2, stopDepth: 3, compaction })
  t.equal(await writeFor(machine, 20_000), null)
  t.ok(machine.store.facts().compactions > 0)
})

t.test('damaged tables, which are never compacted again, do not keep writers waiting', async (t) => {
  const machine = StorageMachine.fromSeed('deep damage', { ...TINY, slowdownDepth: 3, stopDepth: 4 })
  const damaged = new Set<number>()
  machine.wrapJobs = (jobs) =>
    overriding(jobs, {
      compact: (job) => {
        const fresh = job.inputs.find((table) => table.level === 0)
        if (fresh === undefined || damaged.size === 12) return jobs.compact(job)
        damaged.add(fresh.fileNumber)
        const file = `/data/${tableFileName(fresh.fileNumber)}`
        return Promise.reject(new CorruptionError(file, 0, 'the checksum of block 0 does not match', ''))
      },
    })
  await machine.start()
  t.equal(await writeFor(machine, 60_000), null)
  t.equal(damaged.size, 12)
})

/** Keeps writing for so long; answers WRITE_LATER once it has to wait for five seconds, null when it never does. */
async function writeFor(machine: StorageMachine, ms: number): Promise<unknown> {
  const endMs = machine.nowMs + ms
  let waitedMs = 0
  for (let i = 0; machine.nowMs < endMs; i++) {
    if (machine.store.admit(1000) === WRITE_LATER) {
      waitedMs += 100
      if (waitedMs > 5000) return WRITE_LATER
    } else {
      waitedMs = 0
      await put(machine, `key ${i}`)
    }
    await machine.advance(100)
  }
  return null
}

t.test(
  'of values larger than a segment one is in memory at a time, also when their requests are small',
  async (t) => {
    const machine = StorageMachine.fromSeed('large')
    const waiting: (() => void)[] = []
    let isHeld = true
    machine.wrapJobs = (jobs) =>
      overriding(jobs, {
        flush: async (job) => {
          if (isHeld) await new Promise<void>((resolve) => waiting.push(resolve))
          return jobs.flush(job)
        },
      })
    await machine.start()
    const largeBytes = 10 * TINY.segmentBytes
    await put(machine, 'first', largeBytes)
    await machine.advance(10)
    t.equal(machine.store.admit(largeBytes), WRITE_LATER, 'what a request announces')
    await machine.until(() => waiting.length > 0, 'the first is given up, so that it can be flushed')
    t.equal(machine.store.admit(1000), WRITE_NOW)
    await t.rejects(put(machine, 'second', largeBytes), NO_ROOM_YET, 'as SETRANGE, which announces nothing')
    t.throws(() => machine.keyspace.reserve(2, largeBytes), NO_ROOM_YET)
    t.equal(await machine.get('second'), null, 'nothing is applied')
    isHeld = false
    for (const goOn of waiting) goOn()
    await machine.admission(largeBytes)
    await put(machine, 'second', largeBytes)
    t.equal((await machine.get('second'))?.value.length, largeBytes)
  },
)

t.test('a value that fits a segment does not take more segments than there may be', async (t) => {
  const machine = StorageMachine.fromSeed('grown')
  machine.wrapJobs = (jobs) => overriding(jobs, { flush: () => new Promise(() => {}) })
  await machine.start()
  let refused = 0
  for (let i = 0; i < 10; i++) {
    t.ok(machine.store.admit(1) === WRITE_NOW || refused > 0)
    await put(machine, `key ${i}`, TINY.segmentBytes / 2).catch((error: unknown) => {
      if (!(error instanceof NoRoomYet)) throw error
      refused++
    })
    await machine.advance(10)
  }
  t.equal(machine.store.facts().segments, TINY.segmentsMax)
  t.ok(refused > 0)
})
