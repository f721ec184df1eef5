/**
 * More keys than memory is set aside for: 5 million keys of 100 B, uniform GETs through redis-benchmark. Kindred keeps
 * them in tables and a third of their blocks in its cache, the system's page cache holds the rest; Redis keeps them all
 * in memory. The key spaces are exact, so every GET hits.
 */
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { fill } from './load/fill.js'
import { redisBenchmark } from './load/redis-benchmark-tool.js'
import { figureAtMost, ratioAtLeast } from './measure/comparison.js'
import { residentBytes } from './measure/process-facts.js'
import { progress, takeTurns } from './measure/turns.js'
import type { Contender } from './measure/turns.js'
import { removeFolder, temporaryFolder } from './servers/cleanup.js'
import type { ServerProcess } from './servers/server-process.js'
import { startKindred, startRedis } from './servers/start-server.js'

const MB = 1024 * 1024
const KEYS = 5_000_000
const VALUE_BYTES = 100
const REQUESTS = 1_500_000
const SEGMENT_MB = 64
const SEGMENTS_MAX = 4
const CACHE_MB = 256
const ALLOWANCE_MB = 200
const RESIDENT_MB_MAX = SEGMENT_MB * SEGMENTS_MAX + CACHE_MB + ALLOWANCE_MB
const SETTINGS = [
  ...['--segment-size', `${SEGMENT_MB}mb`, '--segments-max', String(SEGMENTS_MAX)],
  ...['--block-cache-size', `${CACHE_MB}mb`],
]

interface Filled {
  readonly server: ServerProcess
  readonly loadSeconds: number
  readonly settleSeconds: number
}

export const beyondMemtable: Benchmark = {
  name: 'beyond-memtable',
  summary: '5 million keys, uniform GETs beyond memtables and block cache, and resident memory',
  minutes: 4,
  async run(options) {
    const keys = scaled(KEYS, options)
    const directories = ['kindred', 'redis'].map((name) => temporaryFolder(options.directory, name))
    const kindred = await fillServer(await startKindred(directories[0], 'everysec', ...SETTINGS), keys)
    const redis = await fillServer(await startRedis(directories[1], 'everysec'), keys)
    const contenders = [kindred, redis].map(({ server }) => contender(server, keys, options))
    const [ours, theirs] = await takeTurns(options.turns, contenders)
    const facts = await describe(kindred)
    const peakMb = residentBytes(kindred.server.pid).peak / MB
    for (const { server } of [kindred, redis]) await server.stop()
    directories.forEach(removeFolder)
    const row = (measure: string, unit: string, name: string) => ({
      measure,
      unit,
      kindred: ours.of(name),
      peer: 'Redis',
      theirs: theirs.of(name),
    })
    return {
      rows: [
        { ...row('GET -P 16, uniform', 'requests/s', 'rate'), target: ratioAtLeast(0.4) },
        row('GET -P 16, 99th percentile', 'ms', 'p99'),
        {
          ...row('resident memory after the reads', 'MB', 'resident'),
          target: figureAtMost(RESIDENT_MB_MAX),
        },
        {
          ...row('highest resident memory, the load included', 'MB', 'peak'),
          kindred: [peakMb],
          target: figureAtMost(RESIDENT_MB_MAX),
        },
        {
          measure: 'load of all keys, pipelined',
          unit: 's',
          kindred: [kindred.loadSeconds],
          peer: 'Redis',
          theirs: [redis.loadSeconds],
        },
      ],
      notes: [
        `${keys} keys of 16 + ${VALUE_BYTES} B, each set once, everysec; ${SETTINGS.join(' ')}; the goal for GET is 0.6`,
        `memory allowed: ${SEGMENTS_MAX} memtables of ${SEGMENT_MB} MB + cache of ${CACHE_MB} MB + ${ALLOWANCE_MB} MB`,
        facts,
      ],
    }
  },
}

async function fillServer(server: ServerProcess, keys: number): Promise<Filled> {
  progress(`filling ${server.name} with ${keys} keys`)
  const loadSeconds = await fill(server.port, keys, VALUE_BYTES)
  progress(`${server.name} comes to rest`)
  const settleSeconds = (await server.settle()) / 1000
  return { server, loadSeconds, settleSeconds }
}

function contender(server: ServerProcess, keys: number, options: BenchmarkOptions): Contender {
  return {
    name: server.name,
    async turn(figures) {
      const load = {
        test: 'get',
        pipeline: 16,
        requests: scaled(REQUESTS, options),
        keys,
        valueBytes: VALUE_BYTES,
      } as const
      const { requestsPerSecond, p99Ms } = await redisBenchmark(server.port, load)
      const { now, peak } = residentBytes(server.pid)
      figures.add('rate', requestsPerSecond)
      figures.add('p99', p99Ms)
      figures.add('resident', now / MB)
      figures.add('peak', peak / MB)
    },
  }
}

async function describe({ server, settleSeconds }: Filled): Promise<string> {
  const info = await server.info()
  const megabytes = (name: string): string => `${(Number(info.get(name)) / MB).toFixed(0)} MB`
  const hits = Number(info.get('storage_cache_hits'))
  const misses = Number(info.get('storage_cache_misses'))
  return (
    `Kindred at the end: tables ${megabytes('storage_table_bytes')} (by level ${info.get('storage_tables_by_level')}), ` +
    `memtables ${megabytes('storage_memtable_bytes')}, cache ${megabytes('storage_block_cache_bytes')}, indexes and filters ` +
    `${megabytes('storage_index_filter_bytes')}, cache hits ${((100 * hits) / (hits + misses)).toFixed(0)} %; ` +
    `compactions took ${settleSeconds.toFixed(1)} s after the load`
  )
}
