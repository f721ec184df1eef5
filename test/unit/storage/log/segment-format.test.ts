import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  batchByteLength,
  batchEntryCount,
  batchMagic,
  BATCH_MAGIC,
  batchSyncedTo,
  DISPLACED_FOREVER,
  entryDisplaced,
  isBatchHeader,
  readSegmentHeader,
  SEAL_MAGIC,
  SEGMENT_HEADER_BYTES,
} from '../../../../src/storage/log/segment-format.js'
import { Segment, SegmentMemory } from '../../../../src/storage/log/segment.js'
import { FLAG_SHADOWS } from '../../../../src/storage/entry.js'
import { writeU32 } from '../../../../src/util/bytes.js'
import { xxh32 } from '../../../../src/util/xxhash.js'
import { HEADER, LogFile, SegmentWriter } from './log-file.js'

const EXPIRE_AT_MS = 1_800_000_000_000

function goldenBytes(): Buffer {
  const text = readFileSync(new URL('../../../../../test/data/log-segment.hex', import.meta.url), 'utf8')
  return Buffer.from(text.replace(/#.*/g, '').replace(/\s/g, ''), 'hex')
}

t.test('a segment is written in the bytes of its page', async (t) => {
  const segment = new Segment(HEADER, '/000012.log', new SegmentMemory(4096))
  const writer = new SegmentWriter(segment)
  writer.put('user:1', { value: 'hello' })
  writer.put('session', {
    value: '{}',
    expireAtMs: EXPIRE_AT_MS,
    displaced: DISPLACED_FOREVER,
    flags: FLAG_SHADOWS,
  })
  segment.closeBatch()
  segment.syncedTo = segment.tail
  writer.put('user:1', { value: null, displaced: DISPLACED_FOREVER })
  writer.put('session', { value: '', displaced: EXPIRE_AT_MS })
  writer.flushMark()
  segment.closeBatch()
  segment.syncedTo = segment.tail
  segment.seal()
  t.equal(segment.arena.toString('hex', 0, segment.tail), goldenBytes().toString('hex'))
})

t.test('a segment of the page is read back', async (t) => {
  const log = new LogFile()
  log.overwrite(0, goldenBytes())
  const { recovered, entries } = log.recover()
  t.same(entries, [
    '1000 user:1=hello',
    '1001 session={}',
    '1002 user:1 deleted',
    '1003 session=',
    '1004 FLUSHALL',
  ])
  t.match(recovered, { kind: 'recovered', sealed: true, cutBytes: 0 })
})

t.test(
  'the fields of a header are read as they were written, and each of its bytes is checked',
  async (t) => {
    const golden = goldenBytes()
    t.same(readSegmentHeader(golden), HEADER)
    for (let at = 0; at < SEGMENT_HEADER_BYTES; at++) {
      const damaged = Buffer.from(golden)
      damaged[at] ^= 0x10
      t.type(readSegmentHeader(damaged), 'string', `byte ${at}`)
    }
  },
)

t.test('the header of a later format says so', async (t) => {
  const header = goldenBytes().subarray(0, SEGMENT_HEADER_BYTES)
  writeU32(header, 12, 2)
  writeU32(header, 8, xxh32(header, 12, SEGMENT_HEADER_BYTES, 0))
  t.equal(readSegmentHeader(header), 'segment format 2, this version knows 1')
})

t.test('the fields of a batch are read as they were written, and each of its bytes is checked', async (t) => {
  const golden = goldenBytes()
  t.ok(isBatchHeader(golden, 64, HEADER.id))
  t.equal(batchMagic(golden, 64), BATCH_MAGIC)
  t.equal(batchByteLength(golden, 64), 172)
  t.equal(batchEntryCount(golden, 64), 2)
  t.equal(batchSyncedTo(golden, 268), 268)
  t.equal(batchMagic(golden, 517), SEAL_MAGIC)
  t.notOk(isBatchHeader(golden, 64, HEADER.id + 1), 'the batch of another segment')
  for (let at = 64; at < 96; at++) {
    const damaged = Buffer.from(golden)
    damaged[at] ^= 0x10
    t.notOk(isBatchHeader(damaged, 64, HEADER.id), `byte ${at}`)
  }
})

t.test('what a write displaced stands before its record', async (t) => {
  const golden = goldenBytes()
  t.equal(entryDisplaced(golden, 116), 0)
  t.equal(entryDisplaced(golden, 203), DISPLACED_FOREVER)
})
