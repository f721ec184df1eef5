/**
 * BGSAVE of 5 GB under a paced load of GETs and SETs, beside redis-server's, and what is restored of it. Of the snapshot's files
 * only those count as bytes of its own that the node does not have any more under another name: at once, and after every key was
 * written again. What is restored is Kindred's directory by `kindred restore`, Redis's by a start with its RDB file.
 */
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { fill } from './load/fill.js'
import { generate } from './load/generator.js'
import { COMMON_LOAD } from './load/open-loop.js'
import { rowsBeside } from './measure/comparison.js'
import { ErrorLog } from './measure/error-log.js'
import { progress, takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import { MB } from './measure/units.js'
import { removeFolder, temporaryFolder } from './servers/cleanup.js'
import { RespClient } from './servers/resp-client.js'
import { runProgram } from './servers/run-program.js'
import type { ServerProcess } from './servers/server-process.js'
import { KINDRED, startKindred, startRedis } from './servers/start-server.js'

const KEYS = 5_000_000
const VALUE_BYTES = 1000
const REQUESTS_PER_SECOND = 5000
const SECONDS = 10
const QUICK_SECONDS = 3
const SAVE_POLL_MS = 20
const LIMIT_MS = 1_800_000

export const snapshot: Benchmark = {
  name: 'snapshot',
  summary: 'BGSAVE of 5 GB under load: seconds, bytes of its own, p99 before and during; restore',
  minutes: 30,
  turns: 3,
  async run(options) {
    const keys = scaled(KEYS, options)
    const errors = new ErrorLog()
    const folders = ['kindred', 'redis'].map((name) => temporaryFolder(options.directory, name))
    const kindred = await startKindred(folders[0], 'everysec', '--snapshot-keep', '1')
    const redis = await startRedis(folders[1], 'everysec', '--rdbcompression', 'no')
    for (const server of [kindred, redis]) {
      progress(`filling ${server.name}`)
      await fill(server.port, keys, VALUE_BYTES)
      await server.settle()
    }
    const [ours, theirs] = await takeTurns(options.turns, [
      contender(kindred, keys, options, errors, (figures) =>
        kindredBytes(figures, folders[0], kindred, keys),
      ),
      contender(redis, keys, options, errors, (figures) => redisBytes(figures, folders[1])),
    ])
    await kindred.stop()
    await redis.kill()
    const [back, backTheirs] = await takeTurns(options.turns, [
      { name: 'Kindred, restore', turn: (figures) => restoreKindred(figures, folders[0], options) },
      { name: 'Redis, load', turn: (figures) => loadRedis(figures, folders[1]) },
    ])
    for (const folder of folders) removeFolder(folder)
    const row = rowsBeside(ours, 'Redis', theirs)
    const rowBack = rowsBeside(back, 'Redis, start with dump.rdb', backTheirs)
    return {
      rows: [
        row('BGSAVE', 's', 'seconds'),
        row('bytes of its own at once', 'MB', 'bytes'),
        row('the same after every key was written again', 'MB', 'bytes later'),
        ...(['GET', 'SET'] as const).flatMap((kind) => [
          row(`${kind} p99 before`, 'ms', `${kind} before`),
          row(`${kind} p99 during`, 'ms', `${kind} during`),
        ]),
        rowBack('restore of one directory, every block checked', 'MB/s', 'rate'),
        rowBack('restore into a new node, key by key', 'MB/s', 'merged rate'),
      ],
      notes: [
        `${keys} keys, values of ${VALUE_BYTES} B, everysec; open loop of ${REQUESTS_PER_SECOND} requests a second, half of them SETs; ` +
          'Redis without compression of its RDB file, as Kindred without compression of tables',
        ...errors.notes(),
      ],
    }
  },
}

function contender(
  server: ServerProcess,
  keys: number,
  { quick }: BenchmarkOptions,
  errors: ErrorLog,
  bytes: (figures: Figures) => Promise<void>,
): Contender {
  const load = async (): Promise<{ readonly get: number; readonly set: number }> => {
    const result = await generate({
      ...COMMON_LOAD,
      ports: [server.port],
      groupSize: 16,
      writeShare: 0.5,
      keys,
      valueBytes: VALUE_BYTES,
      requestsPerSecond: REQUESTS_PER_SECOND,
      seconds: quick ? QUICK_SECONDS : SECONDS,
    })
    errors.add(server.name, result.errors)
    return { get: result.read.p99Ms, set: result.write.p99Ms }
  }
  return {
    name: server.name,
    async turn(figures) {
      const before = await load()
      const client = await RespClient.connect(server.address)
      const began = performance.now()
      const reply = await client.call('BGSAVE')
      if (reply instanceof Error) throw reply
      let isSaving = true
      const saved = untilSaved(client).then(() => {
        isSaving = false
        figures.add('seconds', (performance.now() - began) / 1000)
      })
      const during = { get: 0, set: 0 }
      do {
        const next = await load()
        during.get = Math.max(during.get, next.get)
        during.set = Math.max(during.set, next.set)
      } while (isSaving)
      await saved
      client.close()
      figures.add('GET before', before.get)
      figures.add('SET before', before.set)
      figures.add('GET during', during.get)
      figures.add('SET during', during.set)
      await bytes(figures)
      await server.settle()
    },
  }
}

async function untilSaved(client: RespClient): Promise<void> {
  for (;;) {
    const info = await client.info('persistence')
    if (info.get('rdb_bgsave_in_progress') === '0') {
      if (info.get('rdb_last_bgsave_status') !== 'ok') throw new Error('BGSAVE failed')
      return
    }
    await sleep(SAVE_POLL_MS)
  }
}

function snapshotIn(directory: string): string {
  const folder = join(directory, 'snapshots')
  return join(folder, readdirSync(folder)[0])
}

/** Megabytes of the files that have one name only. */
function ownMegabytes(path: string): number {
  const stats = readdirSync(path).map((name) => statSync(join(path, name)))
  return stats.reduce((sum, { nlink, size }) => sum + (nlink === 1 ? size : 0), 0) / MB
}

async function kindredBytes(
  figures: Figures,
  directory: string,
  server: ServerProcess,
  keys: number,
): Promise<void> {
  figures.add('bytes', ownMegabytes(snapshotIn(directory)))
  await fill(server.port, keys, VALUE_BYTES)
  await server.settle()
  figures.add('bytes later', ownMegabytes(snapshotIn(directory)))
}

async function redisBytes(figures: Figures, directory: string): Promise<void> {
  const megabytes = statSync(join(directory, 'dump.rdb')).size / MB
  figures.add('bytes', megabytes)
  figures.add('bytes later', megabytes)
}

async function restoreKindred(figures: Figures, directory: string, options: BenchmarkOptions): Promise<void> {
  const target = temporaryFolder(options.directory, 'restored')
  const config = join(target, 'merged.yaml')
  const source = snapshotIn(directory)
  writeFileSync(config, `dir: ${join(target, 'merged')}\n`)
  const rateOf = async (...args: readonly string[]): Promise<number> => {
    const { stdout } = await runProgram(KINDRED, ['restore', ...args, source], LIMIT_MS)
    return Number(/: ([\d.]+) MB\/s/.exec(stdout)?.[1])
  }
  figures.add('rate', await rateOf('--into', join(target, 'copy')))
  figures.add('merged rate', await rateOf('--config', config))
  removeFolder(target)
}

async function loadRedis(figures: Figures, directory: string): Promise<void> {
  const megabytes = statSync(join(directory, 'dump.rdb')).size / MB
  const server = await startRedis(directory, 'everysec', '--appendonly', 'no')
  figures.add('rate', (megabytes / server.startMs) * 1000)
  await server.kill()
}
