import { readFileSync } from 'node:fs'
import t from 'tap'
import { encodeCounts, readCounts, writeCounts, type KeyCounts } from '../../../src/storage/counts-file.js'
import { xxh32 } from '../../../src/util/xxhash.js'
import { MemoryDisk } from './memory-disk.js'

const PATH = '/data/000014.counts'

type Partition = readonly [live: number, ...pairs: (readonly [second: number, keys: number])[]]

function countsOf(version: string, partitions: readonly Partition[]): KeyCounts {
  const pairs = partitions.flatMap(([, ...its]) => its)
  return {
    version,
    live: Float64Array.from(partitions, ([live]) => live),
    pairs: Uint32Array.from(partitions, ([, ...its]) => its.length),
    seconds: Float64Array.from(pairs, ([second]) => second),
    deaths: Uint32Array.from(pairs, ([, keys]) => keys),
  }
}

const GOLDEN = countsOf('ring', [
  [1_000_000, [1_700_000_000, 3], [281_474_976_710, 1]],
  [0],
  [7_000_000_000, [1_699_999_999, 0xffffffff]],
])

const GOLDEN_1 = countsOf('', [
  [1_000_000, [1_700_000_000, 3], [1_700_000_001, 0xffffffff], [281_474_976_710, 1]],
])

function bytesOf(name: string): Buffer {
  const text = readFileSync(new URL(`../../../../test/data/${name}`, import.meta.url), 'utf8')
  return Buffer.from(text.replace(/#.*/g, '').replace(/\s/g, ''), 'hex')
}

t.test('key counts are written in the bytes of their page', async (t) => {
  t.equal(encodeCounts(GOLDEN).toString('hex'), bytesOf('counts.hex').toString('hex'))
})

t.test('key counts of format 1 are read as those of one partition', async (t) => {
  const disk = new MemoryDisk()
  disk.put(PATH, bytesOf('counts-format-1.hex'))
  t.same(readCounts(disk, PATH), GOLDEN_1)
})

t.test('key counts are read as they were written, over whatever stood there', async (t) => {
  const disk = new MemoryDisk()
  for (const counts of [GOLDEN, GOLDEN_1, countsOf('', [[7]]), countsOf('x', [[0], [0]])]) {
    t.equal(writeCounts(disk, PATH, counts), disk.contents(PATH).length)
    t.same(readCounts(disk, PATH), counts)
  }
  t.equal(disk.openFiles, 0)
})

t.test('counts are durable once written', async (t) => {
  const disk = new MemoryDisk()
  writeCounts(disk, PATH, GOLDEN)
  t.same(
    readCounts(
      disk.afterCrash(() => true, 'synced'),
      PATH,
    ),
    GOLDEN,
  )
})

t.test('every flipped bit and every cut is detected', async (t) => {
  const disk = new MemoryDisk()
  for (const bytes of [encodeCounts(GOLDEN), bytesOf('counts-format-1.hex')]) {
    for (let i = 0; i < bytes.length; i++) {
      const damaged = Buffer.from(bytes)
      damaged[i] ^= 1 << (i % 8)
      disk.put(PATH, damaged)
      t.throws(() => readCounts(disk, PATH), { name: 'CorruptionError', file: PATH })
      disk.put(PATH, bytes.subarray(0, i))
      t.throws(() => readCounts(disk, PATH), { name: 'CorruptionError', file: PATH })
    }
  }
})

t.test('bytes of another format or length are refused, whatever their checksum', async (t) => {
  const disk = new MemoryDisk()
  const wrong: [string, number, number][] = [
    ['the magic', 0, 0],
    ['a later format', 4, 3],
    ['more partitions than there are bytes', 8, 200],
    ['more pairs than there are bytes', 12 + 4 + 6, 9],
    ['a longer version', 6, 5],
  ]
  for (const [what, at, value] of wrong) {
    const bytes = encodeCounts(GOLDEN)
    bytes[at] = value
    bytes.writeUInt32LE(xxh32(bytes, 0, bytes.length - 4, 0) >>> 0, bytes.length - 4)
    disk.put(PATH, bytes)
    t.throws(
      () => readCounts(disk, PATH),
      { name: 'CorruptionError', message: /not a file of this format/ },
      what,
    )
  }
})

t.test('counts that do not fit together are a bug', async (t) => {
  const wrong: KeyCounts[] = [
    countsOf('', [[2, [5, 1], [5, 1]]]),
    countsOf('', [[2, [5, 0]]]),
    countsOf('v'.repeat(256), [[0]]),
    { ...GOLDEN, pairs: Uint32Array.of(2, 0, 0) },
    { ...GOLDEN, live: Float64Array.of(1) },
  ]
  for (const counts of wrong) t.throws(() => encodeCounts(counts), { name: 'AssertionError' })
})
