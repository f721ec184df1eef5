import t from 'tap'
import { KeyHash } from '../../../../src/ring/token.js'
import { UNLIMITED_PACE } from '../../../../src/storage/compaction/pace.js'
import { readCounts } from '../../../../src/storage/counts-file.js'
import type { KeyCounts } from '../../../../src/storage/counts-file.js'
import { FLAG_LOCAL_TOMBSTONE, FLAG_SHADOWS } from '../../../../src/storage/entry.js'
import { runFlush } from '../../../../src/storage/jobs/flush-job.js'
import { FAMILY_SIZE_TIERED, LEVEL_ZERO, SIZE_TIERED } from '../../../../src/storage/families.js'
import { JobError } from '../../../../src/storage/jobs/job-error.js'
import { MemoryDisk, diskError } from '../memory-disk.js'
import { TestSegment, hlcAt, readTable, type SeenEntry } from '../segment.js'

const DIRECTORY = '/data'
const NOW_MS = 1_800_000_000_000

function filled(keys: number): TestSegment {
  const segment = new TestSegment(keys * 400 + 1024)
  for (let i = 0; i < keys; i++) {
    segment.put({ key: `key:${i}`, sequence: 2 * i + 1, value: `old ${i}` })
    segment.put({ key: `key:${i}`, sequence: 2 * i + 2, value: `value ${i}`.repeat(4) })
  }
  return segment
}

const counts: KeyCounts = {
  version: 'two halves',
  live: Float64Array.of(3, 1),
  pairs: Uint32Array.of(1, 0),
  seconds: Float64Array.of(10),
  deaths: Uint32Array.of(2),
}

function byKey(entries: Iterable<SeenEntry>): SeenEntry[] {
  return [...entries].sort((a, b) => (a.key < b.key ? -1 : 1))
}

function tokenOf(key: string): number {
  const hash = new KeyHash()
  hash.of(Buffer.from(key), 0, key.length)
  return hash.token
}

t.test(
  'the newest entry of every key reaches level 0, with sequence, flags and deaths as they were',
  async (t) => {
    const disk = new MemoryDisk()
    const segment = filled(50)
    segment.put({ key: 'deleted', sequence: 200, value: null, hlc: hlcAt(NOW_MS) })
    segment.put({ key: 'expired', sequence: 201, value: 'x', expireAtMs: 5, flags: FLAG_SHADOWS })
    segment.put({ key: 'hidden', sequence: 7, value: null, flags: FLAG_LOCAL_TOMBSTONE })
    const result = runFlush(disk, segment.flushJob(DIRECTORY, 12, 1 << 20), UNLIMITED_PACE)
    t.equal(result.entries, 53)
    t.equal(result.bytesWritten, disk.contents('/data/000012.table').length)
    t.match(result.tables, [
      { fileNumber: 12, entryCount: 53, minSequence: 2, maxSequence: 201, purgedUntilMs: 0 },
    ])
    t.same(byKey(readTable(disk, DIRECTORY, 12)), byKey(segment.entries()))
    t.same(disk.list(DIRECTORY), ['000012.table'])
    t.equal(disk.openFiles, 0)
  },
)

t.test('a large segment becomes several tables that do not overlap', async (t) => {
  const disk = new MemoryDisk()
  const segment = filled(3000)
  const { tables } = runFlush(disk, segment.flushJob(DIRECTORY, 12, 64 * 1024), UNLIMITED_PACE)
  t.ok(tables.length > 3, `${tables.length} tables`)
  const entries = tables.flatMap((table) => readTable(disk, DIRECTORY, table.fileNumber))
  t.same(byKey(entries), byKey(segment.entries()))
  const tokens = entries.map((entry) => tokenOf(entry.key))
  t.same(
    tokens,
    tokens.toSorted((a, b) => a - b),
  )
  for (let i = 1; i < tables.length; i++) t.ok(tables[i].minToken > tables[i - 1].maxToken)
})

t.test('when the file numbers run out, the last table takes what is left', async (t) => {
  const disk = new MemoryDisk()
  const job = { ...filled(3000).flushJob(DIRECTORY, 12, 64 * 1024), fileNumbers: { first: 12, count: 2 } }
  const { tables, entries } = runFlush(disk, job, UNLIMITED_PACE)
  t.equal(tables.length, 2)
  t.equal(entries, 3000)
})

t.test('the key counts are written beside the tables', async (t) => {
  const disk = new MemoryDisk()
  const job = { ...filled(1).flushJob(DIRECTORY, 12, 1 << 20), counts: { fileNumber: 9, counts } }
  runFlush(disk, job, UNLIMITED_PACE)
  t.same(readCounts(disk, '/data/000009.counts'), counts)
  const empty = { ...new TestSegment().flushJob(DIRECTORY, 13, 1 << 20), counts: { fileNumber: 10, counts } }
  t.match(runFlush(disk, empty, UNLIMITED_PACE), { tables: [], entries: 0 })
  t.same(
    readCounts(
      disk.afterCrash(() => false, 'synced'),
      '/data/000010.counts',
    ),
    counts,
  )
})

t.test('what a flush reports is durable, names too', async (t) => {
  const disk = new MemoryDisk()
  const segment = filled(500)
  const { tables } = runFlush(disk, segment.flushJob(DIRECTORY, 12, 16 * 1024), UNLIMITED_PACE)
  const found = disk.afterCrash(() => false, 'synced')
  t.same(
    byKey(tables.flatMap((table) => readTable(found, DIRECTORY, table.fileNumber))),
    byKey(segment.entries()),
  )
})

t.test('a disk that refuses any one operation fails the job, and nothing of it stays', async (t) => {
  const job = { ...filled(800).flushJob(DIRECTORY, 12, 32 * 1024), counts: { fileNumber: 9, counts } }
  let failures = 0
  for (let at = 1; ; at++) {
    const disk = new MemoryDisk()
    disk.onOperation = (operation, name) => {
      if (operation === at) throw diskError(at % 2 === 0 ? 'ENOSPC' : 'EIO', name)
    }
    try {
      runFlush(disk, job, UNLIMITED_PACE)
      break
    } catch (error) {
      t.match(error, { code: at % 2 === 0 ? 'ENOSPC' : 'EIO' })
      t.same(disk.list(DIRECTORY), [], `operation ${at}`)
      t.equal(disk.openFiles, 0)
      failures++
    }
  }
  t.ok(failures > 8, `${failures} failures`)
})

t.test('a cancelled flush leaves nothing', async (t) => {
  const disk = new MemoryDisk()
  const pace = {
    spend(): void {
      throw new JobError('cancelled', 'closing')
    },
  }
  t.throws(() => runFlush(disk, filled(6000).flushJob(DIRECTORY, 12, 32 * 1024), pace), { code: 'cancelled' })
  t.same(disk.list(DIRECTORY), [])
})

t.test('an index that points beyond its segment is a bug', async (t) => {
  const job = { ...filled(10).flushJob(DIRECTORY, 12, 1 << 20), arenaBytes: 100 }
  t.throws(() => runFlush(new MemoryDisk(), job, UNLIMITED_PACE), { name: 'AssertionError' })
})

t.test('every family and every window is flushed to tables of its own', async (t) => {
  const disk = new MemoryDisk()
  const segment = new TestSegment()
  const hour = 3_600_000
  segment.put({ key: 'log:1', sequence: 1, value: 'tiered' })
  segment.put({ key: 'log:2', sequence: 2, value: 'expires first', expireAtMs: NOW_MS + hour })
  segment.put({ key: 'b', sequence: 3, value: 'leveled' })
  segment.put({ key: 'c', sequence: 4, value: 'expires later', expireAtMs: NOW_MS + 3 * hour })
  segment.put({ key: 'd', sequence: 5, value: 'expires first', expireAtMs: NOW_MS + hour })
  segment.put({ key: 'e', sequence: 6, value: null, hlc: hlcAt(NOW_MS) })
  const families = {
    windowTiers: [{ withinMs: hour, widthMs: hour }],
    prefixes: [{ prefix: Buffer.from('log:'), family: FAMILY_SIZE_TIERED }] as const,
  }
  const job = { ...segment.flushJob(DIRECTORY, 12, 1 << 20), families, nowMs: NOW_MS }
  const { tables, entries } = runFlush(disk, job, UNLIMITED_PACE)
  t.equal(entries, 6)
  const contents = tables.map(({ level, family, windowStartMs, windowEndMs, fileNumber }) => ({
    place: { level, family, windowStartMs, windowEndMs },
    keys: [...readTable(disk, DIRECTORY, fileNumber)].map(({ key }) => key).sort(),
  }))
  const window = (endMs: number) => ({ level: 0, family: 2, windowStartMs: endMs - hour, windowEndMs: endMs })
  const expected = [
    { place: LEVEL_ZERO, keys: ['b', 'e'] },
    { place: SIZE_TIERED, keys: ['log:1'] },
    { place: window(NOW_MS + hour), keys: ['d', 'log:2'] },
    { place: window(NOW_MS + 3 * hour), keys: ['c'] },
  ]
  t.same(
    new Set(contents.map((one) => JSON.stringify(one))),
    new Set(expected.map((one) => JSON.stringify(one))),
  )
  t.equal(disk.openFiles, 0)
})
