import t from 'tap'
import { NEVER_DIES } from '../../../../src/record/layout.js'
import { DeathSample } from '../../../../src/storage/compaction/death-sample.js'
import { deadAtLeast } from '../../../../src/storage/compaction/garbage.js'
import { Seeded } from '../../../support/seeded.js'
import { tableOf } from '../tables.js'

function quartilesOf(deathsMs: readonly number[]): readonly number[] {
  const sample = new DeathSample()
  for (const deathMs of deathsMs) sample.add(deathMs)
  return sample.quartilesMs()
}

t.test('what never dies has no quartiles and does not count', async (t) => {
  t.same(quartilesOf([]), [])
  t.same(quartilesOf([NEVER_DIES, NEVER_DIES]), [])
  t.same(quartilesOf([NEVER_DIES, 5, NEVER_DIES]), [5, 5, 5, 5])
})

t.test('by the i-th quartile so many quarters have died, and no fewer', async (t) => {
  t.same(quartilesOf([4, 1, 3, 2]), [1, 2, 3, 4])
  t.same(quartilesOf([8, 6, 4, 2, 7, 5, 3, 1]), [2, 4, 6, 8])
  t.same(quartilesOf([1, 2, 3, 4, 5]), [2, 3, 4, 5])
})

t.test('a large table is sampled: the quartiles are near, the last one exact', async (t) => {
  const random = new Seeded(3)
  const deathsMs = Array.from({ length: 300_000 }, () => 1 + random.below(1_000_000))
  deathsMs[77_777] = 90_000_000
  const [first, second, third, last] = quartilesOf(deathsMs)
  for (const [found, wanted] of [
    [first, 250_000],
    [second, 500_000],
    [third, 750_000],
  ]) {
    t.ok(Math.abs(found - wanted) < 40_000, `${found} for ${wanted}`)
  }
  t.equal(last, 90_000_000)
})

t.test('of the dead there are at least as many as whole quarters have passed', async (t) => {
  const table = tableOf(1, { deadCount: 80, deathQuartilesMs: [10, 20, 30, 40] })
  t.same(
    [9, 10, 25, 39, 40].map((nowMs) => deadAtLeast(table, nowMs)),
    [0, 20, 40, 60, 80],
  )
  t.equal(deadAtLeast(tableOf(1), 10), 0)
})
