/**
 * More keys than memory is set aside for: 5 million keys of 100 B, uniform GETs through redis-benchmark. Kindred keeps
 * them in tables and a third of their blocks in its cache, the system's page cache holds the rest; Redis keeps them all
 * in memory. The key spaces are exact, so every GET hits.
 */
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { redisBenchmark } from './load/redis-benchmark-tool.js'
import { figureAtMost, ratioAtLeast, rowsBeside } from './measure/comparison.js'
import { residentBytes } from './measure/process-facts.js'
import { MB } from './measure/units.js'
import { takeTurns } from './measure/turns.js'
import type { Contender } from './measure/turns.js'
import { FilledServers } from './servers/filled-servers.js'
import type { FilledServer } from './servers/filled-servers.js'
import type { ServerProcess } from './servers/server-process.js'

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

export const beyondMemtable: Benchmark = {
  name: 'beyond-memtable',
  summary: '5 million keys, uniform GETs beyond memtables and block cache, and resident memory',
  minutes: 4,
  async run(options) {
    const keys = scaled(KEYS, options)
    const filled = await FilledServers.start({
      parent: options.directory,
      appendfsync: 'everysec',
      keys,
      valueBytes: VALUE_BYTES,
      settings: SETTINGS,
    })
    const { kindred, redis } = filled
    const contenders = filled.servers.map((server) => contender(server, keys, options))
    const [ours, theirs] = await takeTurns(options.turns, contenders)
    const facts = await describe(kindred)
    const peakMb = residentBytes(kindred.server.pid).peak / MB
    await filled.stop()
    const row = rowsBeside(ours, 'Redis', theirs)
    return {
      rows: [
        row('GET -P 16, uniform', 'requests/s', 'rate', ratioAtLeast(0.4)),
        row('GET -P 16, 99th percentile', 'ms', 'p99'),
        row('resident memory after the reads', 'MB', 'resident', figureAtMost(RESIDENT_MB_MAX)),
        {
          ...row('highest resident memory, the load included', 'MB', 'peak', figureAtMost(RESIDENT_MB_MAX)),
          kindred: [peakMb],
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

async function describe({ server, settleSeconds }: FilledServer): Promise<string> {
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
