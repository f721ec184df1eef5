/**
 * The storage engine alone, in this process, beside LMDB, LevelDB and RocksDB: random gets with all blocks in memory,
 * random puts in batches of 100 with and without sync, bytes written per byte put, bytes on disk.
 *
 * The peers get their best state to read from (compacted into one level, caches for everything); Kindred reads what its
 * own flushes and compactions left. A get counts with its value copied out, except for RocksDB, whose db_bench pins the
 * value in the cache, and lmdb's getBinaryFast.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { bytesOnDisk } from './engines/directory-size.js'
import { ENGINE_KEYS, ENTRY_BYTES, EngineKeys } from './engines/engine-keys.js'
import { KindredEngine } from './engines/kindred-engine.js'
import { LevelEngine } from './engines/level-engine.js'
import { LmdbEngine } from './engines/lmdb-engine.js'
import {
  fillForReads,
  putRandom,
  readRandom,
  ROCKSDB_MISSING,
  rocksdbVersion,
} from './engines/rocksdb-bench.js'
import { ratioAtLeast, rowsBeside } from './measure/comparison.js'
import type { Comparison, Target } from './measure/comparison.js'
import { packageVersion } from './measure/machine.js'
import { bytesWritten } from './measure/process-facts.js'
import { MB } from './measure/units.js'
import { progress, takeTurns } from './measure/turns.js'
import type { Figures } from './measure/turns.js'
import { removeFolder, temporaryFolder } from './servers/cleanup.js'

const LOOKUPS = 2_000_000
const LOOKUPS_QUICK = 500_000
const SYNCED_PUTS = 200_000
const QUIET_POLLS = 15
const QUIET_POLL_MS = 100

export const engine: Benchmark = {
  name: 'engine',
  summary: 'the storage engine in process: random gets and puts beside lmdb, classic-level and RocksDB',
  minutes: 5,
  async run(options) {
    const rocksdb = rocksdbVersion()
    const keys = new EngineKeys(scaled(ENGINE_KEYS, options))
    const subject: Subject = { keys, buffers: keys.buffers(), values: keys.values(), rocksdb, options }
    const gets = await compareGets(subject)
    const rows = [...gets.rows, ...(await comparePuts(subject)), ...(await compareSynced(subject))]
    return {
      rows,
      notes: [
        `${keys.count} keys of 16 + 100 B; Kindred: LocalKeyspace.find and a copy of the value, LocalKeyspace.set (which ` +
          'looks the key up first), the worker threads of a node; a batch of 100 is awaited before the next',
        gets.note,
        `${packageVersion('lmdb')}, ${packageVersion('classic-level')}, ${rocksdb ?? ROCKSDB_MISSING}; no compression anywhere; ` +
          'LevelDB with a memtable of 128 MB as ours; bytes written are those passed to write(2) until everything is at rest ' +
          '(for Kindred with the zeroes that log files are made of ahead), for RocksDB its own count',
      ],
    }
  },
}

interface Subject {
  readonly keys: EngineKeys
  readonly buffers: readonly Buffer[]
  readonly values: readonly Buffer[]
  readonly rocksdb: string | null
  readonly options: BenchmarkOptions
}

interface Compared {
  readonly rows: readonly Comparison[]
  readonly note: string
}

async function compareGets(subject: Subject): Promise<Compared> {
  const { keys, buffers, values, rocksdb, options } = subject
  const folders = ['kindred', 'lmdb', 'level', 'rocksdb'].map((name) =>
    temporaryFolder(options.directory, name),
  )
  progress('filling the engines')
  const kindred = await KindredEngine.openFilled(folders[0], keys)
  const lmdb = new LmdbEngine(folders[1])
  await lmdb.fill(buffers, values)
  const level = await LevelEngine.open(folders[2])
  await level.fill(buffers, values, keys.count, false)
  await level.compact(buffers)
  level.readRandom(buffers, keys.count)
  if (rocksdb !== null) await fillForReads(folders[3], keys.count)
  const count = options.quick ? LOOKUPS_QUICK : LOOKUPS
  const contender = (name: string, get: () => number | Promise<number>) => ({
    name,
    turn: async (figures: Figures) => figures.add('get', await get()),
  })
  const [ours, ...peers] = await takeTurns(options.turns, [
    contender('Kindred, gets', () => kindred.readRandom(keys, count)),
    contender('lmdb, get', () => lmdb.readRandom(buffers, count, false)),
    contender('lmdb, getBinaryFast', () => lmdb.readRandom(buffers, count, true)),
    contender('classic-level, getSync', () => level.readRandom(buffers, count)),
    ...(rocksdb === null ? [] : [contender('RocksDB, readrandom', () => readRandom(folders[3], keys.count))]),
  ])
  const { tablesByLevel, tableBytes, residentBytes } = kindred.facts
  const note =
    `gets found Kindred's ${(tableBytes / MB).toFixed(0)} MB of tables at rest on levels from 0: ${tablesByLevel.join(', ')}; ` +
    `resident indexes and filters ${(residentBytes / MB).toFixed(1)} MB`
  await kindred.close()
  await lmdb.close()
  await level.close()
  folders.forEach(removeFolder)
  const row = (peer: string, theirs: Figures | undefined, target?: Target): Comparison =>
    rowsBeside(ours, peer, theirs)('random get, blocks in memory', 'gets/s', 'get', target)
  const rows = [
    row('lmdb get', peers[0], ratioAtLeast(1.5)),
    row('lmdb getBinaryFast', peers[1]),
    row('classic-level getSync', peers[2], ratioAtLeast(3)),
    row('RocksDB readrandom', peers.at(3), ratioAtLeast(1)),
  ]
  return { rows, note }
}

async function comparePuts(subject: Subject): Promise<Comparison[]> {
  const { rocksdb, options } = subject
  const contenders = [
    { name: 'Kindred, puts', turn: (figures: Figures) => putKindred(subject, figures) },
    { name: 'classic-level, puts', turn: (figures: Figures) => putLevel(subject, figures) },
    { name: 'RocksDB, puts', turn: (figures: Figures) => putRocksdb(subject, figures) },
  ]
  const [ours, level, rocks] = await takeTurns(
    options.turns,
    rocksdb === null ? contenders.slice(0, 2) : contenders,
  )
  const row = (
    measure: string,
    unit: string,
    name: string,
    peer: string,
    theirs: Figures | undefined,
  ): Comparison => rowsBeside(ours, peer, theirs)(measure, unit, name)
  const put = 'random put, 100 a batch, no sync'
  return [
    { ...row(put, 'puts/s', 'put', 'classic-level', level), target: ratioAtLeast(1) },
    row(put, 'puts/s', 'put', 'RocksDB', rocks),
    row('bytes written per byte put', '', 'amplification', 'classic-level', level),
    row('bytes written per byte put', '', 'amplification', 'RocksDB', rocks),
    row('on disk at rest', 'MB', 'disk', 'classic-level', level),
    row('on disk at rest', 'MB', 'disk', 'RocksDB', rocks),
    { ...row('of it tables', 'MB', 'tables', '', undefined), theirs: [] },
  ]
}

async function putKindred({ keys, options }: Subject, figures: Figures): Promise<void> {
  const folder = temporaryFolder(options.directory, 'kindred')
  const before = bytesWritten(process.pid)
  const kindred = await KindredEngine.open(folder, 'no')
  figures.add('put', await kindred.fill(keys))
  await kindred.settle()
  figures.add('amplification', (bytesWritten(process.pid) - before) / (keys.count * ENTRY_BYTES))
  figures.add('disk', bytesOnDisk(folder) / MB)
  figures.add('tables', kindred.facts.tableBytes / MB)
  await kindred.close()
  removeFolder(folder)
}

async function putLevel({ keys, buffers, values, options }: Subject, figures: Figures): Promise<void> {
  const folder = temporaryFolder(options.directory, 'level')
  const before = bytesWritten(process.pid)
  const level = await LevelEngine.open(folder)
  figures.add('put', await level.fill(buffers, values, keys.count, false))
  await untilNothingIsWritten()
  figures.add('amplification', (bytesWritten(process.pid) - before) / (keys.count * ENTRY_BYTES))
  figures.add('disk', bytesOnDisk(folder) / MB)
  await level.close()
  removeFolder(folder)
}

async function putRocksdb({ keys, options }: Subject, figures: Figures): Promise<void> {
  const folder = temporaryFolder(options.directory, 'rocksdb')
  const { putsPerSecond, amplification } = await putRandom(folder, keys.count)
  figures.add('put', putsPerSecond)
  figures.add('amplification', amplification)
  figures.add('disk', bytesOnDisk(folder) / MB)
  removeFolder(folder)
}

async function compareSynced({ keys, buffers, values, options }: Subject): Promise<Comparison[]> {
  const count = Math.min(keys.count, scaled(SYNCED_PUTS, options))
  const [ours, level] = await takeTurns(options.turns, [
    {
      name: 'Kindred, synced puts',
      async turn(figures) {
        const folder = temporaryFolder(options.directory, 'kindred')
        const kindred = await KindredEngine.open(folder, 'always')
        figures.add('put', await kindred.fill(keys, count))
        await kindred.close()
        removeFolder(folder)
      },
    },
    {
      name: 'classic-level, synced puts',
      async turn(figures) {
        const folder = temporaryFolder(options.directory, 'level')
        const opened = await LevelEngine.open(folder)
        figures.add('put', await opened.fill(buffers, values, count, true))
        await opened.close()
        removeFolder(folder)
      },
    },
  ])
  return [
    {
      measure: 'random put, a sync per batch of 100',
      unit: 'puts/s',
      kindred: ours.of('put'),
      peer: 'classic-level',
      theirs: level.of('put'),
      target: ratioAtLeast(1),
    },
  ]
}

/** LevelDB does not say when its compactions are done: nothing was written for a while. */
async function untilNothingIsWritten(): Promise<void> {
  let last = bytesWritten(process.pid)
  for (let quiet = 0; quiet < QUIET_POLLS; quiet++) {
    await sleep(QUIET_POLL_MS)
    const now = bytesWritten(process.pid)
    if (now !== last) quiet = -1
    last = now
  }
}
