import { LEVEL_ZERO } from '../../../../src/storage/families.js'
import t from 'tap'
import { wallMsToHlc } from '../../../../src/record/hlc.js'
import { runMerge } from '../../../../src/storage/compaction/merge-job.js'
import { UNLIMITED_PACE } from '../../../../src/storage/compaction/pace.js'
import { FLAG_LOCAL_TOMBSTONE, FLAG_SHADOWS } from '../../../../src/storage/entry.js'
import { runFlush } from '../../../../src/storage/jobs/flush-job.js'
import { JobError } from '../../../../src/storage/jobs/job-error.js'
import type { CompactJob } from '../../../../src/storage/jobs/storage-jobs.js'
import type { ManifestTable } from '../../../../src/storage/manifest.js'
import { MemoryDisk, diskError } from '../memory-disk.js'
import { TestSegment, readTable, type SeenEntry, type Write } from '../segment.js'
import { TWINS } from '../twin-keys.js'

const DIRECTORY = '/data'
const NOW_MS = 1_800_000_000_000
const FIRST_OUTPUT = 100

function tableFrom(
  disk: MemoryDisk,
  fileNumber: number,
  level: number,
  writes: readonly Write[],
): ManifestTable {
  const segment = new TestSegment(writes.reduce((sum, write) => sum + 400 + (write.value?.length ?? 0), 1024))
  for (const write of writes) segment.put(write)
  const [table] = runFlush(disk, segment.flushJob(DIRECTORY, fileNumber, Infinity), UNLIMITED_PACE).tables
  return { ...table, level }
}

function jobOf(inputs: readonly ManifestTable[], fields: Partial<CompactJob> = {}): CompactJob {
  return {
    directory: DIRECTORY,
    inputs,
    others: [],
    purgeableUntilMs: NOW_MS,
    flushMark: 0,
    fileNumbers: { first: FIRST_OUTPUT, count: 100 },
    targetBytes: 1 << 20,
    ...fields,
  }
}

/** Entries of the outputs, by key. */
function outputOf(disk: MemoryDisk, job: CompactJob): Map<string, SeenEntry> {
  const { tables } = runMerge(disk, job, UNLIMITED_PACE)
  const entries = tables.flatMap((table) => readTable(disk, DIRECTORY, table.fileNumber))
  return new Map(entries.map((entry) => [entry.key, entry]))
}

const EVERYWHERE = { minToken: 0, maxToken: 2 ** 53 - 1 }

t.test('T6 of every key the highest sequence stays, wherever it lies', async (t) => {
  const disk = new MemoryDisk()
  const newest = { key: 'k', sequence: 9, value: 'newest' }
  const older = { key: 'k', sequence: 5, value: 'older' }
  const oldest = { key: 'k', sequence: 2, value: 'oldest' }
  for (const writes of permutations([newest, older, oldest])) {
    const inputs = writes.map((write, i) => tableFrom(disk, i + 1, [0, 0, 1][i], [write]))
    const output = outputOf(disk, jobOf(inputs))
    t.match(output.get('k'), { sequence: 9, value: 'newest' }, writes.map((write) => write.sequence).join())
    t.equal(output.size, 1)
  }
})

t.test('T2 the tombstone of a dropped window wins over its original, in either order', async (t) => {
  const disk = new MemoryDisk()
  const original = { key: 'k', sequence: 5, value: 'v', expireAtMs: NOW_MS + 1, flags: FLAG_SHADOWS }
  const tombstone = { key: 'k', sequence: 5, value: null, flags: FLAG_LOCAL_TOMBSTONE }
  const others = [{ ...EVERYWHERE, minSequence: 1 }]
  for (const writes of permutations([original, tombstone])) {
    const inputs = writes.map((write, i) => tableFrom(disk, i + 1, i, [write]))
    const output = outputOf(disk, jobOf(inputs, { others }))
    t.match([...output.values()], [{ value: null, flags: FLAG_LOCAL_TOMBSTONE, sequence: 5 }])
  }
})

t.test('dead entries are dropped by reason, live ones stay as they are', async (t) => {
  const disk = new MemoryDisk()
  const table = tableFrom(disk, 1, 1, [
    { key: 'live', sequence: 1, value: 'v', hlc: 1000 },
    { key: 'mortal', sequence: 2, value: 'v', hlc: 1001, expireAtMs: NOW_MS + 1, flags: FLAG_SHADOWS },
    { key: 'deleted', sequence: 3, value: null, hlc: wallMsToHlc(NOW_MS) },
    { key: 'deleted later', sequence: 4, value: null, hlc: wallMsToHlc(NOW_MS + 1) },
    { key: 'expired', sequence: 5, value: 'v', hlc: 1002, expireAtMs: NOW_MS },
    { key: 'expired and flagged', sequence: 6, value: 'v', hlc: 1003, expireAtMs: 1, flags: FLAG_SHADOWS },
    { key: 'flushed', sequence: 7, value: 'v', hlc: 900 },
    { key: 'flushed and expired', sequence: 8, value: 'v', hlc: 899, expireAtMs: 1 },
  ])
  const job = jobOf([table], { flushMark: 900 })
  const result = runMerge(disk, job, UNLIMITED_PACE)
  t.match(result, {
    entriesRead: 8,
    entriesWritten: 3,
    bytesRead: table.sizeBytes,
    dropped: { superseded: 0, deleted: 1, expired: 2, flushed: 2 },
    tables: [{ fileNumber: FIRST_OUTPUT, entryCount: 3, purgedUntilMs: NOW_MS, purgedMark: 900 }],
  })
  const left = new Map(readTable(disk, DIRECTORY, FIRST_OUTPUT).map((entry) => [entry.key, entry]))
  t.same([...left.keys()].sort(), ['deleted later', 'live', 'mortal'])
  t.match(left.get('mortal'), { sequence: 2, flags: FLAG_SHADOWS, expireAtMs: NOW_MS + 1, hlc: 1001 })
  t.equal(result.bytesWritten, disk.contents('/data/000100.table').length)
})

t.test(
  'T4 a dead entry stays while anything else may hold an older version, and goes when nothing can',
  async (t) => {
    const disk = new MemoryDisk()
    const dead: readonly Write[] = [
      { key: 'deleted', sequence: 10, value: null },
      { key: 'expired', sequence: 10, value: 'v', expireAtMs: 1 },
      { key: 'flagged', sequence: 10, value: 'v', expireAtMs: 1, flags: FLAG_SHADOWS },
      { key: 'local', sequence: 10, value: null, flags: FLAG_LOCAL_TOMBSTONE },
      { key: 'flushed', sequence: 10, value: 'v', hlc: 3 },
    ]
    const job = (minSequence: number): CompactJob =>
      jobOf([tableFrom(disk, 1, 0, dead)], { flushMark: 3, others: [{ ...EVERYWHERE, minSequence }] })
    t.equal(outputOf(disk, job(9)).size, dead.length)
    t.equal(outputOf(disk, job(10)).size, 0)
  },
)

t.test('T4 a tombstone goes together with the older versions among the inputs', async (t) => {
  const disk = new MemoryDisk()
  const inputs = [
    tableFrom(disk, 1, 0, [{ key: 'k', sequence: 10, value: null }]),
    tableFrom(disk, 2, 1, [{ key: 'k', sequence: 3, value: 'older' }]),
  ]
  const result = runMerge(disk, jobOf(inputs), UNLIMITED_PACE)
  t.match(result, { tables: [], entriesWritten: 0, dropped: { superseded: 1, deleted: 1 } })
  t.same(disk.list(DIRECTORY).sort(), ['000001.table', '000002.table'], 'no empty table is left')
})

t.test('equal tokens never straddle two tables', async (t) => {
  const disk = new MemoryDisk()
  const value = 'x'.repeat(9000)
  const writes = TWINS.flat().map((key, i) => ({ key, sequence: i + 1, value }))
  const { tables } = runMerge(
    disk,
    jobOf([tableFrom(disk, 1, 0, writes)], { targetBytes: 1 }),
    UNLIMITED_PACE,
  )
  t.equal(tables.length, TWINS.length)
  const pairs = tables.map((table) => readTable(disk, DIRECTORY, table.fileNumber).map((entry) => entry.key))
  t.same(pairs.flat().sort(), TWINS.flat().sort())
  for (const pair of pairs)
    t.ok(
      TWINS.some((twins) => pair.every((key) => twins.some((twin) => twin === key))),
      pair.join(),
    )
})

t.test('a level is read table after table, and outputs keep to the target', async (t) => {
  const disk = new MemoryDisk()
  const all: readonly Write[] = Array.from({ length: 3000 }, (_, i) => ({
    key: `key:${i}`,
    sequence: i + 1,
    value: 'v'.repeat(100),
  }))
  const base = tableFrom(disk, 1, 0, all)
  const split = runMerge(disk, jobOf([base], { targetBytes: 64 * 1024 }), UNLIMITED_PACE).tables
  t.ok(split.length > 4, `${split.length} tables`)
  const level = split.map((table) => ({ ...table, ...LEVEL_ZERO, level: 1 })).toReversed()
  const update = tableFrom(disk, 2, 0, [{ key: 'key:7', sequence: 9999, value: 'new' }])
  const job = jobOf([update, ...level], { fileNumbers: { first: 200, count: 100 }, targetBytes: 128 * 1024 })
  const output = outputOf(disk, job)
  t.equal(output.size, 3000)
  t.match(output.get('key:7'), { value: 'new' })
  t.match(output.get('key:8'), { value: 'v'.repeat(100) })
  t.equal(disk.openFiles, 0)
})

t.test('damaged input ends the job with file and offset, and nothing is lost or left behind', async (t) => {
  const disk = new MemoryDisk()
  const writes = Array.from({ length: 2000 }, (_, i) => ({
    key: `key:${i}`,
    sequence: i + 1,
    value: 'v'.repeat(100),
  }))
  const inputs = [tableFrom(disk, 1, 0, writes), tableFrom(disk, 2, 0, writes.slice(0, 10))]
  const bytes = disk.contents('/data/000001.table')
  const before = disk.list(DIRECTORY)
  for (let at = 0; at < bytes.length; at += 2003) {
    const damaged = Buffer.from(bytes)
    damaged[at] ^= 4
    disk.put('/data/000001.table', damaged)
    let failure: unknown = null
    try {
      runMerge(disk, jobOf(inputs, { targetBytes: 32 * 1024 }), UNLIMITED_PACE)
    } catch (error) {
      failure = error
    }
    t.match(failure, { name: 'CorruptionError', file: '/data/000001.table' }, `byte ${at}`)
    t.same(disk.list(DIRECTORY), before)
    t.equal(disk.openFiles, 0)
    t.ok(disk.contents('/data/000001.table').equals(damaged))
  }
})

t.test('a disk that refuses any one operation fails the job, and only the inputs stay', async (t) => {
  const writes = Array.from({ length: 1500 }, (_, i) => ({
    key: `key:${i}`,
    sequence: i + 1,
    value: 'v'.repeat(100),
  }))
  let failures = 0
  for (let at = 1; ; at++) {
    const disk = new MemoryDisk()
    const inputs = [tableFrom(disk, 1, 0, writes), tableFrom(disk, 2, 1, writes.slice(0, 700))]
    const base = disk.operations
    disk.onOperation = (operation, name) => {
      if (operation === base + at) throw diskError('EIO', name)
    }
    try {
      runMerge(disk, jobOf(inputs, { targetBytes: 32 * 1024 }), UNLIMITED_PACE)
      break
    } catch (error) {
      t.match(error, { code: 'EIO' })
      t.same(disk.list(DIRECTORY).sort(), ['000001.table', '000002.table'], `operation ${at}`)
      t.equal(disk.openFiles, 0)
      failures++
    }
  }
  t.ok(failures > 20, `${failures} failures`)
})

t.test('what a merge reports is durable, names too', async (t) => {
  const disk = new MemoryDisk()
  const writes = Array.from({ length: 1000 }, (_, i) => ({ key: `key:${i}`, sequence: i + 1, value: 'v' }))
  const inputs = [tableFrom(disk, 1, 0, writes)]
  const { tables } = runMerge(disk, jobOf(inputs, { targetBytes: 32 * 1024 }), UNLIMITED_PACE)
  const found = disk.afterCrash(() => false, 'synced')
  t.equal(tables.flatMap((table) => readTable(found, DIRECTORY, table.fileNumber)).length, 1000)
})

t.test('the pace hears of every byte read and written, and can end the job', async (t) => {
  const disk = new MemoryDisk()
  const writes = Array.from({ length: 4000 }, (_, i) => ({
    key: `key:${i}`,
    sequence: i + 1,
    value: 'v'.repeat(200),
  }))
  const inputs = [tableFrom(disk, 1, 0, writes)]
  let bytes = 0
  let calls = 0
  runMerge(disk, jobOf(inputs), {
    spend(spent) {
      bytes += spent
      calls++
    },
  })
  t.ok(bytes > 2 * 4000 * 200 && bytes < 3 * inputs[0].sizeBytes, `${bytes} bytes in ${calls} calls`)
  t.ok(calls >= 6)
  const before = disk.list(DIRECTORY)
  const cancel = { spend: () => cancelled() }
  t.throws(() => runMerge(disk, jobOf(inputs, { fileNumbers: { first: 50, count: 9 } }), cancel), {
    code: 'cancelled',
  })
  t.same(disk.list(DIRECTORY), before)
})

function cancelled(): never {
  throw new JobError('cancelled', 'closing')
}

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((item, i) =>
    permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]),
  )
}
