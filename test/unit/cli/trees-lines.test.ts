import { readFileSync } from 'node:fs'
import t from 'tap'
import { treesLines } from '../../../src/cli/manifest-lines.js'
import { CorruptionError } from '../../../src/storage/corruption-error.js'
import { MemoryDisk } from '../storage/memory-disk.js'

const PATH = '/data/000013.trees'
/** A tree with leaves, a folded one, and a range that is not known: see trees-file.test.ts. */
const GOLDEN = Buffer.from(
  readFileSync(new URL('../../../../test/data/trees.hex', import.meta.url), 'latin1').replaceAll('\n', ''),
  'hex',
)

function diskWith(bytes: Buffer): MemoryDisk {
  const disk = new MemoryDisk()
  const file = disk.open(PATH, 'create')
  disk.writeSync(file, bytes, 0, bytes.length, 0)
  disk.close(file)
  return disk
}

t.test('inspect shows the ranges of a file of trees', async (t) => {
  const text = treesLines(diskWith(GOLDEN), PATH, { entries: false }).join('\n')
  t.match(text, /ring +two halves\nsequence +20\n/)
  t.match(text, /^0 +0 +2 +2$/m, 'range, floor, hours, keys')
  t.match(text, /^1 +0 +not known/m)
})

t.test('inspect shows the hours of a file of trees when asked', async (t) => {
  const lines = treesLines(diskWith(GOLDEN), PATH, { entries: true })
  const hours = lines.filter((line) => /^0 /.test(line))
  t.equal(hours.length, 2)
  t.match(hours[0], /^0 +2027-01-15T08:00:00\.000Z +1 +[0-9a-f]{16} +\d+$/)
  t.match(hours[1], /^0 +2027-01-15T09:00:00\.000Z +1 +[0-9a-f]{16} +folded$/)
})

t.test('inspect says where a file of trees is damaged', async (t) => {
  const damaged = Buffer.from(GOLDEN)
  damaged[40] ^= 1
  t.throws(() => treesLines(diskWith(damaged), PATH, { entries: false }), CorruptionError)
})
