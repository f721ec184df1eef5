/**
 * Every setting of a node, as data. The flags of the command line, the keys of the configuration file, CONFIG GET and
 * SET, the help text and the checks at start all come from this table, and a test holds cluster-config/node.yaml
 * against it.
 *
 * A setting has one name everywhere: `--name` on the command line, `name` in CONFIG GET, and the last part of its path
 * in the file, where settings of the storage engine and of the cluster stand in sections of their own. What Redis has a name for keeps
 * that name, its unit and its range; where a default differs from Redis's, the reason says so.
 */
import { CLUSTER_KNOBS } from './cluster-schema.js'
import type { ClusterConfig, NodeConfig, StorageConfig } from './node-config.js'
import type { KnobType } from './knob-type.js'

export interface Knob {
  /** Where it stands in the configuration file: 'port', 'storage.segment-size'. Its last part is the name. */
  readonly path: string
  /** Its field in NodeConfig, or in StorageConfig and ClusterConfig for the settings of these sections. */
  readonly field:
    | Exclude<keyof NodeConfig, 'storage' | 'cluster' | 'configFile'>
    | Exclude<keyof StorageConfig, 'policies'>
    | Exclude<keyof ClusterConfig, 'self' | 'members' | 'policies'>
  readonly type: KnobType
  /** Text of the default, to be read by the type's parser. */
  readonly fallback: string
  /** What a number is measured in; empty for plain counts, texts and choices, and for sizes, which carry theirs. */
  readonly unit: string
  /** CONFIG SET may change it while the node runs. */
  readonly runtime: boolean
  /** Never printed in error messages. */
  readonly secret?: boolean
  /** When and why an operator would turn it. One line. */
  readonly reason: string
}

const MB = 1024 * 1024
const GB = 1024 * MB
const SECONDS_MAX = 2 ** 31 - 1

export const KNOBS: readonly Knob[] = [
  {
    path: 'port',
    field: 'port',
    type: { kind: 'integer', min: 0, max: 65535 },
    fallback: '7001',
    unit: '',
    runtime: false,
    reason:
      'Where clients connect; turn it when the port is taken or several nodes share a machine. 0 takes any free port.',
  },
  {
    path: 'smart-port',
    field: 'smartPort',
    type: { kind: 'integer', min: 0, max: 65535 },
    fallback: '0',
    unit: '',
    runtime: false,
    reason: 'Where cluster clients connect, which are sent to the node that has their key. 0 is port + 1000.',
  },
  {
    path: 'cluster-port',
    field: 'clusterPort',
    type: { kind: 'integer', min: 0, max: 65535 },
    fallback: '0',
    unit: '',
    runtime: false,
    reason: 'Where the other nodes connect; keep it closed to everybody else. 0 is port + 10000.',
  },
  {
    path: 'bind',
    field: 'bind',
    type: { kind: 'addresses' },
    fallback: '127.0.0.1',
    unit: '',
    runtime: false,
    reason:
      'The addresses to listen on; add others once a password is set and other machines have to reach the node.',
  },
  {
    path: 'dir',
    field: 'dir',
    type: { kind: 'text', minLength: 1, maxLength: 4096 },
    fallback: './data',
    unit: '',
    runtime: false,
    reason:
      'Where log and tables lie; put it on the fastest disk that survives a power cut. Each node needs its own.',
  },
  {
    path: 'appendfsync',
    field: 'appendFsync',
    type: { kind: 'choice', choices: ['everysec', 'always', 'no'] },
    fallback: 'always',
    unit: '',
    runtime: true,
    reason:
      'When a write counts as done: on disk (always), within a second (everysec), when the system pleases (no). Redis: everysec.',
  },
  {
    path: 'requirepass',
    field: 'requirePass',
    type: { kind: 'text', minLength: 0, maxLength: 512 },
    fallback: '',
    unit: '',
    runtime: true,
    secret: true,
    reason: 'The password for AUTH; set one before listening beyond this machine. Empty asks for none.',
  },
  {
    path: 'cluster-secret',
    field: 'clusterSecret',
    type: { kind: 'text', minLength: 0, maxLength: 512 },
    fallback: '',
    unit: '',
    runtime: false,
    secret: true,
    reason:
      'What the nodes prove to each other that they know, the same on all: 32 characters or more, needed beyond this machine.',
  },
  {
    path: 'cluster-announce-ip',
    field: 'announceAddress',
    type: { kind: 'address', orNone: true },
    fallback: '',
    unit: '',
    runtime: false,
    reason:
      "The address that other nodes and cluster clients are told; set it where they reach this node by another one than its member's.",
  },
  {
    path: 'protected-mode',
    field: 'protectedMode',
    type: { kind: 'yes-no' },
    fallback: 'yes',
    unit: '',
    runtime: true,
    reason:
      'Refuses clients of other machines while there is no password; switch off only behind a firewall you trust.',
  },
  {
    path: 'maxclients',
    field: 'maxClients',
    type: { kind: 'integer', min: 1, max: 1_000_000 },
    fallback: '10000',
    unit: '',
    runtime: true,
    reason:
      'Connections at a time; raise it together with the limit of open files, which lowers it at the start, or lower it to bound memory.',
  },
  {
    path: 'timeout',
    field: 'idleTimeoutSeconds',
    type: { kind: 'integer', min: 0, max: SECONDS_MAX },
    fallback: '0',
    unit: 'seconds',
    runtime: true,
    reason:
      'Closes clients that were silent this long; turn it when applications leak connections. 0 never closes.',
  },
  {
    path: 'handshake-timeout',
    field: 'handshakeTimeoutSeconds',
    type: { kind: 'integer', min: 1, max: 3600 },
    fallback: '10',
    unit: 'seconds',
    runtime: true,
    reason:
      'Closes connections that have not authenticated by then; raise it for clients on very slow links.',
  },
  {
    path: 'tcp-keepalive',
    field: 'tcpKeepaliveSeconds',
    type: { kind: 'integer', min: 0, max: SECONDS_MAX },
    fallback: '300',
    unit: 'seconds',
    runtime: false,
    reason:
      'Silence after which the system probes whether a client still exists; lower it to find dead ones sooner. 0 never asks.',
  },
  {
    path: 'tcp-backlog',
    field: 'tcpBacklog',
    type: { kind: 'integer', min: 1, max: 65535 },
    fallback: '511',
    unit: '',
    runtime: false,
    reason:
      'Connections that may wait to be accepted; raise it (and the somaxconn of the system) when many clients reconnect at once.',
  },
  {
    path: 'loglevel',
    field: 'logLevel',
    type: { kind: 'choice', choices: ['debug', 'verbose', 'notice', 'warning'] },
    fallback: 'notice',
    unit: '',
    runtime: true,
    reason:
      'How much the node tells; verbose or debug while looking for a fault, warning to hear of troubles only.',
  },
  {
    path: 'proto-max-bulk-len',
    field: 'protoMaxBulkLenBytes',
    type: { kind: 'size', min: MB, max: 512 * MB },
    fallback: '512mb',
    unit: '',
    runtime: true,
    reason: 'The longest value a client may send; lower it to keep one client from filling the memory.',
  },
  {
    path: 'client-query-buffer-limit',
    field: 'queryBufferLimitBytes',
    type: { kind: 'size', min: MB, max: GB },
    fallback: '1gb',
    unit: '',
    runtime: true,
    reason: 'Bytes of requests that one client may have unfinished; lower it where clients are not trusted.',
  },
  {
    path: 'client-output-buffer-limit',
    field: 'outputLimit',
    type: { kind: 'output-limit' },
    fallback: 'normal 1gb 256mb 60',
    unit: '',
    runtime: true,
    reason:
      'Closes clients that do not read their replies: at once above the first size, after the seconds above the second. Redis: no limit.',
  },
  {
    path: 'slowlog-log-slower-than',
    field: 'slowlogSlowerThanMicroseconds',
    type: { kind: 'integer', min: -1, max: Number.MAX_SAFE_INTEGER },
    fallback: '10000',
    unit: 'microseconds',
    runtime: true,
    reason:
      'Commands that take longer are kept for SLOWLOG; lower it to find what delays others. 0 keeps all, -1 none.',
  },
  {
    path: 'slowlog-max-len',
    field: 'slowlogMaxLength',
    type: { kind: 'integer', min: 0, max: 1_000_000 },
    fallback: '128',
    unit: '',
    runtime: true,
    reason: 'How many slow commands are remembered; raise it when they scroll away before you look.',
  },
  {
    path: 'enable-debug-command',
    field: 'enableDebugCommand',
    type: { kind: 'choice', choices: ['no', 'yes', 'local'] },
    fallback: 'no',
    unit: '',
    runtime: false,
    reason:
      'Allows DEBUG, which can stall the node: to nobody, to everybody, or to clients of this machine. For tests.',
  },
  {
    path: 'save',
    field: 'savePoints',
    type: { kind: 'save-points' },
    fallback: '',
    unit: '',
    runtime: true,
    reason:
      'Makes a snapshot after so many seconds in which there were so many changes: "3600 1 300 100". Redis saves by default; here no write needs it.',
  },
  {
    path: 'commit-failure-policy',
    field: 'commitFailurePolicy',
    type: { kind: 'choice', choices: ['stop', 'die'] },
    fallback: 'stop',
    unit: '',
    runtime: true,
    reason:
      'After a failed write or sync of the log: stop serves what others can answer or is safe and says why, die ends the process, for supervisors that start it again.',
  },
  {
    path: 'shutdown-timeout',
    field: 'shutdownTimeoutSeconds',
    type: { kind: 'integer', min: 0, max: 3600 },
    fallback: '10',
    unit: 'seconds',
    runtime: true,
    reason:
      'How long a stop waits for replies under way and for background work; lower it where restarts must be quick.',
  },
  {
    path: 'storage.segment-size',
    field: 'segmentSizeBytes',
    type: { kind: 'size', min: MB, max: 2 * GB },
    fallback: '128mb',
    unit: '',
    runtime: false,
    reason:
      'Size of one log segment, which is also one memtable; larger ones mean fewer, bigger flushes and a longer recovery.',
  },
  {
    path: 'storage.segments-max',
    field: 'segmentsMax',
    type: { kind: 'integer', min: 2, max: 64 },
    fallback: '3',
    unit: '',
    runtime: false,
    reason:
      'Segments in memory, the active one included; their sizes and one larger value bound the memtables. Raise it for bursts of writes.',
  },
  {
    path: 'storage.block-cache-size',
    field: 'blockCacheSizeBytes',
    type: { kind: 'size', min: MB, max: 4095 * MB },
    fallback: '512mb',
    unit: '',
    runtime: false,
    reason: 'Memory for blocks of tables; raise it until the keys that are read often fit.',
  },
  {
    path: 'storage.compaction-rate',
    field: 'compactionRateBytesPerSecond',
    type: { kind: 'size', min: 0, max: 1024 * GB },
    fallback: '128mb',
    unit: 'bytes a second',
    runtime: true,
    reason:
      'What compaction may read and write; lower it when it disturbs clients, raise it when writes stall. 0 is no limit.',
  },
  {
    path: 'storage.table-size',
    field: 'tableSizeBytes',
    type: { kind: 'size', min: MB, max: GB },
    fallback: '64mb',
    unit: '',
    runtime: false,
    reason:
      'Size at which a table is closed and the next one begun; smaller ones make compactions shorter and files more.',
  },
  {
    path: 'storage.table-compression',
    field: 'tableCompression',
    type: { kind: 'choice', choices: ['lz4', 'zstd', 'none'] },
    fallback: 'none',
    unit: '',
    runtime: false,
    reason:
      'How blocks of new tables are compressed; blocks that hardly shrink are not. Tables of any kind are read whatever it says.',
  },
  {
    path: 'storage.table-compression-deepest',
    field: 'tableCompressionDeepest',
    type: { kind: 'choice', choices: ['zstd', 'lz4', 'none'] },
    fallback: 'none',
    unit: '',
    runtime: false,
    reason:
      'The same for the deepest level, most of the data: zstd takes less disk, and lz4 a tenth of the time of a read from disk.',
  },
  {
    path: 'storage.level0-compaction-trigger',
    field: 'level0CompactionTables',
    type: { kind: 'integer', min: 1, max: 256 },
    fallback: '4',
    unit: '',
    runtime: false,
    reason: 'Fresh tables at which compaction starts; more of them make reads dearer and writing cheaper.',
  },
  {
    path: 'storage.level0-slowdown-trigger',
    field: 'level0SlowdownTables',
    type: { kind: 'integer', min: 2, max: 512 },
    fallback: '12',
    unit: '',
    runtime: false,
    reason:
      'Fresh tables at which writes begin to be delayed, so that compaction catches up; raise it to stand longer bursts.',
  },
  {
    path: 'storage.level0-stop-trigger',
    field: 'level0StopTables',
    type: { kind: 'integer', min: 3, max: 1024 },
    fallback: '24',
    unit: '',
    runtime: false,
    reason:
      'Fresh tables at which no new segment is begun: writes wait, at last get an error; with segments-max the bound on what a read may search.',
  },
  {
    path: 'storage.level-base-size',
    field: 'levelBaseSizeBytes',
    type: { kind: 'size', min: MB, max: 1024 * GB },
    fallback: '256mb',
    unit: '',
    runtime: false,
    reason: 'Size of the first sorted level; about as much as level 0 holds when compaction starts.',
  },
  {
    path: 'storage.level-size-multiplier',
    field: 'levelSizeMultiplier',
    type: { kind: 'integer', min: 2, max: 100 },
    fallback: '10',
    unit: '',
    runtime: false,
    reason:
      'How much larger each level is than the one above; smaller rewrites less per compaction but makes more levels.',
  },
  {
    path: 'storage.window-tiers',
    field: 'windowTiers',
    type: { kind: 'window-tiers' },
    fallback: '1h:5m 1d:1h 1d',
    unit: '',
    runtime: false,
    reason:
      'How wide the windows are that keys with a time to live are filed by, the nearer their death the narrower; wider ones are fewer files, and dropped later.',
  },
  {
    path: 'storage.write-stall-delay-max',
    field: 'writeStallDelayMaxMs',
    type: { kind: 'integer', min: 1, max: 60_000 },
    fallback: '100',
    unit: 'milliseconds',
    runtime: false,
    reason:
      'The longest that one write is held back while flush and compaction are behind; lower it for latency, raise it for memory.',
  },
  {
    path: 'storage.disk-reserve',
    field: 'diskReserveBytes',
    type: { kind: 'size', min: 0, max: 1024 * GB },
    fallback: '64mb',
    unit: '',
    runtime: false,
    reason:
      'Free disk below which writes are refused, kept for compaction and repair; raise it on disks that others fill.',
  },
  {
    path: 'storage.scrub-rate',
    field: 'scrubRateBytesPerSecond',
    type: { kind: 'size', min: 0, max: 1024 * GB },
    fallback: '8mb',
    unit: 'bytes a second',
    runtime: true,
    reason:
      'How fast all tables are read to find damage before it is asked for; lower it on slow disks. 0 reads nothing.',
  },
  {
    path: 'storage.scrub-interval',
    field: 'scrubIntervalSeconds',
    type: { kind: 'integer', min: 0, max: 31_536_000 },
    fallback: '604800',
    unit: 'seconds',
    runtime: true,
    reason:
      'From the end of one such run to the next; lower it on disks that are not trusted. 0 never scrubs.',
  },
  {
    path: 'storage.snapshot-dir',
    field: 'snapshotDir',
    type: { kind: 'text', minLength: 1, maxLength: 4096 },
    fallback: 'snapshots',
    unit: '',
    runtime: false,
    reason:
      'Where snapshots are made, within dir unless it begins with a slash; on another disk they are copies and take their whole size.',
  },
  {
    path: 'storage.snapshot-keep',
    field: 'snapshotKeep',
    type: { kind: 'integer', min: 0, max: 100_000 },
    fallback: '3',
    unit: '',
    runtime: true,
    reason:
      'So many snapshots stay, and the oldest goes when a newer one is whole; they hold on to disk that compaction gives up. 0 keeps all.',
  },
  ...CLUSTER_KNOBS,
]

/** The setting's name: `--name`, and what CONFIG GET calls it. */
export function knobName(knob: Knob): string {
  return knob.path.slice(knob.path.lastIndexOf('.') + 1)
}

/** The section of the file that the setting stands in; '' for none. */
export function sectionOf(knob: Knob): '' | 'storage' | 'cluster' {
  if (knob.path.startsWith('storage.')) return 'storage'
  return knob.path.startsWith('cluster.') ? 'cluster' : ''
}

const BY_NAME = new Map(KNOBS.map((knob) => [knobName(knob), knob]))
const BY_PATH = new Map(KNOBS.map((knob) => [knob.path, knob]))

export function knobByName(name: string): Knob | undefined {
  return BY_NAME.get(name)
}

export function knobByPath(path: string): Knob | undefined {
  return BY_PATH.get(path)
}
