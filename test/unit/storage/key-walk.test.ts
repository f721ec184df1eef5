import t from 'tap'
import { TOKEN_END } from '../../../src/ring/token.js'
import { KeyHash } from '../../../src/ring/token.js'
import { BlockCache } from '../../../src/storage/block-cache.js'
import { UNLIMITED_PACE } from '../../../src/storage/compaction/pace.js'
import { entrySequence } from '../../../src/storage/entry.js'
import { pathOf, tableFileName } from '../../../src/storage/file-names.js'
import { runFlush } from '../../../src/storage/jobs/flush-job.js'
import { walkKeys } from '../../../src/storage/key-walk.js'
import type { WalkLimits } from '../../../src/storage/key-walk.js'
import { Segment, SegmentMemory } from '../../../src/storage/log/segment.js'
import { SlotOrder } from '../../../src/storage/log/slot-order.js'
import { Table } from '../../../src/storage/table/table.js'
import { BLOCK_BYTES } from '../../../src/storage/table/block-format.js'
import { TableSet } from '../../../src/storage/table-set.js'
import type { LiveTable } from '../../../src/storage/table-set.js'
import { Seeded } from '../../support/seeded.js'
import { entryText, HEADER, SegmentWriter } from './log/log-file.js'
import { MemoryDisk } from './memory-disk.js'
import { TestSegment } from './segment.js'
import { TWINS } from './twin-keys.js'

const TARGET_BYTES = 6000
const STEPS_MAX = 100_000

/** What a walk must show, in its order: each key once, with the newest of its entries. */
class Expected {
  readonly #newest = new Map<string, { token: number; sequence: number }>()
  readonly #hash = new KeyHash()

  note(key: string, sequence: number): void {
    const known = this.#newest.get(key)
    if (known !== undefined && known.sequence > sequence) return
    const bytes = Buffer.from(key, 'latin1')
    this.#hash.of(bytes, 0, bytes.length)
    this.#newest.set(key, { token: this.#hash.token, sequence })
  }

  entries(): { key: string; token: number; sequence: number }[] {
    return [...this.#newest]
      .map(([key, { token, sequence }]) => ({ key, token, sequence }))
      .sort((a, b) => a.token - b.token || (a.key < b.key ? -1 : 1))
  }
}

/** Segments and tables with random contents: versions of a key lie anywhere, newer ones not always higher up. */
class Tree {
  readonly disk = new MemoryDisk()
  readonly expected = new Expected()
  readonly orders: SlotOrder[] = []
  readonly tables: TableSet
  readonly #random: Seeded
  readonly #keys: readonly string[]
  readonly #cache: BlockCache
  #fileNumber = 1

  constructor(seed: number, cacheBytes: number) {
    this.#random = new Seeded(seed)
    this.#cache = new BlockCache(cacheBytes)
    const random = this.#random
    this.#keys = [
      ...TWINS.flat(),
      ...Array.from({ length: 40 }, (_, i) => `{t}${i}`),
      ...Array.from({ length: 60 }, (_, i) => `key ${i}`),
    ]
    const live: LiveTable[] = []
    for (const level of [0, 0, 0, 1, 2]) if (!random.chance(5)) live.push(...this.#makeLevel(level))
    this.tables = new TableSet(live)
    for (let i = random.below(4); i > 0; i--) this.#makeSegment(i)
  }

  /** Tables that do not overlap, of sequences from anywhere. */
  #makeLevel(level: number): LiveTable[] {
    const segment = new TestSegment()
    for (const key of this.#keys) {
      if (this.#random.chance(2)) continue
      const sequence = 1 + this.#random.below(1_000_000)
      segment.put({
        key,
        sequence,
        value: 'x'.repeat(this.#random.below(this.#random.chance(8) ? 5000 : 200)),
      })
      this.expected.note(key, sequence)
    }
    const job = segment.flushJob('/data', this.#fileNumber, TARGET_BYTES)
    const { tables } = runFlush(this.disk, job, UNLIMITED_PACE)
    this.#fileNumber += 1000
    return tables.map((summary) => ({
      facts: { ...summary, level },
      table: Table.open(
        this.disk,
        pathOf('/data', tableFileName(summary.fileNumber)),
        this.#cache,
        summary.fileNumber,
      ),
    }))
  }

  #makeSegment(number: number): void {
    const firstSequence = 900_000 + number * 10_000
    const segment = new Segment({ ...HEADER, firstSequence }, '/log', new SegmentMemory(256 * 1024))
    const writer = new SegmentWriter(segment)
    for (let i = this.#random.below(120); i > 0; i--) {
      const key = this.#random.pick(this.#keys)
      const record = writer.put(key, { value: this.#random.chance(4) ? null : `${i}` })
      this.expected.note(key, entrySequence(segment.arena, record))
    }
    this.orders.push(new SlotOrder(segment))
  }

  /** One step; loads what is missing, holding on to what came before, as a request does. */
  step(from: number, limits: WalkLimits): { seen: string[]; next: number } {
    const pinned: [Table, number][] = []
    try {
      for (let attempts = 0; attempts < STEPS_MAX; attempts++) {
        const missing: [Table, number][] = []
        const seen: string[] = []
        const next = walkKeys(
          this.orders,
          this.tables,
          from,
          limits,
          (bytes, record) => {
            const [sequence, key] = entryText(bytes, record).split(/ (.*?)(?:=.*| deleted)$/s)
            seen.push(`${key}@${sequence}`)
            return !this.isDead(bytes, record)
          },
          (table, block) => missing.push([table, block]),
        )
        if (next !== -1) return { seen, next }
        for (const [table, block] of missing) {
          table.loadSync(block)
          this.#cache.pin(table.placeOf(block))
          pinned.push([table, block])
        }
      }
      throw new Error('the step never ends')
    } finally {
      for (const [table, block] of pinned) table.unpin(block)
    }
  }

  isDead(bytes: Buffer, record: number): boolean {
    return entryText(bytes, record).endsWith(' deleted')
  }
}

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
