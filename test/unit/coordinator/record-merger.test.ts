import t from 'tap'
import type { Test } from 'tap'
import { MERGE_COLD } from '../../../src/coordinator/record-merger.js'
import { Digest } from '../../../src/record/digest.js'
import { wallMsToHlc } from '../../../src/record/hlc.js'
import { mergeRecords } from '../../../src/record/merge.js'
import { decodeRecord, encodeRecord } from '../../../src/record/record.js'
import { EntryRef, FLAG_SHADOWS, entryFlags } from '../../../src/storage/entry.js'
import { StorageMachine, TINY } from '../../sim/storage-machine.js'
import { Seeded } from '../../support/seeded.js'
import { MergerProbe, deletion, encoded, value } from './records.js'

const HOUR_MS = 3_600_000

async function started(seed: string, options = TINY): Promise<[StorageMachine, MergerProbe]> {
  const machine = StorageMachine.fromSeed(seed, options)
  await machine.start()
  return [machine, new MergerProbe(machine)]
}

const soon = (machine: StorageMachine): number => wallMsToHlc(machine.nowMs)

t.test('L1 a record that covers what is held is appended as it is', async (t) => {
  const [machine, probe] = await started('covers')
  const now = soon(machine)
  const first = encoded('key', [value(1, now, 'one')])
  const second = encoded('key', [value(2, now + 1, 'two')], [{ actor: 1, hlc: now }])
  t.equal(await probe.merge(first), 1)
  t.equal(await probe.merge(second), 2)
  t.same(await probe.held('key'), second)
  t.equal((await machine.get('key'))?.value, 'two')
  t.equal(probe.witnessed, now + 1, 'V4 the next dot exceeds it')
})

t.test('L1 a record that the held one covers changes nothing and depends on that one', async (t) => {
  const [machine, probe] = await started('covered')
  const now = soon(machine)
  const first = encoded('key', [value(1, now, 'one')])
  const second = encoded('key', [value(2, now + 1, 'two')], [{ actor: 1, hlc: now }])
  const sequence = await probe.merge(second)
  await probe.merge(encoded('other', [value(1, now, 'other')]))
  t.equal(await probe.merge(first), sequence)
  t.equal(await probe.merge(second), sequence)
  t.equal(machine.store.sequence, sequence + 1, 'nothing was appended')
  t.same(await probe.held('key'), second)
})

t.test('V1 concurrent records both stay, and V5 under lww the highest', async (t) => {
  const [machine, probe] = await started('concurrent')
  const now = soon(machine)
  const left = encoded('key', [value(1, now + 1, 'left')])
  const right = encoded('key', [value(2, now, 'right')])
  await probe.merge(left)
  await probe.merge(right)
  const merged = await probe.decoded('key')
  t.same(
    merged?.siblings.map((sibling) => Buffer.from(sibling.value).toString()),
    ['left', 'right'],
  )
  probe.policy = 'lww'
  await probe.merge(encoded('lww', [value(1, now + 1, 'left')]))
  await probe.merge(encoded('lww', [value(2, now, 'right')]))
  const winner = await probe.decoded('lww')
  t.equal(winner?.siblings.length, 1)
  t.equal(winner?.context.length, 2, 'contexts are joined all the same')
  t.equal((await machine.get('lww'))?.value, 'left')
  await probe.merge(encoded('several', [value(1, now + 1, 'left'), value(2, now, 'right')]))
  t.equal((await probe.decoded('several'))?.siblings.length, 1, 'the first of its key as well')
})

t.test(
  'V1 one dot with two contents is reported, and the larger checksum kept, in either order',
  async (t) => {
    const [machine, probe] = await started('corrupt')
    const now = soon(machine)
    const contents = [value(1, now, 'this'), value(1, now, 'that')]
    for (const [key, order] of [
      ['forth', contents],
      ['back', [...contents].reverse()],
    ] as const) {
      for (const content of order) await probe.merge(encoded(key, [content]))
    }
    t.same(
      probe.corrupt.map(({ key, dots }) => ({ key, dots })),
      ['forth', 'back'].map((key) => ({ key, dots: [{ actor: 1, hlc: now }] })),
    )
    t.equal((await machine.get('forth'))?.value, (await machine.get('back'))?.value)
  },
)

t.test('P4 what lies at or below the flush mark does not come back', async (t) => {
  const [machine, probe] = await started('flushed')
  const now = soon(machine)
  machine.store.appendFlushMark(9, now + 1)
  const before = machine.store.sequence
  t.equal(await probe.merge(encoded('old', [value(1, now, 'old')])), before, 'it depends on the mark')
  t.equal(machine.store.sequence, before)
  await probe.merge(encoded('half', [value(1, now + 2, 'new'), value(2, now, 'old')]))
  t.equal((await probe.decoded('half'))?.siblings.length, 1)
  await probe.merge(encoded('later', [value(1, now + 2, 'new')]))
  await probe.merge(encoded('later', [value(2, now + 3, 'newer'), value(3, now, 'old')]))
  t.equal((await probe.decoded('later'))?.siblings.length, 2)
  await probe.merge(encoded('covers', [value(1, now + 2, 'new')]))
  await probe.merge(encoded('covers', [value(1, now + 3, 'newer'), value(3, now, 'old')]))
  t.equal((await probe.decoded('covers'))?.siblings.length, 1)
  t.equal(machine.keyspace.count(), 3)
  await machine.settle()
  machine.crash('lose-all')
  await machine.start()
  t.equal(machine.keyspace.count(), 3, 'a start that replays the log counts the same')
})

t.test(
  'T1 a record that dies over one that lives longer is flagged, until one that never dies',
  async (t) => {
    const [machine, probe] = await started('shadows')
    const now = soon(machine)
    const flagsOf = async (): Promise<number> => {
      const entry = new EntryRef()
      const key = Buffer.from('key')
      await probe.loaded(() => probe.merger.find(key, 0, key.length, entry))
      return entryFlags(entry.bytes, entry.record)
    }
    const write = async (at: number, expireAtMs: number): Promise<number> => {
      await probe.merge(encoded('key', [value(1, now + at, `v${at}`, expireAtMs)]))
      return flagsOf()
    }
    t.equal(await write(1, 0), 0)
    t.equal(await write(2, machine.nowMs + 10_000), FLAG_SHADOWS)
    t.equal(await write(3, machine.nowMs + 20_000), FLAG_SHADOWS, 'sticky')
    t.equal(await write(4, 0), 0)
    await probe.merge(encoded('key', [deletion(1, now + 5)]))
    t.equal(await flagsOf(), FLAG_SHADOWS)
  },
)

t.test('L1 a cold predecessor is loaded, then merged', async (t) => {
  const [machine, probe] = await started('cold')
  const now = soon(machine)
  const keys = Array.from({ length: 200 }, (_, i) => `key ${i}`)
  for (const key of keys) {
    await machine.admission(1000)
    await probe.merge(encoded(key, [value(1, now, `${key} `.repeat(20))]))
    await machine.settle()
  }
  await machine.rest()
  let cold = 0
  for (const key of keys) {
    await machine.admission(1000)
    const record = encoded(key, [value(2, now + 1, 'beside')])
    if (probe.merger.merge(record, 0, record.length) === MERGE_COLD) cold++
    else continue
    await probe.merge(record)
    t.equal((await probe.decoded(key))?.siblings.length, 2)
  }
  t.ok(cold > 50, `${cold} cold`)
})

t.test(
  'V9 equal records have equal digests, absent ones none; R2 a digest names what it shows',
  async (t) => {
    const [machine, probe] = await started('digest')
    const now = soon(machine)
    const digest = new Digest()
    const key = Buffer.from('key')
    t.equal(probe.merger.digestOf(key, 0, key.length, digest), 0)
    t.same([digest.first, digest.second], [0, 0])
    const sequence = await probe.merge(encoded('key', [value(1, now, 'one')]))
    t.equal(probe.merger.digestOf(key, 0, key.length, digest), sequence)
    t.not(digest.first, 0)
    machine.store.appendFlushMark(9, now)
    t.equal(probe.merger.digestOf(key, 0, key.length, digest), machine.store.flushMarkSequence)
    t.same([digest.first, digest.second], [0, 0], 'flushed is absent')
  },
)

interface Side {
  readonly machine: StorageMachine
  readonly probe: MergerProbe
  /** Records of all writers in the order in which this side takes them. */
  readonly queue: Buffer[]
}

const CONVERGING_KEYS = ['a', 'b', 'c', 'd']

t.test(
  'V1 V5 V9 R5 whatever the order, three stores end with the same bytes, digests and counts',
  async (t) => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new Seeded(seed)
      const policy = seed % 2 === 0 ? 'siblings' : 'lww'
      const sides: Side[] = []
      for (let i = 0; i < 3; i++) {
        const [machine, probe] = await started(`side ${i} of ${seed}`)
        probe.policy = policy
        sides.push({ machine, probe, queue: [] })
      }
      const now = soon(sides[0].machine)
      for (let step = 1; step <= 60; step++) {
        const writer = random.below(3)
        const key = random.pick(CONVERGING_KEYS)
        const made = await written(sides[writer], writer + 1, key, now + step, random)
        for (const side of sides) side.queue.splice(random.below(side.queue.length + 1), 0, made)
        for (const side of sides) if (random.chance(3)) await takeOne(side)
      }
      for (const side of sides) while (side.queue.length > 0) await takeOne(side)
      await sameEverywhere(t, sides, seed)
    }
  },
)

/** A write by a node over what it holds. */
async function written(side: Side, actor: number, key: string, hlc: number, random: Seeded): Promise<Buffer> {
  const seen = (await side.probe.decoded(key))?.context ?? []
  const expiries = [0, 0, side.machine.nowMs + 3600_000]
  const sibling = random.chance(3)
    ? deletion(actor, hlc)
    : value(actor, hlc, `${actor}@${hlc}`, random.pick(expiries))
  const record = encoded(key, [sibling], seen)
  await side.machine.admission(record.length)
  await side.probe.merge(record)
  return record
}

async function takeOne({ queue, probe, machine }: Side): Promise<void> {
  const record = queue.shift()
  if (record === undefined) return
  await machine.admission(2000)
  await probe.merge(record)
}

async function sameEverywhere(t: Test, sides: readonly Side[], seed: number): Promise<void> {
  const [first] = sides
  let live = 0
  for (const key of CONVERGING_KEYS) {
    const held = await first.probe.held(key)
    if ((await first.machine.get(key)) !== null) live++
    for (const side of sides) {
      const other = await side.probe.held(key)
      if (held === null || other === null || !held.equals(other)) {
        if (held !== other) t.fail(`key ${key} differs, seed ${seed}`)
      }
      t.same(await digestOf(side, key), await digestOf(first, key), `digest of ${key}, seed ${seed}`)
    }
  }
  for (const { machine } of sides) t.equal(machine.keyspace.count(), live, `count, seed ${seed}`)
}

async function digestOf({ probe }: Side, key: string): Promise<number[]> {
  const digest = new Digest()
  const bytes = Buffer.from(key)
  await probe.loaded(() => probe.merger.digestOf(bytes, 0, bytes.length, digest))
  return [digest.first, digest.second]
}

t.test('a conflict is encoded as merging the decoded records says', async (t) => {
  const [machine, probe] = await started('encoded')
  const now = soon(machine)
  const left = encoded('key', [value(1, now, 'left')])
  const right = encoded('key', [value(2, now + 1, 'right'), value(3, now, 'third')])
  await probe.merge(left)
  await probe.merge(right)
  const { record } = mergeRecords(decodeRecord(left, 0), decodeRecord(right, 0), 'siblings')
  t.same(await probe.held('key'), encodeRecord(record))
})

t.test(
  'P3 what is dead at or below the purge horizon is discarded, and counts as absent where it is held',
  async (t) => {
    const [machine, probe] = await started('purged')
    const now = soon(machine)
    const dead = encoded('key', [deletion(1, now)], [{ actor: 2, hlc: now - 5 }])
    const late = encoded('late', [deletion(1, now)])
    await probe.merge(encoded('key', [value(2, now - 5, 'old')]))
    await probe.merge(dead)
    const before = machine.store.sequence
    const death = machine.nowMs
    probe.horizonMs = Math.ceil(death / HOUR_MS) * HOUR_MS
    t.equal(await probe.merge(late), 0, 'acknowledged without waiting for anything')
    t.equal(machine.store.sequence, before, 'and not appended')
    t.equal(await probe.held('key'), null)
    const digest = new Digest()
    await probe.loaded(() => probe.merger.digestOf(Buffer.from('key'), 0, 3, digest))
    t.same([digest.first, digest.second], [0, 0])
    const older = encoded('key', [value(3, now - 1, 'elsewhere')])
    await probe.merge(older)
    t.same(await probe.held('key'), older, 'dead for one is dead for all: it hides nothing any more')

    const alive = encoded('live', [{ ...value(1, now, 'short'), expireAtMs: probe.horizonMs + 1 }])
    await probe.merge(alive)
    t.same(await probe.held('live'), alive, 'what dies a moment later stays')
  },
)

t.test(
  'V7 contexts of a conflict below the horizon are reduced to the siblings, others are not',
  async (t) => {
    const [machine, probe] = await started('vectors')
    const now = soon(machine)
    const old = wallMsToHlc(machine.nowMs - 10 * HOUR_MS)
    const seen = [{ actor: 8, hlc: old - 1 }]
    probe.horizonMs = machine.nowMs - 5 * HOUR_MS
    await probe.merge(encoded('old', [value(1, old, 'left')], seen))
    await probe.merge(encoded('old', [value(2, old + 1, 'right')], seen))
    t.same(
      (await probe.decoded('old'))?.context.map(({ actor }) => actor),
      [1, 2],
    )
    await probe.merge(encoded('new', [value(1, now, 'left')], seen))
    await probe.merge(encoded('new', [value(2, now + 1, 'right')], seen))
    t.same(
      (await probe.decoded('new'))?.context.map(({ actor }) => actor),
      [1, 2, 8],
    )
    const kept = new Digest()
    const reduced = new Digest()
    const cutoffs = { flushMark: 0, purgeHorizonMs: probe.horizonMs }
    kept.of(encoded('old', [value(1, old, 'left')], seen), 0, cutoffs)
    reduced.of(encoded('old', [value(1, old, 'left')]), 0, cutoffs)
    t.same(kept, reduced, 'the digest says so before anybody has merged')
  },
)
