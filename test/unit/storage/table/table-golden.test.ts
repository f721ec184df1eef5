/**
 * The format, byte for byte. `KINDRED_WRITE_GOLDEN=1 node dist/test/unit/storage/table/table-golden.test.js` writes the
 * file anew, for a new format version only: nodes have to read the tables that older ones wrote.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { NEVER_DIES } from '../../../../src/record/layout.js'
import { deletionSibling, valueSibling } from '../../../../src/record/record.js'
import { wasmXxh32 } from '../../../../src/util/xxhash-wasm.js'
import { FLAG_SHADOWS } from '../../../../src/storage/entry.js'
import { TableScanner } from '../../../../src/storage/table/table-scanner.js'
import { TableDisk } from './table-disk.js'
import type { TestEntry } from './table-entries.js'
import {
  ACTOR,
  buildTable,
  entryBytesOf,
  inTableOrder,
  makeDeletion,
  makeEntry,
  makeValue,
} from './table-entries.js'

const GOLDEN = new URL('../../../../../test/data/table-format-1.table', import.meta.url)
const PATH = 'data/000007.table'
const OTHER_ACTOR = 77
const EXPIRE_AT_MS = 1_800_000_000_000

function goldenEntries(): TestEntry[] {
  return [
    makeValue('plain', 1, Buffer.from('value')),
    makeEntry({
      key: 'two siblings',
      sequence: 2,
      siblings: [
        valueSibling({ actor: ACTOR, hlc: 9 * 4096 }, Buffer.from('newer'), 0),
        valueSibling({ actor: OTHER_ACTOR, hlc: 8 * 4096 }, Buffer.from('older'), EXPIRE_AT_MS),
      ],
    }),
    makeDeletion('gone', 3),
    makeEntry({
      key: 'session',
      sequence: 4,
      siblings: [valueSibling({ actor: ACTOR, hlc: 4 * 4096 }, Buffer.from('{}'), EXPIRE_AT_MS)],
      flags: FLAG_SHADOWS,
    }),
    makeEntry({
      key: 'half gone',
      sequence: 5,
      siblings: [
        deletionSibling({ actor: ACTOR, hlc: 11 * 4096 }),
        valueSibling({ actor: OTHER_ACTOR, hlc: 10 * 4096 }, Buffer.from('survivor'), EXPIRE_AT_MS),
      ],
    }),
    makeValue('jumbo', 6, Buffer.alloc(5000, 'j')),
    makeValue('', 7, Buffer.alloc(0)),
  ]
}

t.test('a table is written byte for byte as the format says', (t) => {
  const disk = new TableDisk()
  buildTable(disk, PATH, goldenEntries(), 7)
  if (process.env.KINDRED_WRITE_GOLDEN === '1') writeFileSync(GOLDEN, disk.contents(PATH))
  t.ok(
    disk.contents(PATH).equals(readFileSync(GOLDEN)),
    'the bytes are those of test/data/table-format-1.table',
  )
  t.end()
})

t.test('the golden table reads as what was written', (t) => {
  const disk = new TableDisk()
  disk.put(PATH, readFileSync(GOLDEN))
  const scanner = new TableScanner(disk, PATH)
  for (const expected of inTableOrder(goldenEntries())) {
    t.ok(scanner.next())
    t.equal(scanner.token, expected.hash.token)
    t.equal(scanner.first, expected.hash.first)
    t.equal(scanner.second, expected.hash.second)
    t.ok(entryBytesOf(scanner.entry).equals(expected.bytes), expected.key.toString())
  }
  t.notOk(scanner.next(), 'nothing more')
  const session = goldenEntries()[3]
  t.strictSame([...scanner.flagged()], [{ token: session.hash.token, sequence: 4, deathMs: EXPIRE_AT_MS }])
  t.strictSame(scanner.summary, {
    fileNumber: 7,
    sizeBytes: readFileSync(GOLDEN).length,
    entryCount: 7,
    blockCount: scanner.summary.blockCount,
    deadCount: 3,
    deletionCount: 1,
    expiringCount: 2,
    minSequence: 1,
    maxSequence: 7,
    minToken: Math.min(...goldenEntries().map((entry) => entry.hash.token)),
    maxToken: Math.max(...goldenEntries().map((entry) => entry.hash.token)),
    minHlc: 4096,
    maxHlc: 11 * 4096,
    minDeathMs: 1735689600000 + 3,
    maxDeathMs: NEVER_DIES,
    flaggedCount: 1,
  })
  scanner.close()
  t.equal(disk.openFiles, 0)
  t.end()
})

t.test('a reader written from the page alone finds every entry in the golden table', (t) => {
  const file = readFileSync(GOLDEN)
  const checksum = (start: number, end: number) => wasmXxh32(file, start, end, 0) >>> 0
  const footer = file.length - 256
  t.equal(file.toString('latin1', footer, footer + 8), 'KINDTABL')
  t.equal(file.readUInt32LE(file.length - 4), checksum(footer, file.length - 4))
  const section = (i: number) => footer + 16 + 24 * i
  for (let i = 0; i < 3; i++) {
    const offset = Number(file.readBigUInt64LE(section(i)))
    const length = Number(file.readBigUInt64LE(section(i) + 8))
    t.equal(file.readUInt32LE(section(i) + 16), checksum(offset, offset + length), `section ${i}`)
  }
  const index = Number(file.readBigUInt64LE(section(0)))
  const blocks = Number(file.readBigUInt64LE(footer + 88 + 8 * 2))
  const keys: string[] = []
  let block = 16
  for (let b = 0; b < blocks; b++) {
    const length = file.readUInt32LE(index + 8 * blocks + 4 * b)
    t.equal(file.readUInt32LE(index + 12 * blocks + 4 * b), checksum(block + 4, block + length), `block ${b}`)
    t.equal(file.readDoubleLE(index + 8 * b), file.readDoubleLE(block + 16), 'the index has its first token')
    const count = file.readUInt16LE(block + 12)
    for (let i = 0; i < count; i++) {
      const record = block + file.readUInt16LE(block + 16 + 8 * count + 2 * i)
      const keyLength = file.readUIntLE(record + 9, 3)
      keys.push(file.toString('latin1', record + 16, record + 16 + keyLength))
    }
    block += length
  }
  t.equal(block, index, 'the index follows the blocks')
  t.strictSame(
    keys,
    inTableOrder(goldenEntries()).map((entry) => entry.key.toString()),
  )
  t.end()
})
