/**
 * Filling a server from files: the protocol's own bytes through `redis-cli --pipe`, as Redis's manual describes mass insertion, and
 * a dump of Redis through `kindred import`. Beside it Redis takes the same bytes through the same tool, and loads the same
 * dump at its start.
 */
import { spawn } from 'node:child_process'
import type { StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, copyFileSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { shuffled } from './load/fill.js'
import { Requests, seededRandom } from './load/requests.js'
import { rowsBeside } from './measure/comparison.js'
import { progress, takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import { removeFolder, temporaryFolder, track } from './servers/cleanup.js'
import { RespClient } from './servers/resp-client.js'
import { freePort, ServerProcess } from './servers/server-process.js'
import { KINDRED, startKindred, startRedis } from './servers/start-server.js'

const KEYS = 5_000_000
const VALUE_BYTES = 100
const BATCH = 4096
const SEED = 5
const DUMP = 'dump.rdb'

export const massInsertion: Benchmark = {
  name: 'mass-insertion',
  summary: 'redis-cli --pipe of 5 million keys, and a dump of Redis imported, beside redis-server',
  minutes: 6,
  turns: 1,
  async run(options) {
    const keys = scaled(KEYS, options)
    const folder = temporaryFolder(options.directory, 'insertion')
    const requests = join(folder, 'sets.resp')
    progress(`writing ${keys} requests`)
    writeRequests(requests, keys)
    const dump = join(folder, DUMP)
    // Redis first: its data are the dump.
    const [redis, kindred] = await takeTurns(options.turns, [
      redisContender(requests, dump, keys, options),
      kindredContender(requests, dump, keys, options),
    ])
    removeFolder(folder)
    const row = rowsBeside(kindred, 'Redis', redis)
    return {
      rows: [
        row('redis-cli --pipe', 'keys/s', 'pipe'),
        row('a dump: kindred import; Redis loads it at its start', 'keys/s', 'dump'),
      ],
      notes: [
        `${keys} keys of 16 + ${VALUE_BYTES} B, in random order, everysec`,
        'Redis loads a dump into memory alone; an import is written to the log of a running node, by way of a client',
      ],
    }
  },
}

function writeRequests(path: string, keys: number): void {
  const requests = new Requests(VALUE_BYTES, seededRandom(SEED))
  const buffer = Buffer.allocUnsafe(BATCH * requests.setBytes)
  const order = shuffled(keys)
  const file = openSync(path, 'w')
  for (let next = 0; next < keys;) {
    let length = 0
    for (let i = 0; i < BATCH && next < keys; i++) length = requests.writeSet(buffer, length, order[next++])
    writeSync(file, buffer, 0, length)
  }
  closeSync(file)
}

function redisContender(requests: string, dump: string, keys: number, options: BenchmarkOptions): Contender {
  return {
    name: 'Redis',
    async turn(figures) {
      const folder = temporaryFolder(options.directory, 'redis')
      const server = await startRedis(folder, 'everysec')
      await pipe(server, requests, keys, figures)
      await call(server, 'SAVE')
      await server.stop()
      copyFileSync(join(folder, DUMP), dump)
      const port = await freePort()
      const loaded = await ServerProcess.start({
        name: 'Redis',
        program: 'redis-server',
        args: [
          '--port',
          String(port),
          '--dir',
          folder,
          '--save',
          '',
          '--appendonly',
          'no',
          '--daemonize',
          'no',
        ],
        port,
        isBusy: null,
      })
      figures.add('dump', keys / (loaded.startMs / 1000))
      await hasAll(loaded, keys)
      await loaded.stop()
      removeFolder(folder)
    },
  }
}

function kindredContender(
  requests: string,
  dump: string,
  keys: number,
  options: BenchmarkOptions,
): Contender {
  return {
    name: 'Kindred',
    async turn(figures) {
      const piped = temporaryFolder(options.directory, 'kindred')
      const server = await startKindred(piped, 'everysec')
      await pipe(server, requests, keys, figures)
      await server.stop()
      removeFolder(piped)
      const imported = temporaryFolder(options.directory, 'kindred')
      const other = await startKindred(imported, 'everysec')
      const began = performance.now()
      await run(KINDRED, ['import', dump, '--port', String(other.port)], ['ignore', 'ignore', 'ignore'])
      figures.add('dump', keys / ((performance.now() - began) / 1000))
      await hasAll(other, keys)
      await other.stop()
      removeFolder(imported)
    },
  }
}

async function pipe(server: ServerProcess, requests: string, keys: number, figures: Figures): Promise<void> {
  const file = openSync(requests, 'r')
  const began = performance.now()
  await run('redis-cli', ['-p', String(server.port), '--pipe'], [file, 'ignore', 'inherit'])
  figures.add('pipe', keys / ((performance.now() - began) / 1000))
  closeSync(file)
  await hasAll(server, keys)
  await server.settle()
}

async function hasAll(server: ServerProcess, keys: number): Promise<void> {
  const has = await call(server, 'DBSIZE')
  if (has !== keys) throw new Error(`${server.name} has ${String(has)} keys, not ${keys}`)
}

async function call(server: ServerProcess, ...command: readonly string[]): Promise<unknown> {
  const client = await RespClient.connect(server.port)
  try {
    const reply = await client.call(...command)
    if (reply instanceof Error) throw reply
    return reply
  } finally {
    client.close()
  }
}

/** Resolves when the program has ended well. */
async function run(program: string, args: readonly string[], stdio: StdioOptions): Promise<void> {
  const child = spawn(program, args, { stdio })
  track(child)
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`${program} ${args[0]} ended with ${code}`)
}
