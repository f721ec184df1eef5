/** Tables against a map: whatever was built is found, nothing else is, and walks see it in order. */
import t from 'tap'
import { KeyHash } from '../../../../src/ring/token.js'
import { BlockCache } from '../../../../src/storage/block-cache.js'
import { EntryRef } from '../../../../src/storage/entry.js'
import { Table } from '../../../../src/storage/table/table.js'
import { TableCursor } from '../../../../src/storage/table/table-cursor.js'
import { ABSENT, COLD, FOUND } from '../../../../src/storage/table/table-lookup.js'
import { TableScanner } from '../../../../src/storage/table/table-scanner.js'
import { Seeded } from '../../../support/seeded.js'
import { TableDisk } from './table-disk.js'
import type { TestEntry } from './table-entries.js'
import { buildTable, entryBytesOf, inTableOrder, makeValue } from './table-entries.js'

const PATH = 'data/000001.table'
const SEEDS = 60

/** Up to a few hundred entries; sometimes most tokens collide, sometimes values are jumbo. */
function randomEntries(random: Seeded): TestEntry[] {
  const tokens = random.pick([0, 3, 40])
  const entries = new Map<string, TestEntry>()
  const count = 1 + random.below(random.pick([3, 40, 400]))
  for (let i = 0; i < count; i++) {
    const key = random.bytes(random.below(12))
    const length = random.chance(20) ? random.below(20_000) : random.below(random.pick([30, 300, 2000]))
    const token = tokens === 0 ? undefined : random.below(tokens) * 1000
    entries.set(key.toString('latin1'), makeValue(key, i, Buffer.alloc(length, i), token))
  }
  return inTableOrder([...entries.values()])
}

function openWith(entries: readonly TestEntry[], cacheBytes: number): Table {
  const disk = new TableDisk()
  buildTable(disk, PATH, entries)
  return Table.open(disk, PATH, new BlockCache(cacheBytes), 1)
}

/** Keys that the lookups get wrong: present ones that are not found as written, absent ones that are found. */
function wrongLookups(table: Table, entries: readonly TestEntry[], random: Seeded): string[] {
  const wrong: string[] = []
  const found = new EntryRef()
  for (const { key, hash, bytes } of entries) {
    const answer = table.findSync(hash, key, 0, key.length, found)
    if (answer !== FOUND || !entryBytesOf(found).equals(bytes)) wrong.push(key.toString('hex'))
    if (!table.mayContain(hash)) wrong.push(`filter ${key.toString('hex')}`)
  }
  for (let i = 0; i < 50; i++) {
    const key = Buffer.concat([random.bytes(3), Buffer.from(' is not in any table')])
    const hash = new KeyHash()
    hash.of(key, 0, key.length)
    // The hashes of a present key get it past the filter: then the key bytes have to tell.
    const double = random.pick(entries).hash
    for (const each of [hash, double]) {
      if (table.findSync(each, key, 0, key.length, found) !== ABSENT)
        wrong.push(`absent ${key.toString('hex')}`)
    }
  }
  return wrong
}

/** The entries from `token` on as a cursor walks them, loading what is cold, by resuming or by seeking again. */
function walk(table: Table, token: number, resumes: boolean): Buffer[] {
  const seen: Buffer[] = []
  const cursor = new TableCursor(table)
  let answer = cursor.seek(token)
  for (;;) {
    if (answer === FOUND) {
      seen.push(entryBytesOf(cursor.entry))
      answer = cursor.next()
    } else if (answer === COLD) {
      table.loadSync(table.coldBlock)
      if (resumes) {
        answer = cursor.next()
      } else {
        answer = cursor.seek(token)
        seen.length = 0
      }
    } else {
      return seen
    }
  }
}

t.test('random tables answer like a map, with a cache of any size', (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new Seeded(seed)
    const entries = randomEntries(random)
    const table = openWith(entries, random.pick([0, 4096, 3 * 4096, 2 ** 20]))
    const wrong = wrongLookups(table, entries, random)
    if (wrong.length > 0) t.fail(`seed ${seed}`, { wrong })
    table.retire(false)
  }
  t.pass(`${SEEDS} tables`)
  t.end()
})

t.test('a scanner and a cursor see every entry once, in order, from any token on', (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new Seeded(seed)
    const entries = randomEntries(random)
    const disk = new TableDisk()
    buildTable(disk, PATH, entries)
    const scanner = new TableScanner(disk, PATH)
    const scanned: Buffer[] = []
    while (scanner.next()) scanned.push(entryBytesOf(scanner.entry))
    scanner.close()
    if (
      !sameBytes(
        scanned,
        entries.map((entry) => entry.bytes),
      )
    )
      t.fail(`scan of seed ${seed}`)
    const table = openWith(entries, 2 ** 20)
    const small = openWith(entries, 4096)
    for (let i = 0; i < 10; i++) {
      const from = Math.max(0, random.pick(entries).hash.token + random.pick([-1, 0, 1]))
      const expected = entries.filter((entry) => entry.hash.token >= from).map((entry) => entry.bytes)
      if (!sameBytes(walk(table, from, random.chance(2)), expected))
        t.fail(`walk of seed ${seed} from ${from}`)
      if (!sameBytes(walk(small, from, true), expected)) t.fail(`small walk of seed ${seed} from ${from}`)
    }
    if (walk(table, 2 ** 53 - 1, false).length !== 0) t.fail('nothing is beyond the last token')
  }
  t.pass(`${SEEDS} tables`)
  t.end()
})

function sameBytes(actual: readonly Buffer[], expected: readonly Buffer[]): boolean {
  return actual.length === expected.length && actual.every((bytes, i) => bytes.equals(expected[i]))
}

t.test('keys of one token are told apart across many blocks', (t) => {
  const entries = Array.from({ length: 200 }, (_, i) =>
    makeValue(`key ${i}`, i, Buffer.alloc(500, i), 5_000_000),
  )
  entries.push(
    makeValue('below', 1000, Buffer.alloc(9), 4_999_999),
    makeValue('above', 1001, Buffer.alloc(9), 5_000_001),
  )
  const table = openWith(entries, 2 ** 20)
  t.ok(table.summary.blockCount > 20)
  t.strictSame(wrongLookups(table, inTableOrder(entries), new Seeded(1)), [])
  const after = walk(table, 5_000_001, false)
  t.equal(after.length, 1)
  t.end()
})

t.test('tokens crowded into a corner are found as well as even ones', (t) => {
  const entries = Array.from({ length: 2000 }, (_, i) =>
    makeValue(`key ${i}`, i, Buffer.alloc(200), 2 ** 52 + i),
  )
  entries.push(
    makeValue('first', 5000, Buffer.alloc(1), 0),
    makeValue('last', 5001, Buffer.alloc(1), 2 ** 53 - 1),
  )
  const table = openWith(entries, 2 ** 20)
  t.strictSame(wrongLookups(table, inTableOrder(entries), new Seeded(2)), [])
  t.equal(walk(table, 2 ** 52 + 1990, false).length, 11)
  t.end()
})

t.test('a walk counts each block once, and does not keep blocks from being evicted', (t) => {
  const entries = inTableOrder(
    Array.from({ length: 100 }, (_, i) => makeValue(`key ${i}`, i, Buffer.alloc(200))),
  )
  const disk = new TableDisk()
  buildTable(disk, PATH, entries)
  const cache = new BlockCache(2 ** 20)
  const table = Table.open(disk, PATH, cache, 1)
  const { blockCount } = table.summary
  t.ok(blockCount > 3)
  t.equal(walk(table, 0, true).length, 100)
  t.match(cache.stats, { hits: blockCount, misses: blockCount })
  t.notOk(cache.referenced.includes(1))
  t.end()
})

t.test('a lookup of a cold key does no I/O and says which block it needs', (t) => {
  const disk = new TableDisk()
  const entries = inTableOrder(
    Array.from({ length: 100 }, (_, i) => makeValue(`key ${i}`, i, Buffer.alloc(200))),
  )
  buildTable(disk, PATH, entries)
  const cache = new BlockCache(2 ** 20)
  const table = Table.open(disk, PATH, cache, 1)
  const reads = disk.readSyncCount
  const { hash, key } = entries[99]
  const found = new EntryRef()
  t.equal(table.find(hash, key, 0, key.length, found), COLD)
  t.equal(table.coldBlock, table.summary.blockCount - 1)
  t.equal(disk.readSyncCount, reads)
  table.loadSync(table.coldBlock)
  t.equal(table.find(hash, key, 0, key.length, found), FOUND)
  t.match(cache.stats, { hits: 1, misses: 1, evictions: 0, usedBytes: 4096 })
  t.end()
})

t.test('a table in memory takes its filter, its index and a few bytes per block', (t) => {
  const entries = Array.from({ length: 1000 }, (_, i) => makeValue(`key ${i}`, i, Buffer.alloc(100)))
  const table = openWith(entries, 0)
  const filterBytes = 1256
  const perBlock = 16 + 8 + 4 + 4 + 2
  const ends = 8 + 4
  t.equal(table.residentBytes, filterBytes + table.summary.blockCount * perBlock + ends)
  t.end()
})
