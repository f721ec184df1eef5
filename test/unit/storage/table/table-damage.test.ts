/** Damaged tables are never believed: no wrong answer, no "absent", whatever bit is flipped and wherever the file ends. */
import t from 'tap'
import { KeyHash } from '../../../../src/ring/token.js'
import { BlockCache } from '../../../../src/storage/block-cache.js'
import { CorruptionError } from '../../../../src/storage/corruption-error.js'
import type { BlockCompression } from '../../../../src/storage/table/block-compression.js'
import { EntryRef, FLAG_SHADOWS } from '../../../../src/storage/entry.js'
import { Table } from '../../../../src/storage/table/table.js'
import { ABSENT, COLD, FOUND } from '../../../../src/storage/table/table-lookup.js'
import { TableScanner } from '../../../../src/storage/table/table-scanner.js'
import { TableDisk } from './table-disk.js'
import type { TestEntry } from './table-entries.js'
import { buildTable, entryBytesOf, inTableOrder, makeDeletion, makeValue } from './table-entries.js'

/** What the tables are compressed by: damage is noticed before anything is expanded. */
const COMPRESSIONS: readonly BlockCompression[] = ['none', 'lz4', 'zstd']

const PATH = 'data/000001.table'
const FILE_NUMBER = 1

function entries(): TestEntry[] {
  const made = [makeDeletion('flagged', 90, FLAG_SHADOWS), makeValue('jumbo', 91, Buffer.alloc(4100, 7))]
  for (let i = 0; i < 4; i++) made.push(makeValue(`key ${i}`, i, Buffer.alloc(40 * i, i)))
  return made
}

const ENTRIES = inTableOrder(entries())

/** The error of a scan over everything, or null when every entry came out as it was written. */
function scanError(disk: TableDisk): unknown {
  let scanner: TableScanner | null = null
  try {
    scanner = new TableScanner(disk, PATH)
    for (const entry of ENTRIES) {
      if (!scanner.next()) return new Error('an entry is missing')
      if (!entryBytesOf(scanner.entry).equals(entry.bytes)) return new Error('an entry is wrong')
    }
    return scanner.next() ? new Error('there are too many entries') : null
  } catch (error) {
    return error
  } finally {
    scanner?.close()
  }
}

/** Looks up everything; answers the number of lookups that were wrong, and of those that threw CorruptionError. */
function lookUpAll(disk: TableDisk, cache: BlockCache): { wrong: number; refused: number } {
  let table: Table
  try {
    table = Table.open(disk, PATH, cache, FILE_NUMBER)
  } catch (error) {
    return { wrong: error instanceof CorruptionError ? 0 : 1, refused: 1 }
  }
  let wrong = 0
  let refused = 0
  const found = new EntryRef()
  for (const { key, hash, bytes } of ENTRIES) {
    try {
      const answer = table.findSync(hash, key, 0, key.length, found)
      if (answer !== FOUND || !entryBytesOf(found).equals(bytes)) wrong++
    } catch (error) {
      if (error instanceof CorruptionError) refused++
      else wrong++
    }
  }
  table.retire(false)
  return { wrong, refused }
}

for (const compression of COMPRESSIONS) {
  t.test(`${compression}: every flipped bit is noticed by whoever reads the whole table`, (t) => {
    const disk = new TableDisk()
    buildTable(disk, PATH, ENTRIES, FILE_NUMBER, compression)
    t.equal(scanError(disk), null, 'the sound table')
    const sound = disk.contents(PATH)
    const unnoticed: string[] = []
    for (let bit = 0; bit < sound.length * 8; bit++) {
      const damaged = Buffer.from(sound)
      damaged[bit >> 3] ^= 1 << (bit & 7)
      disk.put(PATH, damaged)
      const error = scanError(disk)
      if (!(error instanceof CorruptionError))
        unnoticed.push(`byte ${bit >> 3} bit ${bit & 7}: ${String(error)}`)
    }
    t.strictSame(unnoticed, [])
    t.equal(disk.openFiles, 0, 'no file is left open')
    t.end()
  })

  t.test(
    `${compression}: every flipped byte leads lookups to an error or the right answer, never to another one`,
    (t) => {
      const disk = new TableDisk()
      buildTable(disk, PATH, ENTRIES, FILE_NUMBER, compression)
      const sound = disk.contents(PATH)
      const cache = new BlockCache(64 * 4096)
      const failures: string[] = []
      let refusals = 0
      for (let at = 0; at < sound.length; at++) {
        const damaged = Buffer.from(sound)
        damaged[at] ^= 1 + (at % 255)
        disk.put(PATH, damaged)
        const { wrong, refused } = lookUpAll(disk, cache)
        refusals += refused
        if (wrong > 0 || refused === 0) failures.push(`byte ${at}: ${wrong} wrong, ${refused} refused`)
      }
      t.strictSame(failures, [])
      t.ok(refusals >= sound.length, 'each damage was noticed by some lookup')
      t.equal(disk.openFiles, 0, 'no file is left open')
      t.equal(cache.stats.usedBytes, 0, 'nothing of it stays in the cache')
      t.end()
    },
  )

  t.test(`${compression}: a table that ends early or late is refused`, (t) => {
    const disk = new TableDisk()
    buildTable(disk, PATH, ENTRIES, FILE_NUMBER, compression)
    const sound = disk.contents(PATH)
    const believed: number[] = []
    for (let length = 0; length < sound.length; length++) {
      disk.put(PATH, sound.subarray(0, length))
      if (!(scanError(disk) instanceof CorruptionError)) believed.push(length)
    }
    t.strictSame(believed, [])
    for (const extra of [1, 8, 4096]) {
      disk.put(PATH, Buffer.concat([sound, Buffer.alloc(extra)]))
      t.type(scanError(disk), CorruptionError, `${extra} bytes too many`)
    }
    t.end()
  })
}

t.test('the file of another table in its place is refused', (t) => {
  const disk = new TableDisk()
  buildTable(disk, PATH, ENTRIES, 8)
  t.throws(() => Table.open(disk, PATH, new BlockCache(4096), FILE_NUMBER), CorruptionError)
  t.equal(disk.openFiles, 0)
  t.end()
})

t.test('a sound block in the place of another one is refused', (t) => {
  const disk = new TableDisk()
  const sized = Array.from({ length: 3 }, (_, i) => makeValue(`k${i}`, i, Buffer.alloc(5000, i)))
  buildTable(disk, PATH, sized, FILE_NUMBER)
  const swapped = disk.contents(PATH)
  const length = swapped.readUInt32LE(16 + 4)
  const first = Buffer.from(swapped.subarray(16, 16 + length))
  swapped.copy(swapped, 16, 16 + length, 16 + 2 * length)
  first.copy(swapped, 16 + length)
  disk.put(PATH, swapped)
  t.throws(() => new TableScanner(disk, PATH).next(), CorruptionError)
  t.end()
})

t.test('damage is told with file, byte offset and what to do', (t) => {
  const disk = new TableDisk()
  buildTable(disk, PATH, ENTRIES, FILE_NUMBER)
  const damaged = disk.contents(PATH)
  damaged[100] ^= 1
  disk.put(PATH, damaged)
  const error = scanError(disk) as CorruptionError
  t.type(error, CorruptionError)
  t.equal(error.file, PATH)
  t.equal(error.offset, 16, 'the first block starts there')
  t.match(
    error.message,
    /data\/000001\.table is damaged at byte 16: block 0: its checksum does not match\. .*backup/,
  )
  t.end()
})

t.test('a damaged block fails a load, is not kept, and is read again by the next one', (t) => {
  const disk = new TableDisk()
  const only = makeValue('only', 1, Buffer.from('v'))
  buildTable(disk, PATH, [only], FILE_NUMBER)
  const sound = disk.contents(PATH)
  const damaged = Buffer.from(sound)
  damaged[60] ^= 4
  const cache = new BlockCache(4096)
  const table = Table.open(disk, PATH, cache, FILE_NUMBER)
  disk.overwrite(PATH, damaged)
  table.load(0, (error) => {
    t.type(error, CorruptionError)
    const found = new EntryRef()
    t.equal(table.find(only.hash, only.key, 0, 4, found), COLD)
    disk.overwrite(PATH, sound)
    table.load(0, (again) => {
      t.equal(again, null)
      t.equal(table.find(only.hash, only.key, 0, 4, found), FOUND)
      table.unpin(0)
      const other = new KeyHash()
      other.of(Buffer.from('else'), 0, 4)
      t.equal(table.find(other, Buffer.from('else'), 0, 4, found), ABSENT)
      t.end()
    })
  })
})
