import { readFileSync } from 'node:fs'
import t from 'tap'
import { encodeCounts, readCounts, writeCounts, type KeyCounts } from '../../../src/storage/counts-file.js'
import { MemoryDisk } from './memory-disk.js'

const PATH = '/data/000014.counts'

function countsOf(live: number, pairs: readonly (readonly [number, number])[]): KeyCounts {
  return {
    live,
    seconds: Float64Array.from(pairs.map(([second]) => second)),
    deaths: Uint32Array.from(pairs.map(([, keys]) => keys)),
  }
}

const GOLDEN = countsOf(1_000_000, [
  [1_700_000_000, 3],
  [1_700_000_001, 0xffffffff],
  [281_474_976_710, 1],
])

t.test('key counts are written in the bytes of their page', async (t) => {
  const text = readFileSync(new URL('../../../../test/data/counts.hex', import.meta.url), 'utf8')
  const golden = text.replace(/#.*/g, '').replace(/\s/g, '')
  t.equal(encodeCounts(GOLDEN).toString('hex'), golden)
})

t.test('key counts are read as they were written, over whatever stood there', async (t) => {
  const disk = new MemoryDisk()
  for (const counts of [GOLDEN, countsOf(7, []), countsOf(0, [])]) {
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
  const bytes = encodeCounts(GOLDEN)
  const disk = new MemoryDisk()
  for (let i = 0; i < bytes.length; i++) {
    const damaged = Buffer.from(bytes)
    damaged[i] ^= 1 << (i % 8)
    disk.put(PATH, damaged)
    t.throws(() => readCounts(disk, PATH), { name: 'CorruptionError', file: PATH })
    disk.put(PATH, bytes.subarray(0, i))
    t.throws(() => readCounts(disk, PATH), { name: 'CorruptionError', file: PATH })
  }
})

t.test('seconds that do not ascend are a bug', async (t) => {
  const twice = countsOf(2, [
    [5, 1],
    [5, 1],
  ])
  t.throws(() => encodeCounts(twice), { name: 'AssertionError' })
})
