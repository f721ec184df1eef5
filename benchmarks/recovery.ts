/**
 * Start-up after kill -9 with 512 MB of log. A segment that takes more than that is filled and never flushed, the server
 * killed, and its folder kept as it is; each turn starts a server on a copy. Redis loads an append-only file with
 * the same keys. The files lie in the page cache: what is measured is the work of recovery, not the disk.
 *
 * A start also makes the next log file, zero-filled and synced, before it serves. That is no part of recovery and costs by
 * segment-size, so there are two starts: with the default segments, and with segments of the size that the log has.
 */
import { cpSync } from 'node:fs'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { fill } from './load/fill.js'
import { figureAtMost, rowsBeside } from './measure/comparison.js'
import { MB } from './measure/units.js'
import { progress, takeTurns } from './measure/turns.js'
import type { Contender } from './measure/turns.js'
import { removeFolder, temporaryFolder } from './servers/cleanup.js'
import { runProgram } from './servers/run-program.js'
import type { ServerProcess } from './servers/server-process.js'
import { startKindred, startRedis } from './servers/start-server.js'

const LOG_BYTES = 512 * MB
const VALUE_BYTES = 100
/** More than an entry takes in the log beside its value: key, record, frames. Fewer keys would be less than 512 MB. */
const KEYS = 2_900_000
const SEGMENT_MB = 580
const SECONDS_MAX = 10
const SYNC_LIMIT_MS = 300_000

export const recovery: Benchmark = {
  name: 'recovery',
  summary: 'start after kill -9 with 512 MB of log, beside redis-server with the same keys',
  minutes: 4,
  async run(options) {
    const keys = scaled(KEYS, options)
    const largeSegments = ['--segment-size', `${scaled(SEGMENT_MB, options)}mb`, '--segments-max', '2']
    const startLarge = (directory: string): Promise<ServerProcess> =>
      startKindred(directory, 'everysec', ...largeSegments)
    const kindred = await prepare('kindred', keys, options, startLarge)
    const redis = await prepare('redis', keys, options, (directory) => startRedis(directory, 'everysec'))
    const [ours, large, theirs] = await takeTurns(options.turns, [
      contender('Kindred', kindred, options, (directory) => startKindred(directory, 'everysec')),
      contender('Kindred, large segments', kindred, options, startLarge),
      contender('Redis', redis, options, (directory) => startRedis(directory, 'everysec')),
    ])
    removeFolder(kindred.directory)
    removeFolder(redis.directory)
    const peer = `Redis (${megabytes(redis.logBytes)} of AOF)`
    const [row, rowLarge] = [rowsBeside(ours, peer, theirs), rowsBeside(large, peer, theirs)]
    const start = `start after kill -9, ${megabytes(kindred.logBytes)} of log`
    return {
      rows: [
        row(start, 's', 'seconds', figureAtMost(SECONDS_MAX)),
        row('the same by size', 'MB/s', 'rate'),
        rowLarge(`${start}, segments as large`, 's', 'seconds', figureAtMost(SECONDS_MAX)),
        rowLarge('the same by size', 'MB/s', 'rate'),
      ],
      notes: [
        `${keys} keys of 16 + ${VALUE_BYTES} B under everysec, one segment (${largeSegments.join(' ')}); the time runs from the ` +
          'start of the process to the first +PONG; files in the page cache',
        ...(kindred.logBytes < LOG_BYTES ? ['less than 512 MB of log: do not publish'] : []),
      ],
    }
  },
}

interface Prepared {
  readonly directory: string
  readonly keys: number
  readonly logBytes: number
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
  return { directory, keys, logBytes }
}

function contender(
  name: string,
  { directory, keys, logBytes }: Prepared,
  options: BenchmarkOptions,
  start: (directory: string) => Promise<ServerProcess>,
): Contender {
  return {
    name,
    async turn(figures) {
      const copy = temporaryFolder(options.directory, 'recovery')
      cpSync(directory, copy, { recursive: true })
      // The copy's own way to the disk must not be the server's burden.
      await runProgram('sync', [], SYNC_LIMIT_MS)
      const server = await start(copy)
      const found = Number(/^keys=(\d+)/.exec((await server.info()).get('db0') ?? '')?.[1])
      if (found !== keys) throw new Error(`${name} came back with ${found} of ${keys} keys`)
      figures.add('seconds', server.startMs / 1000)
      figures.add('rate', (logBytes / MB / server.startMs) * 1000)
      await server.kill()
      removeFolder(copy)
    },
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / MB).toFixed(0)} MB`
}
