/** One load on one group of servers, and the figures that every load has. */
import { generate } from '../load/generator.js'
import type { OpenLoopOptions, OpenLoopResult } from '../load/open-loop.js'
import type { ServerGroup } from '../servers/server-group.js'
import type { Comparison, Target } from './comparison.js'
import type { ErrorLog } from './error-log.js'
import type { Figures } from './turns.js'

/**
 * Adds `${name} rate` (requests/s), `${name} p99` (ms, of the writes when there are any, else of the reads), `${name} CPU`
 * (µs of all the group's processes a request, with the flushes and compactions that went on meanwhile) and
 * `${name} generator` (cores).
 */
export async function measurePhase(
  figures: Figures,
  name: string,
  group: ServerGroup,
  load: OpenLoopOptions,
  errors: ErrorLog,
): Promise<OpenLoopResult> {
  const before = group.cpuSeconds().all
  const result = await generate(load)
  const cpu = group.cpuSeconds().all - before
  const { p99Ms } = load.writeShare > 0 ? result.write : result.read
  addPhase(figures, name, { ...result, p99Ms, cpuSeconds: cpu })
  figures.add(`${name} generator`, result.cpuShare)
  errors.add(`${group.name}: ${name}`, result.errors)
  return result
}

export interface PhaseResult {
  readonly requestsPerSecond: number
  readonly p99Ms: number
  readonly cpuSeconds: number
  readonly answered: number
}

export function addPhase(figures: Figures, name: string, result: PhaseResult): void {
  const { requestsPerSecond, p99Ms, cpuSeconds, answered } = result
  if (answered === 0) throw new Error(`${name}: no request was answered as it should be`)
  figures.add(`${name} rate`, requestsPerSecond)
  figures.add(`${name} p99`, p99Ms)
  figures.add(`${name} CPU`, (cpuSeconds * 1e6) / answered)
}

const UNITS = { rate: 'requests/s', p99: 'ms', CPU: 'µs a request', generator: 'cores' } as const
const DETAILS = {
  rate: '',
  p99: ', 99th percentile',
  CPU: ', CPU of all processes',
  generator: ', generator',
}

/** Whom Kindred is compared with: its figures, undefined when it did not run, and the name of its phase. */
export interface PhasePeer {
  readonly name: string
  readonly figures: Figures | undefined
  readonly phase: string
}

/** A row of a report from a phase of Kindred's and one of a peer's. */
export function phaseRow(
  figure: keyof typeof UNITS,
  kindred: Figures,
  phase: string,
  peer: PhasePeer,
  target?: Target,
): Comparison {
  return {
    measure: `${phase}${DETAILS[figure]}`,
    unit: UNITS[figure],
    kindred: kindred.of(`${phase} ${figure}`),
    peer: peer.name,
    theirs: peer.figures?.of(`${peer.phase} ${figure}`) ?? [],
    target,
  }
}
