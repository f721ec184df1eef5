import t from 'tap'
import { SLOT_COUNT } from '../../../../src/ring/slot.js'
import { KeyHash, slotOfToken, TOKENS_PER_SLOT } from '../../../../src/ring/token.js'
import { Segment, SegmentMemory } from '../../../../src/storage/log/segment.js'
import { SlotOrder } from '../../../../src/storage/log/slot-order.js'
import type { OrderedRecord } from '../../../../src/storage/log/slot-order.js'
import { Seeded } from '../../../support/seeded.js'
import { TWINS } from '../twin-keys.js'
import { entryText, HEADER, SegmentWriter } from './log-file.js'

interface Expected {
  readonly token: number
  readonly key: string
  text: string
}

/** A segment, and its keys sorted the plain way. */
class Bench {
  readonly writer = new SegmentWriter(new Segment(HEADER, '/000012.log', new SegmentMemory(1024 * 1024)))
  readonly order = new SlotOrder(this.writer.segment)
  readonly #keys = new Map<string, Expected>()
  readonly #hash = new KeyHash()

  put(key: string, value: string): void {
    const text = entryText(this.writer.segment.arena, this.writer.put(key, { value }))
    const bytes = Buffer.from(key, 'latin1')
    this.#hash.of(bytes, 0, bytes.length)
    this.#keys.set(key, { token: this.#hash.token, key, text })
  }

  sorted(slot: number, from: number): Expected[] {
    return [...this.#keys.values()]
      .filter(({ token }) => slotOfToken(token) === slot && token >= from)
      .sort((a, b) => a.token - b.token || (a.key < b.key ? -1 : 1))
  }

  collect(slot: number, from: number, count: number): OrderedRecord[] {
    const records: OrderedRecord[] = []
    this.order.collect(slot, from, count, records)
    return records
  }

  /** What is wrong with the answer to this question, or null. */
  problemWith(slot: number, from: number, count: number): string | null {
    const expected = this.sorted(slot, from)
    const found = this.collect(slot, from, count)
    let needed = Math.min(count, expected.length)
    while (needed > 0 && needed < expected.length && expected[needed].token === expected[needed - 1].token)
      needed++
    // Behind what is needed there may be more, with gaps: the caller drops it.
    for (let i = 0; i < needed; i++) {
      const text = i < found.length ? entryText(found[i].arena, found[i].record) : 'nothing'
      if (text !== expected[i].text)
        return `entry ${i} of ${count} from ${from} is ${text}, not ${expected[i].text}`
    }
    return found.some(({ token }) => token < from) ? `a token below ${from}` : null
  }
}

const SLOT_OF_T = slotOf('{t}')

function slotOf(key: string): number {
  const hash = new KeyHash()
  hash.of(Buffer.from(key), 0, key.length)
  return slotOfToken(hash.token)
}

t.test('R4 a slot is in token order however large it is and however it grew', async (t) => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = new Seeded(seed)
    const bench = new Bench()
    const keys = random.pick([20, 255, 256, 257, 1200])
    for (let i = 0; i < keys; i++) {
      bench.put(`{t}${random.below(2 * keys)}`, `${i}`)
      if (random.chance(10)) for (const key of random.pick(TWINS)) bench.put(key, `${i}`)
      if (!random.chance(8)) continue
      const tokens = bench.sorted(SLOT_OF_T, 0)
      const from = random.chance(4) ? 0 : random.pick(tokens).token + random.below(2)
      const problem = bench.problemWith(SLOT_OF_T, from, 1 + random.below(50))
      if (problem !== null) t.fail(`seed ${seed}, ${i} keys: ${problem}`)
    }
    const all = bench.collect(SLOT_OF_T, 0, Infinity).map(({ arena, record }) => entryText(arena, record))
    t.same(
      all,
      bench.sorted(SLOT_OF_T, 0).map(({ text }) => text),
      `seed ${seed}`,
    )
  }
})

t.test('R4 keys of equal token come together, in the order of their bytes', async (t) => {
  for (const padding of [0, 300]) {
    const bench = new Bench()
    for (let i = 0; i < padding; i++) bench.put(`{t}padding ${i}`, '')
    bench.collect(SLOT_OF_T, 0, 1)
    for (const [first, second] of TWINS) {
      bench.put(second, 'second')
      bench.collect(SLOT_OF_T, 0, 1)
      bench.put(first, 'first')
    }
    for (const pair of TWINS) {
      const hash = new KeyHash()
      hash.of(Buffer.from(pair[0]), 0, pair[0].length)
      t.equal(bench.problemWith(SLOT_OF_T, hash.token, 1), null)
      t.ok(bench.collect(SLOT_OF_T, hash.token, 1).length >= 2)
    }
  }
})

t.test('an overwritten key is shown with its newest record, also when its run is old', async (t) => {
  const bench = new Bench()
  for (let i = 0; i < 300; i++) bench.put(`{t}${i}`, 'old')
  bench.collect(SLOT_OF_T, 0, 10)
  for (let i = 0; i < 300; i += 3) bench.put(`{t}${i}`, 'new')
  t.equal(bench.problemWith(SLOT_OF_T, 0, 300), null)
})

t.test('used slots are found in order, and nothing beyond the last', async (t) => {
  const bench = new Bench()
  const slots = new Set<number>()
  for (let i = 0; i < 50; i++) {
    bench.put(`key ${i}`, '')
    slots.add(slotOf(`key ${i}`))
  }
  const found: number[] = []
  for (let slot = bench.order.nextUsedSlot(0); slot < SLOT_COUNT; slot = bench.order.nextUsedSlot(slot + 1)) {
    found.push(slot)
  }
  t.same(
    found,
    [...slots].sort((a, b) => a - b),
  )
  t.equal(bench.order.nextUsedSlot(SLOT_COUNT), SLOT_COUNT)
  for (const slot of found) t.equal(bench.problemWith(slot, slot * TOKENS_PER_SLOT, 10), null)
})
