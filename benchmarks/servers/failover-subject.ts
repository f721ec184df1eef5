/** What the failover benchmark does things to: clusters of Kindred with the clients of one kind, or Redis Cluster; and the things. */
import type { PrivateNetwork } from '../../test/support/private-network.js'
import type { ApplicationKind } from '../load/failover-clients.js'
import type { HeldQuestion } from '../load/failover-load.js'
import { fill } from '../load/fill.js'
import { untilHeld } from '../load/held-keys.js'
import { KEY_BYTES, writeKey } from '../load/requests.js'
import type { SlotRange } from '../../src/ring/slot-range.js'
import { progress } from '../measure/turns.js'
import { KindredCluster } from './kindred-cluster.js'
import { RedisCluster } from './redis-cluster.js'
import { onLoopback } from './resp-client.js'
import type { Address } from './resp-client.js'
import type { ServerProcess } from './server-process.js'

const MB = 1_000_000
const FILL_VALUE_BYTES = 1000
const SAMPLE_MAX = 20_000
/** Redis's own default, and what is often set instead. */
const NODE_TIMEOUTS_MS = [15_000, 2000] as const

export interface FailoverSubject {
  readonly clients: {
    readonly kind: ApplicationKind
    readonly addresses: readonly Address[]
    readonly victim: number
  }
  readonly victim: ServerProcess
  readonly held: Omit<HeldQuestion, 'limitMs'>
  /** Slots whose home the victim is now. */
  victimSlots(): Promise<readonly SlotRange[]>
  /** Stores so many megabytes of values under keys of their own. */
  fill(mb: number): Promise<void>
  /** Milliseconds until the victim has all of them itself; Infinity when not within the limit. */
  untilFilled(limitMs: number): Promise<number>
  settle(): Promise<void>
  restart(): Promise<void>
  /** The victim's directory, while it is not running. */
  wipe(): void
  /** What the victim sends to the others is lost; only on a network. */
  mute(isMute: boolean): void
  stop(): Promise<void>
}

export interface SubjectKind {
  readonly name: string
  readonly isPeer: boolean
  start(parent: string, network: PrivateNetwork | null): Promise<FailoverSubject>
}

export interface Fault {
  readonly name: string
  readonly what: string
  readonly subjects: readonly string[]
  readonly onNetwork: boolean
  readonly needsFill: boolean
  /** The longest that a client may be without a success. */
  readonly gapSecondsMax: number
  begin(subject: FailoverSubject): Promise<void>
  /** Resolves when the node runs again. */
  end(subject: FailoverSubject): Promise<void>
}

const [CLUSTER_CLIENTS, PLAIN_CLIENTS] = ['Kindred, cluster clients', 'Kindred, plain clients']
const REDIS = NODE_TIMEOUTS_MS.map((ms) => `Redis Cluster, node timeout ${ms / 1000} s`)

export const SUBJECTS: readonly SubjectKind[] = [
  kindredKind(CLUSTER_CLIENTS, 'cluster'),
  kindredKind(PLAIN_CLIENTS, 'plain'),
  ...NODE_TIMEOUTS_MS.map((ms, i) => redisKind(REDIS[i], ms)),
]

export const FAULTS: readonly Fault[] = [
  {
    name: 'kill',
    what: 'kill -9',
    subjects: [CLUSTER_CLIENTS, PLAIN_CLIENTS, ...REDIS],
    onNetwork: false,
    needsFill: false,
    gapSecondsMax: 1,
    begin: ({ victim }) => victim.kill(),
    end: (subject) => subject.restart(),
  },
  {
    name: 'pause',
    what: 'SIGSTOP',
    subjects: [CLUSTER_CLIENTS, PLAIN_CLIENTS, ...REDIS],
    onNetwork: false,
    needsFill: false,
    gapSecondsMax: 3,
    begin: async ({ victim }) => victim.pause(),
    end: async ({ victim }) => victim.resume(),
  },
  {
    name: 'one-way',
    what: 'what the node sends to the other two is lost',
    subjects: [CLUSTER_CLIENTS, PLAIN_CLIENTS],
    onNetwork: true,
    needsFill: false,
    gapSecondsMax: 3,
    begin: async (subject) => subject.mute(true),
    end: async (subject) => subject.mute(false),
  },
  {
    name: 'wipe',
    what: 'kill -9, and it comes back with an empty directory',
    subjects: [CLUSTER_CLIENTS],
    onNetwork: false,
    needsFill: true,
    gapSecondsMax: 1,
    async begin(subject) {
      await subject.victim.kill()
      subject.wipe()
    },
    end: (subject) => subject.restart(),
  },
]

/** The first node is the victim. */
function kindredKind(name: string, kind: ApplicationKind): SubjectKind {
  return {
    name,
    isPeer: false,
    async start(parent, network) {
      const cluster = await KindredCluster.start(parent, 'everysec', { network })
      const addresses = cluster.nodes.map(({ host, port, smartPort }) => {
        return { host, port: kind === 'cluster' ? smartPort : port }
      })
      const { host, port } = cluster.nodes[0]
      const prologue = ['KV.QUORUM', 'READ', 'ONE', 'WRITE', 'QUORUM']
      const held = { address: { host, port }, prologue, allKeys: true }
      let stored = 0
      return {
        clients: { kind, addresses, victim: 0 },
        get victim() {
          return cluster.group.servers[0]
        },
        held,
        async victimSlots() {
          return (await cluster.homesBy(cluster.nodes[1]))[0]
        },
        async fill(mb) {
          stored = Math.ceil((mb * MB) / FILL_VALUE_BYTES)
          progress(`filling ${name} with ${mb} MB`)
          await fill(cluster.nodes[1].port, stored, FILL_VALUE_BYTES, () => {})
        },
        untilFilled: (limitMs) => untilHeld({ ...held, keys: filledKeys(stored), limitMs }),
        settle: () => cluster.group.settle(),
        restart: () => cluster.restart(0),
        wipe: () => cluster.wipe(0),
        mute(isMute) {
          for (const other of [1, 2]) if (isMute) network?.drop(0, other)
          for (const other of [1, 2]) if (!isMute) network?.pass(0, other)
        },
        stop: () => cluster.group.stop(),
      }
    },
  }
}

function redisKind(name: string, nodeTimeoutMs: number): SubjectKind {
  return {
    name,
    isPeer: true,
    async start(parent) {
      const cluster = await RedisCluster.start(parent, 'everysec', nodeTimeoutMs)
      const addresses = cluster.masters.map(({ address }) => address)
      const held = { address: onLoopback(addresses[0].port), prologue: ['READONLY'], allKeys: false }
      const isNotForRedis = (): never => {
        throw new Error('this is not done to Redis')
      }
      return {
        clients: { kind: 'cluster', addresses, victim: 0 },
        get victim() {
          return cluster.masters[0]
        },
        held,
        victimSlots: () => cluster.slotsOf(cluster.masters[0]),
        fill: isNotForRedis,
        untilFilled: isNotForRedis,
        settle: () => cluster.group.settle(),
        restart: () => cluster.restart(0),
        wipe: isNotForRedis,
        mute: isNotForRedis,
        stop: () => cluster.group.stop(),
      }
    },
  }
}

/** At most SAMPLE_MAX names of keys 0 to `count` - 1, evenly spread. */
function filledKeys(count: number): string[] {
  const step = Math.max(1, Math.ceil(count / SAMPLE_MAX))
  const name = Buffer.alloc(KEY_BYTES)
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => {
    writeKey(name, 0, i * step)
    return name.toString('latin1')
  })
}
