import t from 'tap'
import * as messages from '../../../src/coordinator/messages.js'
import { ROOM_MS_MAX, WAITING_BYTES_MAX } from '../../../src/coordinator/replica.js'
import { Digest } from '../../../src/record/digest.js'
import { HLC_PER_MS } from '../../../src/record/hlc.js'
import { NO_CUTOFFS } from '../../../src/record/normalise.js'
import { Ring } from '../../../src/ring/ring.js'
import { WRITE_LATER } from '../../../src/storage/store.js'
import { overriding } from '../../sim/overriding-jobs.js'
import { membersOf } from '../../support/ring-members.js'
import { TINY } from '../../sim/storage-machine.js'
import { encoded, value } from './records.js'
import { ReplicaWorld } from './replica-world.js'
import type { FakeLink } from './replica-world.js'

t.test('L1 a record is acknowledged once it is durable, and not before', async (t) => {
  const world = await ReplicaWorld.started('acks')
  const link = world.link()
  link.record(encoded('a', [value(1, world.now, 'a')]))
  link.record(encoded('b', [value(1, world.now, 'b')]))
  t.equal(link.acked, 0)
  await world.machine.settle()
  t.equal(link.acked, 2)
  t.equal((await world.machine.get('b'))?.value, 'b')
})

t.test('L1 a record that is covered is acknowledged once what covers it is durable', async (t) => {
  const world = await ReplicaWorld.started('covered acks')
  const link = world.link()
  const other = world.link()
  const record = encoded('a', [value(1, world.now, 'a')])
  link.record(record)
  other.record(record)
  t.equal(other.acked, 0)
  await world.machine.settle()
  t.equal(other.acked, 1)
  other.record(record)
  t.equal(other.acked, 2, 'at once when it is')
})

t.test('L1 the watermark waits for a cold record, other keys, links and answers do not', async (t) => {
  const world = await ReplicaWorld.started('cold')
  const [key] = await world.coldKeys()
  const link = world.link()
  const other = world.link()
  link.record(encoded(key, [value(2, world.now, 'beside')]))
  t.equal(world.replica.waitingCount, 1, 'it is cold')
  link.record(encoded(key, [value(3, world.now, 'and another')]))
  t.equal(world.replica.waitingCount, 2, 'of the same key: behind it')
  link.record(encoded('warm', [value(1, world.now, 'warm')]))
  other.record(encoded('warm too', [value(1, world.now, 'warm')]))
  t.equal(world.replica.waitingCount, 2)
  t.equal((await world.machine.get('warm'))?.value, 'warm', 'applied before the cold one')
  await world.machine.until(() => other.acked === 1, 'the other link is acknowledged')
  await world.machine.until(() => link.acked === 3, 'all is')
  t.equal(world.replica.waitingCount, 0)
  t.equal((await world.probe.decoded(key))?.siblings.length, 3)
})

t.test('L1 records of one key are applied in the order in which they came', async (t) => {
  const world = await ReplicaWorld.started('order')
  const [key] = await world.coldKeys()
  const link = world.link()
  const applied: string[] = []
  const { merger } = world.probe
  const merge = merger.mergeHashed.bind(merger)
  merger.mergeHashed = (hash, bytes, start, end) => {
    const sequence = merge(hash, bytes, start, end)
    if (sequence >= 0) applied.push(bytes.toString('latin1', end - 1, end))
    return sequence
  }
  for (let i = 0; i < 5; i++) link.record(encoded(key, [value(2 + i, world.now + i, `v${i}`)]))
  await world.machine.until(() => link.acked === 5, 'all are acknowledged')
  t.same(applied, ['0', '1', '2', '3', '4'])
})

t.test('V6 what waits of a closed link is discarded, and the next of its keys goes on', async (t) => {
  const world = await ReplicaWorld.started('closed')
  const [key] = await world.coldKeys()
  const link = world.link()
  const other = world.link()
  link.record(encoded(key, [value(2, world.now, 'discarded')]))
  other.record(encoded(key, [value(3, world.now, 'kept')]))
  t.equal(world.replica.waitingCount, 2)
  world.replica.linkClosed(link)
  await world.machine.until(() => other.acked === 1, 'the other is acknowledged')
  t.same(
    (await world.probe.decoded(key))?.siblings.map(({ actor }) => actor),
    [3, 1],
  )
})

t.test('L2 L3 another preference list, or no place in it, is refused, and nothing applied', async (t) => {
  const world = await ReplicaWorld.started('placement')
  const link = world.link()
  const record = encoded('a', [value(1, world.now, 'a')])
  link.record(record, world.listHashOf('a') ^ 1)
  t.same(link.refused, [[1, messages.REASON_PLACEMENT]])
  t.equal(link.acked, 1, 'below the watermark')
  world.ring = new Ring(membersOf(4), 3)
  world.ownIndex = [0, 1, 2, 3].find((member) => world.ring.placeOf(slotOfA, member) === -1) ?? -1
  link.record(record)
  t.same(link.refused.at(-1), [2, messages.REASON_PLACEMENT])
  link.lookUp(messages.DIGEST, 7, 'a')
  t.same(link.answers.at(-1), { kind: messages.CANNOT, body: cannot(7, messages.REASON_PLACEMENT) })
  t.equal(world.replica.refusals[messages.REASON_PLACEMENT], 3)
  t.equal(await world.machine.get('a'), null)
})

/** CRC16 of `a`, modulo 16384. */
const slotOfA = 15495

function cannot(request: number, reason: number): Buffer {
  const body = Buffer.alloc(messages.CANNOT_BYTES)
  messages.writeCannot(body, 0, request, reason)
  return body
}

t.test('C2 a record stamped too far ahead is refused', async (t) => {
  const world = await ReplicaWorld.started('ahead')
  const link = world.link()
  const { now } = world
  world.stampLimit = now
  link.record(encoded('a', [value(1, now + 1, 'a')]))
  link.record(encoded('a', [value(1, now, 'a')], [{ actor: 2, hlc: now + 1 }]))
  link.record(encoded('a', [value(1, now, 'a')]))
  t.same(link.refused, [
    [1, messages.REASON_STAMPED_AHEAD],
    [2, messages.REASON_STAMPED_AHEAD],
  ])
  t.equal((await world.machine.get('a'))?.value, 'a')
  t.equal(world.probe.witnessed, now)
})

t.test(
  'L4 a hint that is older than what has been purged is refused, a record and a newer hint are not',
  async (t) => {
    const world = await ReplicaWorld.started('purged')
    const link = world.link()
    const { now } = world
    const old = encoded('a', [value(1, now - 5000 * HLC_PER_MS, 'old')])
    world.purgeHorizonMs = world.machine.nowMs - 2000
    link.hint(old)
    link.hint(encoded('b', [value(1, now, 'new')]))
    t.same(link.refused, [[1, messages.REASON_PURGED]])
    t.equal(await world.machine.get('a'), null)
    t.equal((await world.machine.get('b'))?.value, 'new')
    link.record(old)
    t.equal((await world.machine.get('a'))?.value, 'old')
    world.purgeHorizonMs = 0
    link.hint(encoded('c', [value(1, now - 5000 * HLC_PER_MS, 'old')]))
    t.equal((await world.machine.get('c'))?.value, 'old', 'nothing has been purged')
  },
)

t.test('L4 P2 a hint is not taken where the range is stale or not judged, a record is', async (t) => {
  const world = await ReplicaWorld.started('hint while stale')
  const link = world.link()
  world.isServed = false
  link.hint(encoded('a', [value(1, world.now, 'hint')]))
  link.record(encoded('b', [value(1, world.now, 'record')]))
  t.same(link.refused, [[1, messages.REASON_STALE]])
  t.equal((await world.machine.get('b'))?.value, 'record')
})

t.test('P4 a record at or below the flush mark is refused, one that has newer siblings is not', async (t) => {
  const world = await ReplicaWorld.started('flush')
  const link = world.link()
  const { now } = world
  world.machine.store.appendFlushMark(9, now)
  link.record(encoded('a', [value(1, now, 'a')]))
  link.record(encoded('b', [value(1, now + 1, 'b'), value(2, now, 'old')]))
  t.same(link.refused, [[1, messages.REASON_FLUSHED]])
  t.equal((await world.probe.decoded('b'))?.siblings.length, 1)
})

t.test('malformed requests are refused and counted', async (t) => {
  const world = await ReplicaWorld.started('malformed')
  const link = world.link()
  const record = encoded('a', [value(1, world.now, 'a')])
  const rotten = Buffer.from(record)
  rotten[rotten.length - 1] ^= 1
  link.record(rotten, world.listHashOf('a'))
  link.record(Buffer.concat([record, Buffer.alloc(1)]), world.listHashOf('a'))
  link.send(messages.RECORD, Buffer.alloc(3))
  link.send(messages.PROPOSAL, Buffer.alloc(messages.PROPOSAL_HEAD_BYTES))
  link.propose({ record, base: [{ actor: 5, hlc: 1 }] })
  t.same(
    link.refused,
    [1, 2, 3, 4, 5].map((sequence) => [sequence, messages.REASON_MALFORMED]),
  )
  t.equal(world.replica.refusals[messages.REASON_MALFORMED], 5)
  t.equal(world.machine.store.sequence, 0)
  link.send(messages.READ, Buffer.alloc(3))
  t.ok(link.closed, 'what cannot be answered closes the link')
})

t.test('V10 a proposal is taken when its base covers every dot and entry held', async (t) => {
  const world = await ReplicaWorld.started('covered base')
  const link = world.link()
  const { now } = world
  const base = [{ actor: 1, hlc: now }]
  link.record(encoded('a', [value(1, now, '1')]))
  link.propose({ record: encoded('a', [value(2, now + 1, '2')], base), base })
  link.propose({ record: encoded('new', [value(2, now + 1, 'new')]), base: [] })
  await world.machine.settle()
  t.same(link.refused, [])
  t.equal(link.acked, 3)
  t.equal((await world.machine.get('a'))?.value, '2')
})

t.test('V10 a proposal whose base lacks a dot or an entry is refused, and nothing applied', async (t) => {
  const world = await ReplicaWorld.started('uncovered base')
  const link = world.link()
  const { now } = world
  link.record(encoded('a', [value(1, now, '1')], [{ actor: 3, hlc: now - 1 }]))
  const bases = [
    [],
    [{ actor: 1, hlc: now }],
    [
      { actor: 1, hlc: now - 1 },
      { actor: 3, hlc: now - 1 },
    ],
  ]
  for (const base of bases) link.propose({ record: encoded('a', [value(2, now + 1, '2')], base), base })
  t.same(
    link.refused,
    [2, 3, 4].map((sequence) => [sequence, messages.REASON_NOT_COVERED]),
  )
  t.equal((await world.machine.get('a'))?.value, '1')
})

t.test('V10 the new dot is no part of the base: a proposal on an older base is refused', async (t) => {
  const world = await ReplicaWorld.started('same actor')
  const link = world.link()
  const { now } = world
  const base = [{ actor: 1, hlc: now }]
  link.record(encoded('a', [value(1, now, '1')]))
  link.propose({ record: encoded('a', [value(1, now + 1, '2')], base), base })
  link.propose({ record: encoded('a', [value(1, now + 2, '3')], base), base })
  t.same(link.refused, [[3, messages.REASON_NOT_COVERED]])
  t.equal((await world.machine.get('a'))?.value, '2')
})

t.test('V10 foreign proposals for a key that this home holds are refused, records are not', async (t) => {
  const world = await ReplicaWorld.started('held')
  const link = world.link()
  const { now } = world
  world.hold('a')
  link.propose({ record: encoded('a', [value(2, now, 'a')]), base: [] })
  t.same(link.refused, [[1, messages.REASON_NOT_COVERED]])
  link.record(encoded('a', [value(3, now, 'record')]))
  t.equal((await world.machine.get('a'))?.value, 'record')
  world.held.clear()
  const base = [{ actor: 3, hlc: now }]
  link.propose({ record: encoded('a', [value(2, now + 1, 'a')], base), base })
  t.equal((await world.machine.get('a'))?.value, 'a')
})

t.test('V10 what a FLUSHALL hides need not be covered', async (t) => {
  const world = await ReplicaWorld.started('flushed base')
  const link = world.link()
  const { now } = world
  link.record(encoded('a', [value(1, now, 'old')]))
  world.machine.store.appendFlushMark(9, now)
  link.propose({ record: encoded('a', [value(2, now + 1, 'new')]), base: [] })
  t.same(link.refused, [])
  t.equal((await world.machine.get('a'))?.value, 'new')
  link.record(encoded('half', [value(3, now + 1, 'half')], [{ actor: 1, hlc: now }]))
  const base = [{ actor: 3, hlc: now + 1 }]
  link.propose({ record: encoded('half', [value(2, now + 2, 'newer')], base), base })
  t.same(link.refused, [])
  t.equal((await world.machine.get('half'))?.value, 'newer')
})

t.test('V10 the records of one proposal are taken or refused whole', async (t) => {
  const world = await ReplicaWorld.started('group')
  const link = world.link()
  const { now } = world
  link.record(encoded('{s}b', [value(1, now, 'b')]))
  const part = (key: string, base = [] as { actor: number; hlc: number }[]) => ({
    record: encoded(key, [value(2, now + 1, 'new')], base),
    base,
  })
  link.propose(part('{s}a'), part('{s}b'))
  t.same(link.refused, [[2, messages.REASON_NOT_COVERED]])
  t.equal(await world.machine.get('{s}a'), null)
  link.propose(part('{s}a'), part('{s}b', [{ actor: 1, hlc: now }]))
  t.equal((await world.machine.get('{s}a'))?.value, 'new')
  t.equal((await world.machine.get('{s}b'))?.value, 'new')
})

t.test('V10 a crash keeps all records of a proposal or none', async (t) => {
  let [none, all] = [0, 0]
  for (let seed = 0; seed < 60; seed++) {
    const world = await ReplicaWorld.started(`torn group ${seed}`)
    const { machine } = world
    // Some way into the segment, so that in some runs it is full in the middle of a proposal.
    for (let i = 0; i < seed % 20; i++) {
      world.link().record(encoded(`filler ${i}`, [value(1, world.now, 'x'.repeat(320))]))
      await machine.settle()
    }
    const keys = Array.from({ length: 5 }, (_, i) => `{s}${i}`)
    const parts = keys.map((key) => ({
      record: encoded(key, [value(1, world.now, 'y'.repeat(200))]),
      base: [],
    }))
    world.link().propose(...parts)
    await machine.advance((seed % 7) * 0.2)
    machine.crash('random', machine.env.random.fork('crash'))
    await machine.start()
    const values = await Promise.all(keys.map(async (key) => machine.get(key)))
    const kept = values.filter((shown) => shown !== null).length
    if (kept === 0) none++
    else if (kept === keys.length) all++
    else t.fail(`${kept} of ${keys.length} with seed ${seed}`)
  }
  t.ok(none > 0 && all > 0, `${none} none, ${all} all`)
})

t.test('V10 a proposal over cold records waits for them', async (t) => {
  const world = await ReplicaWorld.started('cold proposal')
  const [key] = await world.coldKeys()
  const link = world.link()
  const held = await world.probe.decoded(key)
  const base = [...(held?.context ?? [])]
  await world.coldKeys('later')
  link.propose({ record: encoded(key, [value(2, world.now, 'taken')], base), base })
  link.propose({ record: encoded(key, [value(3, world.now, 'not')], base), base })
  t.equal(world.replica.waitingCount, 2)
  await world.machine.until(() => link.acked === 2, 'both are settled')
  t.same(link.refused, [[2, messages.REASON_NOT_COVERED]])
  t.equal((await world.machine.get(key))?.value, 'taken')
})

t.test('R2 answers that show what is not durable wait until it is, others do not', async (t) => {
  const world = await ReplicaWorld.started('late answers')
  const link = world.link()
  const record = encoded('a', [value(1, world.now, 'a')])
  const old = encoded('old', [value(1, world.now, 'old')])
  link.record(old)
  await world.machine.settle()
  link.record(record)
  link.lookUp(messages.DIGEST, 1, 'a')
  link.lookUp(messages.READ, 2, 'a')
  link.lookUp(messages.READ, 3, 'old')
  link.lookUp(messages.DIGEST, 4, 'absent')
  t.same(requests(link), [3, 4], 'at once')
  t.equal(link.acked, 1, 'the watermark waits for the record in front')
  await world.machine.settle()
  t.same(requests(link), [3, 4, 1, 2])
  const digest = new Digest()
  digest.of(record, 0, NO_CUTOFFS)
  const [readOld, absent, digested, read] = link.answers.map(({ body }) => body)
  t.equal(messages.digestFirst(digested, 0), digest.first)
  t.equal(messages.digestSecond(digested, 0), digest.second)
  t.same(read.subarray(messages.ANSWER_HEAD_BYTES), record)
  t.same(readOld.subarray(messages.ANSWER_HEAD_BYTES), old)
  t.same([messages.digestFirst(absent, 0), messages.digestSecond(absent, 0)], [0, 0])
})

function requests(link: FakeLink): number[] {
  return link.answers.map(({ body }) => messages.requestOf(body, 0))
}

t.test('R2 many late answers keep their order', async (t) => {
  const world = await ReplicaWorld.started('many late answers')
  const link = world.link()
  link.record(encoded('a', [value(1, world.now, 'a')]))
  const all = Array.from({ length: 100 }, (_, i) => i)
  for (const i of all) link.lookUp(i % 3 === 0 ? messages.READ : messages.DIGEST, i, 'a')
  t.same(link.answers, [])
  await world.machine.settle()
  t.same(requests(link), all)
  t.same(
    link.answers.map(({ kind }) => kind),
    all.map((i) => (i % 3 === 0 ? messages.RECORD_IS : messages.DIGEST_IS)),
  )
})

t.test('a large record is answered as it is, and nothing for a flushed one', async (t) => {
  const world = await ReplicaWorld.started('large', { ...TINY, segmentBytes: 256 * 1024 })
  const link = world.link()
  const record = encoded('large', [value(1, world.now, 'x'.repeat(100_000))])
  link.record(record)
  await world.machine.settle()
  link.lookUp(messages.READ, 1, 'large')
  t.same(link.answers[0].body.subarray(messages.ANSWER_HEAD_BYTES), record)
  world.machine.store.appendFlushMark(9, world.now + 1)
  link.lookUp(messages.READ, 2, 'large')
  await world.machine.settle()
  t.equal(link.answers[1].body.length, messages.ANSWER_HEAD_BYTES)
})

t.test('cold lookups are answered once their block is there, and hold nobody up', async (t) => {
  const world = await ReplicaWorld.started('cold lookups')
  const [key] = await world.coldKeys()
  const link = world.link()
  link.lookUp(messages.READ, 1, key)
  link.lookUp(messages.DIGEST, 2, key)
  link.lookUp(messages.DIGEST, 3, 'absent')
  t.same(requests(link), [3])
  t.equal(link.acked, 3, 'received is enough')
  await world.machine.until(() => link.answers.length === 3, 'answers')
  t.equal(world.replica.waitingCount, 0)
})

/** A world whose segments stay in memory: flushes do not end until `isStuck` is false. */
async function stuckWorld(seed: string): Promise<{ world: ReplicaWorld; free: () => void }> {
  const world = await ReplicaWorld.started(seed)
  await world.machine.stop()
  let free = (): void => {}
  const stuck = new Promise<void>((resolve) => (free = resolve))
  world.machine.wrapJobs = (jobs) =>
    overriding(jobs, {
      flush: async (job) => {
        await stuck
        return jobs.flush(job)
      },
    })
  await world.start()
  const filler = world.link()
  for (let i = 0; i < 200 && world.machine.store.admit(1500) !== WRITE_LATER; i++) {
    filler.record(encoded(`filler ${i}`, [value(1, world.now, 'x'.repeat(500))]))
    await world.machine.settle()
  }
  if (world.machine.store.admit(1500) !== WRITE_LATER) throw new Error('there is still room')
  return { world, free }
}

t.test('writes that find no room wait for it, in order, and lookups pass them', async (t) => {
  const { world, free } = await stuckWorld('room')
  const link = world.link()
  const { now } = world
  link.record(encoded('a', [value(1, now, 'x'.repeat(1000))]))
  link.record(encoded('a', [value(1, now + 1, 'last')]))
  t.equal(world.replica.waitingCount, 2)
  link.lookUp(messages.DIGEST, 1, 'a')
  t.same(requests(link), [1])
  free()
  await world.machine.until(() => link.acked === 3, 'all are acknowledged')
  t.same(link.refused, [])
  t.equal((await world.machine.get('a'))?.value, 'last')
})

t.test('L2 a write that finds no room for ten seconds is refused', async (t) => {
  const { world, free } = await stuckWorld('no room')
  const link = world.link()
  link.record(encoded('a', [value(1, world.now, 'x'.repeat(1000))]))
  await world.machine.advance(ROOM_MS_MAX / 2)
  link.record(encoded('b', [value(1, world.now, 'x'.repeat(1000))]))
  await world.machine.advance(ROOM_MS_MAX / 2 + 1)
  t.same(link.refused, [[1, messages.REASON_NO_ROOM]])
  await world.machine.advance(ROOM_MS_MAX / 2)
  t.same(link.refused.at(-1), [2, messages.REASON_NO_ROOM])
  t.equal(world.replica.waitingCount, 0)
  free()
})

t.test('a link whose waiting requests are too many is not read until half is done', async (t) => {
  const { world, free } = await stuckWorld('pause')
  const link = world.link()
  const large = 'x'.repeat(WAITING_BYTES_MAX / 2)
  link.record(encoded('a', [value(1, world.now, large)]))
  t.notOk(link.isPaused)
  link.record(encoded('b', [value(1, world.now, large)]))
  t.ok(link.isPaused)
  free()
  await world.machine.until(() => !link.isPaused, 'it is read again')
  await world.machine.until(() => link.acked === 2, 'all are acknowledged')
})

t.test('L2 a full disk refuses, W3 a failed log closes links that wait for it and refuses', async (t) => {
  const world = await ReplicaWorld.started('failed')
  const { machine } = world
  const link = world.link()
  const other = world.link()
  other.lookUp(messages.DIGEST, 1, 'a')
  machine.env.disk.failAt(1, 'EIO', 'write')
  link.record(encoded('a', [value(1, world.now, 'a')]))
  await machine.until(() => machine.store.logFailure !== null, 'the log fails')
  world.replica.logFailed()
  t.ok(link.closed, 'nobody knows whether its record is there')
  t.equal(other.closed, null)
  t.equal(link.acked, 0)
  other.record(encoded('b', [value(1, world.now, 'b')]))
  t.same(other.refused, [[2, messages.REASON_NO_ROOM]])
  other.lookUp(messages.DIGEST, 2, 'a')
  t.same(other.answers.at(-1)?.body, cannot(2, messages.REASON_NO_ROOM))
})

t.test('L2 a store that is closing refuses', async (t) => {
  const world = await ReplicaWorld.started('stopping')
  await world.machine.stop()
  const link = world.link()
  link.record(encoded('a', [value(1, world.now, 'a')]))
  t.same(link.refused, [[1, messages.REASON_STOPPING]])
})

t.test('the watermark goes over requests of other kinds', async (t) => {
  const world = await ReplicaWorld.started('others')
  const link = world.link()
  world.replica.passed(link, 3)
  t.equal(link.acked, 3)
})

t.test('R5 what peers bring counts in the partition of its key', async (t) => {
  const ofSlot = new Uint16Array(16384)
  ofSlot[slotOfA] = 1
  const world = await ReplicaWorld.started('partitions', {
    ...TINY,
    partitions: { version: 'two', ofSlot, count: 2 },
  })
  const link = world.link()
  const { counts } = world.machine.store
  link.record(encoded('a', [value(1, world.now, 'a')]))
  link.record(encoded('b', [value(1, world.now, 'b')]))
  link.record(encoded('c', [value(1, world.now, 'c')]))
  t.same(
    [0, 1].map((partition) => counts.total(world.machine.nowMs, partition)),
    [2, 1],
  )
})
