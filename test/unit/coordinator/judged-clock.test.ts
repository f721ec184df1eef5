import t from 'tap'
import { JudgedClock } from '../../../src/coordinator/judged-clock.js'
import type { Clock, Timer } from '../../../src/env/clock.js'

const DRIFT_MAX_MS = 500
const HOUR_MS = 3_600_000

/** Whose wall clock is set by hand. */
class SetClock implements Clock {
  wall = 1_000_000
  monotonic = 5000.25

  wallMs(): number {
    return this.wall
  }

  monotonicMs(): number {
    return this.monotonic
  }

  after(): Timer {
    throw new Error('nobody waits here')
  }

  endOfTurn(): void {
    throw new Error('nor is there a turn')
  }

  pass(ms: number): void {
    this.wall += ms
    this.monotonic += ms
  }
}

function judged(isAlone = false): { clock: SetClock; own: JudgedClock; doubts: string[] } {
  const clock = new SetClock()
  const doubts: string[] = []
  const own = new JudgedClock(clock, DRIFT_MAX_MS, isAlone, {
    jumped: () => doubts.push('jumped'),
    doubtChanged: (inDoubt) => doubts.push(inDoubt ? 'doubt' : 'trust'),
  })
  return { clock, own, doubts }
}

t.test('T5 after a jump expiry goes on by the time before it, until peers say what time it is', async (t) => {
  for (const jumpMs of [HOUR_MS, -HOUR_MS]) {
    const { clock, own, doubts } = judged()
    own.judge(() => [10, -10])
    clock.pass(100)
    t.equal(own.expiryMs(), 1_000_100)
    clock.wall += jumpMs
    clock.pass(10)
    t.equal(own.expiryMs(), 1_000_110, 'at once, before any judgement')
    t.ok(own.inDoubt)
    own.judge(() => [])
    clock.pass(10)
    t.equal(own.expiryMs(), 1_000_120, 'nothing is known of peers')
    own.judge(() => [-jumpMs + 30, -jumpMs + 50])
    t.equal(own.expiryMs(), 1_000_160, 'the peers’ median')
    clock.pass(5)
    t.equal(own.expiryMs(), 1_000_165)
    t.same(doubts, ['jumped', 'doubt'])
  }
})

t.test('T5 of two clocks that differ, one that others have confirmed goes on to be right', async (t) => {
  for (const wrongMs of [HOUR_MS, -HOUR_MS]) {
    const { clock, own } = judged()
    own.judge(() => [10, -10])
    own.judge(() => [wrongMs])
    t.equal(own.inDoubt, wrongMs < 0, 'C1 is as ever: the one ahead writes nothing')
    t.equal(own.expiryMs(), clock.wall)
    clock.pass(100)
    t.equal(own.expiryMs(), clock.wall)
    clock.wall += 40
    own.judge(() => [wrongMs])
    t.equal(own.expiryMs(), clock.wall - 40, 'by the monotonic clock: which of both drifts is not known')
  }
})

t.test('T5 a clock that the majority has refuted is not believed when fewer of it are left', async (t) => {
  for (const wrongMs of [HOUR_MS, -HOUR_MS]) {
    const { clock, own } = judged()
    own.judge(() => [-wrongMs + 10, -wrongMs - 10])
    for (const offsets of [[-wrongMs], []]) {
      clock.pass(100)
      own.judge(() => offsets)
      t.equal(own.expiryMs(), clock.wall - wrongMs)
    }
    own.judge(() => [0])
    t.equal(own.expiryMs(), clock.wall, 'until one of them says that it is right')
  }
})

t.test('T5 where all clocks differ none refutes a clock that was confirmed', async (t) => {
  const { clock, own } = judged()
  own.judge(() => [0, 1])
  own.judge(() => [-HOUR_MS, -2 * HOUR_MS])
  t.ok(own.inDoubt, 'C1 asks no more than the median')
  t.equal(own.expiryMs(), clock.wall)
  own.judge(() => [-2 * HOUR_MS])
  t.equal(own.expiryMs(), clock.wall)
})

t.test('T5 a node that knows of one other clock alone believes the one behind', async (t) => {
  const { clock, own } = judged()
  own.judge(() => [HOUR_MS])
  t.equal(own.expiryMs(), clock.wall)
  own.judge(() => [-HOUR_MS])
  t.equal(own.expiryMs(), clock.wall - HOUR_MS)
  clock.wall += HOUR_MS
  own.judge(() => [-2 * HOUR_MS])
  t.equal(own.expiryMs(), clock.wall - 2 * HOUR_MS)
})

t.test('T5 what was confirmed before a jump goes on behind it, against the only other clock', async (t) => {
  for (const wrongMs of [HOUR_MS, -HOUR_MS]) {
    const { clock, own } = judged()
    own.judge(() => [0])
    clock.wall += 2000
    own.judge(() => [])
    clock.wall -= 2000
    own.judge(() => [wrongMs])
    t.ok(own.inDoubt, 'C1 is as ever')
    clock.pass(100)
    t.equal(own.expiryMs(), clock.wall)
  }
})

t.test('C1 a clock that is right again is trusted again', async (t) => {
  const { clock, own, doubts } = judged()
  own.judge(() => [0, 0])
  clock.wall += HOUR_MS
  own.judge(() => [])
  own.judge(() => [-HOUR_MS, -HOUR_MS])
  t.ok(own.inDoubt)
  clock.wall -= HOUR_MS
  t.ok(own.inDoubt, 'it jumped once more')
  own.judge(() => [0, 0])
  t.notOk(own.inDoubt)
  t.equal(own.expiryMs(), clock.wall)
  t.same(doubts, ['jumped', 'doubt', 'jumped', 'trust'])
})

t.test('C1 a jump that peers confirm is none to doubt', async (t) => {
  const { clock, own } = judged()
  own.judge(() => [HOUR_MS, HOUR_MS])
  t.ok(own.inDoubt, 'an hour behind')
  t.equal(own.expiryMs(), clock.wall + HOUR_MS)
  clock.wall += HOUR_MS
  own.judge(() => [0, 1])
  t.notOk(own.inDoubt)
  t.equal(own.expiryMs(), clock.wall)
})

t.test('C1 a node that has found peers mints nothing before it knows a clock of theirs', async (t) => {
  const { own, doubts } = judged()
  own.judge(() => [], false)
  t.notOk(own.inDoubt, 'alone it goes on')
  own.judge(() => [], true)
  t.ok(own.inDoubt)
  t.ok(own.wasInDoubt)
  own.judge(() => [3], true)
  t.notOk(own.inDoubt)
  own.judge(() => [], true)
  t.notOk(own.inDoubt, 'only since the start')
  t.same(doubts, [], 'nobody need be told')
})

t.test('C1 what was known of peers before a jump confirms nothing', async (t) => {
  const { clock, own, doubts } = judged()
  const offsets = [0, 0]
  own.judge(() => offsets)
  clock.wall += HOUR_MS
  own.judge(() => (doubts.includes('jumped') ? [] : offsets))
  t.ok(own.inDoubt)
})

t.test('a clock that nobody could confirm is believed', async (t) => {
  const { clock, own } = judged(true)
  clock.wall += HOUR_MS
  t.equal(own.expiryMs(), clock.wall)
  t.notOk(own.inDoubt)
})
