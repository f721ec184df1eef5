/** RocksDB through its own db_bench (Debian: rocksdb-tools), one thread, no compression, 10 bloom bits a key. */
import { execFileSync } from 'node:child_process'
import { runProgram } from '../servers/run-program.js'
import { ENTRY_BYTES, KEY_BYTES, VALUE_BYTES } from './engine-keys.js'

const RUN_LIMIT_MS = 180_000
const GB = 2 ** 30

export const ROCKSDB_MISSING = 'RocksDB not run: db_bench is missing (apt-get install rocksdb-tools)'

/** 'RocksDB 7.8.3', or null when there is no db_bench. */
export function rocksdbVersion(): string | null {
  try {
    const text = execFileSync('db_bench', ['--version'], { encoding: 'utf8' })
    return `RocksDB ${/(\d+\.\d+\.\d+)/.exec(text)?.[1] ?? ''}`.trim()
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? null : 'RocksDB'
  }
}

/** Puts every key once at random, then compacts into one level: the best that it can be to read. */
export async function fillForReads(directory: string, keys: number): Promise<void> {
  await dbBench(directory, keys, 'filluniquerandom,compact', ['--use_existing_db=0'])
}

/** Gets a second of the second round; the first one brings the blocks into the cache. */
export async function readRandom(directory: string, keys: number): Promise<number> {
  return rate(await dbBench(directory, keys, 'readrandom,readrandom', ['--use_existing_db=1']), 'readrandom')
}

export interface RocksdbPuts {
  readonly putsPerSecond: number
  /** Bytes written to log and tables per byte put; to the nearest hundredth of a gigabyte, which is what it prints. */
  readonly amplification: number
}

/** Puts every key once at random, 100 a batch, without sync, and waits for the compactions. */
export async function putRandom(directory: string, keys: number): Promise<RocksdbPuts> {
  const options = ['--use_existing_db=0', '--batch_size=100', '--sync=0']
  const output = await dbBench(directory, keys, 'filluniquerandom,flush,waitforcompaction,stats', options)
  const log = Number(/Cumulative WAL:.*written: ([\d.]+) GB/.exec(output)?.[1])
  const tables = Number(/Cumulative compaction: ([\d.]+) GB write/.exec(output)?.[1])
  return {
    putsPerSecond: rate(output, 'filluniquerandom'),
    amplification: ((log + tables) * GB) / (keys * ENTRY_BYTES),
  }
}

async function dbBench(
  directory: string,
  keys: number,
  benchmarks: string,
  more: readonly string[],
): Promise<string> {
  const args = [
    ...[`--db=${directory}`, `--benchmarks=${benchmarks}`, `--num=${keys}`, '--threads=1', '--seed=1'],
    ...[`--key_size=${KEY_BYTES}`, `--value_size=${VALUE_BYTES}`, '--bloom_bits=10'],
    ...[`--cache_size=${GB}`, '--compression_type=none', ...more],
  ]
  const { stdout } = await runProgram('db_bench', args, RUN_LIMIT_MS)
  return stdout
}

function rate(output: string, benchmark: string): number {
  const rates = [...output.matchAll(new RegExp(`${benchmark}\\s*:\\s*[\\d.]+ micros/op (\\d+) ops/sec`, 'g'))]
  const last = rates.at(-1)
  if (last === undefined) throw new Error(`db_bench printed no rate of ${benchmark}: ${output.slice(-2000)}`)
  return Number(last[1])
}
