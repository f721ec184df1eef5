/**
 * The throwaway prototypes beside the product: what plain JavaScript reaches when it checks nothing and handles no
 * faults, hence the ceiling. memory.js keeps no log, durable.js writes one, table.js looks keys up in sorted blocks in
 * its own process. Both servers have 512 MB for everything that was ever set and durable.js then crashes, so each turn
 * starts them anew, and Kindred with them.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { KindredEngine } from './engines/kindred-engine.js'
import { ENGINE_KEYS, EngineKeys } from './engines/engine-keys.js'
import { redisBenchmark } from './load/redis-benchmark-tool.js'
import type { Comparison } from './measure/comparison.js'
import { takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import { removeFolder, temporaryFolder } from './servers/cleanup.js'
import { runProgram } from './servers/run-program.js'
import { isTaken } from './servers/server-process.js'
import type { ServerProcess } from './servers/server-process.js'
import { startKindred, startPrototype } from './servers/start-server.js'
import type { AppendFsync } from './servers/start-server.js'

const KEYS = 1_000_000
const VALUE_BYTES = 100
const MEMORY_PORT = 7004
const DURABLE_PORT = 7005
/** 1.4 million SETs in all fill a third of the prototypes' memory. */
const REQUESTS_UNPIPELINED = 200_000
const REQUESTS_PIPELINED = 1_000_000
/** A server that has just started has yet to be compiled. */
const WARM_UP = { test: 'set', pipeline: 16, requests: 200_000 } as const
const TABLE_RUN_LIMIT_MS = 120_000
const LOOKUPS = 2_000_000

interface Pair {
  readonly script: string
  readonly port: number
  readonly policy: AppendFsync
  readonly tests: readonly ('set' | 'get')[]
}

const PAIRS: readonly Pair[] = [
  { script: 'memory.js', port: MEMORY_PORT, policy: 'everysec', tests: ['set', 'get'] },
  { script: 'durable.js', port: DURABLE_PORT, policy: 'everysec', tests: ['set'] },
  { script: 'durable.js', port: DURABLE_PORT, policy: 'always', tests: ['set'] },
]

export const prototypes: Benchmark = {
  name: 'prototypes',
  summary: 'the product beside the prototypes memory.js, durable.js and table.js, the ceiling',
  minutes: 4,
  async run(options) {
    const folder = options.prototypes
    if (folder === null) {
      return {
        rows: [],
        notes: ['not run: there is no folder of prototypes; name one with --prototypes DIR'],
      }
    }
    const rows: Comparison[] = []
    for (const pair of PAIRS) rows.push(...(await comparePair(folder, pair, options)))
    rows.push(await compareTable(folder, options))
    return {
      rows,
      notes: [
        `redis-benchmark -c 50 -d ${VALUE_BYTES} -r ${KEYS}; servers started anew for each turn; memory.js has no log, ` +
          'and Kindred beside it runs under everysec; GETs find the two thirds of the keys that were set before',
        'table.js looks keys up in blocks in memory and copies the value out, as "Kindred, in process" does',
      ],
    }
  },
}

async function comparePair(folder: string, pair: Pair, options: BenchmarkOptions): Promise<Comparison[]> {
  const { script, port, policy, tests } = pair
  const path = join(folder, script)
  const missing = !existsSync(path) || (await isTaken(port))
  const contenders: Contender[] = [
    contender('Kindred', (directory) => startKindred(directory, policy), tests, options),
    contender(script, (directory) => startPrototype(path, port, directory, { MODE: policy }), tests, options),
  ]
  const [kindred, prototype] = await takeTurns(options.turns, missing ? contenders.slice(0, 1) : contenders)
  return [1, 16].flatMap((pipeline) =>
    tests.map((test) => {
      const name = `${test.toUpperCase()} -P ${pipeline}`
      return {
        measure: `${policy}: ${name}`,
        unit: 'requests/s',
        kindred: kindred.of(name),
        peer: missing ? `${script} (missing, or port ${port} is taken)` : script,
        theirs: missing ? [] : prototype.of(name),
      }
    }),
  )
}

function contender(
  name: string,
  start: (directory: string) => Promise<ServerProcess>,
  tests: readonly ('set' | 'get')[],
  options: BenchmarkOptions,
): Contender {
  return {
    name,
    async turn(figures: Figures) {
      const directory = temporaryFolder(options.directory, 'prototypes')
      const server = await start(directory)
      await redisBenchmark(server.port, { ...WARM_UP, keys: KEYS, valueBytes: VALUE_BYTES })
      for (const pipeline of [1, 16]) {
        const requests = scaled(pipeline === 1 ? REQUESTS_UNPIPELINED : REQUESTS_PIPELINED, options)
        for (const test of tests) {
          const load = { test, pipeline, requests, keys: KEYS, valueBytes: VALUE_BYTES }
          const { requestsPerSecond } = await redisBenchmark(server.port, load)
          figures.add(`${test.toUpperCase()} -P ${pipeline}`, requestsPerSecond)
        }
      }
      await server.kill()
      removeFolder(directory)
    },
  }
}

async function compareTable(folder: string, options: BenchmarkOptions): Promise<Comparison> {
  const path = join(folder, 'table.js')
  const keys = new EngineKeys(ENGINE_KEYS)
  const engine = await KindredEngine.openFilled(temporaryFolder(options.directory, 'engine'), keys)
  const [kindred, table] = await takeTurns(options.turns, [
    {
      name: 'Kindred, in process',
      async turn(figures) {
        figures.add('get', await engine.readRandom(keys, LOOKUPS))
      },
    },
    {
      name: 'table.js',
      async turn(figures) {
        if (existsSync(path)) figures.add('get', await runTable(path))
      },
    },
  ])
  await engine.close()
  return {
    measure: 'random get in process, blocks in memory',
    unit: 'gets/s',
    kindred: kindred.of('get'),
    peer: 'table.js',
    theirs: table.of('get'),
  }
}

/** The second of its two rounds: the first one includes compiling. */
async function runTable(path: string): Promise<number> {
  const { stdout } = await runProgram(process.execPath, [path], TABLE_RUN_LIMIT_MS)
  const rates = [...stdout.matchAll(/^get\/s (\d+)/gm)]
  const last = rates.at(-1)
  if (last === undefined) throw new Error(`table.js printed no figure: ${stdout}`)
  return Number(last[1])
}
