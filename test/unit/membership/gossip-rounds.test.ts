/** How fast gossip is, in rounds: pure state machines on virtual time, at sizes that no test could start. */
import t from 'tap'
import { GOSSIP_BYTES_MAX } from '../../../src/membership/limits.js'
import { GossipRounds } from '../../support/gossip-rounds.js'

const ROUNDS_MAX = 15
const SEEDS = ['one', 'two', 'three']

for (const lossChance of [0, 0.1]) {
  t.test(
    `a change reaches all of 1,000 members within 15 rounds, ${100 * lossChance} % of messages lost`,
    async (t) => {
      for (const seed of SEEDS) {
        const cluster = new GossipRounds(seed, 1000, lossChance)
        const cold = cluster.roundsUntilAllKnow(0, 'first', ROUNDS_MAX + 1)
        t.ok(cold <= ROUNDS_MAX, `seed ${seed}: ${cold} rounds when nobody knew anybody`)
        const warm = cluster.roundsUntilAllKnow(999, 'changed', ROUNDS_MAX + 1)
        t.ok(warm <= ROUNDS_MAX, `seed ${seed}: ${warm} rounds when all knew each other`)
        t.ok(cluster.largestBytes <= GOSSIP_BYTES_MAX, `${cluster.largestBytes} bytes at most`)
      }
    },
  )
}

t.test('small clusters know within a few rounds', async (t) => {
  for (const [members, limit] of [
    [2, 2],
    [3, 4],
    [10, 7],
  ] as const) {
    for (let seed = 0; seed < 50; seed++) {
      const rounds = new GossipRounds(seed, members).roundsUntilAllKnow(seed % members, 'x', limit + 1)
      if (rounds > limit) t.fail(`${members} members, seed ${seed}: ${rounds} rounds`)
    }
  }
})
