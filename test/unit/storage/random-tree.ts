/** Segments and tables with random contents, and what a reader must find in them. */
import { KeyHash } from '../../../src/ring/token.js'
import { BlockCache } from '../../../src/storage/block-cache.js'
import { UNLIMITED_PACE } from '../../../src/storage/compaction/pace.js'
import { EntryRef, entrySequence } from '../../../src/storage/entry.js'
import { pathOf, tableFileName } from '../../../src/storage/file-names.js'
import { runFlush } from '../../../src/storage/jobs/flush-job.js'
import { walkKeys } from '../../../src/storage/key-walk.js'
import type { WalkLimits } from '../../../src/storage/key-walk.js'
import { Segment, SegmentMemory } from '../../../src/storage/log/segment.js'
import { SlotOrder } from '../../../src/storage/log/slot-order.js'
import { Table } from '../../../src/storage/table/table.js'
import { ABSENT, COLD } from '../../../src/storage/table/table-lookup.js'
import { TableSet } from '../../../src/storage/table-set.js'
import type { LiveTable } from '../../../src/storage/table-set.js'
import { Seeded } from '../../support/seeded.js'
import { entryText, HEADER, SegmentWriter } from './log/log-file.js'
import { MemoryDisk } from './memory-disk.js'
import { TestSegment } from './segment.js'
import { TWINS } from './twin-keys.js'

const TARGET_BYTES = 6000
export const STEPS_MAX = 100_000

/** What a walk must show, in its order: each key once, with the newest of its entries. */
export class Expected {
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

/** Versions of a key lie anywhere, newer ones not always higher up. */
export class Tree {
  readonly disk = new MemoryDisk()
  readonly expected = new Expected()
  /** Of the tables alone. */
  readonly expectedInTables = new Expected()
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
      this.expectedInTables.note(key, sequence)
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

  /** The key's newest entry in the tables, as "sequence key"; loads what is missing. */
  findInTables(key: string): string | null {
    const bytes = Buffer.from(key, 'latin1')
    const hash = new KeyHash()
    hash.of(bytes, 0, bytes.length)
    const entry = new EntryRef()
    const pinned: [Table, number][] = []
    let answer = this.tables.find(hash, bytes, 0, bytes.length, entry)
    while (answer === COLD) {
      const table = this.tables.coldTable
      if (table === null) throw new Error('a COLD answer names its table')
      const block = table.coldBlock
      table.loadSync(block)
      this.#cache.pin(table.placeOf(block))
      pinned.push([table, block])
      answer = this.tables.find(hash, bytes, 0, bytes.length, entry)
    }
    for (const [table, block] of pinned) table.unpin(block)
    return answer === ABSENT ? null : entryText(entry.bytes, entry.record).replace(/=.*/s, '')
  }

  isDead(bytes: Buffer, record: number): boolean {
    return entryText(bytes, record).endsWith(' deleted')
  }
}
