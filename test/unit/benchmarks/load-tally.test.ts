import t from 'tap'
import { LoadTally } from '../../../benchmarks/load/load-tally.js'

const WINDOW = { measureFromMs: 1000, endMs: 3000 }

t.test('a closed loop counts what was answered while measuring', async (t) => {
  const tally = new LoadTally({ paced: false, ...WINDOW })
  tally.answered(true, 900, 999, 5)
  tally.answered(true, 990, 1000, 10)
  tally.answered(false, 2900, 2999, 20)
  tally.answered(true, 2999, 3000, 40)
  t.equal(tally.answeredPerSecond, 15)
  t.equal(tally.answeredInAll, 75)
  t.equal(tally.writes.maxMs, 10)
  t.equal(tally.reads.maxMs, 99)
})

t.test('paced, it counts what was due while measuring, by the second in which it was due', async (t) => {
  const tally = new LoadTally({ paced: true, ...WINDOW })
  tally.answered(true, 999, 1001, 5)
  tally.answered(true, 1001, 2500, 10)
  tally.answered(true, 2999, 4000, 20)
  t.equal(tally.answeredPerSecond, 15)
  t.equal(tally.writes.maxMs, 1499)
  const [first, second] = tally.seconds
  t.same([first.maxMs, first.answered], [1499, 5], 'the late one delays the second it was due in')
  t.same([second.maxMs, second.answered], [1001, 10], 'and is an answer of the second it came in')
})

t.test('errors are kept apart: by text, by second, in no throughput and no latency', async (t) => {
  const tally = new LoadTally({ paced: false, ...WINDOW })
  tally.failed('NOREPLICAS', 500, 1)
  tally.failed('NOREPLICAS', 1500, 2)
  tally.failed('UNCERTAIN', 2500, 4)
  t.same(tally.errors, { NOREPLICAS: 3, UNCERTAIN: 4 })
  t.same(
    tally.seconds.map(({ errors, answered }) => [errors, answered]),
    [
      [2, 0],
      [4, 0],
    ],
  )
  t.equal(tally.answeredInAll, 0)
  t.equal(tally.writes.maxMs, 0)
})

t.test('texts are bounded, their number is not', async (t) => {
  const tally = new LoadTally({ paced: false, ...WINDOW })
  for (let i = 0; i < 100; i++) tally.failed(`ERR ${i}`, 1500, 1)
  t.equal(Object.keys(tally.errors).length, 21)
  t.equal(tally.errors['other errors'], 80)
})

t.test('a window sums up its seconds: rate, errors and the percentile over all of them', async (t) => {
  const tally = new LoadTally({ paced: false, measureFromMs: 0, endMs: 4000 })
  tally.answered(true, 495, 500, 98)
  tally.answered(true, 1200, 1500, 2)
  tally.failed('ERR', 1500, 7)
  tally.answered(false, 2000, 2500, 1000)
  const before = tally.window([0, 2])
  t.equal(before.answeredPerSecond, 50)
  t.equal(before.errors, 7)
  t.equal(before.latency.maxMs, 300)
  t.ok(before.latency.p50Ms < 6 && before.latency.p99Ms >= 300, 'two of a hundred were slow')
  t.same([tally.window([2, 3]).answeredPerSecond, tally.window([3, 4]).answeredPerSecond], [1000, 0])
})
