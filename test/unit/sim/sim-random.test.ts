/** The seeded generator: the same for a seed, apart for its forks, and unchanged from release to release. */
import t from 'tap'
import { SimRandom } from '../../../src/sim/sim-random.js'

function draws(random: SimRandom, count = 5): number[] {
  return Array.from({ length: count }, () => random.next53())
}

t.test('a seed gives one sequence, another seed another', async (t) => {
  t.same(draws(new SimRandom(1)), draws(new SimRandom('1')))
  t.notSame(draws(new SimRandom(1)), draws(new SimRandom(2)))
})

t.test('a fork depends on its name and not on what was drawn before', async (t) => {
  const random = new SimRandom(7)
  const before = draws(random.fork('disk'))
  draws(random, 100)
  t.same(draws(random.fork('disk')), before)
  t.notSame(draws(random.fork('network')), before)
  t.same(draws(random.fork('disk').fork('a')), draws(new SimRandom(7).fork('disk').fork('a')))
})

t.test('forking does not disturb the sequence', async (t) => {
  const random = new SimRandom(7)
  random.fork('disk')
  t.same(draws(random), draws(new SimRandom(7)))
})

t.test('helpers stay in their bounds', async (t) => {
  const random = new SimRandom(3)
  const seen = new Set<number>()
  for (let i = 0; i < 1_000; i++) {
    seen.add(random.between(-1, 2))
    const fraction = random.fraction()
    if (fraction < 0 || fraction >= 1) t.fail(`${fraction}`)
  }
  t.same([...seen].sort(), [-1, 0, 1, 2])
  t.equal(random.chance(0), false)
  t.equal(random.chance(1), true)
  t.equal(random.pick(['only']), 'only')
  t.throws(() => random.pick([]))
})

t.test(
  'the sequences are the same in every release, so that a seed in a test keeps its meaning',
  async (t) => {
    const random = new SimRandom('kindred')
    t.same(draws(random, 3), [6235463097445217, 1711340952827178, 7328334571087775])
    t.equal(random.fork('disk').next53(), 8182404793591321)
  },
)
