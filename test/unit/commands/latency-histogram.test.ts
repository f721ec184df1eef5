import t from 'tap'
import { LatencyHistogram } from '../../../src/commands/latency-histogram.js'
import { Seeded } from '../../support/seeded.js'

t.test('a percentile is at least the true one and at most an eighth higher', async (t) => {
  const seed = 77
  const random = new Seeded(seed)
  for (let round = 0; round < 200; round++) {
    const histogram = new LatencyHistogram()
    const values = Array.from({ length: 1 + random.below(300) }, () => random.below(2 ** random.below(31)))
    for (const value of values) histogram.add(value)
    values.sort((a, b) => a - b)
    for (const share of [0.001, 0.5, 0.99, 0.999, 1]) {
      const exact = values[Math.max(0, Math.ceil(share * values.length) - 1)]
      const told = histogram.percentile(share)
      if (told < exact || told > exact + exact / 8)
        t.fail(`seed ${seed}, round ${round}: ${told} for ${exact}`)
    }
  }
  t.equal(new LatencyHistogram().percentile(0.99), 0)
})

t.test('steps count the calls up to powers of two, as far as there are any', async (t) => {
  const histogram = new LatencyHistogram()
  t.same(histogram.cumulative(), [])
  for (const microseconds of [0, 1, 2, 4, 5, 5000]) histogram.add(microseconds)
  t.same(
    histogram.cumulative().map(({ atMostMicroseconds, calls }) => [atMostMicroseconds, calls]),
    [
      [1, 2],
      [2, 3],
      [4, 4],
      [8, 5],
      [8192, 6],
    ],
  )
})

t.test('a timed call may stand for several', async (t) => {
  const histogram = new LatencyHistogram()
  histogram.add(3, 16)
  histogram.add(100)
  t.equal(histogram.total, 17)
  t.equal(histogram.percentile(0.9), 3)
  t.same(histogram.cumulative().at(-1), { atMostMicroseconds: 128, calls: 17 })
})

t.test('durations out of all proportion are counted as the longest', async (t) => {
  const histogram = new LatencyHistogram()
  for (const microseconds of [2 ** 31, 1e15, Infinity, -1, NaN]) histogram.add(microseconds)
  t.equal(histogram.total, 5)
  t.equal(histogram.percentile(0.4), 0)
  t.equal(histogram.percentile(1), 2 ** 31 - 1)
  t.equal(histogram.cumulative().at(-1)?.calls, 5)
  histogram.reset()
  t.equal(histogram.total, 0)
  t.same(histogram.cumulative(), [])
})
