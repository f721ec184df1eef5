/** Compressed tables: smaller in the file, the same in memory, whoever reads them. */
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { BlockCache } from '../../../../src/storage/block-cache.js'
import { EntryRef } from '../../../../src/storage/entry.js'
import { runReadBlocks } from '../../../../src/storage/jobs/read-blocks-job.js'
import { runScrub } from '../../../../src/storage/jobs/scrub-job.js'
import type { BlockCompression } from '../../../../src/storage/table/block-compression.js'
import { blockDamage, expandBlock } from '../../../../src/storage/table/block-format.js'
import { Table } from '../../../../src/storage/table/table.js'
import { tableChecksum } from '../../../../src/storage/table/table-format.js'
import { FOUND } from '../../../../src/storage/table/table-lookup.js'
import { TableScanner } from '../../../../src/storage/table/table-scanner.js'
import { TableDisk } from './table-disk.js'
import type { TestEntry } from './table-entries.js'
import { buildTable, entryBytesOf, inTableOrder, makeValue } from './table-entries.js'

const PATH = 'data/000001.table'
const COMPRESSIONS: readonly BlockCompression[] = ['lz4', 'zstd']

function session(i: number): Buffer {
  return Buffer.from(`{"cookie":{"maxAge":1800000,"httpOnly":true,"path":"/"},"user":{"id":${i * 7919}}}`)
}

/** Sessions, a value that does not shrink, a jumbo that does and one that does not. */
function entriesOf(count: number): TestEntry[] {
  let state = 1
  const noise = Buffer.from(
    Array.from({ length: 9000 }, () => {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return state & 0xff
    }),
  )
  const entries = Array.from({ length: count }, (_, i) => makeValue(`session ${i}`, i + 1, session(i)))
  entries.push(makeValue('noise', count + 1, noise.subarray(0, 3500)))
  entries.push(makeValue('large noise', count + 2, noise))
  entries.push(makeValue('large', count + 3, Buffer.alloc(20_000, 'repeat')))
  return inTableOrder(entries)
}

const ENTRIES = entriesOf(300)

function written(compression: BlockCompression): TableDisk {
  const disk = new TableDisk()
  buildTable(disk, PATH, ENTRIES, 1, compression)
  return disk
}

function expectAllFound(t: { fail(message: string): void }, table: Table): void {
  const found = new EntryRef()
  for (const { hash, key, bytes } of ENTRIES) {
    if (table.findSync(hash, key, 0, key.length, found) !== FOUND) t.fail(`${key.toString()} is missing`)
    else if (!entryBytesOf(found).equals(bytes)) t.fail(`${key.toString()} is wrong`)
  }
}

for (const compression of COMPRESSIONS) {
  t.test(`${compression}: the blocks take less than half as much, and read as what was written`, (t) => {
    const plain = written('none').contents(PATH).length
    const disk = written(compression)
    const cache = new BlockCache(64 * 4096)
    const table = Table.open(disk, PATH, cache, 1)
    // 13 KB of it is noise.
    t.ok(disk.contents(PATH).length < plain / 2 + 7000, `${disk.contents(PATH).length} of ${plain}`)
    t.equal(table.expandedBlockBytes, plainTable().expandedBlockBytes, 'as many bytes in memory')
    t.ok(table.storedBlockBytes < table.expandedBlockBytes)
    expectAllFound(t, table)
    table.retire(false)
    const scanner = new TableScanner(disk, PATH)
    for (const { bytes } of ENTRIES) {
      if (!scanner.next() || !entryBytesOf(scanner.entry).equals(bytes)) t.fail('a scan reads another entry')
    }
    t.notOk(scanner.next())
    scanner.close()
    t.end()
  })

  t.test(`${compression}: blocks that were waited for read like those read at once`, async (t) => {
    const disk = written(compression)
    const table = Table.open(disk, PATH, new BlockCache(256 * 4096), 1)
    const loads = Array.from(
      { length: table.index.blockCount },
      (_, block) => new Promise<Error | null>((resolve) => table.load(block, resolve)),
    )
    t.ok((await Promise.all(loads)).every((error) => error === null))
    const reads = disk.readSyncCount
    expectAllFound(t, table)
    t.equal(disk.readSyncCount, reads, 'all were in memory')
    table.retire(false)
  })

  t.test(`${compression}: a job reads and expands as many blocks as there is room for`, (t) => {
    const disk = written(compression)
    const table = Table.open(disk, PATH, new BlockCache(64 * 4096), 1)
    const { index } = table
    const blocks = Array.from({ length: index.blockCount }, (_, block) => block)
    const job = {
      path: PATH,
      offsets: Float64Array.from(blocks, (block) => index.offset(block)),
      lengths: Uint32Array.from(blocks, (block) => index.storedLength(block)),
      checksums: Uint32Array.from(blocks, (block) => index.checksum(block)),
    }
    const into = new SharedArrayBuffer(table.expandedBlockBytes)
    const { byteLengths } = runReadBlocks(disk, { ...job, into })
    t.equal(byteLengths.length, blocks.length)
    let at = 0
    const whole = new BlockCache(256 * 4096)
    const warm = Table.open(disk, PATH, whole, 1)
    byteLengths.forEach((length, block) => {
      warm.offer(block, Buffer.from(into), at)
      at += length
    })
    t.equal(at, table.expandedBlockBytes)
    disk.readSyncCount = 0
    expectAllFound(t, warm)
    t.equal(disk.readSyncCount, 0, 'the cache has got all of them')
    const small = runReadBlocks(disk, { ...job, into: new SharedArrayBuffer(10_000) }).byteLengths
    t.ok(small.length > 0 && small.length < blocks.length)
    t.ok(small.reduce((sum, length) => sum + length, 0) <= 10_000)
    t.strictSame(runScrub(disk, job), { damage: [] }, 'a scrub reads every record')
    t.end()
  })

  t.test(`${compression}: a table that an earlier build compressed is read`, (t) => {
    const golden = new URL(`../../../../../test/data/table-format-1-${compression}.table`, import.meta.url)
    if (process.env.KINDRED_WRITE_GOLDEN === '1') writeFileSync(golden, written(compression).contents(PATH))
    const disk = new TableDisk()
    disk.put(PATH, readFileSync(golden))
    const table = Table.open(disk, PATH, new BlockCache(64 * 4096), 1)
    t.ok(table.storedBlockBytes < table.expandedBlockBytes, 'it is compressed')
    expectAllFound(t, table)
    table.retire(false)
    t.end()
  })

  t.test(`${compression}: lengths that no such block has are damage before any memory is taken`, (t) => {
    const disk = written(compression)
    const bytes = disk.contents(PATH)
    const { index } = Table.open(disk, PATH, new BlockCache(0), 1)
    const compressed = Array.from({ length: index.blockCount }, (_, block) => block).find(
      (block) => bytes[index.offset(block) + 14] !== 0,
    )
    const at = index.offset(compressed ?? 0)
    const stored = index.storedLength(compressed ?? 0)
    const block = Buffer.from(bytes.subarray(at, at + stored))
    const right = block.readUInt32LE(8)
    for (const byteLength of [0, stored, 4104, 2 ** 31, 2 ** 32 - 8]) {
      t.match(
        blockDamage(resealed(block, byteLength), 0, stored, block.readUInt32LE(0)),
        /which no block has/,
      )
    }
    for (const byteLength of [right - 8, right + 8]) {
      const wrong = resealed(block, byteLength)
      if (blockDamage(wrong, 0, stored, wrong.readUInt32LE(0)) !== null) continue
      t.match(
        expandBlock(wrong, 0, Buffer.alloc(8192), 0),
        /do not become/,
        `${byteLength} instead of ${right}`,
      )
    }
    block[14] = 3
    resealed(block, right)
    t.match(blockDamage(block, 0, stored, block.readUInt32LE(0)), /method 3, unknown/)
    t.end()
  })
}

t.test('a block that does not shrink is stored as it is', (t) => {
  const disk = new TableDisk()
  const noise = ENTRIES.filter(({ key }) => key.toString().includes('noise'))
  buildTable(disk, PATH, noise, 1, 'lz4')
  const plain = new TableDisk()
  buildTable(plain, PATH, noise, 1)
  t.ok(disk.contents(PATH).equals(plain.contents(PATH)))
  t.end()
})

function plainTable(): Table {
  return Table.open(written('none'), PATH, new BlockCache(0), 1)
}

/** The block with another length in memory, and the checksum that goes with it. */
function resealed(block: Buffer, byteLength: number): Buffer {
  block.writeUInt32LE(byteLength, 8)
  block.writeUInt32LE(tableChecksum(block, 4, block.length), 0)
  return block
}
