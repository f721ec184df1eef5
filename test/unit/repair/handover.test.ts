/** RULES L4, L5: what becomes of an entry once its target has said something, and when anything is sent at all. */
import t from 'tap'
import {
  REASON_FLUSHED,
  REASON_NO_ROOM,
  REASON_PURGED,
  REASON_STAMPED_AHEAD,
} from '../../../src/coordinator/messages.js'
import { HandoffBook } from '../../../src/repair/handoff-book.js'
import { COPY, HINT, copyTie, copyValue, keyOf, targetOf } from '../../../src/repair/handoff-entry.js'
import type { HandoffKind } from '../../../src/repair/handoff-entry.js'
import type { HandoffEntry } from '../../../src/repair/handoff-store.js'
import { Handover } from '../../../src/repair/handover.js'
import { SimEnv } from '../../../src/sim/sim-env.js'
import { SimHandoffMedium } from '../../../src/sim/sim-handoff-store.js'
import { encoded, value } from '../coordinator/records.js'

const ID = 'a'.repeat(40)
const OTHER_ID = 'b'.repeat(40)
const TARGET = targetOf(ID)
const LIST_HASH = 77

function recordOf(key: string, hlc: number, bytes = 10): Buffer {
  return encoded(key, [value(7, hlc, key.repeat(bytes / 2))])
}

function hint(key: string, hlc: number, bytes = 10): HandoffEntry {
  return { key: keyOf(HINT, TARGET, hlc, hlc), value: recordOf(key, hlc, bytes) }
}

/** A holder of entries for one member, whose link notes what is sent. */
class World {
  readonly env: SimEnv
  readonly medium = new SimHandoffMedium()
  readonly book: HandoffBook
  readonly handover: Handover
  readonly sent: { kind: HandoffKind; key: string }[] = []
  isReady = true
  isStale = false
  isReplica = true
  isFull = false
  /** So many entries more are taken. */
  roomFor = Infinity
  flushMark = 0
  throttleBytes = 0
  covered: boolean | null = true
  #sequence = 0

  constructor(seed: string) {
    this.env = SimEnv.fromSeed(seed)
    this.book = new HandoffBook(this.medium.open(this.env.clock))
    this.handover = new Handover({
      clock: this.env.clock,
      book: this.book,
      targetId: ID,
      target: TARGET,
      isReady: () => this.isReady,
      listHash: () => (this.isReplica ? LIST_HASH : null),
      isStale: () => this.isStale,
      flushMark: () => this.flushMark,
      send: (kind, _listHash, bytes, start) => {
        if (this.isFull || this.roomFor-- <= 0) return -1
        this.sent.push({ kind, key: bytes.toString('latin1', start + 16, start + 18) })
        return ++this.#sequence
      },
      covers: (_bytes, _record, done) => {
        if (this.covered !== null) done(this.covered)
      },
      throttleBytes: () => this.throttleBytes,
    })
  }

  put(...entries: HandoffEntry[]): void {
    this.book.put(entries, () => {})
    this.run(20)
  }

  run(ms: number): void {
    this.env.queue.advanceSync(ms)
  }

  /** Everything that was sent so far is acknowledged. */
  ackAll(): void {
    this.handover.acked(this.#sequence)
  }

  get keys(): string {
    return this.sent.map(({ key }) => key).join(' ')
  }
}

t.test(
  'L4 entries go oldest first, and leave the store when they are acknowledged, not before',
  async (t) => {
    const world = new World('order')
    world.put(hint('k3', 3000), hint('k1', 1000), hint('k2', 2000))
    world.handover.wake()
    world.run(10)
    t.equal(world.keys, 'k1 k2 k3')
    t.equal(world.medium.count, 3)
    world.handover.acked(2)
    world.run(10)
    t.equal(world.book.held(ID), 3, 'the batch is not over')
    world.handover.acked(3)
    world.run(10)
    t.equal(world.book.held(ID), 0)
    t.equal(world.medium.durableCount, 0)
    t.equal(world.book.of(ID).delivered, 3)
  },
)

t.test('L4 what was in doubt when the link was lost goes once more', async (t) => {
  const world = new World('lost')
  world.put(hint('k1', 1000), hint('k2', 2000))
  world.handover.wake()
  world.run(10)
  world.handover.acked(1)
  world.handover.lost()
  world.isReady = false
  world.run(5000)
  t.equal(world.keys, 'k1 k2', 'nothing while it is away')
  world.isReady = true
  world.handover.wake()
  world.run(10)
  t.equal(world.keys, 'k1 k2 k2')
})

t.test('L4 nothing is sent of a range for which the holder is stale, but copies are', async (t) => {
  const world = new World('stale')
  const record = recordOf('c1', 500)
  world.isStale = true
  world.put(hint('k1', 1000), {
    key: keyOf(COPY, TARGET, 500, copyTie(record, 0)),
    value: copyValue(1, [TARGET], record, 0, record.length),
  })
  world.handover.wake()
  world.run(10)
  world.ackAll()
  world.run(60_000)
  t.equal(world.keys, 'c1')
  t.equal(world.book.held(ID), 1)
  world.isStale = false
  world.run(60_000)
  t.equal(world.keys, 'c1 k1')
})

t.test(
  'L4 a hint refused as older than what was purged goes, and counts as lost where nothing covers it',
  async (t) => {
    for (const covered of [true, false]) {
      const world = new World(`purged ${covered}`)
      world.put(hint('k1', 1000), hint('k2', 2000))
      world.covered = null
      world.handover.wake()
      world.run(10)
      world.covered = covered
      world.handover.refused(1, REASON_PURGED)
      world.ackAll()
      world.run(100)
      t.equal(world.book.held(ID), 0)
      t.equal(world.book.of(ID).possibleLosses, covered ? 0 : 1)
      t.equal(world.book.of(ID).delivered, 1)
    }
  },
)

t.test('P4 a flushed hint goes uncounted, refused or not even sent', async (t) => {
  const world = new World('flushed')
  world.put(hint('k1', 1000), hint('k2', 2000), hint('k3', 3000))
  world.flushMark = 1000
  world.handover.wake()
  world.run(10)
  t.equal(world.keys, 'k2 k3')
  world.handover.refused(1, REASON_FLUSHED)
  world.ackAll()
  world.run(100)
  t.equal(world.book.held(ID), 0)
  t.equal(world.book.of(ID).possibleLosses, 0)
})

t.test(
  'L4 a member without room is left alone for longer and longer; other refusals keep only their own entry',
  async (t) => {
    const world = new World('no room')
    world.put(hint('k1', 1000))
    let refusals = 0
    for (let step = 0; step < 60; step++) {
      world.handover.look()
      world.run(1000)
      if (world.sent.length > refusals) world.handover.refused(++refusals, REASON_NO_ROOM)
      world.run(100)
    }
    t.ok(refusals > 3 && refusals < 9, `${refusals} times in a minute`)
    t.equal(world.book.held(ID), 1)
    const other = new World('stamped ahead')
    other.put(hint('k1', 1000), hint('k2', 2000))
    other.handover.wake()
    other.run(10)
    other.handover.refused(1, REASON_STAMPED_AHEAD)
    other.ackAll()
    other.run(100)
    t.equal(other.book.held(ID), 1)
    t.equal(other.book.of(ID).delivered, 1)
    other.run(60_000)
    t.match(other.keys, /^k1 k2 k1/, 'it is tried again')
  },
)

t.test('L4 a link that is full now and then is not left alone for longer and longer', async (t) => {
  const world = new World('busy link')
  world.put(...Array.from({ length: 40 }, (_, i) => hint(`k${i}`, 1000 + i)))
  world.handover.wake()
  let steps = 0
  for (; world.book.held(ID) > 0 && steps < 600; steps++) {
    world.roomFor = 1
    world.handover.look()
    world.run(100)
    world.ackAll()
    world.run(10)
  }
  t.ok(steps < 300, `gone after ${steps} tenths of a second`)
})

t.test('the throttle holds over time, and an entry larger than it goes alone', async (t) => {
  const world = new World('throttle')
  world.throttleBytes = 1000
  world.put(...Array.from({ length: 50 }, (_, i) => hint(`k${i}`, 1000 + i, 120)))
  world.handover.wake()
  for (let ms = 0; ms < 3000; ms += 10) {
    world.run(10)
    world.ackAll()
  }
  t.ok(world.sent.length >= 10 && world.sent.length <= 20, `${world.sent.length} of about 200 bytes in 3 s`)
})

t.test('behind a batch there is a pause as long as the batch took', async (t) => {
  const world = new World('pause')
  world.put(hint('k1', 1000))
  world.handover.wake()
  world.run(10)
  world.put(hint('k2', 2000))
  world.run(500)
  world.ackAll()
  world.run(400)
  t.equal(world.keys, 'k1', 'a busy member is left alone')
  world.run(200)
  t.equal(world.keys, 'k1 k2')
})

t.test('a link that takes nothing now is tried again', async (t) => {
  const world = new World('full link')
  world.put(hint('k1', 1000))
  world.isFull = true
  world.handover.wake()
  world.run(100)
  world.isFull = false
  world.run(1000)
  t.equal(world.keys, 'k1')
})

t.test('an entry whose bytes are damaged is never sent, and counts as a possible loss', async (t) => {
  const world = new World('damaged')
  const damaged = hint('k1', 1000)
  damaged.value[damaged.value.length - 1] ^= 1
  world.put(damaged, hint('k2', 2000))
  world.handover.wake()
  world.run(10)
  t.equal(world.keys, 'k2')
  world.ackAll()
  world.run(100)
  t.equal(world.book.held(ID), 0)
  t.equal(world.book.of(ID).possibleLosses, 1)
})

t.test('L5 a copy goes for everybody once as many have taken it as were missing for W', async (t) => {
  const other = targetOf(OTHER_ID)
  const third = targetOf('c'.repeat(40))
  const copies = (wanted: number): HandoffEntry[] => {
    const record = recordOf('c1', 500)
    const targets = [TARGET, other, third]
    const bytes = copyValue(wanted, targets, record, 0, record.length)
    return targets.map((target) => ({ key: keyOf(COPY, target, 500, copyTie(record, 0)), value: bytes }))
  }
  const one = new World('wanted 1')
  one.put(...copies(1))
  one.handover.wake()
  one.run(10)
  t.same(one.sent, [{ kind: COPY, key: 'c1' }])
  t.equal(one.book.held(OTHER_ID), 1)
  one.ackAll()
  one.run(100)
  t.equal(one.medium.count, 0)
  t.equal(one.book.held(OTHER_ID), 0)
  const two = new World('wanted 2')
  two.put(...copies(2))
  two.handover.wake()
  two.run(10)
  two.ackAll()
  two.run(100)
  t.equal(two.book.held(ID), 0)
  t.equal(two.book.held(OTHER_ID), 1, 'one more has to take it')
  t.equal(two.book.scan(COPY, other, null, 1, 1)[0].value[0], 1)
})

t.test('counts are exact, however often an entry is written and removed', async (t) => {
  const world = new World('counts')
  const entry = hint('k1', 1000)
  world.book.put([entry, entry], () => {})
  world.book.put([entry], () => {})
  t.equal(world.book.held(ID), 1)
  world.run(20)
  world.book.put([entry], () => {})
  world.run(20)
  t.equal(world.book.held(ID), 1)
  t.equal(world.book.of(ID).hintBytes, entry.value.length)
  world.book.remove([entry], () => {})
  world.book.remove([entry, hint('k2', 2000)], () => {})
  t.equal(world.book.held(ID), 0)
  world.run(20)
  t.equal(world.book.held(ID), 0)
  world.medium.failsWith = 'EIO'
  world.book.put([entry], () => {})
  world.run(20)
  t.equal(world.book.held(ID), 0, 'what was not written is not held')
  t.equal(world.book.failure?.message, 'EIO')
})

t.test('V4 V6 an opened book counts what is there, and knows the highest stamp and the oldest', async (t) => {
  const world = new World('opened')
  world.put(hint('k1', 1000), hint('k2', 5000, 100), hint('k3', 3000))
  const opened = new HandoffBook(world.medium.open(world.env.clock))
  t.equal(opened.held(ID), 3)
  t.equal(opened.of(ID).hintBytes, world.book.of(ID).hintBytes)
  t.equal(opened.maxHlc, 5000)
  t.equal(opened.oldestHlc(), 1000)
  t.equal(opened.oldestHlc(OTHER_ID), 0)
})
