/**
 * Latencies of one node at half of its highest throughput, from the open-loop generator, while flushes and compactions go on,
 * beside redis-server. Half of the arrivals are SETs, all keys exist, keys are uniform. Redis rewrites its AOF when it is due.
 */
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { COMMON_LOAD } from './load/open-loop.js'
import { atHalfOfHighest, atHalfRows } from './measure/at-half.js'
import { figureAtMost } from './measure/comparison.js'
import { ErrorLog } from './measure/error-log.js'
import { FilledServers } from './servers/filled-servers.js'
import { ServerGroup } from './servers/server-group.js'

const KEYS = 1_000_000
const GROUP = 16
const PACED_SECONDS = 20
const WRITE_P99_MS_MAX = 10
const READ_P99_MS_MAX = 5

export const latency: Benchmark = {
  name: 'latency',
  summary: 'read and write latency at half of the highest throughput, measured open-loop',
  minutes: 5,
  async run(options) {
    const keys = scaled(KEYS, options)
    const { valueBytes } = COMMON_LOAD
    const fill = { parent: options.directory, appendfsync: 'everysec', keys, valueBytes } as const
    const filled = await FilledServers.start(fill)
    const errors = new ErrorLog()
    const contenders = filled.servers.map((server) => ({
      name: server.name,
      group: new ServerGroup(server.name, [server], []),
      load: async () => ({ ...COMMON_LOAD, ports: [server.port], groupSize: GROUP, writeShare: 0.5, keys }),
      settle: () => server.settle(),
    }))
    const [kindred, redis] = await atHalfOfHighest(contenders, PACED_SECONDS, options, errors)
    await filled.stop()
    const targets = [figureAtMost(WRITE_P99_MS_MAX), figureAtMost(READ_P99_MS_MAX)] as const
    return {
      rows: atHalfRows('', kindred, redis, 'Redis', ...targets),
      notes: [...notesOf(options), ...errors.notes()],
    }
  },
}

function notesOf(options: BenchmarkOptions): string[] {
  const { connections, valueBytes } = COMMON_LOAD
  return [
    `open loop, ${connections} connections, arrivals in groups of ${GROUP} on one connection, half of the groups SET, ` +
      `${scaled(KEYS, options)} existing keys, values of ${valueBytes} B, everysec; latency from the time a group was due to each reply`,
    'a generator that takes about a whole core in the closed loop understates the highest throughput',
  ]
}
