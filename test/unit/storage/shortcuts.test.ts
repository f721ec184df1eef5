/** Shortcuts to records in the block cache: found while they are right, and never when something has changed. */
import t from 'tap'
import { BlockCache } from '../../../src/storage/block-cache.js'
import { EntryRef } from '../../../src/storage/entry.js'
import { Shortcuts } from '../../../src/storage/shortcuts.js'
import { Table } from '../../../src/storage/table/table.js'
import { FOUND } from '../../../src/storage/table/table-lookup.js'
import { TableDisk } from './table/table-disk.js'
import type { TestEntry } from './table/table-entries.js'
import { buildTable, inTableOrder, makeValue } from './table/table-entries.js'

const PATH = 'data/000001.table'
const SLOTS = 4

/** Ten entries with a block each, more than the cache holds. */
const ENTRIES = inTableOrder(
  Array.from({ length: 10 }, (_, i) => makeValue(`key ${i}`, i, Buffer.alloc(3500, i))),
)

class Fixture {
  readonly cache = new BlockCache(SLOTS * 4096)
  readonly shortcuts = new Shortcuts(this.cache)
  readonly table: Table
  readonly found = new EntryRef()

  constructor() {
    const disk = new TableDisk()
    buildTable(disk, PATH, ENTRIES)
    this.table = Table.open(disk, PATH, this.cache, 1)
  }

  /** Finds the entry in the table and notes the way to it. */
  note({ hash, key }: TestEntry, block: number): void {
    this.table.loadSync(block)
    if (this.table.find(hash, key, 0, key.length, this.found) === FOUND)
      this.shortcuts.note(hash.first, this.found)
  }

  knows({ hash, key }: TestEntry): boolean {
    return this.shortcuts.find(hash.first, key, 0, key.length, this.found)
  }
}

t.test('a noted record is found where the table found it, and counts as a use of its block', (t) => {
  const fixture = new Fixture()
  const { cache, table, found } = fixture
  const [entry] = ENTRIES
  t.notOk(fixture.knows(entry))
  fixture.note(entry, 0)
  const { record } = found
  const slot = table.placeOf(0)
  cache.referenced[slot] = 0
  const { hits } = cache.stats
  t.ok(fixture.knows(entry))
  t.equal(found.record, record)
  t.equal(found.bytes, cache.bytes)
  t.equal(cache.referenced[slot], 1)
  t.equal(cache.stats.hits, hits + 1)
  t.end()
})

t.test('a forgotten record is not found', (t) => {
  const fixture = new Fixture()
  const [entry] = ENTRIES
  fixture.note(entry, 0)
  fixture.shortcuts.forget(entry.hash.first)
  t.notOk(fixture.knows(entry))
  t.end()
})

t.test(
  'T6 a way into a block that was evicted leads nowhere, also when the same bytes are back in the same place',
  (t) => {
    const fixture = new Fixture()
    const { table } = fixture
    const [entry] = ENTRIES
    fixture.note(entry, 0)
    const place = table.placeOf(0)
    for (let block = 1; block < ENTRIES.length; block++) table.loadSync(block)
    t.equal(table.placeOf(0), -1, 'it had to go')
    t.notOk(fixture.knows(entry))
    for (let turn = 0; table.placeOf(0) !== place && turn < 10 * SLOTS; turn++) {
      for (let block = 1; block <= turn % SLOTS; block++) table.loadSync(block)
      for (let block = SLOTS; block < ENTRIES.length; block++) table.loadSync(block)
      table.loadSync(0)
    }
    t.equal(table.placeOf(0), place, 'the block is where it was')
    t.notOk(fixture.knows(entry))
    t.end()
  },
)

t.test('T6 nothing of a retired table is found', (t) => {
  const fixture = new Fixture()
  fixture.note(ENTRIES[2], 2)
  fixture.table.retire(false)
  t.notOk(fixture.knows(ENTRIES[2]))
  t.end()
})

t.test('another key of the same hash is not taken for the noted one', (t) => {
  const fixture = new Fixture()
  const [entry, other] = ENTRIES
  fixture.note(entry, 0)
  t.notOk(fixture.shortcuts.find(entry.hash.first, other.key, 0, other.key.length, fixture.found))
  t.end()
})

t.test('a record outside of the cache is not noted', (t) => {
  const fixture = new Fixture()
  const [entry] = ENTRIES
  fixture.note(entry, 0)
  fixture.shortcuts.forget(entry.hash.first)
  fixture.found.bytes = Buffer.from(fixture.cache.bytes)
  fixture.shortcuts.note(entry.hash.first, fixture.found)
  t.notOk(fixture.knows(entry))
  t.end()
})
