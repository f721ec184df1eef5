/**
 * Latencies of three nodes at QUORUM at half of their highest throughput, from the open-loop generator, beside a Redis master
 * with two replicas and SET + WAIT 1. Half of the groups are SETs, half GETs. On Redis a group of SETs ends with one WAIT,
 * which is the fairest (see quorum.ts), and a GET comes from the master.
 */
import type { Benchmark } from './benchmark.js'
import { COMMON_LOAD } from './load/open-loop.js'
import { atHalfOfHighest, atHalfRows } from './measure/at-half.js'
import type { AtHalfContender } from './measure/at-half.js'
import { figureAtMost } from './measure/comparison.js'
import { ErrorLog } from './measure/error-log.js'
import type { ClientKind } from './servers/kindred-cluster.js'
import { QuorumPair } from './servers/quorum-pair.js'

const GROUP = 16
const PACED_SECONDS = 12
const WRITE_P99_MS_MAX = 10
const READ_P99_MS_MAX = 5
const KINDS: readonly ClientKind[] = ['cluster clients', 'plain, spread']

export const quorumLatency: Benchmark = {
  name: 'quorum-latency',
  summary: 'read and write latency of three nodes at QUORUM at half of the highest throughput, open-loop',
  minutes: 6,
  async run(options) {
    const errors = new ErrorLog()
    const pair = await QuorumPair.start(options, errors)
    const contenders = [...KINDS.map((kind) => kindredContender(pair, kind)), redisContender(pair)]
    const figures = await atHalfOfHighest(contenders, PACED_SECONDS, options, errors)
    await pair.stop()
    const redis = figures[KINDS.length]
    const targets = [figureAtMost(WRITE_P99_MS_MAX), figureAtMost(READ_P99_MS_MAX)] as const
    return {
      rows: KINDS.flatMap((kind, index) =>
        atHalfRows(`${kind}: `, figures[index], redis, 'Redis, WAIT 1', ...targets),
      ),
      notes: [
        `open loop, ${COMMON_LOAD.connections} connections, arrivals in groups of ${GROUP} on one connection, half of the groups SET, ` +
          `${pair.keys} existing keys, values of ${COMMON_LOAD.valueBytes} B, N=3 R=W=QUORUM, everysec on all six servers; latency ` +
          'from the time a group was due to each reply, for SETs on Redis to that of the WAIT at their end',
        'a generator that takes about a whole core in the closed loop understates the highest throughput',
        ...errors.notes(),
      ],
    }
  },
}

const MIXTURE = { groupSize: GROUP, writeShare: 0.5 } as const

function kindredContender({ kindred, keys }: QuorumPair, kind: ClientKind): AtHalfContender {
  return {
    name: `Kindred, ${kind}`,
    group: kindred.group,
    load: async () => ({ ...COMMON_LOAD, ...(await kindred.clients(kind)), ...MIXTURE, keys }),
    settle: () => kindred.group.settle(),
  }
}

function redisContender(pair: QuorumPair): AtHalfContender {
  const { redis, redisClients, keys } = pair
  return {
    name: 'Redis',
    group: redis,
    load: async () => ({ ...COMMON_LOAD, ...redisClients, ...MIXTURE, wait: 'group', keys }),
    settle: () => pair.settleRedis(),
  }
}
