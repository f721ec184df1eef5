/**
 * Start-up after kill -9 with 512 MB of log. A segment that takes more than that is filled and never flushed, the server
 * killed, and its folder kept as it is; each turn starts a server on a copy. Redis loads an append-only file with
 * the same keys. The files lie in the page cache: what is measured is the work of recovery, not the disk.
 */
import { cpSync } from 'node:fs'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { fill } from './load/fill.js'
import { figureAtMost } from './measure/comparison.js'
import { progress, takeTurns } from './measure/turns.js'
import type { Contender } from './measure/turns.js'
import { removeFolder, temporaryFolder } from './servers/cleanup.js'
import type { ServerProcess } from './servers/server-process.js'
import { startKindred, startRedis } from './servers/start-server.js'

const MB = 1024 * 1024
const LOG_BYTES = 512 * MB
const VALUE_BYTES = 100
/** More than an entry takes in the log beside its value: key, record, frames. Fewer keys would be less than 512 MB. */
const KEYS = 2_900_000
const SEGMENT = ['--segment-size', '700mb', '--segments-max', '2']
const SECONDS_MAX = 10

export const recovery: Benchmark = {
  name: 'recovery',
  summary: 'start after kill -9 with 512 MB of log, beside redis-server with the same keys',
  minutes: 4,
  async run(options) {
    const keys = scaled(KEYS, options)
    const kindred = await prepare('kindred', keys, options, (dir) =>
      startKindred(dir, 'everysec', ...SEGMENT),
    )
    const redis = await prepare('redis', keys, options, (dir) => startRedis(dir, 'everysec'))
    const [ours, theirs] = await takeTurns(options.turns, [kindred.contender, redis.contender])
    const megabytes = (bytes: number): string => `${(bytes / MB).toFixed(0)} MB`
    removeFolder(kindred.directory)
    removeFolder(redis.directory)
    return {
      rows: [
        {
          measure: `start after kill -9, ${megabytes(kindred.logBytes)} of log`,
          unit: 's',
          kindred: ours.of('seconds'),
          peer: `Redis (${megabytes(redis.logBytes)} of AOF)`,
          theirs: theirs.of('seconds'),
          target: figureAtMost(SECONDS_MAX),
        },
        {
          measure: 'the same by size',
          unit: 'MB/s',
          kindred: ours.of('rate'),
          peer: 'Redis',
          theirs: theirs.of('rate'),
        },
      ],
      notes: [
        `${keys} keys of 16 + ${VALUE_BYTES} B under everysec, one segment (${SEGMENT.join(' ')}); the time runs from the ` +
          'start of the process to the first +PONG; files in the page cache',
        ...(kindred.logBytes < LOG_BYTES ? ['less than 512 MB of log: do not publish'] : []),
      ],
    }
  },
}

interface Prepared {
  readonly directory: string
  readonly logBytes: number
  readonly contender: Contender
}

async function prepare(
  name: string,
  keys: number,
  options: BenchmarkOptions,
  start: (directory: string) => Promise<ServerProcess>,
): Promise<Prepared> {
  progress(`filling ${name}`)
  const directory = temporaryFolder(options.directory, name)
  const server = await start(directory)
  await fill(server.port, keys, VALUE_BYTES)
  await server.settle()
  const logBytes = Number((await server.info()).get('aof_current_size'))
  await server.kill()
  const contender: Contender = {
    name: server.name,
    async turn(figures) {
      const copy = temporaryFolder(options.directory, name)
      cpSync(directory, copy, { recursive: true })
      const started = await start(copy)
      const found = Number(/^keys=(\d+)/.exec((await started.info()).get('db0') ?? '')?.[1])
      if (found !== keys) throw new Error(`${server.name} came back with ${found} of ${keys} keys`)
      figures.add('seconds', started.startMs / 1000)
      figures.add('rate', (logBytes / MB / started.startMs) * 1000)
      await started.kill()
      removeFolder(copy)
    },
  }
  return { directory, logBytes, contender }
}
