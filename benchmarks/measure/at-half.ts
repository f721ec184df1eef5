/**
 * Latencies at half of the highest throughput. First a closed loop finds how much each contender can take of a mixture, then
 * each is paced at half of its own, open-loop. Both go by turns.
 */
import type { BenchmarkOptions } from '../benchmark.js'
import { generate } from '../load/generator.js'
import type { OpenLoopOptions, OpenLoopResult } from '../load/open-loop.js'
import type { ServerGroup } from '../servers/server-group.js'
import { rowsBeside } from './comparison.js'
import type { Comparison, Target } from './comparison.js'
import type { ErrorLog } from './error-log.js'
import { median } from './statistics.js'
import { takeTurns } from './turns.js'
import type { Contender, Figures } from './turns.js'
import { MB } from './units.js'

const HIGHEST_ROUNDS = 3
const HIGHEST_SECONDS = 5
const QUICK_SECONDS = 4

/** Loads come without a pace and a duration, afresh for each turn. */
export interface AtHalfContender {
  readonly name: string
  readonly group: ServerGroup
  load(): Promise<Omit<OpenLoopOptions, 'requestsPerSecond' | 'seconds'>>
  settle(): Promise<unknown>
}

export interface AtHalfFigures {
  readonly highest: Figures
  readonly paced: Figures
}

/** Figures in the order of the contenders. */
export async function atHalfOfHighest(
  contenders: readonly AtHalfContender[],
  pacedSeconds: number,
  options: BenchmarkOptions,
  errors: ErrorLog,
): Promise<AtHalfFigures[]> {
  const [closed, open] = options.quick ? [QUICK_SECONDS, QUICK_SECONDS] : [HIGHEST_SECONDS, pacedSeconds]
  const highest = await takeTurns(
    Math.min(HIGHEST_ROUNDS, options.turns),
    contenders.map((one) => turnOf(one, `${one.name}, highest throughput`, closed, null, errors)),
  )
  const paced = await takeTurns(
    options.turns,
    contenders.map((one, index) => {
      const rate = median(highest[index].of('rate')) / 2
      return turnOf(one, `${one.name} at ${Math.round(rate)} requests/s`, open, rate, errors)
    }),
  )
  return contenders.map((_, index) => ({ highest: highest[index], paced: paced[index] }))
}

function turnOf(
  contender: AtHalfContender,
  name: string,
  seconds: number,
  requestsPerSecond: number | null,
  errors: ErrorLog,
): Contender {
  const { group } = contender
  return {
    name,
    async turn(figures) {
      const load = { ...(await contender.load()), seconds, requestsPerSecond }
      const cpu = group.cpuSeconds()
      const background = await backgroundBytes(group)
      const began = performance.now()
      const result = await generate(load)
      const elapsedSeconds = (performance.now() - began) / 1000
      const used = group.cpuSeconds()
      figures.add('cpu', (used.all - cpu.all) / elapsedSeconds)
      figures.add('event loop', (used.mainThread - cpu.mainThread) / elapsedSeconds)
      for (const [figure, bytes] of await backgroundBytes(group)) {
        figures.add(figure, (bytes - (background.get(figure) ?? 0)) / MB / elapsedSeconds)
      }
      addLatencies(figures, result)
      errors.add(name, result.errors)
      await contender.settle()
    },
  }
}

function addLatencies(figures: Figures, result: OpenLoopResult): void {
  figures.add('rate', result.requestsPerSecond)
  for (const kind of ['read', 'write'] as const) {
    figures.add(`${kind} p50`, result[kind].p50Ms)
    figures.add(`${kind} p99`, result[kind].p99Ms)
    figures.add(`${kind} p99.9`, result[kind].p999Ms)
    figures.add(`${kind} max`, result[kind].maxMs)
  }
  figures.add('generator', result.cpuShare)
  figures.add('generator late', result.lateP99Ms)
}

const BACKGROUND = [
  ['flush rate', 'storage_flushed_bytes'],
  ['compaction reads', 'storage_compaction_read_bytes'],
  ['compaction writes', 'storage_compaction_written_bytes'],
] as const

/** Bytes written and read in the background since the start; empty for Redis, which counts none. */
async function backgroundBytes(group: ServerGroup): Promise<Map<string, number>> {
  const sums = await group.sumOfInfo(BACKGROUND.map(([, field]) => field))
  return new Map(
    BACKGROUND.map(([figure], index): [string, number] => [figure, sums[index]]).filter(
      ([, bytes]) => !Number.isNaN(bytes),
    ),
  )
}

/** The rows of one contender of Kindred's beside one of Redis's; `prefix` says which of Kindred's. */
export function atHalfRows(
  prefix: string,
  kindred: AtHalfFigures,
  redis: AtHalfFigures,
  peer: string,
  writeTarget: Target,
  readTarget: Target,
): Comparison[] {
  const closed = rowsBeside(kindred.highest, peer, redis.highest)
  const paced = rowsBeside(kindred.paced, peer, redis.paced)
  const own = (measure: string, name: string): Comparison =>
    rowsBeside(kindred.paced, '', undefined)(measure, 'MB/s', name)
  const rows = [
    closed('highest throughput, closed loop', 'requests/s', 'rate'),
    closed('event loops of the servers meanwhile', 'cores', 'event loop'),
    closed('generator meanwhile', 'cores', 'generator'),
    paced('pace: half of it', 'requests/s', 'rate'),
    paced('write p99', 'ms', 'write p99', writeTarget),
    paced('read p99', 'ms', 'read p99', readTarget),
    paced('write p50', 'ms', 'write p50'),
    paced('read p50', 'ms', 'read p50'),
    paced('write p99.9', 'ms', 'write p99.9'),
    paced('read p99.9', 'ms', 'read p99.9'),
    paced('slowest write', 'ms', 'write max'),
    paced('slowest read', 'ms', 'read max'),
    paced('servers, all threads', 'cores', 'cpu'),
    paced('servers, event loops', 'cores', 'event loop'),
    paced('generator', 'cores', 'generator'),
    paced('generator late, p99', 'ms', 'generator late'),
    own('flushed', 'flush rate'),
    own('read by compactions', 'compaction reads'),
    own('written by compactions', 'compaction writes'),
  ]
  return rows.map((row) => ({ ...row, measure: `${prefix}${row.measure}` }))
}
