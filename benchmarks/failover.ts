/**
 * One of three nodes goes away under a steady load and comes back: what that costs applications, in acknowledged writes, in
 * failed requests and in seconds without service, and how long until the node has what it missed. It is killed, stopped
 * (SIGSTOP), killed with its directory lost, or it is no longer heard by the other two, though it hears them (on a network
 * of namespaces). Redis Cluster with three masters and three replicas beside it: the same load, one of its masters.
 *
 * Every run has a cluster of its own, so that no story begins with what another one left.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { PrivateNetwork } from '../test/support/private-network.js'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { COMMAND_TIMEOUT_MS, SLOTS_REFRESH_MS, SOCKET_TIMEOUT_MS } from './load/failover-clients.js'
import { startFailoverLoad } from './load/failover-child.js'
import type { FailoverResult } from './load/failover-load.js'
import { LATE_MS, PHASES } from './load/failover-tally.js'
import type { GroupFigures } from './load/failover-tally.js'
import { amount, figureAtMost, rowsBeside } from './measure/comparison.js'
import type { Comparison } from './measure/comparison.js'
import { ErrorLog } from './measure/error-log.js'
import type { ReportTable } from './measure/report.js'
import { takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import { FAULTS, SUBJECTS } from './servers/failover-subject.js'
import type { Fault, FailoverSubject, SubjectKind } from './servers/failover-subject.js'

const RATE = 20_000
const ABSENCE_SECONDS = 60
const BEFORE_SECONDS = 10
const AFTER_SECONDS_MIN = 15
const WARM_UP_SECONDS = 20
const CAUGHT_UP_LIMIT_SECONDS = 300
const FILL_MB = 200
const CLIENTS = 30
/** What an application asks for at once, as `redis-benchmark -P 16` does. */
const GROUP_SIZE = 16
const VALUE_BYTES = 100
const HOUR_SECONDS = 3600
const MILLION = 1_000_000
/** 99.99 % of an hour's requests. */
const FAILED_MAX = 100
const QUICK = { rate: 2000, absence: 8, before: 3, warmUp: 1, fill: 5, afterMin: 5, caughtUpLimit: 15 }

interface Sizes {
  readonly rate: number
  readonly warmUp: number
  readonly before: number
  readonly absence: number
  readonly afterMin: number
  readonly caughtUpLimit: number
  readonly fillMb: number
}

export const failover: Benchmark = {
  name: 'failover',
  summary:
    'one node goes away under load and comes back: lost writes, failed requests, seconds without service',
  minutes: 30,
  turns: 1,
  async run(options) {
    const sizes = sizesOf(options)
    const errors = new ErrorLog()
    const refusal = PrivateNetwork.refusal()
    const faults = FAULTS.filter(({ name, onNetwork }) => {
      return (options.only.length === 0 || options.only.includes(name)) && !(onNetwork && refusal !== null)
    })
    if (faults.length === 0) throw new Error(`the stories are ${FAULTS.map(({ name }) => name).join(', ')}`)
    const rows: Comparison[] = []
    const tables: ReportTable[] = []
    for (const fault of faults) {
      const kinds = SUBJECTS.filter((kind) => fault.subjects.includes(kind.name))
      const contenders = kinds.map((kind) => contenderOf(fault, kind, sizes, options, errors))
      const figures = await takeTurns(options.turns, contenders)
      rows.push(...rowsOf(fault, kinds, figures))
      tables.push(tableOf(fault, kinds, figures))
    }
    return { rows, tables, notes: [...notesOf(sizes, refusal), ...errors.notes()] }
  },
}

function sizesOf({ quick, requestsPerSecond, absenceSeconds, fillMb }: BenchmarkOptions): Sizes {
  const usual = quick
    ? QUICK
    : {
        rate: RATE,
        absence: ABSENCE_SECONDS,
        before: BEFORE_SECONDS,
        warmUp: WARM_UP_SECONDS,
        fill: FILL_MB,
        afterMin: AFTER_SECONDS_MIN,
        caughtUpLimit: CAUGHT_UP_LIMIT_SECONDS,
      }
  const { rate, absence, fill, ...others } = usual
  return {
    ...others,
    rate: requestsPerSecond ?? rate,
    absence: absenceSeconds ?? absence,
    fillMb: fillMb ?? fill,
  }
}

function contenderOf(
  fault: Fault,
  kind: SubjectKind,
  sizes: Sizes,
  options: BenchmarkOptions,
  errors: ErrorLog,
): Contender {
  const name = `${fault.name}: ${kind.name}`
  return {
    name,
    async turn(figures) {
      const network = fault.onNetwork ? PrivateNetwork.make(3) : null
      const subject = await kind.start(options.directory, network)
      try {
        if (fault.needsFill) await subject.fill(sizes.fillMb)
        await subject.settle()
        const { result, heldMs } = await run(fault, subject, sizes)
        addFigures(figures, result, heldMs, sizes)
        errors.add(name, result.errors)
      } finally {
        await subject.stop()
        network?.remove()
      }
    },
  }
}

interface Run {
  readonly result: FailoverResult
  /** Until the returned node had what was stored before the load, Infinity when not in time; null when that was not asked. */
  readonly heldMs: number | null
}

async function run(fault: Fault, subject: FailoverSubject, sizes: Sizes): Promise<Run> {
  const { rate, warmUp, before, absence, afterMin, caughtUpLimit } = sizes
  const limitMs = caughtUpLimit * 1000
  const load = startFailoverLoad({
    ...subject.clients,
    victimSlots: await subject.victimSlots(),
    clients: CLIENTS,
    requestsPerSecond: rate,
    groupSize: GROUP_SIZE,
    warmUpSeconds: warmUp,
    secondsMax: before + absence + caughtUpLimit,
    valueBytes: VALUE_BYTES,
  })
  try {
    await load.measuring
    await sleep(before * 1000)
    load.order({ kind: 'fault begins' })
    await fault.begin(subject)
    await sleep(absence * 1000)
    load.order({ kind: 'node returns', ask: { ...subject.held, limitMs } })
    const returned = fault.end(subject)
    const held = fault.needsFill ? subject.untilFilled(limitMs) : Promise.resolve(null)
    const began = performance.now()
    await Promise.all([returned, sleep(afterMin * 1000)])
    // The load goes on while the node catches up; it ends by itself when that takes too long.
    const caughtUp = Promise.all([held, load.caughtUp])
    await Promise.race([caughtUp, sleep(limitMs - (performance.now() - began)), load.result])
    load.order({ kind: 'end' })
    return { result: await load.result, heldMs: await held }
  } finally {
    load.kill()
  }
}

function addFigures(figures: Figures, result: FailoverResult, heldMs: number | null, sizes: Sizes): void {
  const { others, ofVictim } = result
  figures.add('acknowledged', result.acknowledged)
  figures.add('lost', result.lost)
  figures.add('missed reads', result.missedReads)
  figures.add('late', result.lateP99Ms)
  addGroup(figures, '', others, sizes)
  if (ofVictim !== null) addGroup(figures, 'own ', ofVictim, sizes)
  figures.add('caught up', result.caughtUpMs / 1000)
  if (heldMs === null) return
  figures.add('rebuilt', heldMs / 1000)
  figures.add('rebuild rate', sizes.fillMb / (heldMs / 1000))
}

function addGroup(figures: Figures, prefix: string, group: GroupFigures, { rate }: Sizes): void {
  const { phases } = group
  const failed = phases.absent.failed + phases.after.failed
  const requests = phases.absent.requests + phases.after.requests
  const late = phases.absent.late + phases.after.late
  figures.add(`${prefix}failed`, (failed / requests) * 100)
  figures.add(`${prefix}failed requests`, failed)
  figures.add(`${prefix}late requests`, late)
  figures.add(`${prefix}availability`, (1 - failed / (rate * HOUR_SECONDS)) * 100)
  figures.add(`${prefix}unavailability`, (failed / (rate * HOUR_SECONDS)) * MILLION)
  figures.add(`${prefix}gap`, group.longestGapMs / 1000)
  figures.add(`${prefix}gap of keys`, group.longestGapOfKeysMs / 1000)
  for (const phase of PHASES) {
    figures.add(`${prefix}p99 ${phase}`, phases[phase].p99Ms)
    figures.add(`${prefix}answered ${phase}`, phases[phase].requests - phases[phase].failed)
  }
}

/** Kindred's cluster clients beside Redis Cluster's. */
function rowsOf(fault: Fault, kinds: readonly SubjectKind[], figures: readonly Figures[]): Comparison[] {
  const rows: Comparison[] = []
  const peer = kinds.findIndex(({ isPeer }) => isPeer)
  for (const [index, kind] of kinds.entries()) {
    if (kind.isPeer) continue
    const row = rowsBeside(figures[index], peer === -1 ? '' : kinds[peer].name, figures[peer])
    const name = `${fault.name}, ${kind.name}`
    rows.push(
      row(`${name}: acknowledged writes lost`, 'writes', 'lost', figureAtMost(0)),
      row(`${name}: requests failed, one an hour`, 'ppm', 'unavailability', figureAtMost(FAILED_MAX)),
      row(`${name}: longest time without a success`, 's', 'gap', figureAtMost(fault.gapSecondsMax)),
      row(`${name}: the same of the node's own keys`, 's', 'gap of keys', figureAtMost(fault.gapSecondsMax)),
    )
  }
  return rows
}

const LINES: readonly (readonly [string, string])[] = [
  ['acknowledged writes', 'acknowledged'],
  ['of them lost', 'lost'],
  ['reads that missed an acknowledged write', 'missed reads'],
  ['requests failed', 'failed requests'],
  ['% of the requests from the fault on', 'failed'],
  [`answered after more than ${LATE_MS / 1000} s`, 'late requests'],
  ['availability for one an hour, %', 'availability'],
  ['longest time without a success, s', 'gap'],
  ["the same of the node's own keys, s", 'gap of keys'],
  ['answered before', 'answered before'],
  ['answered while it was away', 'answered absent'],
  ['answered after', 'answered after'],
  ['p99 before, ms', 'p99 before'],
  ['p99 while it was away, ms', 'p99 absent'],
  ['p99 after, ms', 'p99 after'],
  ["the node's own clients: requests failed", 'own failed requests'],
  ["the node's own clients: longest time without a success, s", 'own gap'],
  ['until it had what it missed, s', 'caught up'],
  ['until it had what was stored before, s', 'rebuilt'],
  ['the same, MB/s', 'rebuild rate'],
  ['the load was late by (p99), ms', 'late'],
]

function tableOf(fault: Fault, kinds: readonly SubjectKind[], figures: readonly Figures[]): ReportTable {
  const rows = LINES.map(([text, name]) => [
    text,
    ...figures.map((of) => {
      const values = of.of(name)
      if (values.length === 0) return ''
      const value = values[values.length - 1]
      if (!Number.isFinite(value)) return 'not in time'
      return name === 'availability' ? value.toFixed(4) : amount(value)
    }),
  ])
  return {
    title: `${fault.name}: ${fault.what}`,
    header: ['', ...kinds.map(({ name }) => name)],
    rows: rows.filter((row) => row.slice(1).some((text) => text !== '')),
  }
}

function notesOf({ rate, absence, fillMb }: Sizes, refusal: string | null): string[] {
  return [
    `${rate} requests a second in all from ${CLIENTS} clients of ioredis in one process, ${GROUP_SIZE} at a time, half of them SET of new keys, half GET of ` +
      `acknowledged ones, values of ${VALUE_BYTES} B, everysec; the node is away for ${absence} s; N=3 R=W=QUORUM`,
    `cluster clients ask for the slots every ${SLOTS_REFRESH_MS} ms and give a silent connection up after ${SOCKET_TIMEOUT_MS} ms, commands end ` +
      `after ${COMMAND_TIMEOUT_MS} ms: the same for both servers`,
    'every acknowledged write is asked for in the end; times without a success are the worst client’s, and ' +
      'those of clients that were connected to the node itself stand apart',
    `before "wipe" ${fillMb} MB are stored; latencies count from when a request was due`,
    ...(refusal === null ? [] : [`the one-way partition was not run: ${refusal}`]),
  ]
}
