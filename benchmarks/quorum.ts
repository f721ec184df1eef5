/**
 * SETs that two of three have: Kindred with W=2 of N=3 beside a Redis master with two replicas and SET + WAIT 1, all under
 * appendfsync everysec, in a closed loop from the project's own generator, the same for both.
 *
 * In a pipeline, Redis is asked in two ways. One WAIT behind the 16 SETs is what its users do, and what it is best at: the
 * pipeline as a whole is safe when the WAIT has answered. That is the main figure. A WAIT behind each SET is what makes every
 * single reply mean what Kindred's +OK means, and how the prototypes were compared when the targets were set; it is reported
 * apart. Either way a SET counts, and its latency ends, when the WAIT that covers it has answered. Without pipelining both
 * are the same.
 *
 * The throwaway prototypes quorum.js (any node coordinates what it is sent: beside cluster clients) and quorum-home.js
 * (forwards to the key's home: beside plain clients that are spread) are the ceiling, etcd the strongly consistent contrast.
 */
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { generateEtcd } from './load/generator.js'
import type { WaitMode } from './load/load-connection.js'
import { COMMON_LOAD } from './load/open-loop.js'
import type { OpenLoopOptions } from './load/open-loop.js'
import { ratioAtLeast, ratioAtMost } from './measure/comparison.js'
import type { Comparison } from './measure/comparison.js'
import { ErrorLog } from './measure/error-log.js'
import { addPhase, measurePhase, phaseRow } from './measure/phase.js'
import type { PhasePeer } from './measure/phase.js'
import { takeTurns } from './measure/turns.js'
import type { Contender, Figures } from './measure/turns.js'
import { etcdVersion, ETCD_MISSING, startEtcdCluster } from './servers/etcd-cluster.js'
import { CLIENT_KINDS } from './servers/kindred-cluster.js'
import type { ClientKind, Clients } from './servers/kindred-cluster.js'
import { QuorumPair } from './servers/quorum-pair.js'
import {
  QUORUM_HOME_PROTOTYPE,
  QUORUM_PROTOTYPE,
  startQuorumPrototype,
  whyNoPrototype,
} from './servers/quorum-prototype.js'
import type { QuorumPrototype } from './servers/quorum-prototype.js'
import type { ServerGroup } from './servers/server-group.js'

const SECONDS = 2.5
const QUICK_SECONDS = 1
const DEPTHS = [1, 16] as const
type Depth = (typeof DEPTHS)[number]

/** Of Redis's rate with SET + WAIT 1. */
const RATE_TARGETS: Readonly<Record<ClientKind, Readonly<Record<Depth, number>>>> = {
  'cluster clients': { 1: 1.5, 16: 2.5 },
  'plain, one node': { 1: 1, 16: 2 },
  'plain, spread': { 1: 1, 16: 2 },
}
const WAIT_GROUP = 'WAIT 1'
const WAIT_EACH = 'WAIT 1 after each'

export const quorum: Benchmark = {
  name: 'quorum',
  summary: 'SET on three nodes, W=2, beside Redis SET + WAIT 1, the prototypes and etcd: rate, p99, CPU',
  minutes: 6,
  async run(options) {
    const errors = new ErrorLog()
    const pair = await QuorumPair.start(options, errors)
    const { contenders: others, notes, stop } = await otherContenders(pair, options, errors)
    const [kindred, redis, ...rest] = await takeTurns(options.turns, [
      kindredContender(pair, options, errors),
      redisContender(pair, options, errors),
      ...others,
    ])
    await stop()
    await pair.stop()
    const byName = new Map(others.map(({ name }, index) => [name, rest[index]]))
    return {
      rows: [
        ...rowsBesideRedis(kindred, redis),
        ...rowsBesideRest(kindred, byName),
        generatorRow(kindred, redis),
      ],
      notes: [...notesOf(pair, options), ...notes, ...errors.notes()],
    }
  },
}

function load(
  { keys }: QuorumPair,
  clients: Clients,
  groupSize: number,
  wait: WaitMode,
  { quick }: BenchmarkOptions,
): OpenLoopOptions {
  const seconds = quick ? QUICK_SECONDS : SECONDS
  return {
    ...COMMON_LOAD,
    ...clients,
    groupSize,
    requestsPerSecond: null,
    seconds,
    writeShare: 1,
    wait,
    keys,
  }
}

function phaseOf(depth: number, kind: string): string {
  return `SET -P ${depth}, ${kind}`
}

function kindredContender(pair: QuorumPair, options: BenchmarkOptions, errors: ErrorLog): Contender {
  const { kindred } = pair
  return {
    name: 'Kindred',
    async turn(figures) {
      for (const depth of DEPTHS) {
        for (const kind of CLIENT_KINDS) {
          const one = load(pair, await kindred.clients(kind), depth, 'none', options)
          await measurePhase(figures, phaseOf(depth, kind), kindred.group, one, errors)
        }
      }
      await kindred.group.settle()
    },
  }
}

function redisContender(pair: QuorumPair, options: BenchmarkOptions, errors: ErrorLog): Contender {
  const run = (figures: Figures, depth: number, wait: WaitMode, name: string): Promise<unknown> => {
    const one = load(pair, pair.redisClients, depth, wait, options)
    return measurePhase(figures, phaseOf(depth, name), pair.redis, one, errors)
  }
  return {
    name: 'Redis',
    async turn(figures) {
      await run(figures, 1, 'group', WAIT_GROUP)
      await run(figures, 16, 'group', WAIT_GROUP)
      await run(figures, 16, 'each', WAIT_EACH)
      await pair.settleRedis()
    },
  }
}

/** Those that can run, and why others do not. */
async function otherContenders(
  pair: QuorumPair,
  options: BenchmarkOptions,
  errors: ErrorLog,
): Promise<{ contenders: Contender[]; notes: string[]; stop: () => Promise<void> }> {
  const contenders: Contender[] = []
  const notes: string[] = []
  for (const prototype of [QUORUM_PROTOTYPE, QUORUM_HOME_PROTOTYPE]) {
    const why = await whyNoPrototype(options.prototypes, prototype)
    if (why === null) contenders.push(prototypeContender(prototype, pair, options, errors))
    else notes.push(why)
  }
  const version = etcdVersion()
  if (version === null) return { contenders, notes: [...notes, ETCD_MISSING], stop: async () => {} }
  const etcd = await startEtcdCluster(options.directory)
  contenders.push(etcdContender(etcd, pair, options, errors))
  notes.push(
    `${version}: three members, its gRPC gateway over HTTP, clients spread; it syncs each write to the disks of two ` +
      'members, Kindred and Redis sync once a second',
  )
  return { contenders, notes, stop: () => etcd.stop() }
}

/** Started anew for each turn, because it has memory for so many writes and no more. */
function prototypeContender(
  prototype: QuorumPrototype,
  pair: QuorumPair,
  options: BenchmarkOptions,
  errors: ErrorLog,
): Contender {
  const { script } = prototype
  return {
    name: script,
    async turn(figures) {
      const group = await startQuorumPrototype(options.prototypes ?? '', prototype, options.directory)
      const clients = { ports: group.servers.map(({ port }) => port), homes: null }
      for (const depth of DEPTHS) {
        const one = load(pair, clients, depth, 'none', options)
        await measurePhase(figures, phaseOf(depth, script), group, one, errors)
      }
      await group.stop()
    },
  }
}

function etcdContender(
  group: ServerGroup,
  { keys }: QuorumPair,
  { quick }: BenchmarkOptions,
  errors: ErrorLog,
): Contender {
  const { connections, warmUpSeconds, valueBytes } = COMMON_LOAD
  const ports = group.servers.map(({ port }) => port)
  return {
    name: 'etcd',
    async turn(figures) {
      const seconds = quick ? QUICK_SECONDS : SECONDS
      const before = group.cpuSeconds().all
      const result = await generateEtcd({ ports, connections, warmUpSeconds, seconds, valueBytes, keys })
      const cpuSeconds = group.cpuSeconds().all - before
      addPhase(figures, phaseOf(1, 'etcd'), { ...result, p99Ms: result.write.p99Ms, cpuSeconds })
      errors.add('etcd: put', result.errors)
      await group.settle()
    },
  }
}

function rowsBesideRedis(kindred: Figures, redis: Figures): Comparison[] {
  const besideWait = (depth: Depth, wait: string): Comparison[] => {
    const peer = { name: `Redis, ${wait}`, figures: redis, phase: phaseOf(depth, wait) }
    return CLIENT_KINDS.flatMap((kind) => [
      phaseRow('rate', kindred, phaseOf(depth, kind), peer, ratioAtLeast(RATE_TARGETS[kind][depth])),
      phaseRow('p99', kindred, phaseOf(depth, kind), peer, ratioAtMost(1)),
    ])
  }
  const cpu = (depth: Depth): Comparison[] => {
    const peer = { name: `Redis, ${WAIT_GROUP}`, figures: redis, phase: phaseOf(depth, WAIT_GROUP) }
    return CLIENT_KINDS.map((kind) => phaseRow('CPU', kindred, phaseOf(depth, kind), peer))
  }
  return [
    ...besideWait(1, WAIT_GROUP),
    ...besideWait(16, WAIT_GROUP),
    ...besideWait(16, WAIT_EACH),
    ...cpu(1),
    ...cpu(16),
  ]
}

function rowsBesideRest(kindred: Figures, others: ReadonlyMap<string, Figures>): Comparison[] {
  const peer = (name: string, depth: Depth): PhasePeer => ({
    name,
    figures: others.get(name),
    phase: phaseOf(depth, name),
  })
  const ceiling = (kind: ClientKind, { script }: QuorumPrototype): Comparison[] =>
    DEPTHS.flatMap((depth) => [
      phaseRow('rate', kindred, phaseOf(depth, kind), peer(script, depth)),
      phaseRow('CPU', kindred, phaseOf(depth, kind), peer(script, depth)),
    ])
  const contrast = (['rate', 'p99', 'CPU'] as const).map((figure) =>
    phaseRow(figure, kindred, phaseOf(1, 'plain, spread'), peer('etcd', 1)),
  )
  return [
    ...ceiling('cluster clients', QUORUM_PROTOTYPE),
    ...ceiling('plain, spread', QUORUM_HOME_PROTOTYPE),
    ...contrast,
  ]
}

function generatorRow(kindred: Figures, redis: Figures): Comparison {
  const peer = { name: `Redis, ${WAIT_GROUP}`, figures: redis, phase: phaseOf(16, WAIT_GROUP) }
  return phaseRow('generator', kindred, phaseOf(16, 'cluster clients'), peer)
}

function notesOf({ keys }: QuorumPair, { quick }: BenchmarkOptions): string[] {
  return [
    `closed loop, ${COMMON_LOAD.connections} connections, ${COMMON_LOAD.valueBytes} B, ${keys} existing keys drawn uniformly, ` +
      `${quick ? QUICK_SECONDS : SECONDS} s a figure after ${COMMON_LOAD.warmUpSeconds} s of warm-up; Kindred N=3 W=2, Redis a master ` +
      'with two replicas, everysec on all six servers',
    'WAIT 1: a pipeline of 16 SETs ends with one WAIT 1 0; WAIT 1 after each: behind every SET; a SET is done when its WAIT has ' +
      'answered',
    'cluster clients ask each node for keys of which it is the home; plain clients ask any node for any key',
    'CPU: user and system time of all processes and threads of a side, flushes and compactions or rewrites meanwhile included',
  ]
}
