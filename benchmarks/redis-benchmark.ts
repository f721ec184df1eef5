/**
 * redis-benchmark against Kindred and against redis-server with an append-only file, under appendfsync everysec and always.
 *
 * Both servers of a policy live for the whole run and are filled with every key first, so that GETs hit and SETs replace,
 * and each turn finds the state that the same requests have left. Only the server under test has work: before the
 * turn passes on, its flushes, compactions or rewrites are waited for, outside the measured time.
 */
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { CLIENTS, redisBenchmark } from './load/redis-benchmark-tool.js'
import type { Load } from './load/redis-benchmark-tool.js'
import { ratioAtLeast, ratioAtMost, rowsBeside } from './measure/comparison.js'
import type { Comparison } from './measure/comparison.js'
import { takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import { FilledServers } from './servers/filled-servers.js'
import type { ServerProcess } from './servers/server-process.js'
import type { AppendFsync } from './servers/start-server.js'

const KEYS = 1_000_000
const VALUE_BYTES = 100

interface Step {
  readonly test: 'set' | 'get'
  readonly pipeline: number
  readonly requests: number
  /** Of the requests a second, as a ratio. */
  readonly target: number
  /** Of the 99th percentile, as a ratio. */
  readonly p99Target?: number
}

const STEPS: Readonly<Record<'everysec' | 'always', readonly Step[]>> = {
  everysec: [
    { test: 'set', pipeline: 1, requests: 300_000, target: 0.9, p99Target: 2 },
    { test: 'get', pipeline: 1, requests: 300_000, target: 0.9, p99Target: 2 },
    { test: 'set', pipeline: 16, requests: 1_500_000, target: 1 },
    { test: 'get', pipeline: 16, requests: 1_500_000, target: 1 },
  ],
  always: [
    { test: 'set', pipeline: 1, requests: 200_000, target: 0.9, p99Target: 2 },
    { test: 'set', pipeline: 16, requests: 1_000_000, target: 1.1 },
  ],
}

export const redisBenchmarks: Benchmark = {
  name: 'redis-benchmark',
  summary: 'SET and GET through redis-benchmark beside redis-server, everysec and always',
  minutes: 6,
  async run(options) {
    return {
      rows: [...(await comparePolicy('everysec', options)), ...(await comparePolicy('always', options))],
      notes: [
        `redis-benchmark -c ${CLIENTS} -d ${VALUE_BYTES} -r ${KEYS}; both servers filled with all ${KEYS} keys first; ` +
          'the server under test is left to come to rest before the other one has its turn',
      ],
    }
  },
}

async function comparePolicy(
  policy: 'everysec' | 'always',
  options: BenchmarkOptions,
): Promise<Comparison[]> {
  const filled = await FilledServers.start({
    parent: options.directory,
    appendfsync: policy,
    keys: KEYS,
    valueBytes: VALUE_BYTES,
  })
  const [kindred, redis] = await takeTurns(
    options.turns,
    filled.servers.map((server) => contender(server, STEPS[policy], options)),
  )
  await filled.stop()
  return STEPS[policy].flatMap((step) => rowsOf(policy, step, kindred, redis))
}

function contender(server: ServerProcess, steps: readonly Step[], options: BenchmarkOptions): Contender {
  return {
    name: server.name,
    async turn(figures) {
      for (const step of steps) {
        const load: Load = {
          ...step,
          requests: scaled(step.requests, options),
          keys: KEYS,
          valueBytes: VALUE_BYTES,
        }
        const { requestsPerSecond, p99Ms } = await redisBenchmark(server.port, load)
        figures.add(`${nameOf(step)} rate`, requestsPerSecond)
        figures.add(`${nameOf(step)} p99`, p99Ms)
      }
      await server.settle()
    },
  }
}

function rowsOf(policy: AppendFsync, step: Step, kindred: Figures, redis: Figures): Comparison[] {
  const row = rowsBeside(kindred, 'Redis', redis)
  const name = nameOf(step)
  const rows = [row(`${policy}: ${name}`, 'requests/s', `${name} rate`, ratioAtLeast(step.target))]
  if (step.p99Target !== undefined) {
    rows.push(row(`${policy}: ${name}, 99th percentile`, 'ms', `${name} p99`, ratioAtMost(step.p99Target)))
  }
  return rows
}

function nameOf({ test, pipeline }: Step): string {
  return `${test.toUpperCase()} -P ${pipeline}`
}
