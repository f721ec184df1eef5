/**
 * The configuration of one node in its typed form: what startNode takes. loadConfig in config.ts makes it from settings;
 * tests and simulations spread one and change fields.
 */
import type { OutputLimit } from './knob-type.js'

export type AppendFsync = 'always' | 'everysec' | 'no'
export type LogLevel = 'debug' | 'verbose' | 'notice' | 'warning'

export interface NodeConfig {
  /** 0 takes any free port. */
  readonly port: number
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
  readonly shutdownTimeoutSeconds: number
  readonly storage: StorageConfig
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
  readonly level0CompactionTables: number
  readonly level0SlowdownTables: number
  readonly level0StopTables: number
  readonly levelBaseSizeBytes: number
  readonly levelSizeMultiplier: number
  readonly writeStallDelayMaxMs: number
  readonly diskReserveBytes: number
}
