/**
 * One replica of three stands still for ten seconds (SIGSTOP: its connections stay open and answer nothing) and then goes on.
 * The load is on the other two nodes, second by second: in a closed loop for their throughput, and paced at half of it for
 * the latencies that users would see. Plain clients ask for all keys, those whose home stands still included; cluster clients
 * ask the two for keys of their own. On Redis the master keeps the load and one of two replicas stands still.
 */
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { generate } from './load/generator.js'
import { COMMON_LOAD } from './load/open-loop.js'
import type { OpenLoopOptions, OpenLoopResult } from './load/open-loop.js'
import { amount, rowsBeside } from './measure/comparison.js'
import type { Comparison } from './measure/comparison.js'
import { ErrorLog } from './measure/error-log.js'
import type { ReportTable } from './measure/report.js'
import { takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import type { ClientKind, Clients } from './servers/kindred-cluster.js'
import { QuorumPair } from './servers/quorum-pair.js'
import type { ServerProcess } from './servers/server-process.js'

const PAUSE_SECONDS = 10
const AROUND_SECONDS = 7
const QUICK_PAUSE_SECONDS = 3
const QUICK_AROUND_SECONDS = 2
const GROUP = 16
const KINDS: readonly ClientKind[] = ['cluster clients', 'plain, spread']
const PARTS = ['before', 'during', 'after'] as const
const LOOPS = ['closed loop', 'paced'] as const
/** A recording of half a minute is a picture; more of them are for whoever asks with --turns. */
const TURNS = 1

interface Recording {
  readonly contender: string
  readonly loop: (typeof LOOPS)[number]
  readonly result: OpenLoopResult
}

interface Paused {
  readonly name: string
  /** Stands still. */
  readonly victim: ServerProcess
  load(): Promise<Omit<OpenLoopOptions, 'requestsPerSecond' | 'seconds' | 'windows'>>
  /** Resolves when all is as it was before. */
  recover(): Promise<void>
}

export const quorumPause: Benchmark = {
  name: 'quorum-pause',
  summary: 'one replica of three stands still for 10 s: throughput and p99 of the others, by the second',
  minutes: 4,
  turns: TURNS,
  async run(options) {
    const errors = new ErrorLog()
    const pair = await QuorumPair.start(options, errors)
    const recordings: Recording[] = []
    const paused = [...KINDS.map((kind) => pausedKindred(pair, kind)), pausedRedis(pair)]
    const contenders = paused.map((one) => contenderOf(one, options, errors, recordings))
    const figures = await takeTurns(options.turns, contenders)
    await pair.stop()
    const redis = figures[KINDS.length]
    return {
      rows: KINDS.flatMap((kind, index) => rowsOf(kind, figures[index], redis)),
      tables: LOOPS.map((loop) => seriesTable(loop, paused, recordings, times(options))),
      notes: [...notesOf(pair, times(options)), ...errors.notes()],
    }
  },
}

interface Times {
  readonly around: number
  readonly pause: number
}

function times({ quick }: BenchmarkOptions): Times {
  return quick
    ? { around: QUICK_AROUND_SECONDS, pause: QUICK_PAUSE_SECONDS }
    : { around: AROUND_SECONDS, pause: PAUSE_SECONDS }
}

function pausedKindred({ kindred, keys }: QuorumPair, kind: ClientKind): Paused {
  const { group } = kindred
  return {
    name: `Kindred, ${kind}`,
    victim: group.servers[group.servers.length - 1],
    load: async () => ({ ...COMMON_LOAD, ...allButLast(await kindred.clients(kind)), ...MIXTURE, keys }),
    recover: async () => {
      await kindred.whenReady()
      await group.settle()
    },
  }
}

function pausedRedis(pair: QuorumPair): Paused {
  const { redis, redisClients, keys } = pair
  return {
    name: 'Redis',
    victim: redis.servers[redis.servers.length - 1],
    load: async () => ({ ...COMMON_LOAD, ...redisClients, ...MIXTURE, wait: 'group', keys }),
    recover: () => pair.settleRedis(),
  }
}

const MIXTURE = { groupSize: GROUP, writeShare: 0.5 } as const

function allButLast({ ports, homes }: Clients): Clients {
  return { ports: ports.slice(0, -1), homes: homes?.slice(0, -1) ?? null }
}

/** A closed loop first; half of what it reached before the pause is the pace. */
function contenderOf(
  paused: Paused,
  options: BenchmarkOptions,
  errors: ErrorLog,
  recordings: Recording[],
): Contender {
  return {
    name: paused.name,
    async turn(figures) {
      let pace: number | null = null
      for (const loop of LOOPS) {
        const result = await record(paused, pace, times(options))
        PARTS.forEach((part, index) => {
          const { answeredPerSecond, errors: failed, latency } = result.windows[index]
          figures.add(`${loop} ${part} rate`, answeredPerSecond)
          figures.add(`${loop} ${part} p99`, latency.p99Ms)
          figures.add(`${loop} ${part} max`, latency.maxMs)
          figures.add(`${loop} ${part} errors`, failed)
        })
        recordings.push({ contender: paused.name, loop, result })
        errors.add(`${paused.name}, ${loop}`, result.errors)
        pace = result.windows[0].answeredPerSecond / 2
        await paused.recover()
      }
    },
  }
}

async function record(
  paused: Paused,
  requestsPerSecond: number | null,
  { around, pause }: Times,
): Promise<OpenLoopResult> {
  const seconds = 2 * around + pause
  const windows = [
    [0, around],
    [around, around + pause],
    [around + pause, seconds],
  ] as const
  const load = { ...(await paused.load()), requestsPerSecond, seconds, windows }
  const { victim } = paused
  const timers: NodeJS.Timeout[] = []
  try {
    return await generate(load, () => {
      timers.push(setTimeout(() => victim.pause(), around * 1000))
      timers.push(setTimeout(() => victim.resume(), (around + pause) * 1000))
    })
  } finally {
    timers.forEach(clearTimeout)
    victim.resume()
  }
}

function rowsOf(kind: ClientKind, kindred: Figures, redis: Figures): Comparison[] {
  const row = rowsBeside(kindred, 'Redis, WAIT 1', redis)
  const rows = (loop: Recording['loop'], what: string, unit: string, figure: string): Comparison[] =>
    PARTS.map((part) => row(`${kind}: ${loop}, ${what} ${part}`, unit, `${loop} ${part} ${figure}`))
  return [
    ...rows('closed loop', 'throughput', 'requests/s', 'rate'),
    ...rows('closed loop', 'p99', 'ms', 'p99'),
    ...rows('closed loop', 'errors', 'requests', 'errors'),
    ...rows('paced', 'throughput', 'requests/s', 'rate'),
    ...rows('paced', 'p99', 'ms', 'p99'),
    ...rows('paced', 'slowest', 'ms', 'max'),
    ...rows('paced', 'errors', 'requests', 'errors'),
  ]
}

/** The last recording of each contender, second by second. */
function seriesTable(
  loop: Recording['loop'],
  paused: readonly Paused[],
  recordings: readonly Recording[],
  { around, pause }: Times,
): ReportTable {
  const series = paused.map(
    ({ name }) =>
      recordings.findLast((one) => one.contender === name && one.loop === loop)?.result.series ?? [],
  )
  const rows = Array.from({ length: 2 * around + pause }, (_, second) => {
    const stands = second >= around && second < around + pause
    const figures = series.flatMap((of) => {
      const { answered, p99Ms, errors } = of[second] ?? { answered: 0, p99Ms: 0, errors: 0 }
      return [amount(answered), amount(p99Ms), String(errors)]
    })
    return [`${second + 1}${stands ? ' stopped' : ''}`, ...figures]
  })
  const header = paused.flatMap(({ name }) => [`${name}: answers`, 'p99 ms', 'errors'])
  return { title: `${loop}, by the second`, header: ['second', ...header], rows }
}

function notesOf({ keys }: QuorumPair, { pause }: Times): string[] {
  return [
    `${COMMON_LOAD.connections} connections to the nodes that go on, groups of ${GROUP}, half of them SET, ${keys} existing keys, values of ` +
      `${COMMON_LOAD.valueBytes} B, N=3 R=W=QUORUM, everysec; the third node (one of Redis's replicas) is stopped for ${pause} s`,
    'paced: at half of what the closed loop reached before the pause; latencies count from when a request was due, in the ' +
      'second in which it was due; answers in the second in which they came',
    'a closed loop leaves out the requests that would have been sent while it waited: read its p99 with the paced one',
  ]
}
