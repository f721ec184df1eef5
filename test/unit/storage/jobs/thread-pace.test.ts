import t from 'tap'
import { PaceControl, ThreadPace } from '../../../../src/storage/jobs/thread-pace.js'

const MB = 1024 * 1024

/** A clock that only sleeping moves. `duringSleep` runs when the pace falls asleep. */
function setUp(bytesPerSecond: number) {
  const control = new PaceControl()
  control.setRate(bytesPerSecond)
  const time = { nowMs: 1000, duringSleep: () => {} }
  const pace = new ThreadPace(
    control.words,
    () => time.nowMs,
    (words, index, value, forMs) => {
      time.duringSleep()
      if (Atomics.load(words, index) === value) time.nowMs += forMs
    },
  )
  return { control, pace, time }
}

t.test('without a rate nothing waits', async (t) => {
  const { pace, time } = setUp(0)
  for (let i = 0; i < 100; i++) pace.spend(1024 * MB)
  t.equal(time.nowMs, 1000)
})

t.test('spending slower than the rate does not wait', async (t) => {
  const { pace, time } = setUp(MB)
  for (let i = 0; i < 20; i++) {
    pace.spend(1024)
    time.nowMs += 10
  }
  t.equal(time.nowMs, 1200)
})

t.test('spending faster than the rate waits until it is kept', async (t) => {
  const { pace, time } = setUp(64 * MB)
  for (let spent = 0; spent < 128; spent++) pace.spend(MB)
  t.ok(time.nowMs > 2990 && time.nowMs <= 3000, `128 MB at 64 MB/s took ${time.nowMs - 1000} ms`)
})

t.test('a job that was idle does not catch up at full speed', async (t) => {
  const { pace, time } = setUp(64 * MB)
  pace.spend(MB)
  time.nowMs += 60_000
  const startMs = time.nowMs
  for (let spent = 0; spent < 64; spent++) pace.spend(MB)
  t.ok(time.nowMs - startMs >= 890, `64 MB at 64 MB/s after a minute of rest took ${time.nowMs - startMs} ms`)
})

t.test('a cancelled pace ends the job, whether it sleeps or is not limited at all', async (t) => {
  const { control, pace } = setUp(0)
  pace.spend(1)
  control.cancel()
  t.throws(() => pace.spend(1), { name: 'JobError', code: 'cancelled' })
  const asleep = setUp(1024)
  asleep.time.duringSleep = () => asleep.control.cancel()
  t.throws(() => asleep.pace.spend(MB), { name: 'JobError', code: 'cancelled' })
  t.equal(asleep.time.nowMs, 1000)
})

t.test('a new rate wakes a job that sleeps for the old one', async (t) => {
  const { control, pace, time } = setUp(1024)
  time.duringSleep = () => control.setRate(0)
  pace.spend(1024 * MB)
  t.equal(time.nowMs, 1000)
  pace.spend(1024 * MB)
  t.equal(time.nowMs, 1000)
})
