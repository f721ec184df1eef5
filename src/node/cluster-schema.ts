/**
 * The settings of section `cluster`, and the keys of its two lists. Part of the table in config-schema.ts; the lists stand
 * apart because they are no settings: they have neither a flag nor a place in CONFIG GET, and only a file can give them.
 */
import { PREFIX_LENGTH_MAX } from '../coordinator/key-policies.js'
import { WEIGHT_MAX } from '../ring/member.js'
import type { Knob } from './config-schema.js'
import type { KnobType } from './knob-type.js'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const MB = 1024 * 1024

export const CLUSTER_KNOBS: readonly Knob[] = [
  {
    path: 'cluster.node',
    field: 'node',
    type: { kind: 'name', orNone: true },
    fallback: '',
    unit: '',
    runtime: false,
    reason: 'Which of the members this node is; as a flag (--node), all nodes can share one file.',
  },
  {
    path: 'cluster.replicas',
    field: 'replicas',
    type: { kind: 'integer', min: 1, max: 16 },
    fallback: '3',
    unit: '',
    runtime: false,
    reason:
      'On how many nodes each key is kept (N), at most on all; more survive more failures and cost as many writes. The same on all nodes.',
  },
  {
    path: 'cluster.read-consistency',
    field: 'readLevel',
    type: { kind: 'level' },
    fallback: 'QUORUM',
    unit: '',
    runtime: true,
    reason:
      'How many replicas a read asks; ONE is faster and may be behind. With reads and writes at QUORUM a read sees every acknowledged write.',
  },
  {
    path: 'cluster.write-consistency',
    field: 'writeLevel',
    type: { kind: 'level' },
    fallback: 'QUORUM',
    unit: '',
    runtime: true,
    reason:
      'How many replicas have a write before OK; ONE goes on with fewer nodes and can lose the write with the one that has it.',
  },
  {
    path: 'cluster.write-timeout',
    field: 'writeTimeoutMs',
    type: { kind: 'integer', min: 10, max: 10 * MINUTE_MS },
    fallback: '2000',
    unit: 'milliseconds',
    runtime: true,
    reason: 'How long a write waits for replicas before its error; raise it where the network is slow.',
  },
  {
    path: 'cluster.read-timeout',
    field: 'readTimeoutMs',
    type: { kind: 'integer', min: 10, max: 10 * MINUTE_MS },
    fallback: '2000',
    unit: 'milliseconds',
    runtime: true,
    reason: 'How long a read waits for replicas before its error; raise it where the network is slow.',
  },
  {
    path: 'cluster.speculative-delay',
    field: 'speculativeDelayMs',
    type: { kind: 'integer', min: 1, max: MINUTE_MS },
    fallback: '20',
    unit: 'milliseconds',
    runtime: true,
    reason:
      'After which a read asks another replica besides the silent one; lower it for latency, raise it to save requests.',
  },
  {
    path: 'cluster.max-clock-drift',
    field: 'maxClockDriftMs',
    type: { kind: 'integer', min: 10, max: MINUTE_MS },
    fallback: '500',
    unit: 'milliseconds',
    runtime: false,
    reason:
      'A node whose clock is further off than this takes no writes; raise it where clocks are not kept by NTP. The same on all nodes.',
  },
  {
    path: 'cluster.flush-timeout',
    field: 'flushTimeoutMs',
    type: { kind: 'integer', min: 100, max: 10 * MINUTE_MS },
    fallback: '10000',
    unit: 'milliseconds',
    runtime: true,
    reason: 'How long FLUSHALL waits for all nodes before its error; it needs every one that has not failed.',
  },
  {
    path: 'cluster.catch-up-max',
    field: 'catchUpMaxMs',
    type: { kind: 'integer', min: 0, max: 60 * MINUTE_MS },
    fallback: '60000',
    unit: 'milliseconds',
    runtime: true,
    reason:
      'The longest that a returning node leaves its keys to the others while it fetches what it missed; lower it to share load sooner.',
  },
  {
    path: 'cluster.gossip-interval',
    field: 'gossipIntervalMs',
    type: { kind: 'integer', min: 100, max: MINUTE_MS },
    fallback: '1000',
    unit: 'milliseconds',
    runtime: false,
    reason:
      'How often a node tells another one what it knows of all; lower it to agree on failures sooner, raise it to save traffic in large clusters. The same on all nodes.',
  },
  {
    path: 'cluster.ping-interval',
    field: 'pingIntervalMs',
    type: { kind: 'integer', min: 100, max: 500 },
    fallback: '100',
    unit: 'milliseconds',
    runtime: false,
    reason:
      'How often peers are pinged, in whole tenths of a second; a silent one is down after 6.6 of them (with a threshold of 8). Raise it where networks lose packets or nodes pause.',
  },
  {
    path: 'cluster.phi-convict-threshold',
    field: 'phiConvictThreshold',
    type: { kind: 'integer', min: 5, max: 16 },
    fallback: '8',
    unit: '',
    runtime: false,
    reason:
      'Doubt at which a silent peer is down: 8 is wrong once in 10^8. Raise it when peers are held down that live, lower it to leave dead ones sooner.',
  },
  {
    path: 'cluster.phi-suspicious-threshold',
    field: 'phiSuspiciousThreshold',
    type: { kind: 'integer', min: 1, max: 16 },
    fallback: '5',
    unit: '',
    runtime: false,
    reason: 'Doubt at which a silent peer is shown as suspicious; lower it to see troubles earlier.',
  },
  {
    path: 'cluster.phi-window-size',
    field: 'phiWindowSize',
    type: { kind: 'integer', min: 10, max: 10_000 },
    fallback: '200',
    unit: '',
    runtime: false,
    reason:
      'How many of a peer’s latest intervals are remembered; raise it to forget bad times later, lower it to get used to them sooner.',
  },
  {
    path: 'cluster.hinted-handoff-enabled',
    field: 'hintedHandoffEnabled',
    type: { kind: 'yes-no' },
    fallback: 'yes',
    unit: '',
    runtime: true,
    reason:
      'Keeps writes that a replica missed and brings them when it is back; switch off to leave that to repair alone.',
  },
  {
    path: 'cluster.max-hint-window',
    field: 'maxHintWindowMs',
    type: { kind: 'integer', min: 0, max: 30 * 24 * 60 * MINUTE_MS },
    fallback: '10800000',
    unit: 'milliseconds',
    runtime: true,
    reason:
      'How old such a write gets, when enough others have it, before it is left to repair; raise it for longer absences, at the cost of disk.',
  },
  {
    path: 'cluster.max-hints-size-per-host',
    field: 'maxHintsSizeBytes',
    type: { kind: 'size', min: 1024 * 1024, max: 1024 ** 4 },
    fallback: '1gb',
    unit: '',
    runtime: true,
    reason:
      'Disk for what one absent node missed; beyond it, what enough others have is left to repair, and no write counts that only this node would keep.',
  },
  {
    path: 'cluster.hinted-handoff-throttle',
    field: 'hintedHandoffThrottleBytes',
    type: { kind: 'size', min: 0, max: 1024 ** 4 },
    fallback: '8mb',
    unit: 'bytes a second',
    runtime: true,
    reason:
      'How fast a node that is back is given what it missed, by each of the others; lower it when clients feel it. 0 is no limit.',
  },
  {
    path: 'cluster.sloppy-quorum',
    field: 'sloppyQuorum',
    type: { kind: 'yes-no' },
    fallback: 'yes',
    unit: '',
    runtime: true,
    reason:
      'With too few replicas up, other nodes keep plain writes for them, and count; no has such writes fail, so that reads never miss one.',
  },
  {
    path: 'cluster.anti-entropy-interval',
    field: 'antiEntropyIntervalMs',
    type: { kind: 'integer', min: 0, max: DAY_MS },
    fallback: '600000',
    unit: 'milliseconds',
    runtime: true,
    reason:
      'How often two replicas compare all they have, which is a few kilobytes where nothing differs; 0 never. Nothing is purged without it.',
  },
  {
    path: 'cluster.anti-entropy-rate',
    field: 'antiEntropyRateBytesPerSecond',
    type: { kind: 'size', min: 0, max: 16 * 1024 * MB },
    fallback: '32mb',
    unit: 'bytes a second',
    runtime: true,
    reason:
      'How fast a node exchanges with others and rebuilds what it lost; lower it where clients feel it, raise it to be whole sooner. 0 is no limit.',
  },
  {
    path: 'cluster.tombstone-grace',
    field: 'tombstoneGraceMs',
    type: { kind: 'integer', min: 0, max: 365 * DAY_MS },
    fallback: '14400000',
    unit: 'milliseconds',
    runtime: true,
    reason:
      'How long deletions and expired keys stay at least, although all replicas have them; longer than max-hint-window. The same on all nodes.',
  },
  {
    path: 'cluster.purge-hard-age',
    field: 'purgeHardAgeMs',
    type: { kind: 'integer', min: MINUTE_MS, max: 365 * DAY_MS },
    fallback: '604800000',
    unit: 'milliseconds',
    runtime: true,
    reason:
      'How long a member has to have failed until a majority purges without it; what only it has from then on may bring deleted keys back.',
  },
  {
    path: 'cluster.purge-held-max',
    field: 'purgeHeldMaxPercent',
    type: { kind: 'integer', min: 1, max: 90 },
    fallback: '10',
    unit: 'percent of the disk',
    runtime: true,
    reason:
      'Dead data that wait for a failed member; beyond it a majority purges without it at once, and a minority refuses writes.',
  },
]

/** A key of an entry in one of the lists. */
export interface EntryKey {
  readonly name: string
  readonly type: KnobType
  /** Null where an entry has to have it. */
  readonly fallback: string | null
  readonly reason: string
}

export const MEMBERS_PATH = 'cluster.members'
export const POLICIES_PATH = 'cluster.policies'
/** Offsets from `port`, for members and for the node's own settings alike. */
export const SMART_PORT_OFFSET = 1000
export const CLUSTER_PORT_OFFSET = 10_000

const LABEL: KnobType = { kind: 'name', orNone: true }

export const MEMBER_KEYS: readonly EntryKey[] = [
  {
    name: 'name',
    type: { kind: 'name', orNone: false },
    fallback: null,
    reason: 'What the member is called; unique, and never given to another machine later.',
  },
  {
    name: 'address',
    type: { kind: 'address', orNone: false },
    fallback: null,
    reason: 'Where the other nodes and cluster clients reach it.',
  },
  {
    name: 'port',
    type: { kind: 'integer', min: 1, max: 65535 },
    fallback: '7001',
    reason: 'Its port for plain clients.',
  },
  {
    name: 'smart-port',
    type: { kind: 'integer', min: 0, max: 65535 },
    fallback: '0',
    reason: 'Its port for cluster clients; 0 is port + 1000.',
  },
  {
    name: 'cluster-port',
    type: { kind: 'integer', min: 0, max: 65535 },
    fallback: '0',
    reason: 'Its port for the other nodes; 0 is port + 10000.',
  },
  {
    name: 'host',
    type: LABEL,
    fallback: '',
    reason: 'The machine it runs on; copies of a key go to different ones where there are enough.',
  },
  {
    name: 'rack',
    type: LABEL,
    fallback: '',
    reason: 'The rack or zone; copies go to different ones where there are enough.',
  },
  {
    name: 'datacenter',
    type: LABEL,
    fallback: '',
    reason: 'Racks of equal name in two datacenters are two racks.',
  },
  {
    name: 'weight',
    type: { kind: 'integer', min: 1, max: WEIGHT_MAX },
    fallback: '1',
    reason: 'Its share of the keys: a machine with twice the weight gets twice as many.',
  },
  {
    name: 'id',
    type: { kind: 'node-id' },
    fallback: '',
    reason: 'Its node id, where it must not follow from the name.',
  },
]

export const POLICY_KEYS: readonly EntryKey[] = [
  {
    name: 'prefix',
    type: { kind: 'text', minLength: 0, maxLength: PREFIX_LENGTH_MAX },
    fallback: null,
    reason: 'The keys that it is for: those that begin so. The longest prefix wins.',
  },
  {
    name: 'conflicts',
    type: { kind: 'choice', choices: ['siblings', 'lww'] },
    fallback: 'siblings',
    reason: 'What becomes of concurrent writes: all are kept (siblings), or the last one wins (lww).',
  },
  {
    name: 'read-consistency',
    type: { kind: 'level' },
    fallback: '',
    reason: 'The level of reads, where it is not cluster.read-consistency.',
  },
  {
    name: 'write-consistency',
    type: { kind: 'level' },
    fallback: '',
    reason: 'The level of writes, where it is not cluster.write-consistency.',
  },
]
