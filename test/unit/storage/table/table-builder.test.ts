import t from 'tap'
import { NEVER_DIES } from '../../../../src/record/layout.js'
import { deletionSibling, valueSibling } from '../../../../src/record/record.js'
import { ENTRY_HEADER_BYTES, FLAG_SHADOWS, KIND_FLUSH_MARK } from '../../../../src/storage/entry.js'
import { TableBuilder } from '../../../../src/storage/table/table-builder.js'
import { TableScanner } from '../../../../src/storage/table/table-scanner.js'
import { Seeded } from '../../../support/seeded.js'
import { diskError } from '../memory-disk.js'
import { TableDisk } from './table-disk.js'
import type { TestEntry } from './table-entries.js'
import {
  ACTOR,
  addEntry,
  buildTable,
  inTableOrder,
  makeDeletion,
  makeEntry,
  makeValue,
} from './table-entries.js'

const PATH = 'data/000001.table'
const EPOCH_MS = 1735689600000

function blocksOf(disk: TableDisk): { length: number; entries: number }[] {
  const bytes = disk.contents(PATH)
  const blocks = []
  const end = Number(bytes.readBigUInt64LE(bytes.length - 256 + 16))
  for (let at = 16; at < end;) {
    const length = bytes.readUInt32LE(at + 4)
    blocks.push({ length, entries: bytes.readUInt16LE(at + 12) })
    at += length
  }
  return blocks
}

t.test('the summary counts what is in the table', (t) => {
  const disk = new TableDisk()
  const mixed = makeEntry({
    key: 'dies last',
    sequence: 31,
    siblings: [
      deletionSibling({ actor: ACTOR, hlc: 500 * 4096 }),
      valueSibling({ actor: 1, hlc: 40 * 4096 }, Buffer.from('v'), EPOCH_MS + 9000),
    ],
    flags: FLAG_SHADOWS,
  })
  const entries = [makeDeletion('a', 30), makeDeletion('b', 7, FLAG_SHADOWS), mixed]
  const summary = buildTable(disk, PATH, entries, 12)
  const tokens = entries.map((entry) => entry.hash.token)
  t.strictSame(summary, {
    fileNumber: 12,
    sizeBytes: disk.contents(PATH).length,
    entryCount: 3,
    blockCount: 1,
    deadCount: 3,
    deletionCount: 2,
    expiringCount: 1,
    minSequence: 7,
    maxSequence: 31,
    minToken: Math.min(...tokens),
    maxToken: Math.max(...tokens),
    minHlc: 7 * 4096,
    maxHlc: 500 * 4096,
    minDeathMs: EPOCH_MS + 7,
    maxDeathMs: EPOCH_MS + 9000,
    flaggedCount: 2,
  })
  t.strictSame(JSON.parse(JSON.stringify(summary)), summary, 'it survives JSON')
  const scanner = new TableScanner(disk, PATH)
  t.strictSame(scanner.summary, summary, 'the file says the same')
  const flagged = inTableOrder(entries).filter((entry) => entry.sequence !== 30)
  t.strictSame(
    [...scanner.flagged()].map(({ token, sequence }) => ({ token, sequence })),
    flagged.map(({ hash, sequence }) => ({ token: hash.token, sequence })),
  )
  scanner.close()
  t.end()
})

t.test('one entry that never dies makes the latest death time "never"', (t) => {
  const disk = new TableDisk()
  const summary = buildTable(disk, PATH, [makeDeletion('a', 3), makeValue('b', 4, Buffer.from('v'))])
  t.equal(summary.minDeathMs, EPOCH_MS + 3)
  t.equal(summary.maxDeathMs, NEVER_DIES)
  t.equal(summary.deadCount, 1)
  t.end()
})

t.test('blocks fit a slot of the cache, and a larger entry stands alone', (t) => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new Seeded(seed)
    const disk = new TableDisk()
    const entries = Array.from({ length: 100 }, (_, i) =>
      makeValue(
        `key ${i}`,
        i,
        Buffer.alloc(random.chance(10) ? 3900 + random.below(400) : random.below(300)),
      ),
    )
    buildTable(disk, PATH, entries)
    const blocks = blocksOf(disk)
    const bad = blocks.filter(({ length, entries }) => length % 8 !== 0 || (length > 4096 && entries !== 1))
    t.strictSame(bad, [], `seed ${seed}`)
    t.equal(
      blocks.reduce((sum, block) => sum + block.entries, 0),
      100,
    )
  }
  t.end()
})

t.test('the largest entry that fits an ordinary block fills it to the last byte', (t) => {
  const around = [-8, -1, 0, 1, 8].map((more) => {
    const overhead = makeValue('key', 1, Buffer.alloc(0)).bytes.length
    const disk = new TableDisk()
    buildTable(disk, PATH, [makeValue('key', 1, Buffer.alloc(4096 - 16 - 10 - overhead + more))])
    return blocksOf(disk)[0].length
  })
  t.strictSame(around, [4088, 4096, 4096, 4104, 4104])
  t.end()
})

t.test('entries out of order, twice, or of another kind are a bug that is caught', (t) => {
  const builder = new TableBuilder(new TableDisk(), PATH, 1)
  const entries = inTableOrder(['a', 'b', 'c'].map((key, i) => makeValue(key, i, Buffer.alloc(10), 500)))
  addEntry(builder, entries[1])
  t.throws(() => addEntry(builder, entries[1]), /in the order/, 'twice')
  t.throws(() => addEntry(builder, entries[0]), /in the order/, 'the same token, a lower key')
  t.throws(() => addEntry(builder, makeValue('z', 9, Buffer.alloc(1), 499)), /in the order/, 'a lower token')
  addEntry(builder, entries[2])
  const mark = makeValue('zz', 9, Buffer.alloc(1), 501)
  mark.bytes[ENTRY_HEADER_BYTES - 1] = KIND_FLUSH_MARK
  t.throws(() => addEntry(builder, mark), /records of keys/)
  addEntry(builder, makeValue('jumbo', 9, Buffer.alloc(9000), 600))
  t.throws(
    () => addEntry(builder, makeValue('a', 9, Buffer.alloc(1), 600)),
    /in the order/,
    'after a jumbo block',
  )
  addEntry(builder, makeValue('k', 9, Buffer.alloc(1), 600))
  t.equal(builder.finish().entryCount, 4)
  t.end()
})

t.test('an empty table is not written', (t) => {
  const disk = new TableDisk()
  const builder = new TableBuilder(disk, PATH, 1)
  t.throws(() => builder.finish(), /not empty/)
  builder.abandon()
  t.notOk(disk.exists(PATH))
  t.equal(disk.openFiles, 0)
  t.end()
})

t.test('what a crash left under the name is overwritten', (t) => {
  const disk = new TableDisk()
  disk.put(PATH, Buffer.alloc(100_000, 1))
  const summary = buildTable(disk, PATH, [makeValue('a', 1, Buffer.from('v'))])
  t.equal(disk.contents(PATH).length, summary.sizeBytes)
  t.end()
})

t.test('the size so far is known while the table grows', (t) => {
  const disk = new TableDisk()
  const builder = new TableBuilder(disk, PATH, 1)
  t.equal(builder.sizeBytes, 16)
  const entries = inTableOrder(
    Array.from({ length: 3000 }, (_, i) => makeValue(`key ${i}`, i, Buffer.alloc(400))),
  )
  let last = 16
  for (const entry of entries) {
    addEntry(builder, entry)
    if (builder.sizeBytes <= last) t.fail('every entry adds to it')
    last = builder.sizeBytes
  }
  t.equal(builder.entryCount, 3000)
  t.ok(disk.contents(PATH).length > 1_000_000, 'most of it is written already')
  const summary = builder.finish()
  t.ok(summary.sizeBytes > last && summary.sizeBytes < last * 1.02, 'index and filter come on top')
  t.end()
})

t.test(
  'the i-th operation of the disk may fail: the error is thrown, and nothing of the table stays',
  (t) => {
    const entries = Array.from({ length: 60 }, (_, i) => makeValue(`key ${i}`, i, Buffer.alloc(40_000)))
    const operations = operationsOf(entries, Infinity).operations
    t.ok(operations > 5)
    for (let i = 1; i <= operations; i++) {
      const { disk, error } = operationsOf(entries, i)
      t.match(error, { code: 'ENOSPC' }, `operation ${i}`)
      t.notOk(disk.exists(PATH))
      t.equal(disk.openFiles, 0)
    }
    t.end()
  },
)

/** Builds a table on a disk whose operation `failing` fails; on an error abandons it. */
function operationsOf(entries: readonly TestEntry[], failing: number) {
  const disk = new TableDisk()
  disk.onOperation = (operation) => {
    if (operation === failing) throw diskError('ENOSPC', 'no space')
  }
  let builder: TableBuilder | null = null
  try {
    builder = new TableBuilder(disk, PATH, 1)
    for (const entry of inTableOrder(entries)) addEntry(builder, entry)
    builder.finish()
    return { disk, error: null, operations: disk.operations }
  } catch (error) {
    builder?.abandon()
    return { disk, error, operations: disk.operations }
  }
}

t.test('finish() returns only after the bytes are durable', (t) => {
  const disk = new TableDisk()
  buildTable(disk, PATH, [makeValue('a', 1, Buffer.from('v'))])
  disk.syncDirectory()
  const after = disk.afterCrash(() => false, 'synced')
  t.ok(after.contents(PATH).equals(disk.contents(PATH)))
  t.end()
})
