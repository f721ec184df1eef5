/** What every implementation of StorageJobs promises, over the real disk. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { NodeClock } from '../../src/env/node-clock.js'
import { NodeDisk } from '../../src/env/node-disk.js'
import { InlineJobs } from '../../src/storage/jobs/inline-jobs.js'
import type { CompactJob, StorageJobs } from '../../src/storage/jobs/storage-jobs.js'
import { WorkerJobs } from '../../src/storage/jobs/worker-jobs.js'
import { Manifest, applyEdit, emptyManifest, type ManifestTable } from '../../src/storage/manifest.js'
import { openTableFile } from '../../src/storage/table/table-file.js'
import { readCounts } from '../../src/storage/counts-file.js'
import type { CountTreesJob, CountTreesResult } from '../../src/storage/jobs/storage-jobs.js'
import { RangeTrees } from '../../src/storage/trees/range-trees.js'
import { TreeRanges } from '../../src/storage/trees/tree-ranges.js'
import { decodeTrees, readTrees } from '../../src/storage/trees/trees-file.js'
import { partitionsFrom } from '../unit/storage/trees/tree-model.js'
import { TestSegment, readTable } from '../unit/storage/segment.js'

const NOW_MS = 1_800_000_000_000
const TARGET_BYTES = 64 * 1024

const HALVES = partitionsFrom('two halves', [0, 8192])
/** Above what the older of two segments holds. */
const FLOORS = Float64Array.of(4000, 4000)

function countTreesJob(directory: string): CountTreesJob {
  const nothing = {
    newer: [],
    older: [],
    segments: [],
    flushMark: 0,
    floors: new Float64Array(2),
    countsKeys: true,
  }
  return { directory, partitions: HALVES, ranges: [0, 1], ...nothing }
}

/** By range the sum of the roots of what several jobs have counted. */
function rootsOf(results: readonly CountTreesResult[]): { low: number; high: number }[] {
  const roots = [
    { low: 0, high: 0 },
    { low: 0, high: 0 },
  ]
  for (const { trees } of results) {
    const { ranges } = decodeTrees(Buffer.from(trees.buffer, trees.byteOffset, trees.length), 'a result')
    ranges.forEach(({ hours }, range) => {
      for (const tree of hours?.values() ?? []) {
        roots[range].low = (roots[range].low + tree.low) | 0
        roots[range].high = (roots[range].high + tree.high) | 0
      }
    })
  }
  return roots
}

function keysOf(results: readonly CountTreesResult[]): number {
  let keys = 0
  for (const { trees } of results) {
    const { ranges } = decodeTrees(Buffer.from(trees.buffer, trees.byteOffset, trees.length), 'a result')
    for (const { hours } of ranges) for (const tree of hours?.values() ?? []) keys += tree.keys
  }
  return keys
}

const implementations: Readonly<Record<string, () => StorageJobs>> = {
  InlineJobs: () => new InlineJobs(new NodeDisk()),
  WorkerJobs: () => new WorkerJobs(new NodeClock(), 0),
}

for (const [name, make] of Object.entries(implementations)) {
  const inFolder = async (run: (jobs: StorageJobs, directory: string) => Promise<void>): Promise<void> => {
    const directory = mkdtempSync(join(tmpdir(), 'kindred-jobs-'))
    const jobs = make()
    try {
      await run(jobs, directory)
    } finally {
      await jobs.close()
      rmSync(directory, { recursive: true })
    }
  }

  t.test(`${name}: segments are flushed and their tables merged`, (t) =>
    inFolder(async (jobs, directory) => {
      const counts = {
        version: 'two halves',
        live: Float64Array.of(1500, 500),
        pairs: Uint32Array.of(0, 1),
        seconds: Float64Array.of(5),
        deaths: Uint32Array.of(1),
      }
      const older = segmentOf(2000, 1)
      const [first, second] = await Promise.all([
        jobs.flush({ ...older.flushJob(directory, 1, TARGET_BYTES), counts: { fileNumber: 3000, counts } }),
        jobs.flush(segmentOf(10, 5000).flushJob(directory, 2000, TARGET_BYTES)),
      ])
      t.equal(first.entries, 2000)
      t.same(readCounts(new NodeDisk(), `${directory}/003000.counts`), counts)
      const inputs = [...first.tables, ...second.tables].map((table) => ({ ...table, level: 0 }))
      const result = await jobs.compact(compactJob(directory, inputs))
      t.match(result, { entriesRead: 2010, entriesWritten: 2000, dropped: { superseded: 10 } })
      const merged = result.tables.flatMap((table) => readTable(new NodeDisk(), directory, table.fileNumber))
      t.equal(merged.length, 2000)
      t.equal(merged.filter((entry) => entry.sequence >= 5000).length, 10)
    }),
  )

  t.test(
    `${name}: records are counted for trees, and what older tables hold of their keys is taken away`,
    (t) =>
      inFolder(async (jobs, directory) => {
        const old = segmentOf(2000, 1)
        const young = segmentOf(10, 5000)
        const [first, second] = [
          await jobs.flush(old.flushJob(directory, 1, TARGET_BYTES)),
          await jobs.flush(young.flushJob(directory, 2000, TARGET_BYTES)),
        ]
        const older = first.tables.map((table) => ({ ...table, level: 1 }))
        const newer = second.tables.map((table) => ({ ...table, level: 0 }))
        const unflushed = segmentOf(5, 9000)
        const { arena, recordOffsets } = unflushed.flushJob(directory, 0, TARGET_BYTES)
        const segments = [{ arena, records: recordOffsets }]
        const job = countTreesJob(directory)
        const all = await jobs.countTrees({ ...job, newer: [...older, ...newer], segments })
        t.equal(all.entriesRead, 2015)
        const parts = [
          await jobs.countTrees({ ...job, newer: older }),
          await jobs.countTrees({ ...job, newer, older }),
          await jobs.countTrees({ ...job, segments, older: [...older, ...newer] }),
        ]
        t.same(rootsOf(parts), rootsOf([all]))
        t.equal(keysOf([all]), 2000)
        t.equal(
          all.counts?.live.reduce((sum, live) => sum + live, 0),
          2000,
        )
        const [half] = [await jobs.countTrees({ ...job, ranges: [1], newer: [...older, ...newer], segments })]
        t.same(rootsOf([half])[1], rootsOf([all])[1])
        t.ok(half.entriesRead < 1500, 'a range by itself is not read with the others')
        const above = await jobs.countTrees({ ...job, newer: [...older, ...newer], segments, floors: FLOORS })
        t.equal(keysOf([above]), 10, 'P2 entries up to the floor count as absent')
        t.equal(
          above.counts?.live.reduce((sum, live) => sum + live, 0),
          10,
        )
        t.equal((await jobs.countTrees({ ...job, newer: older, countsKeys: false })).counts, null)
        const nothing = await jobs.countTrees(job)
        t.equal(keysOf([nothing]), 0)
      }),
  )

  t.test(`${name}: counting reports damage, and leaves nothing behind`, (t) =>
    inFolder(async (jobs, directory) => {
      const { tables } = await jobs.flush(segmentOf(2000, 1).flushJob(directory, 1, TARGET_BYTES))
      const path = `${directory}/000002.table`
      const bytes = readFileSync(path)
      bytes[5000] ^= 1
      writeFileSync(path, bytes)
      const before = readdirSync(directory).sort()
      const newer = tables.map((table) => ({ ...table, level: 1 }))
      await t.rejects(jobs.countTrees({ ...countTreesJob(directory), newer }), {
        name: 'CorruptionError',
        file: path,
      })
      t.same(readdirSync(directory).sort(), before)
    }),
  )

  t.test(`${name}: trees are written beside the tables of a flush`, (t) =>
    inFolder(async (jobs, directory) => {
      const trees = new RangeTrees(new TreeRanges(HALVES))
      const bytes = trees.encode(77)
      t.ok(bytes !== null)
      const job = segmentOf(10, 1).flushJob(directory, 1, TARGET_BYTES)
      await jobs.flush({ ...job, trees: bytes === null ? null : { fileNumber: 3000, bytes } })
      const saved = readTrees(new NodeDisk(), `${directory}/003000.trees`)
      t.match(saved, { version: 'two halves', sequence: 77 })
    }),
  )

  t.test(`${name}: a scrub finds what is damaged, and a salvage copies what is not`, (t) =>
    inFolder(async (jobs, directory) => {
      const { tables } = await jobs.flush(segmentOf(2000, 1).flushJob(directory, 1, 1 << 20))
      const path = `${directory}/000001.table`
      const disk = new NodeDisk()
      const { file, index, footer } = openTableFile(disk, path)
      disk.close(file)
      const blocks = Array.from({ length: index.blockCount }, (_, block) => block)
      const allBlocks = {
        path,
        offsets: Float64Array.from(blocks, (block) => index.offset(block)),
        lengths: Uint32Array.from(blocks, (block) => index.storedLength(block)),
        checksums: Uint32Array.from(blocks, (block) => index.checksum(block)),
      }
      const frame = {
        path,
        offsets: new Float64Array(),
        lengths: new Uint32Array(),
        checksums: new Uint32Array(),
      }
      t.same(await jobs.scrub(allBlocks), { damage: [] })
      t.same(await jobs.scrub(frame), { damage: [] })

      const bytes = readFileSync(path)
      bytes[index.offset(2) + 50] ^= 1
      bytes[index.offset(5) + 50] ^= 1
      writeFileSync(path, bytes)
      const { damage } = await jobs.scrub(allBlocks)
      t.match(damage, [
        { offset: index.offset(2), what: 'a block: its checksum does not match' },
        { offset: index.offset(5), what: 'a block: its checksum does not match' },
      ])
      const table = { ...tables[0], level: 1 }
      const fileNumbers = { first: 5000, count: 100 }
      const salvage = { directory, table, fileNumbers, targetBytes: TARGET_BYTES }
      const { tables: sound, missing } = await jobs.salvage(salvage)
      t.same(missing, [
        { minToken: index.firstTokens[2], maxToken: index.firstTokens[3] },
        { minToken: index.firstTokens[5], maxToken: index.firstTokens[6] },
      ])
      const kept = sound.flatMap(({ fileNumber }) => readTable(disk, directory, fileNumber))
      t.ok(kept.length < 2000 && kept.length > 1900, `${kept.length} of 2000 entries`)

      bytes[index.endOffset + 3] ^= 1
      writeFileSync(path, bytes)
      t.match(await jobs.scrub(frame), { damage: [{ offset: footer.index.offset }] })
      const before = readdirSync(directory)
      await t.rejects(jobs.salvage(salvage), { name: 'CorruptionError', offset: footer.index.offset })
      t.same(readdirSync(directory), before)
    }),
  )

  t.test(`${name}: a log file is prepared`, (t) =>
    inFolder(async (jobs, directory) => {
      const path = `${directory}/000009.log`
      await jobs.prepare({ path, sizeBytes: 3_000_000, oldPath: null })
      t.ok(readFileSync(path).equals(Buffer.alloc(3_000_000)))
    }),
  )

  t.test(`${name}: blocks are read one behind the other, and damage to them is reported`, (t) =>
    inFolder(async (jobs, directory) => {
      const { tables } = await jobs.flush(segmentOf(2000, 1).flushJob(directory, 1, TARGET_BYTES))
      const path = `${directory}/${String(tables[0].fileNumber).padStart(6, '0')}.table`
      const { index, file } = openTableFile(new NodeDisk(), path)
      new NodeDisk().close(file)
      const blocks = [0, 1, 2, 5, index.blockCount - 1]
      const lengths = Uint32Array.from(blocks, (block) => index.storedLength(block))
      const into = new SharedArrayBuffer(lengths.reduce((sum, length) => sum + length, 0))
      const job = {
        path,
        offsets: Float64Array.from(blocks, (block) => index.offset(block)),
        lengths,
        checksums: Uint32Array.from(blocks, (block) => index.checksum(block)),
        into,
      }
      await jobs.readBlocks(job)
      const bytes = readFileSync(path)
      const wanted = blocks.map((block) => {
        const offset = index.offset(block)
        return bytes.subarray(offset, offset + index.storedLength(block))
      })
      t.ok(Buffer.concat(wanted).equals(Buffer.from(into)))
      bytes[index.offset(5) + 100] ^= 1
      writeFileSync(path, bytes)
      await t.rejects(jobs.readBlocks(job), { name: 'CorruptionError', file: path, offset: index.offset(5) })
      writeFileSync(path, bytes.subarray(0, index.offset(5) + 10))
      await t.rejects(jobs.readBlocks(job), { name: 'CorruptionError', offset: index.offset(5) })
    }),
  )

  t.test(`${name}: damage is reported with file and offset, and the next job runs`, (t) =>
    inFolder(async (jobs, directory) => {
      const { tables } = await jobs.flush(segmentOf(2000, 1).flushJob(directory, 1, TARGET_BYTES))
      const inputs = tables.map((table) => ({ ...table, level: 1 }))
      const path = `${directory}/000002.table`
      const bytes = readFileSync(path)
      bytes[5000] ^= 1
      writeFileSync(path, bytes)
      const before = readdirSync(directory).sort()
      const error: Error & { offset?: number } = await jobs.compact(compactJob(directory, inputs)).then(
        () => new Error('no error'),
        (reason: Error) => reason,
      )
      t.match(error, { name: 'CorruptionError', file: path })
      t.type(error.offset, 'number')
      t.ok(error.message.startsWith(`${path} is damaged at byte ${error.offset}: `), error.message)
      t.notOk(/(\. .*){2}damaged/.test(error.message), 'the message is whole, once')
      t.same(readdirSync(directory).sort(), before)
      const result = await jobs.compact(compactJob(directory, inputs.slice(0, 1)))
      t.equal(result.entriesRead, inputs[0].entryCount)
    }),
  )

  t.test(`${name}: an error of the disk keeps its code`, (t) =>
    inFolder(async (jobs, directory) => {
      const missing = `${directory}/nowhere`
      await t.rejects(jobs.prepare({ path: `${missing}/1.log`, sizeBytes: 10, oldPath: null }), {
        name: 'JobError',
        code: 'ENOENT',
      })
      await t.rejects(jobs.flush(segmentOf(1, 1).flushJob(missing, 1, TARGET_BYTES)), { code: 'ENOENT' })
      t.equal(existsSync(missing), false)
    }),
  )

  t.test(`${name}: a manifest is written, and a failure says whether it may be in force`, (t) =>
    inFolder(async (jobs, directory) => {
      const state = applyEdit(emptyManifest(7), { nextFileNumber: 5, addLogs: [4] })
      await jobs.writeManifest({ directory, state })
      t.same(Manifest.load(new NodeDisk(), directory), state)
      const missing = { directory: `${directory}/nowhere`, state }
      await t.rejects(jobs.writeManifest(missing), {
        name: 'ManifestWriteError',
        applied: 'no',
        code: 'ENOENT',
      })
      mkdirSync(`${directory}/taken/MANIFEST`, { recursive: true })
      const taken = { directory: `${directory}/taken`, state }
      await t.rejects(jobs.writeManifest(taken), {
        name: 'ManifestWriteError',
        applied: 'unknown',
        code: 'EISDIR',
      })
    }),
  )

  t.test(`${name}: a broken assertion stays one`, (t) =>
    inFolder(async (jobs, directory) => {
      const job = { ...segmentOf(5, 1).flushJob(directory, 1, TARGET_BYTES), arenaBytes: 20 }
      await t.rejects(jobs.flush(job), { name: 'AssertionError', message: /lies within its segment/ })
      t.same(readdirSync(directory), [])
    }),
  )

  t.test(`${name}: after close every job is cancelled`, (t) =>
    inFolder(async (jobs, directory) => {
      await jobs.prepare({ path: `${directory}/000001.log`, sizeBytes: 10, oldPath: null })
      await jobs.close()
      await t.rejects(jobs.prepare({ path: `${directory}/000002.log`, sizeBytes: 10, oldPath: null }), {
        code: 'cancelled',
      })
      await t.rejects(jobs.compact(compactJob(directory, [])), { code: 'cancelled' })
      t.same(readdirSync(directory), ['000001.log'])
    }),
  )

  t.test(`${name}: close ends what runs and what waits`, (t) =>
    inFolder(async (jobs, directory) => {
      const jobsUnderWay = [1, 2, 3].map((i) =>
        jobs.flush(segmentOf(3000, 1).flushJob(directory, i * 1000, 16 * 1024)),
      )
      const ended = Promise.allSettled(jobsUnderWay)
      await jobs.close()
      const outcomes = await ended
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') t.match(outcome.reason, { name: 'JobError', code: 'cancelled' })
      }
      const tables = outcomes.flatMap((outcome) =>
        outcome.status === 'fulfilled' ? outcome.value.tables : [],
      )
      t.equal(readdirSync(directory).length, tables.length, 'cancelled jobs left nothing')
    }),
  )
}

t.test('WorkerJobs: a flush does not wait behind a slow compaction, and a new rate wakes that', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kindred-jobs-'))
  const jobs = new WorkerJobs(new NodeClock(), 1024)
  const { tables } = await jobs.flush(segmentOf(4000, 1).flushJob(directory, 1, TARGET_BYTES))
  let isCompacted = false
  const compaction = jobs.compact(
    compactJob(
      directory,
      tables.map((table) => ({ ...table, level: 1 })),
    ),
  )
  const noted = compaction.then(() => (isCompacted = true))
  await jobs.flush(segmentOf(10, 9000).flushJob(directory, 2000, TARGET_BYTES))
  t.equal(isCompacted, false, 'at 1 KB/s it takes a quarter of an hour')
  jobs.setCompactionRate(0)
  await noted
  t.match(await compaction, { entriesWritten: 4000 })
  await jobs.close()
  rmSync(directory, { recursive: true })
})

t.test('WorkerJobs: close wakes a compaction that sleeps, and it removes what it wrote', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'kindred-jobs-'))
  const jobs = new WorkerJobs(new NodeClock(), 1024)
  const { tables } = await jobs.flush(segmentOf(4000, 1).flushJob(directory, 1, TARGET_BYTES))
  const before = readdirSync(directory).sort()
  const compaction = jobs.compact(
    compactJob(
      directory,
      tables.map((table) => ({ ...table, level: 1 })),
    ),
  )
  const rejected = t.rejects(compaction, { name: 'JobError', code: 'cancelled' })
  await jobs.prepare({ path: `${directory}/000999.log`, sizeBytes: 10, oldPath: null })
  await jobs.close()
  await rejected
  t.same(readdirSync(directory).sort(), [...before, '000999.log'].sort())
  rmSync(directory, { recursive: true })
})

function segmentOf(keys: number, firstSequence: number): TestSegment {
  const segment = new TestSegment(keys * 400 + 1024)
  for (let i = 0; i < keys; i++) {
    segment.put({ key: `key:${i}`, sequence: firstSequence + i, value: `value ${i} `.repeat(10) })
  }
  return segment
}

function compactJob(directory: string, inputs: readonly ManifestTable[]): CompactJob {
  return {
    directory,
    inputs,
    others: [],
    purgeableUntilMs: NOW_MS,
    flushMark: 0,
    fileNumbers: { first: 5000, count: 100 },
    targetBytes: TARGET_BYTES,
  }
}
