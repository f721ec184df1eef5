/**
 * Latencies at half of the highest throughput, from the open-loop generator, while flushes and compactions go on. First
 * the generator finds each server's highest throughput with this mixture in a closed loop, then it paces each at half
 * of its own. Half of the arrivals are SETs, all keys exist, keys are uniform. Redis rewrites its AOF when it is due.
 */
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import { fill } from './load/fill.js'
import { generate } from './load/generator.js'
import type { OpenLoopOptions, OpenLoopResult } from './load/open-loop.js'
import { figureAtMost } from './measure/comparison.js'
import type { Comparison, Target } from './measure/comparison.js'
import { cpuSeconds } from './measure/process-facts.js'
import { median } from './measure/statistics.js'
import { progress, takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import { removeFolder, temporaryFolder } from './servers/cleanup.js'
import type { ServerProcess } from './servers/server-process.js'
import { startKindred, startRedis } from './servers/start-server.js'

const MB = 1024 * 1024
const KEYS = 1_000_000
const VALUE_BYTES = 100
const CONNECTIONS = 50
const GROUP = 16
const HIGHEST_ROUNDS = 3
const HIGHEST_SECONDS = 5
const PACED_SECONDS = 20
const QUICK_SECONDS = 4
const WRITE_P99_MS_MAX = 10
const READ_P99_MS_MAX = 5

export const latency: Benchmark = {
  name: 'latency',
  summary: 'read and write latency at half of the highest throughput, measured open-loop',
  minutes: 5,
  async run(options) {
    const directories = ['kindred', 'redis'].map((name) => temporaryFolder(options.directory, name))
    const keys = scaled(KEYS, options)
    const servers = [
      await startKindred(directories[0], 'everysec'),
      await startRedis(directories[1], 'everysec'),
    ]
    for (const server of servers) {
      progress(`filling ${server.name}`)
      await fill(server.port, keys, VALUE_BYTES)
      await server.settle()
    }
    const highest = await takeTurns(
      HIGHEST_ROUNDS,
      servers.map((server) => highestContender(server, keys, options)),
    )
    const paces = highest.map((figures) => median(figures.of('rate')) / 2)
    const [kindred, redis] = await takeTurns(
      options.turns,
      servers.map((server, index) => pacedContender(server, paces[index], keys, options)),
    )
    for (const server of servers) await server.stop()
    directories.forEach(removeFolder)
    return { rows: rowsOf(highest, kindred, redis), notes: notesOf(options) }
  },
}

function load(server: ServerProcess, keys: number, seconds: number, rate: number | null): OpenLoopOptions {
  return {
    ports: [server.port],
    homes: null,
    connections: CONNECTIONS,
    groupSize: GROUP,
    requestsPerSecond: rate,
    warmUpSeconds: 1,
    seconds,
    writeShare: 0.5,
    wait: 'none',
    prologue: [],
    keys,
    valueBytes: VALUE_BYTES,
  }
}

function highestContender(server: ServerProcess, keys: number, { quick }: BenchmarkOptions): Contender {
  return {
    name: `${server.name}, highest throughput`,
    async turn(figures) {
      const cpu = cpuSeconds(server.pid)
      const result = await generate(load(server, keys, quick ? QUICK_SECONDS : HIGHEST_SECONDS, null))
      const seconds = (quick ? QUICK_SECONDS : HIGHEST_SECONDS) + 1
      figures.add('rate', result.requestsPerSecond)
      figures.add('generator', result.cpuShare)
      figures.add('event loop', (cpuSeconds(server.pid).mainThread - cpu.mainThread) / seconds)
      await server.settle()
    },
  }
}

function pacedContender(
  server: ServerProcess,
  rate: number,
  keys: number,
  options: BenchmarkOptions,
): Contender {
  const seconds = options.quick ? QUICK_SECONDS : PACED_SECONDS
  return {
    name: `${server.name} at ${Math.round(rate)} requests/s`,
    async turn(figures) {
      const cpu = cpuSeconds(server.pid)
      const before = await server.info()
      const began = performance.now()
      const result = await generate(load(server, keys, seconds, rate))
      const elapsedSeconds = (performance.now() - began) / 1000
      addBackground(figures, before, await server.info(), elapsedSeconds)
      const used = cpuSeconds(server.pid)
      figures.add('cpu', (used.all - cpu.all) / elapsedSeconds)
      figures.add('event loop', (used.mainThread - cpu.mainThread) / elapsedSeconds)
      addLatencies(figures, result)
      await server.settle()
    },
  }
}

function addLatencies(
  figures: Figures,
  { requestsPerSecond, read, write, cpuShare, lateP99Ms }: OpenLoopResult,
): void {
  figures.add('rate', requestsPerSecond)
  for (const [kind, latencies] of [
    ['read', read],
    ['write', write],
  ] as const) {
    figures.add(`${kind} p50`, latencies.p50Ms)
    figures.add(`${kind} p99`, latencies.p99Ms)
    figures.add(`${kind} p99.9`, latencies.p999Ms)
    figures.add(`${kind} max`, latencies.maxMs)
  }
  figures.add('generator', cpuShare)
  figures.add('generator late', lateP99Ms)
}

/** Megabytes a second that a server wrote in the background; Redis's rewrites are the growth of nothing it counts. */
function addBackground(
  figures: Figures,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  seconds: number,
): void {
  const rate = (name: string): number => (Number(after.get(name)) - Number(before.get(name))) / MB / seconds
  if (!after.has('storage_flushed_bytes')) return
  figures.add('flush rate', rate('storage_flushed_bytes'))
  figures.add('compaction reads', rate('storage_compaction_read_bytes'))
  figures.add('compaction writes', rate('storage_compaction_written_bytes'))
}

function rowsOf(highest: readonly Figures[], kindred: Figures, redis: Figures): Comparison[] {
  const row = (measure: string, unit: string, name: string, target?: Target): Comparison => ({
    measure,
    unit,
    kindred: kindred.of(name),
    peer: 'Redis',
    theirs: redis.of(name),
    ...(target === undefined ? {} : { target }),
  })
  const closed = (measure: string, unit: string, name: string): Comparison => ({
    measure,
    unit,
    kindred: highest[0].of(name),
    peer: 'Redis',
    theirs: highest[1].of(name),
  })
  const own = (measure: string, name: string): Comparison => ({
    ...row(measure, 'MB/s', name),
    peer: '',
    theirs: [],
  })
  return [
    closed('highest throughput, closed loop', 'requests/s', 'rate'),
    closed('event loop of the server meanwhile', 'cores', 'event loop'),
    closed('generator meanwhile', 'cores', 'generator'),
    row('pace: half of it', 'requests/s', 'rate'),
    row('write p99', 'ms', 'write p99', figureAtMost(WRITE_P99_MS_MAX)),
    row('read p99', 'ms', 'read p99', figureAtMost(READ_P99_MS_MAX)),
    row('write p50', 'ms', 'write p50'),
    row('read p50', 'ms', 'read p50'),
    row('write p99.9', 'ms', 'write p99.9'),
    row('read p99.9', 'ms', 'read p99.9'),
    row('slowest write', 'ms', 'write max'),
    row('slowest read', 'ms', 'read max'),
    row('server, all threads', 'cores', 'cpu'),
    row('server, event loop', 'cores', 'event loop'),
    row('generator', 'cores', 'generator'),
    row('generator late, p99', 'ms', 'generator late'),
    own('flushed', 'flush rate'),
    own('read by compactions', 'compaction reads'),
    own('written by compactions', 'compaction writes'),
  ]
}

function notesOf(options: BenchmarkOptions): string[] {
  return [
    `open loop, ${CONNECTIONS} connections, arrivals in groups of ${GROUP} on one connection, half of the groups SET, ` +
      `${scaled(KEYS, options)} existing keys, values of ${VALUE_BYTES} B, everysec; latency from the time a group was due to each reply`,
    'a generator that takes about a whole core in the closed loop understates the highest throughput',
  ]
}
