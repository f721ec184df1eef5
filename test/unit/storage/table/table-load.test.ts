/** How blocks get into memory while the event loop goes on, and what happens when the table goes away meanwhile. */
import t from 'tap'
import { BlockCache } from '../../../../src/storage/block-cache.js'
import { EntryRef } from '../../../../src/storage/entry.js'
import { Table } from '../../../../src/storage/table/table.js'
import { COLD, FOUND } from '../../../../src/storage/table/table-lookup.js'
import { diskError } from '../memory-disk.js'
import { TableDisk } from './table-disk.js'
import type { TestEntry } from './table-entries.js'
import { buildTable, inTableOrder, makeValue } from './table-entries.js'

const PATH = 'data/000001.table'

/** Ten entries with a block each. */
const ENTRIES = inTableOrder(
  Array.from({ length: 10 }, (_, i) => makeValue(`key ${i}`, i, Buffer.alloc(3500, i))),
)

const NO_ERRORS = ENTRIES.map(() => null)

class Fixture {
  readonly disk = new TableDisk()
  readonly cache: BlockCache
  readonly table: Table
  readonly found = new EntryRef()

  constructor(slots: number) {
    buildTable(this.disk, PATH, ENTRIES)
    this.cache = new BlockCache(slots * 4096)
    this.table = Table.open(this.disk, PATH, this.cache, 1)
    this.disk.holdsReads = true
  }

  find({ hash, key }: TestEntry): number {
    return this.table.find(hash, key, 0, key.length, this.found)
  }

  /** Loads all ten blocks at once; answers the errors in the order of the calls. */
  loadAll(): (Error | null)[] {
    const errors: (Error | null)[] = []
    for (let block = 0; block < 10; block++) this.table.load(block, (error) => errors.push(error))
    return errors
  }
}

t.test('concurrent loads of one block share one read', (t) => {
  const { disk, table, cache } = new Fixture(4)
  const errors: (Error | null)[] = []
  for (let i = 0; i < 5; i++) table.load(3, (error) => errors.push(error))
  t.equal(disk.readCount, 1)
  t.strictSame(errors, [], 'nobody is called before the read has ended')
  disk.deliverReads()
  t.strictSame(errors, [null, null, null, null, null])
  t.equal(cache.stats.usedBytes, 4096)
  for (let i = 0; i < 5; i++) table.unpin(3)
  t.throws(() => table.unpin(3), /unpinned as often/)
  t.end()
})

t.test('a load of a block that is in memory already reads nothing, and still calls back later', async (t) => {
  const { disk, table } = new Fixture(4)
  table.loadSync(2)
  let called = false
  const done = new Promise<void>((resolve) => {
    table.load(2, (error) => {
      t.equal(error, null)
      called = true
      resolve()
    })
  })
  t.notOk(called, 'not from within the call')
  await done
  t.equal(disk.readCount, 0)
  table.unpin(2)
})

t.test('whoever waited for a block finds it, however small the cache', (t) => {
  for (const slots of [0, 1, 3]) {
    const fixture = new Fixture(slots)
    const errors = fixture.loadAll()
    fixture.disk.deliverReads()
    t.strictSame(errors, NO_ERRORS)
    for (const entry of ENTRIES) t.equal(fixture.find(entry), FOUND, `${slots} slots, ${entry.key}`)
    t.ok(fixture.cache.stats.usedBytes <= 10 * 4096)
    for (let block = 0; block < 10; block++) fixture.table.unpin(block)
    t.ok(fixture.cache.stats.usedBytes <= slots * 4096, 'what had no slot is gone after the last use')
  }
  t.end()
})

t.test('a failed read is told to all who wait, pins nothing, and is tried again by the next load', (t) => {
  const { disk, table, cache } = new Fixture(4)
  disk.failsNextRead = true
  const errors: (Error | null)[] = []
  table.load(0, (error) => errors.push(error))
  table.load(0, (error) => errors.push(error))
  disk.deliverReads()
  t.match(errors, [{ code: 'EIO' }, { code: 'EIO' }])
  t.equal(cache.stats.usedBytes, 0)
  table.load(0, (error) => errors.push(error))
  disk.deliverReads()
  t.equal(errors[2], null)
  table.unpin(0)
  t.end()
})

t.test('a synchronous load may overtake an asynchronous one', (t) => {
  const fixture = new Fixture(4)
  const errors = fixture.loadAll()
  fixture.table.loadSync(5)
  fixture.disk.deliverReads()
  t.strictSame(errors, NO_ERRORS)
  t.equal(fixture.find(ENTRIES[5]), FOUND)
  for (let block = 0; block < 10; block++) fixture.table.unpin(block)
  t.end()
})

t.test('a retired table is closed and removed when its last read has ended', (t) => {
  const { disk, table, cache } = new Fixture(4)
  table.loadSync(7)
  let error: Error | null | undefined
  table.load(1, (result) => (error = result))
  table.load(2, () => {})
  table.retire(true)
  t.equal(cache.stats.usedBytes, 0, 'its blocks leave the cache at once')
  t.ok(disk.exists(PATH))
  t.equal(disk.openFiles, 1)
  disk.deliverReads(1)
  t.equal(error, null, 'the waiter runs again, on other tables')
  t.ok(disk.exists(PATH), 'another read is still under way')
  t.equal(disk.openFiles, 1)
  disk.deliverReads()
  t.notOk(disk.exists(PATH))
  t.equal(disk.openFiles, 0)
  t.equal(cache.stats.usedBytes, 0)
  table.unpin(1)
  t.end()
})

t.test(
  'a retired table without reads under way is closed at once, and keeps its file unless told otherwise',
  (t) => {
    const { disk, table } = new Fixture(4)
    table.retire(false)
    t.equal(disk.openFiles, 0)
    t.ok(disk.exists(PATH))
    t.end()
  },
)

t.test('a lookup in a retired table finds nothing of another table that has its slots now', async (t) => {
  const fixture = new Fixture(1)
  fixture.table.loadSync(0)
  t.equal(fixture.find(ENTRIES[0]), FOUND)
  fixture.table.retire(false)
  const other = 'data/000002.table'
  const same = inTableOrder(ENTRIES.map((entry, i) => makeValue(entry.key, 100 + i, Buffer.alloc(3500, 'o'))))
  buildTable(fixture.disk, other, same, 2)
  const heir = Table.open(fixture.disk, other, fixture.cache, 2)
  heir.loadSync(0)
  t.equal(fixture.find(ENTRIES[0]), COLD)
  const error = await new Promise((resolve) => fixture.table.load(0, resolve))
  t.equal(error, null, 'a load has nothing to do: who waited asks the tables of the new version')
  fixture.table.unpin(0)
  t.equal(heir.find(ENTRIES[0].hash, ENTRIES[0].key, 0, ENTRIES[0].key.length, fixture.found), FOUND)
})

t.test('a pin survives until its own unpin when others come and go', (t) => {
  const fixture = new Fixture(1)
  const { disk, table } = fixture
  table.load(0, () => {})
  table.load(0, () => {})
  disk.deliverReads()
  table.unpin(0)
  for (let block = 1; block < 10; block++) {
    table.load(block, () => table.unpin(block))
    disk.deliverReads()
  }
  t.equal(fixture.find(ENTRIES[0]), FOUND)
  table.unpin(0)
  table.loadSync(1)
  t.equal(fixture.find(ENTRIES[0]), COLD, 'unpinned, it had to make room')
  t.end()
})

t.test('a retired table that cannot be removed disturbs nobody', (t) => {
  const { disk, table } = new Fixture(4)
  disk.onOperation = (_, name) => {
    if (name === 'unlink') throw diskError('EIO', 'unlink')
  }
  table.retire(true)
  t.equal(disk.openFiles, 0)
  t.ok(disk.exists(PATH), 'it is left for the next start')
  t.end()
})

t.test('neighbours that a walk wants come with few reads, and are pinned like others', async (t) => {
  const { disk, table, cache } = new Fixture(16)
  disk.holdsReads = false
  table.loadSync(4)
  const arrived = new Map<number, Error | null>()
  await new Promise<void>((resolve) => {
    table.loadRun(1, 9, (block, error) => {
      arrived.set(block, error)
      if (arrived.size === 8) resolve()
    })
  })
  t.strictSame([...arrived.keys()].sort(), [1, 2, 3, 4, 5, 6, 7, 8])
  t.ok([...arrived.values()].every((error) => error === null))
  t.equal(disk.readCount, 2, 'those before the one that was there, and those behind it')
  for (let block = 1; block < 9; block++) t.doesNotThrow(() => table.unpin(block))
  t.throws(() => table.unpin(3), /unpinned as often/)
  t.equal(cache.stats.usedBytes, 8 * 4096)
  table.retire(false)
  t.equal(disk.openFiles, 0)
})

t.test('a lookup that wants a block of a run shares its read', (t) => {
  const { disk, table } = new Fixture(16)
  const told: string[] = []
  table.loadRun(0, 10, (block, error) => told.push(`walk ${block} ${error}`))
  t.equal(disk.readCount, 1)
  table.load(5, (error) => told.push(`lookup ${error}`))
  t.equal(disk.readCount, 1)
  disk.deliverReads()
  t.equal(told.length, 11)
  t.ok(told.includes('lookup null'))
  t.end()
})

t.test(
  'a run that the disk does not give is read block by block, so that one bad block harms no other',
  (t) => {
    const { disk, table } = new Fixture(16)
    disk.failsNextRead = true
    const errors: (Error | null)[] = []
    table.loadRun(0, 10, (_block, error) => errors.push(error))
    disk.deliverReads(1)
    t.equal(disk.readCount, 11)
    disk.deliverReads()
    t.strictSame(errors, NO_ERRORS)
    t.end()
  },
)

t.test(
  'a run whose table goes away while it is read calls back without an error, and closes the file',
  (t) => {
    const { disk, table } = new Fixture(16)
    const errors: (Error | null)[] = []
    table.loadRun(0, 10, (_block, error) => errors.push(error))
    table.retire(false)
    t.equal(disk.openFiles, 1)
    disk.deliverReads()
    t.strictSame(errors, NO_ERRORS)
    t.equal(disk.openFiles, 0)
    t.end()
  },
)
