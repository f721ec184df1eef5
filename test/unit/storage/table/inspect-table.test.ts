import t from 'tap'
import { valueSibling } from '../../../../src/record/record.js'
import { CorruptionError } from '../../../../src/storage/corruption-error.js'
import { FLAG_LOCAL_TOMBSTONE, FLAG_SHADOWS } from '../../../../src/storage/entry.js'
import { inspectTable } from '../../../../src/storage/table/inspect-table.js'
import { TableDisk } from './table-disk.js'
import { ACTOR, buildTable, makeDeletion, makeEntry } from './table-entries.js'

const PATH = 'data/000004.table'

function diskWithTable(): TableDisk {
  const disk = new TableDisk()
  const siblings = [
    valueSibling({ actor: ACTOR, hlc: 2 * 4096 }, Buffer.from('abc'), 0),
    valueSibling({ actor: 5, hlc: 4096 }, Buffer.from('de'), 1_800_000_000_000),
  ]
  const key = Buffer.from('k"\\\x00\xff', 'latin1')
  buildTable(
    disk,
    PATH,
    [
      makeEntry({ key, sequence: 8, siblings }),
      makeDeletion('gone', 1000, FLAG_SHADOWS | FLAG_LOCAL_TOMBSTONE),
      makeDeletion('x'.repeat(300), 9),
    ],
    4,
  )
  return disk
}

t.test('a table is printed with its summary', (t) => {
  t.strictSame(
    [...inspectTable(diskWithTable(), PATH, { entries: false })],
    [
      'table      data/000004.table',
      'number     4',
      'size       912 bytes in 1 blocks',
      'entries    3: 2 deletions, 0 that expire',
      'flagged    1 hide an older version that dies later',
      'sequences  8 to 1000',
      'tokens     3708947256969746 to 6166520418411887 (slots 6746 to 11216)',
      'HLC        8192 to 4096000 (2025-01-01T00:00:00.002Z to 2025-01-01T00:00:01.000Z)',
      'deaths     2025-01-01T00:00:00.009Z to never',
    ],
  )
  t.end()
})

t.test('with its entries, each sibling has a line', (t) => {
  const disk = diskWithTable()
  const lines = [...inspectTable(disk, PATH, { entries: true })].slice(9)
  t.strictSame(lines, [
    '3708947256969746 "k\\"\\\\\\x00\\xff" sequence 8 dies never',
    '    context 5@4096 20015998343868@8192',
    '    sibling 20015998343868@8192 3 bytes, written 2025-01-01T00:00:00.002Z',
    '    sibling 5@4096 2 bytes, written 2025-01-01T00:00:00.001Z, expires 2027-01-15T08:00:00.000Z',
    '6124059983607867 "gone" sequence 1000 dies 2025-01-01T00:00:01.000Z shadows local-tombstone',
    '    context 20015998343868@4096000',
    '    sibling 20015998343868@4096000 deleted 2025-01-01T00:00:01.000Z',
    `6166520418411887 "${'x'.repeat(100)}"... (300 bytes) sequence 9 dies 2025-01-01T00:00:00.009Z`,
    '    context 20015998343868@36864',
    '    sibling 20015998343868@36864 deleted 2025-01-01T00:00:00.009Z',
  ])
  t.equal(disk.openFiles, 0)
  t.end()
})

t.test('a damaged table is refused, and its file closed', (t) => {
  const disk = diskWithTable()
  const bytes = disk.contents(PATH)
  bytes[40] ^= 1
  disk.put(PATH, bytes)
  t.equal([...inspectTable(disk, PATH, { entries: false })].length, 9, 'the summary does not need the blocks')
  t.throws(() => [...inspectTable(disk, PATH, { entries: true })], CorruptionError)
  t.equal(disk.openFiles, 0)
  t.end()
})
