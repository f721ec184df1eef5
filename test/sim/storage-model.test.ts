/**
 * Random lives of a storage engine against its history, thousands of them: see storage-story.ts.
 * KINDRED_SEED=17 lives one life only, KINDRED_SEEDS=100000 many.
 */
import t from 'tap'
import { SimRandom } from '../../src/sim/sim-random.js'
import { StorageMachine } from './storage-machine.js'
import { Story } from './storage-story.js'
import { happened, liveAll, STEPS } from './story-lives.js'

t.test(
  'W1 W2 R2 V2 V6 T4 T6 under always no acknowledged write is lost, whatever a crash takes',
  async (t) => {
    const sums = await liveAll(t, 'always', 1200)
    happened(t, sums)
  },
)

t.test('W1 W2 T4 T6 under everysec what survives is a prefix, at most a second short', async (t) => {
  const sums = await liveAll(t, 'everysec', 500)
  happened(t, sums)
})

t.test('W1 W2 T4 T6 under no what survives is a prefix', async (t) => {
  const sums = await liveAll(t, 'no', 500)
  happened(t, sums)
})

t.test(
  'W3 V6 on a disk that fails now and then no acknowledged write is lost, and none is invented',
  async (t) => {
    const sums = await liveAll(t, 'always', 500, true)
    happened(t, sums)
    if (process.env['KINDRED_SEED'] === undefined)
      t.ok(Number(sums.logFailures) > 0 && Number(sums.reopenings) > 0 && Number(sums.failedStarts) > 0)
  },
)

t.test('the same seed is the same life', async (t) => {
  const hashes: number[] = []
  for (let run = 0; run < 2; run++) {
    const story = new Story('twice')
    await story.live(STEPS)
    hashes.push(story.machine.env.disk.trace.hash)
  }
  t.equal(hashes[0], hashes[1])
})

async function write(machine: StorageMachine, key: string, value: string): Promise<void> {
  const bytes = Buffer.from(key)
  await machine.admission(value.length + 600)
  await machine.command([bytes], () => {
    machine.keyspace.set(bytes, 0, bytes.length, Buffer.from(value), 0, value.length, 0)
  })
}

t.test(
  'R4 a scan shows every key that is there throughout, exactly once, over flushes and compactions',
  async (t) => {
    for (let seed = 0; seed < 8; seed++) {
      const random = new SimRandom(seed)
      const machine = StorageMachine.fromSeed(`scan ${seed}`)
      await machine.start()
      const stable = Array.from({ length: 150 }, (_, i) => (i % 3 === 0 ? `{tag}stable ${i}` : `stable ${i}`))
      for (const key of stable) await write(machine, key, 'x'.repeat(random.below(200)))
      const { flushes, compactions } = machine.store.facts()
      const shown: string[] = []
      let cursor = 0
      do {
        const step = await machine.scanStep(cursor, 1 + random.below(5))
        shown.push(...step.keys.keys())
        cursor = step.next
        for (let i = random.below(6); i > 0; i--) {
          // Others come and go, and stable ones are overwritten.
          const key = random.chance(0.3) ? random.pick(stable) : `other ${random.below(100)}`
          await write(machine, key, 'y'.repeat(random.below(300)))
        }
        await machine.advance(random.fraction() * 5)
      } while (cursor !== 0)
      const after = machine.store.facts()
      t.ok(
        after.flushes > flushes && after.compactions > compactions,
        `seed ${seed}: much happened meanwhile`,
      )
      t.same(shown.filter((key) => key.includes('stable')).sort(), [...stable].sort(), `seed ${seed}`)
    }
  },
)
