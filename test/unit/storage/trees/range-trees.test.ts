import t from 'tap'
import { NEVER_DIES } from '../../../../src/record/layout.js'
import { KeyHash } from '../../../../src/ring/token.js'
import { RangeTrees } from '../../../../src/storage/trees/range-trees.js'
import { HOUR_MS } from '../../../../src/storage/trees/record-share.js'
import { HOUR_LEAVES, LEAVES, TreeRanges } from '../../../../src/storage/trees/tree-ranges.js'
import { deletion, encoded, value } from '../../coordinator/records.js'
import { TreeLife } from './tree-life.js'
import { keptTrees, RANGES, treeDifference } from './tree-model.js'

const LIVES = 6
const STEPS = 400

t.test('the trees of a random life are those that a walk over the store finds', async (t) => {
  for (let seed = 0; seed < LIVES; seed++) {
    const life = new TreeLife(seed)
    await life.machine.start()
    for (let step = 0; step < STEPS; step++) {
      await life.step()
      if (step % 100 !== 99) continue
      await life.ready()
      const difference = await life.difference()
      if (difference !== null) return void t.fail(`seed ${seed} step ${step}: ${difference}`)
    }
    await life.machine.stop()
  }
})

/** A record of a key with an entry header before it, as a store holds it. */
function entry(record: Buffer, sequence = 1): Buffer {
  const bytes = Buffer.alloc(8 + record.length)
  bytes.writeUIntLE(sequence, 0, 6)
  record.copy(bytes, 8)
  return bytes
}

function tokenOf(key: string): number {
  const hash = new KeyHash()
  hash.of(Buffer.from(key), 0, key.length)
  return hash.token
}

class Trees extends RangeTrees {
  constructor(hoursWithLeavesMax?: number) {
    super(new TreeRanges(RANGES), hoursWithLeavesMax)
  }

  put(key: string, bytes: Buffer, over: Buffer | null = null): void {
    this.replaced(tokenOf(key), over, 8, bytes, 8)
  }

  rangeOf(key: string): number {
    return this.ranges.ofSlot[Math.floor(tokenOf(key) / 2 ** 39)]
  }
}

const HOUR_END_MS = 500_000 * HOUR_MS

t.test('P3 each hour of death has a tree of its own, a death on the stroke in the hour that ends', (t) => {
  const trees = new Trees()
  const key = 'a key'
  const range = trees.rangeOf(key)
  trees.put(key, entry(encoded(key, [value(1, 5, 'v', HOUR_END_MS)])))
  t.same(trees.hoursOf(range), [HOUR_END_MS])
  trees.put('{a key}2', entry(encoded('{a key}2', [value(1, 6, 'v', HOUR_END_MS + 1)])))
  trees.put('{a key}3', entry(encoded('{a key}3', [value(1, 7, 'v')])))
  t.same(trees.hoursOf(range), [HOUR_END_MS, HOUR_END_MS + HOUR_MS, NEVER_DIES])
  t.equal(trees.keysOf(range, HOUR_END_MS), 1)
  t.end()
})

t.test('a record that is replaced leaves nothing behind', (t) => {
  const trees = new Trees()
  const key = 'a key'
  const range = trees.rangeOf(key)
  const first = entry(encoded(key, [value(1, 5, 'v', HOUR_END_MS)]))
  const second = entry(encoded(key, [deletion(1, 6)]), 2)
  trees.put(key, first)
  trees.put(key, second, first)
  const alone = new Trees()
  alone.put(key, second)
  t.equal(treeDifference(keptTrees(trees), keptTrees(alone)), null)
  t.equal(trees.hoursOf(range).length, 1)
  t.equal(trees.facts.hours, 1)
  t.end()
})

t.test('P4 siblings at or below the flush mark add nothing, nor are they taken away', (t) => {
  const key = 'a key'
  const both = entry(encoded(key, [value(1, 10, 'above'), value(2, 5, 'below')]))
  const above = entry(encoded(key, [value(1, 10, 'above')], [{ actor: 2, hlc: 5 }]))
  const below = entry(encoded(key, [value(2, 5, 'below')]))
  const one = new Trees()
  const other = new Trees()
  for (const trees of [one, other]) trees.flush(7)
  one.put(key, both)
  other.put(key, above)
  t.equal(treeDifference(keptTrees(one), keptTrees(other)), null)
  t.equal(one.keysOf(one.rangeOf(key), NEVER_DIES), 1)
  const flushed = new Trees()
  flushed.put(key, below)
  flushed.flush(7)
  flushed.put(key, above, below)
  t.equal(treeDifference(keptTrees(flushed), keptTrees(other)), null)
  t.end()
})

t.test('V9 records of equal dots and different contexts or contents are told apart', (t) => {
  const key = 'a key'
  const variants = [
    encoded(key, [value(1, 10, 'one')]),
    encoded(key, [value(1, 10, 'two')]),
    encoded(key, [value(1, 10, 'one')], [{ actor: 2, hlc: 3 }]),
    encoded(key, [value(1, 10, 'one'), value(2, 3, 'one')]),
    encoded(key, [value(2, 10, 'one')]),
    encoded(key, [value(1, 11, 'one')]),
    encoded('a kez', [value(1, 10, 'one')]),
  ]
  const roots = variants.map((record) => {
    const trees = new Trees()
    trees.put(key, entry(record))
    const root = { low: 0, high: 0 }
    trees.rootOf(trees.rangeOf(key), NEVER_DIES, root)
    return root
  })
  t.equal(new Set(roots.map(({ low }) => low)).size, variants.length)
  t.equal(new Set(roots.map(({ high }) => high)).size, variants.length)
  t.end()
})

t.test('P1 the last arrival of an hour is the highest sequence of what came to it', (t) => {
  const trees = new Trees()
  const key = 'a key'
  const range = trees.rangeOf(key)
  trees.put(key, entry(encoded(key, [value(1, 5, 'v', HOUR_END_MS)]), 17))
  trees.put('{a key}2', entry(encoded('{a key}2', [value(1, 6, 'v', HOUR_END_MS)]), 18))
  trees.put('{a key}3', entry(encoded('{a key}3', [value(1, 7, 'v')]), 19))
  t.equal(trees.lastArrivalOf(range, HOUR_END_MS), 18)
  t.end()
})

t.test('P1 hours that are purged go as a whole and stay away', (t) => {
  const trees = new Trees()
  const key = 'a key'
  const range = trees.rangeOf(key)
  const first = entry(encoded(key, [value(1, 5, 'v', HOUR_END_MS)]))
  trees.put(key, first)
  const other = entry(encoded('{a key}2', [value(1, 6, 'v', HOUR_END_MS + HOUR_MS)]))
  trees.put('{a key}2', other)
  trees.forgetHours(range, HOUR_END_MS)
  t.same(trees.hoursOf(range), [HOUR_END_MS + HOUR_MS])
  const next = entry(encoded(key, [value(1, 7, 'v')]), 3)
  trees.put(key, next, first)
  const alone = new Trees()
  alone.put('{a key}2', other)
  alone.put(key, next)
  t.equal(
    treeDifference(keptTrees(trees), keptTrees(alone)),
    null,
    'what it replaced is not taken away twice',
  )
  const root = { low: 0, high: 0 }
  const wanted = { low: 0, high: 0 }
  trees.rootAbove(range, HOUR_END_MS, root)
  alone.rootAbove(range, 0, wanted)
  t.same(root, wanted)
  t.end()
})

t.test('beyond so many hours trees have no leaves, and their roots are the same', (t) => {
  const few = new Trees(2)
  const many = new Trees()
  const range = few.rangeOf('a key')
  for (let i = 0; i < 5; i++) {
    const key = `{a key}${i}`
    const bytes = entry(encoded(key, [value(1, 5, 'v', HOUR_END_MS + i * HOUR_MS)]))
    few.put(key, bytes)
    many.put(key, bytes)
  }
  t.match(few.facts, { hours: 5, foldedHours: 3, leafBytes: 2 * HOUR_LEAVES * 8 })
  t.match(many.facts, { hours: 5, foldedHours: 0 })
  t.same(
    few.hoursOf(range).map((hour) => few.leafCountOf(range, hour)),
    [HOUR_LEAVES, HOUR_LEAVES, 0, 0, 0],
  )
  for (const hour of few.hoursOf(range)) {
    const [one, other] = [
      { low: 0, high: 0 },
      { low: 0, high: 0 },
    ]
    few.rootOf(range, hour, one)
    many.rootOf(range, hour, other)
    t.same(one, other)
  }
  t.end()
})

t.test('a range that was reset is not compared before it is ready', (t) => {
  const trees = new Trees()
  const key = 'a key'
  const range = trees.rangeOf(key)
  const bytes = entry(encoded(key, [value(1, 5, 'v')]))
  trees.put(key, bytes)
  trees.reset(range)
  t.notOk(trees.isReady(range))
  t.throws(() => trees.hoursOf(range))
  t.match(trees.facts, { ranges: RANGES.count, readyRanges: RANGES.count - 1 })
  trees.add(tokenOf(key), bytes, 8)
  trees.makeReady(range)
  t.equal(trees.keysOf(range, NEVER_DIES), 1)
  t.end()
})

t.test('the intervals of a level lie side by side, and every token is in that of its leaf', (t) => {
  const ranges = new TreeRanges(RANGES)
  const trees = new RangeTrees(ranges)
  for (let range = 0; range < RANGES.count; range++) {
    for (const count of [LEAVES, HOUR_LEAVES, 1]) {
      let end = ranges.interval(range).from
      for (let node = 0; node < count; node++) {
        const interval = trees.nodeInterval(range, node, count)
        if (interval.from !== end || interval.end <= interval.from)
          return void t.fail(`node ${node} of ${count}`)
        end = interval.end
        if (count === 1) continue
        const hour = count === LEAVES ? NEVER_DIES : HOUR_END_MS
        for (const token of [interval.from, interval.end - 1]) {
          if (trees.leafOf(range, hour, token) !== node) return void t.fail(`token ${token} in node ${node}`)
        }
      }
      t.equal(end, ranges.interval(range).end)
    }
  }
  t.equal(ranges.interval(0).from, 0)
  t.equal(ranges.interval(RANGES.count - 1).end, 2 ** 53)
  t.end()
})

t.test('ranges are runs of slots', (t) => {
  const ofSlot = RANGES.ofSlot.slice()
  ofSlot[16_000] = 0
  t.throws(() => new TreeRanges({ ...RANGES, ofSlot }))
  t.end()
})
