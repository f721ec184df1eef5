import { readFileSync } from 'node:fs'
import t from 'tap'
import { CorruptionError } from '../../../../src/storage/corruption-error.js'
import { RangeTrees } from '../../../../src/storage/trees/range-trees.js'
import { HOUR_MS } from '../../../../src/storage/trees/record-share.js'
import { TreeRanges } from '../../../../src/storage/trees/tree-ranges.js'
import { decodeTrees, readTrees, sealTrees, writeTrees } from '../../../../src/storage/trees/trees-file.js'
import { Seeded } from '../../../support/seeded.js'
import { deletion, encoded, value } from '../../coordinator/records.js'
import { MemoryDisk } from '../memory-disk.js'
import { keptTrees, partitionsFrom, treeDifference } from './tree-model.js'

const PATH = '/data/000013.trees'
const HALVES = partitionsFrom('two halves', [0, 8192])
const HOUR_END_MS = 500_000 * HOUR_MS

/** An entry header of a sequence, and a record. */
function entry(record: Buffer, sequence: number): Buffer {
  const bytes = Buffer.alloc(8 + record.length)
  bytes.writeUIntLE(sequence, 0, 6)
  record.copy(bytes, 8)
  return bytes
}

/** What test/data/trees.hex holds: a tree with leaves, a folded one, and a range that is not known. */
function goldenBytes(): Buffer {
  const trees = new RangeTrees(new TreeRanges(HALVES), 1)
  trees.flush(3)
  trees.add(5, entry(encoded('a', [value(1, 10, 'x', HOUR_END_MS)]), 17), 8)
  trees.add(6, entry(encoded('b', [value(1, 11, 'y', HOUR_END_MS + HOUR_MS)]), 18), 8)
  trees.reset(1)
  return sealed(trees, 20)
}

function sealed(trees: RangeTrees, sequence: number): Buffer {
  const bytes = trees.encode(sequence)
  if (bytes === null) throw new Error('some range is ready')
  sealTrees(bytes)
  return bytes
}

t.test('trees are written in the bytes of their page', async (t) => {
  const golden = readFileSync(new URL('../../../../../test/data/trees.hex', import.meta.url), 'latin1')
  const hex = goldenBytes()
    .toString('hex')
    .replace(/.{1,64}/g, '$&\n')
  t.equal(hex, golden)
})

t.test('what was written is read back', async (t) => {
  const random = new Seeded(1)
  const trees = new RangeTrees(new TreeRanges(HALVES))
  for (let i = 0; i < 500; i++) {
    const hlc = 4096 * random.below(2 ** 31)
    const sibling = random.chance(2) ? deletion(1, hlc) : value(1, hlc, 'v', HOUR_END_MS * random.below(2))
    const bytes = entry(encoded(`${i}`, [sibling]), i + 1)
    trees.add(random.below(2 ** 31) * 2 ** 22, bytes, 8)
  }
  const disk = new MemoryDisk()
  const encodedBytes = trees.encode(500)
  t.ok(encodedBytes !== null)
  if (encodedBytes !== null) writeTrees(disk, PATH, encodedBytes)
  const saved = readTrees(disk, PATH)
  t.match(saved, { version: 'two halves', sequence: 500, flushMark: 0 })
  const again = new RangeTrees(new TreeRanges(HALVES))
  saved.ranges.forEach(({ hours }, range) => {
    if (hours !== null) again.merge(range, hours)
  })
  t.equal(treeDifference(keptTrees(again), keptTrees(trees)), null)
})

t.test('nothing is written while no range is known', async (t) => {
  const trees = new RangeTrees(new TreeRanges(HALVES))
  trees.reset(0)
  t.not(trees.encode(1), null)
  trees.reset(1)
  t.equal(trees.encode(1), null)
})

t.test('every flipped bit and every cut is detected', async (t) => {
  const bytes = goldenBytes()
  for (let i = 0; i < bytes.length; i++) {
    const damaged = Buffer.from(bytes)
    damaged[i] ^= 1 << (i % 8)
    if (!isRefused(damaged)) t.fail(`byte ${i}`)
    if (!isRefused(bytes.subarray(0, i))) t.fail(`cut at ${i}`)
  }
  t.pass(`${bytes.length} bytes`)
})

t.test('bytes with a right checksum that announce what is not there are refused', async (t) => {
  const bytes = goldenBytes()
  const versionEnd = 32 + 'two halves'.length
  const lies: readonly (readonly [string, number, number])[] = [
    ['magic', 0, 1],
    ['format', 4, 2],
    ['more ranges', 8, 3],
    ['fewer ranges', 8, 1],
    ['more trees', versionEnd + 6, 3],
    ['fewer trees', versionEnd + 6, 1],
    ['an hour twice', versionEnd + 10 + 28 + 512, 500_000 & 0xff],
    ['other leaves', versionEnd + 10 + 24, 65],
  ]
  for (const [what, at, lie] of lies) {
    const lying = Buffer.from(bytes)
    lying[at] = lie
    sealTrees(lying)
    t.ok(isRefused(lying), what)
  }
})

function isRefused(bytes: Buffer): boolean {
  try {
    decodeTrees(bytes, PATH)
    return false
  } catch (error) {
    return error instanceof CorruptionError && error.message.includes(PATH)
  }
}
