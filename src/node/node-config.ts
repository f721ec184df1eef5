/**
 * The configuration of one node in its typed form: what startNode takes. loadConfig in config.ts makes it from settings;
 * tests and simulations spread one and change fields.
 */
import type { Level } from '../coordinator/consistency.js'
import type { PrefixPolicy } from '../coordinator/key-policies.js'
import type { BlockCompression } from '../storage/table/block-compression.js'
import type { OutputLimit } from './knob-type.js'

export type AppendFsync = 'always' | 'everysec' | 'no'
export type LogLevel = 'debug' | 'verbose' | 'notice' | 'warning'

export interface NodeConfig {
  /** 0 takes any free port. */
  readonly port: number
  /** For cluster clients; 0 takes any free port. */
  readonly smartPort: number
  /** For the links of other nodes; 0 takes any free port. */
  readonly clusterPort: number
  /** Empty only where all that listens is on loopback. */
  readonly clusterSecret: string
  /** What other nodes and cluster clients are told as this node's address; '' in a single node that was given none. */
  readonly announceAddress: string
  readonly bind: readonly string[]
  /** Absolute. */
  readonly dir: string
  readonly appendFsync: AppendFsync
  /** Empty when no password is asked for. */
  readonly requirePass: string
  readonly protectedMode: boolean
  readonly maxClients: number
  /** Idle clients are closed after this; 0 never. */
  readonly idleTimeoutSeconds: number
  /** Unauthenticated connections are closed after this. */
  readonly handshakeTimeoutSeconds: number
  /** 0 for no probes. */
  readonly tcpKeepaliveSeconds: number
  readonly tcpBacklog: number
  readonly logLevel: LogLevel
  readonly protoMaxBulkLenBytes: number
  readonly queryBufferLimitBytes: number
  readonly outputLimit: OutputLimit
  /** -1 logs nothing, 0 everything. */
  readonly slowlogSlowerThanMicroseconds: number
  readonly slowlogMaxLength: number
  readonly enableDebugCommand: 'no' | 'yes' | 'local'
  /** Pairs of seconds and changes; '' for no snapshots but those asked for. */
  readonly savePoints: string
  /** What becomes of the node when its log has failed. */
  readonly commitFailurePolicy: 'stop' | 'die'
  readonly shutdownTimeoutSeconds: number
  readonly storage: StorageConfig
  /** Null: a single node, which holds all keys alone. */
  readonly cluster: ClusterConfig | null
  /** Absolute path of the file that settings were read from; '' when there was none. */
  readonly configFile: string
}

export interface StorageConfig {
  readonly segmentSizeBytes: number
  /** Segments in memory, the active one included. */
  readonly segmentsMax: number
  readonly blockCacheSizeBytes: number
  /** 0 is no limit. */
  readonly compactionRateBytesPerSecond: number
  readonly tableSizeBytes: number
  readonly tableCompression: BlockCompression
  readonly tableCompressionDeepest: BlockCompression
  readonly level0CompactionTables: number
  readonly level0SlowdownTables: number
  readonly level0StopTables: number
  readonly levelBaseSizeBytes: number
  readonly levelSizeMultiplier: number
  /** See window-tiers-text.ts. */
  readonly windowTiers: string
  readonly writeStallDelayMaxMs: number
  readonly diskReserveBytes: number
  /** 0: nothing is read. */
  readonly scrubRateBytesPerSecond: number
  /** 0: never. */
  readonly scrubIntervalSeconds: number
  /** Within `dir` unless it is absolute. */
  readonly snapshotDir: string
  /** 0: all. */
  readonly snapshotKeep: number
  /** Prefixes all different. */
  readonly policies: readonly CompactionPolicy[]
}

/** How the keys of a prefix are compacted, as far as they do not expire. */
export interface CompactionPolicy {
  /** As text; keys are compared with its UTF-8. Empty: every key that no other prefix fits. */
  readonly prefix: string
  readonly compaction: 'leveled' | 'size-tiered'
}

export interface ClusterConfig {
  /** Name of the member that this node is. */
  readonly node: string
  /** N as configured; there may be fewer members (RULES H2). */
  readonly replicas: number
  readonly readLevel: Level
  readonly writeLevel: Level
  readonly writeTimeoutMs: number
  readonly readTimeoutMs: number
  readonly speculativeDelayMs: number
  readonly maxClockDriftMs: number
  readonly flushTimeoutMs: number
  readonly catchUpMaxMs: number
  readonly gossipIntervalMs: number
  readonly pingIntervalMs: number
  readonly phiConvictThreshold: number
  /** At most phiConvictThreshold. */
  readonly phiSuspiciousThreshold: number
  readonly phiWindowSize: number
  /** 0 for never. */
  readonly antiEntropyIntervalMs: number
  /** 0 for no limit. */
  readonly antiEntropyRateBytesPerSecond: number
  readonly tombstoneGraceMs: number
  readonly purgeHardAgeMs: number
  readonly purgeHeldMaxPercent: number
  readonly hintedHandoffEnabled: boolean
  readonly maxHintWindowMs: number
  readonly maxHintsSizeBytes: number
  /** 0 is no limit. */
  readonly hintedHandoffThrottleBytes: number
  readonly sloppyQuorum: boolean
  /** This node's own entry. */
  readonly self: ClusterMember
  /** As the file lists them, this node among them; one at least. */
  readonly members: readonly ClusterMember[]
  readonly policies: readonly PrefixPolicy[]
}

/** One line of the member list: who it is on the ring (see Member in src/ring), and where it listens. */
export interface ClusterMember {
  readonly name: string
  /** 40 lower-case hexadecimal digits. */
  readonly id: string
  readonly host: string | null
  readonly rack: string | null
  readonly datacenter: string | null
  readonly weight: number
  /** An IP address or a host name. */
  readonly address: string
  readonly port: number
  readonly smartPort: number
  readonly clusterPort: number
}
