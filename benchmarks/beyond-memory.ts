/**
 * Data that is many times the memory: 10 GB of 1 KB values, a cache of 512 MB, gets by Zipf's law, beside lmdb and
 * classic-level under the same harness, each in a process of its own that a memory cgroup holds to 2 GB, the page cache of its
 * files included. Space and write amplification beside RocksDB's db_bench for the same load, held likewise.
 */
import { fileURLToPath } from 'node:url'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import type { ChildReport } from './engines/beyond-child.js'
import { bytesOnDisk } from './engines/directory-size.js'
import { MemoryGroup } from './servers/memory-group.js'
import { ROCKSDB_MISSING, rocksdbVersion } from './engines/rocksdb-bench.js'
import type { Comparison } from './measure/comparison.js'
import { packageVersion } from './measure/machine.js'
import { progress } from './measure/turns.js'
import { removeFolder, temporaryFolder } from './servers/cleanup.js'

const KEYS = 10_000_000
const GETS = 1_000_000
const KEY_BYTES = 16
const VALUE_BYTES = 1024
const GB = 2 ** 30
const MEMORY_BYTES = 2 * GB
const CACHE_BYTES = GB / 2
const RUN_LIMIT_MS = 3 * 3600_000
const CHILD = fileURLToPath(new URL('./engines/beyond-child.js', import.meta.url))

/** What is known of an engine; db_bench is asked for the load only. */
type Figures = Pick<ChildReport, 'diskBytes' | 'writtenBytes'> & Partial<ChildReport>

export const beyondMemory: Benchmark = {
  name: 'beyond-memory',
  summary:
    '10 GB of 1 KB values in 2 GB of memory: loads and Zipf gets beside lmdb, classic-level and RocksDB',
  minutes: 90,
  turns: 1,
  async run(options) {
    const keys = options.keys ?? scaled(KEYS, options)
    const gets = scaled(GETS, options)
    const group = new MemoryGroup(`kindred-beyond-memory-${process.pid}`, MEMORY_BYTES)
    try {
      const kindred = await measured('kindred', keys, gets, group, options)
      const peers = new Map<string, Figures>()
      for (const name of ['lmdb', 'classic-level'])
        peers.set(name, await measured(name, keys, gets, group, options))
      const version = rocksdbVersion()
      if (version !== null) peers.set(version, await rocksdb(keys, group, options))
      const heldNote = group.missing ?? `each process held to ${MEMORY_BYTES / GB} GB by a memory cgroup`
      return {
        rows: [...peers].flatMap(([peer, figures]) => rowsOf(kindred, peer, figures, keys)),
        notes: [
          `${keys} keys of ${KEY_BYTES} + ${VALUE_BYTES} B, half of each value noise, every key put once in random order, 100 a batch, no sync; ${heldNote}`,
          `${gets} gets by Zipf's law (0.99), one at a time, after a quarter as many; caches of ${CACHE_BYTES / 2 ** 20} MB; a get counts with its value copied out`,
          `Kindred: LZ4, Zstandard in the deepest level; ${packageVersion('lmdb')} (no compression, page cache instead of its own), ` +
            `${packageVersion('classic-level')} (Snappy), ${version ?? ROCKSDB_MISSING} (LZ4); bytes written are those passed to write(2), for RocksDB its own count; Kindred's include log files that are made ahead, up to four of 128 MB`,
        ],
      }
    } finally {
      group.remove()
    }
  },
}

async function measured(
  name: string,
  keys: number,
  gets: number,
  group: MemoryGroup,
  { directory }: BenchmarkOptions,
): Promise<ChildReport> {
  progress(`${name}: ${keys} keys`)
  const folder = temporaryFolder(directory, name)
  const args = [CHILD, name, folder, String(keys), String(gets)]
  const output = await group.run(process.execPath, args, RUN_LIMIT_MS)
  removeFolder(folder)
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as ChildReport
}

async function rocksdb(keys: number, group: MemoryGroup, { directory }: BenchmarkOptions): Promise<Figures> {
  progress('RocksDB')
  const folder = temporaryFolder(directory, 'rocksdb')
  const args = [
    ...[`--db=${folder}`, '--benchmarks=filluniquerandom,flush,waitforcompaction,stats', `--num=${keys}`],
    ...[
      `--key_size=${KEY_BYTES}`,
      `--value_size=${VALUE_BYTES}`,
      '--compression_type=lz4',
      '--compression_ratio=0.5',
    ],
    ...[
      `--cache_size=${CACHE_BYTES}`,
      '--bloom_bits=10',
      '--batch_size=100',
      '--sync=0',
      '--threads=1',
      '--seed=1',
    ],
  ]
  const output = await group.run('db_bench', args, RUN_LIMIT_MS)
  const diskBytes = bytesOnDisk(folder)
  removeFolder(folder)
  const log = Number(/Cumulative WAL:.*written: ([\d.]+) GB/.exec(output)?.[1])
  const tables = Number(/Cumulative compaction: ([\d.]+) GB write/.exec(output)?.[1])
  const puts = Number(/filluniquerandom\s*:\s*[\d.]+ micros\/op (\d+) ops/.exec(output)?.[1])
  return { putsPerSecond: puts, diskBytes, writtenBytes: (log + tables) * GB }
}

function rowsOf(kindred: ChildReport, peer: string, theirs: Figures, keys: number): Comparison[] {
  const bytes = keys * (KEY_BYTES + VALUE_BYTES)
  const row = (measure: string, unit: string, of: (figures: Figures) => number | undefined): Comparison[] => {
    const [ours, other] = [of(kindred), of(theirs)]
    return ours === undefined || other === undefined
      ? []
      : [{ measure: `${measure}, beside ${peer}`, unit, kindred: [ours], peer, theirs: [other] }]
  }
  return [
    ...row('gets', '/s', ({ getsPerSecond }) => getsPerSecond),
    ...row('get, 99th percentile', 'us', ({ p99Us }) => p99Us),
    ...row('puts of the load', '/s', ({ putsPerSecond }) => putsPerSecond),
    ...row('bytes on disk per byte put', '', ({ diskBytes }) => diskBytes / bytes),
    ...row('bytes written per byte put', '', ({ writtenBytes }) => writtenBytes / bytes),
  ]
}
