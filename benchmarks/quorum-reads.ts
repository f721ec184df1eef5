/**
 * GETs from three nodes at ONE and at QUORUM beside GETs from a Redis master, in a closed loop from the project's own
 * generator, the same for both. Every key exists on all three nodes and was set before.
 */
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { COMMON_LOAD } from './load/open-loop.js'
import type { OpenLoopOptions } from './load/open-loop.js'
import { ratioAtLeast } from './measure/comparison.js'
import type { Comparison, Target } from './measure/comparison.js'
import { ErrorLog } from './measure/error-log.js'
import { measurePhase, phaseRow } from './measure/phase.js'
import { takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import { CLIENT_KINDS } from './servers/kindred-cluster.js'
import type { Clients } from './servers/kindred-cluster.js'
import { QuorumPair } from './servers/quorum-pair.js'

const SECONDS = 2.5
const QUICK_SECONDS = 1
const DEPTHS = [1, 16] as const
type Depth = (typeof DEPTHS)[number]
const LEVELS = ['ONE', 'QUORUM'] as const
type Level = (typeof LEVELS)[number]

/** Of a Redis GET; at QUORUM without pipelining the cost is only reported. */
const RATE_TARGETS: Readonly<Record<Level, Readonly<Record<Depth, number | null>>>> = {
  ONE: { 1: 0.9, 16: 0.9 },
  QUORUM: { 1: null, 16: 0.4 },
}

export const quorumReads: Benchmark = {
  name: 'quorum-reads',
  summary: 'GET on three nodes at ONE and at QUORUM beside a Redis GET: rate, p99, CPU',
  minutes: 6,
  async run(options) {
    const errors = new ErrorLog()
    const pair = await QuorumPair.start(options, errors)
    const [kindred, redis] = await takeTurns(options.turns, [
      kindredContender(pair, options, errors),
      redisContender(pair, options, errors),
    ])
    await pair.stop()
    return { rows: rowsOf(kindred, redis), notes: [...notesOf(pair, options), ...errors.notes()] }
  },
}

function load(
  { keys }: QuorumPair,
  clients: Clients,
  depth: Depth,
  options: BenchmarkOptions,
): OpenLoopOptions {
  return {
    ...COMMON_LOAD,
    ...clients,
    groupSize: depth,
    requestsPerSecond: null,
    seconds: options.quick ? QUICK_SECONDS : SECONDS,
    writeShare: 0,
    keys,
  }
}

function phaseOf(depth: Depth, ...more: readonly string[]): string {
  return [`GET -P ${depth}`, ...more].join(', ')
}

function kindredContender(pair: QuorumPair, options: BenchmarkOptions, errors: ErrorLog): Contender {
  const { kindred } = pair
  const run = async (figures: Figures, level: Level, depth: Depth): Promise<void> => {
    for (const kind of CLIENT_KINDS) {
      const prologue = ['KV.QUORUM', 'READ', level, 'WRITE', 'QUORUM']
      const one = { ...load(pair, await kindred.clients(kind), depth, options), prologue }
      await measurePhase(figures, phaseOf(depth, level, kind), kindred.group, one, errors)
    }
  }
  return {
    name: 'Kindred',
    async turn(figures) {
      for (const level of LEVELS) for (const depth of DEPTHS) await run(figures, level, depth)
      await kindred.group.settle()
    },
  }
}

function redisContender(pair: QuorumPair, options: BenchmarkOptions, errors: ErrorLog): Contender {
  return {
    name: 'Redis',
    async turn(figures) {
      for (const depth of DEPTHS) {
        const one = load(pair, pair.redisClients, depth, options)
        await measurePhase(figures, phaseOf(depth), pair.redis, one, errors)
      }
      await pair.settleRedis()
    },
  }
}

function rowsOf(kindred: Figures, redis: Figures): Comparison[] {
  const rows = (figure: 'rate' | 'p99' | 'CPU', level: Level, depth: Depth): Comparison[] => {
    const peer = { name: 'Redis', figures: redis, phase: phaseOf(depth) }
    const wanted = figure === 'rate' ? RATE_TARGETS[level][depth] : null
    const target: Target | undefined = wanted === null ? undefined : ratioAtLeast(wanted)
    return CLIENT_KINDS.map((kind) => phaseRow(figure, kindred, phaseOf(depth, level, kind), peer, target))
  }
  return LEVELS.flatMap((level) =>
    DEPTHS.flatMap((depth) =>
      (['rate', 'p99', 'CPU'] as const).flatMap((figure) => rows(figure, level, depth)),
    ),
  )
}

function notesOf({ keys }: QuorumPair, { quick }: BenchmarkOptions): string[] {
  return [
    `closed loop, ${COMMON_LOAD.connections} connections, ${COMMON_LOAD.valueBytes} B, ${keys} existing keys drawn uniformly, ` +
      `${quick ? QUICK_SECONDS : SECONDS} s a figure after ${COMMON_LOAD.warmUpSeconds} s of warm-up; Kindred N=3, the level set by ` +
      'KV.QUORUM on each connection; Redis answers from its master alone; everysec on all six servers',
    'CPU: user and system time of all processes and threads of a side',
  ]
}
