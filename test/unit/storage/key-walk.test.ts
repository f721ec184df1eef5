import t from 'tap'
import { TOKEN_END } from '../../../src/ring/token.js'
import { walkKeys } from '../../../src/storage/key-walk.js'
import type { WalkLimits } from '../../../src/storage/key-walk.js'
import { Segment, SegmentMemory } from '../../../src/storage/log/segment.js'
import { SlotOrder } from '../../../src/storage/log/slot-order.js'
import { BLOCK_BYTES } from '../../../src/storage/table/block-format.js'
import { TableSet } from '../../../src/storage/table-set.js'
import { Seeded } from '../../support/seeded.js'
import { HEADER, SegmentWriter } from './log/log-file.js'
import { STEPS_MAX, Tree } from './random-tree.js'

function allOf(tree: Tree, limits: () => WalkLimits): { seen: string[]; steps: number } {
  const seen: string[] = []
  let from = 0
  for (let steps = 1; steps < STEPS_MAX; steps++) {
    const step = tree.step(from, limits())
    seen.push(...step.seen)
    if (step.next === TOKEN_END) return { seen, steps }
    if (step.next <= from) throw new Error('a step gets nowhere')
    from = step.next
  }
  throw new Error('the walk never ends')
}

t.test('R4 T6 a walk shows every key once, in token order, with its newest entry', async (t) => {
  let steps = 0
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Seeded(-seed)
    const cacheBytes = random.pick([0, 1, 3, 1000]) * BLOCK_BYTES
    const tree = new Tree(seed, cacheBytes)
    const walk = allOf(tree, () => ({ visits: 1 + random.below(30), entries: 1 + random.below(60) }))
    steps += walk.steps
    const expected = tree.expected.entries().map(({ key, sequence }) => `${key}@${sequence}`)
    if (walk.seen.join() !== expected.join()) t.same(walk.seen, expected, `seed ${seed}`)
  }
  t.ok(steps > 500)
})

t.test('R4 a step never ends among equal tokens, and starts anywhere', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const tree = new Tree(seed, 1000 * BLOCK_BYTES)
    const entries = tree.expected.entries()
    for (const { token } of entries) {
      const { seen, next } = tree.step(token, { visits: 1, entries: 1 })
      const together = entries.filter((entry) => entry.token === token)
      const shown = seen.slice(0, together.length)
      if (shown.join() !== together.map(({ key, sequence }) => `${key}@${sequence}`).join()) {
        t.fail(`seed ${seed}: ${shown.join()} at token ${token}`)
      }
      if (next <= token) t.fail(`seed ${seed}: goes on from ${next}`)
    }
  }
  t.pass('20 trees')
})

t.test(
  'R4 a walk ends before a token when it is told to, and loads nothing for what lies behind',
  async (t) => {
    let reads = 0
    for (let seed = 1; seed <= 20; seed++) {
      const tree = new Tree(seed, 1000 * BLOCK_BYTES)
      const entries = tree.expected.entries()
      for (const { token: end } of entries) {
        const from = Math.max(0, end - new Seeded(seed).below(2 ** 32) * 2 ** 20)
        const seen: string[] = []
        let next = from
        while (next < end) {
          const step = tree.step(next, { visits: 1000, entries: 1000, end })
          seen.push(...step.seen)
          next = step.next
        }
        const expected = entries.filter(({ token }) => token >= from && token < end)
        const shown = expected.map(({ key, sequence }) => `${key}@${sequence}`)
        if (next !== end || seen.join() !== shown.join()) t.same({ next, seen }, { next: end, seen: shown })
        reads += seen.length
      }
      const cold = new Tree(seed, 0)
      t.same(cold.step(0, { visits: 1, entries: 1, end: 0 }), { seen: [], next: 0 })
      const limits = { visits: 1, entries: 1, end: entries[0].token }
      walkKeys(
        cold.orders,
        cold.tables,
        0,
        limits,
        () => true,
        () => t.fail('nothing lies before the first key'),
      )
    }
    t.ok(reads > 10_000)
  },
)

t.test('R4 a step over the dead ends too', async (t) => {
  const segment = new Segment(HEADER, '/log', new SegmentMemory(256 * 1024))
  const writer = new SegmentWriter(segment)
  for (let i = 0; i < 500; i++) writer.put(`key ${i}`, { value: null })
  let visited = 0
  const visit = (): boolean => {
    visited++
    return false
  }
  const limits = { visits: 10, entries: 100 }
  const next = walkKeys([new SlotOrder(segment)], new TableSet([]), 0, limits, visit, () => {})
  t.ok(visited <= 101)
  t.ok(next > 0 && next < TOKEN_END)
})

t.test('a walk over nothing is at its end', async (t) => {
  const limits = { visits: 10, entries: 100 }
  t.equal(
    walkKeys(
      [],
      new TableSet([]),
      0,
      limits,
      () => true,
      () => {},
    ),
    TOKEN_END,
  )
})
