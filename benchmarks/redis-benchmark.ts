/**
 * redis-benchmark against Kindred and against redis-server with an append-only file, under appendfsync everysec and always.
 *
 * Both servers of a policy live for the whole run and are filled with every key first, so that GETs hit and SETs replace,
 * and each turn finds the state that the same requests have left. Only the server under test has work: before the
 * turn passes on, its flushes, compactions or rewrites are waited for, outside the measured time.
 */
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { fill } from './load/fill.js'
import { CLIENTS, redisBenchmark } from './load/redis-benchmark-tool.js'
import type { Load } from './load/redis-benchmark-tool.js'
import { ratioAtLeast, ratioAtMost } from './measure/comparison.js'
import type { Comparison, Target } from './measure/comparison.js'
import { progress, takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import { removeFolder, temporaryFolder } from './servers/cleanup.js'
import type { ServerProcess } from './servers/server-process.js'
import { startKindred, startRedis } from './servers/start-server.js'
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
  const directories = ['kindred', 'redis'].map((name) => temporaryFolder(options.directory, name))
  const servers = [await startKindred(directories[0], policy), await startRedis(directories[1], policy)]
  for (const server of servers) {
    progress(`${policy}: filling ${server.name}`)
    await fill(server.port, KEYS, VALUE_BYTES)
    await server.settle()
  }
  const [kindred, redis] = await takeTurns(
    options.turns,
    servers.map((server) => contender(server, STEPS[policy], options)),
  )
  for (const server of servers) await server.stop()
  directories.forEach(removeFolder)
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
  const row = (figure: string, unit: string, target: Target): Comparison => {
    const name = `${nameOf(step)} ${figure}`
    const measure = `${policy}: ${nameOf(step)}${figure === 'p99' ? ', 99th percentile' : ''}`
    return { measure, unit, kindred: kindred.of(name), peer: 'Redis', theirs: redis.of(name), target }
  }
  const rows = [row('rate', 'requests/s', ratioAtLeast(step.target))]
  if (step.p99Target !== undefined) rows.push(row('p99', 'ms', ratioAtMost(step.p99Target)))
  return rows
}

function nameOf({ test, pipeline }: Step): string {
  return `${test.toUpperCase()} -P ${pipeline}`
}
