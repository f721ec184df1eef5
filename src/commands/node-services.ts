/**
 * What commands may ask of the node around them, apart from keys: settings, clients, counters, shutdown. The node
 * builds it; commands see only this interface.
 */
import type { Clock } from '../env/clock.js'
import type { Random } from '../env/random.js'
import type { CompactionScope } from '../storage/compaction/wanted.js'
import type { CompactionFacts } from '../storage/compaction-facts.js'
import type { ClusterKeyspace } from './cluster-keyspace.js'
import type { ClusterView } from './cluster-view.js'
import type { LatencyHistogram } from './latency-histogram.js'
import type { LoginBrake } from './login-brake.js'
import type { Session } from './session.js'
import type { Snapshots } from './snapshot-service.js'

export interface NodeServices {
  readonly clock: Clock
  readonly random: Random
  readonly settings: RuntimeSettings
  /** Null for a single node. */
  readonly cluster: ClusterView | null
  /** All keys of the cluster; null for a node that is alone. */
  readonly clusterKeyspace: ClusterKeyspace | null
  /** All open client connections, oldest first. */
  clients(): Iterable<Session>
  clientCount(): number
  readonly stats: NodeStats
  readonly slowlog: Slowlog
  /** Who has failed to log in lately. */
  readonly logins: LoginBrake
  /** Facts of one INFO section that only the engine knows, as `name` -> text; commands render them in Redis's order. */
  engineFacts(): EngineFacts
  readonly snapshots: Snapshots
  readonly compaction: CompactionControl
  /** Resolves never: starts an orderly stop (SHUTDOWN). */
  shutdown(): void
  /** 40 hex digits, new at each start (run_id). */
  readonly runId: string
  /** clock.wallMs() at start. */
  readonly startedAtMs: number
  readonly processId: number
  readonly version: string
  /** Name, release and architecture of the operating system, as INFO prints them: 'Linux 6.1.0 x64'. */
  readonly operatingSystem: string
  /** Path of the settings file the node was started with; '' when there is none. */
  readonly configFile: string
  memory(): MemoryFacts
  /** User and system CPU seconds of the process. */
  cpu(): { userSeconds: number; systemSeconds: number }
}

/** What compactions do, and how to ask for one. */
export interface CompactionControl {
  facts(): CompactionFacts
  /** Has what the scope holds compacted, behind what is due anyway; instead of what was asked for before. */
  want(scope: CompactionScope): void
}

/** Memory of the process: resident now and at its highest, the JavaScript heap, everything outside it, the machine's. */
export interface MemoryFacts {
  readonly residentBytes: number
  readonly peakResidentBytes: number
  readonly heapUsedBytes: number
  readonly heapTotalBytes: number
  readonly externalBytes: number
  readonly systemTotalBytes: number
}

/** Settings by their Redis names. CONFIG GET and SET go through here; the node refuses bad values. */
export interface RuntimeSettings {
  /** Names in alphabetical order. */
  names(): readonly string[]
  /** The value as CONFIG GET prints it; undefined for an unknown name. */
  get(name: string): string | undefined
  /** Null when done; else the reason as Redis words it, without the 'ERR CONFIG SET failed …' prefix. */
  set(name: string, value: string): string | null
  /** Which of the settings as they are now contradict each other; null for none: asked when all of one CONFIG SET are set. */
  contradiction(): string | null
  /** Typed views that handlers need. */
  readonly requirePass: string
  readonly enableDebugCommand: boolean
  readonly protoMaxBulkLenBytes: number
  readonly port: number
  /** How far ahead of this node's clock a stamp may lie (RULES V3, C1). */
  readonly maxClockDriftMs: number
}

export interface NodeStats {
  connectionsReceived: number
  rejectedConnections: number
  commandsProcessed: number
  errorReplies: number
  netInputBytes: number
  netOutputBytes: number
  keyspaceHits: number
  keyspaceMisses: number
  expiredKeys: number
  /** Operations a second over the last sampling window. */
  instantaneousOpsPerSecond: number
  instantaneousInputKbps: number
  instantaneousOutputKbps: number
  /** Calls, microseconds and failures by command name, for INFO commandstats. */
  readonly byCommand: Map<string, CommandStats>
  /** Counts by error code ('ERR', 'WRONGTYPE'), for INFO errorstats. */
  readonly byError: Map<string, number>
  /** CONFIG RESETSTAT. */
  reset(): void
}

export interface CommandStats {
  calls: number
  microseconds: number
  rejectedCalls: number
  failedCalls: number
  /** Every call's microseconds, for INFO latencystats and LATENCY HISTOGRAM. */
  readonly latency: LatencyHistogram
}

export interface Slowlog {
  /** Newest first. */
  entries(count: number): readonly SlowlogEntry[]
  readonly length: number
  reset(): void
}

export interface SlowlogEntry {
  readonly id: number
  readonly atUnixSeconds: number
  readonly microseconds: number
  /** At most 32 arguments of at most 128 bytes, as Redis trims them. */
  readonly args: readonly Buffer[]
  readonly clientAddress: string
  readonly clientName: string
}

/** What INFO says about durability and storage. */
export interface EngineFacts {
  readonly appendfsync: string
  /** 'ok' or 'err'. */
  readonly lastWriteStatus: string
  readonly logBytes: number
  readonly logPendingBytes: number
  readonly tableBytes: number
  readonly memtableBytes: number
  readonly blockCacheBytes: number
  readonly keys: number
  readonly expiringKeys: number
  /** Further Kindred-specific lines of section `# Storage`, in order. */
  readonly storageLines: readonly (readonly [string, string | number])[]
}
