/** Bounds and evenness of random integers, from the operating system and from a seed alike. */
import t from 'tap'
import { NodeRandom } from '../../../src/env/node-random.js'
import { uniformBelow } from '../../../src/env/uniform.js'
import { SimRandom } from '../../../src/sim/sim-random.js'

for (const [title, random] of [
  ['NodeRandom', new NodeRandom()],
  ['SimRandom', new SimRandom('random')],
] as const) {
  t.test(`${title} draws 53 bits, each of them used`, async (t) => {
    let seen0 = 0n
    let seen1 = 0n
    const mask = (1n << 53n) - 1n
    for (let i = 0; i < 1_000; i++) {
      const drawn = random.next53()
      if (!Number.isSafeInteger(drawn) || drawn < 0) t.fail(`${drawn}`)
      seen1 |= BigInt(drawn)
      seen0 |= ~BigInt(drawn) & mask
    }
    t.equal(seen1, mask)
    t.equal(seen0, mask)
  })

  t.test(`${title} draws below a bound, every value about as often`, async (t) => {
    const counts = new Array<number>(7).fill(0)
    for (let i = 0; i < 14_000; i++) counts[random.below(7)]++
    for (const count of counts) t.ok(count > 1_700 && count < 2_300, `${count} of 2000 expected`)
    t.equal(random.below(1), 0)
    t.ok(random.below(2 ** 53) < 2 ** 53)
  })

  t.test(`${title} refuses a bound that is none`, async (t) => {
    for (const bound of [0, -1, 1.5, NaN, 2 ** 53 + 2]) t.throws(() => random.below(bound), `${bound}`)
  })
}

t.test('draws from the incomplete last stretch are thrown away', async (t) => {
  const bound = 2 ** 52 + 1
  const draws = [2 ** 53 - 1, bound, bound - 1]
  t.equal(uniformBelow({ next53: () => draws.shift() ?? 0 }, bound), bound - 1)
  t.same(draws, [])
})
