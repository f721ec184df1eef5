/**
 * The configuration of one node: what the settings of all sources come to, checked as a whole before anything starts.
 *
 * Flags go over the file, the file over the defaults. Every setting of every source is checked, also one that another
 * source overrides: a value that nobody may use should not lie in wait for the day when the flag is left out. All
 * problems are reported together.
 */
import { isAbsolute, resolve } from 'node:path'
import { assert } from '../util/assert.js'
import { KNOBS, knobByName, knobByPath, knobName } from './config-schema.js'
import type { Knob } from './config-schema.js'
import { describeAllowed, parseKnob } from './knob-type.js'
import type { KnobValue, OutputLimit } from './knob-type.js'
import { nearestName } from './nearest-name.js'

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
}

export interface StorageConfig {
  readonly segmentSizeBytes: number
  /** Segments in memory, the active one included. */
  readonly segmentsMax: number
  readonly blockCacheSizeBytes: number
  /** 0 is no limit. */
  readonly compactionRateBytesPerSecond: number
  readonly level0CompactionTables: number
  readonly level0SlowdownTables: number
  readonly level0StopTables: number
  readonly levelBaseSizeBytes: number
  readonly levelSizeMultiplier: number
  readonly writeStallDelayMaxMs: number
}

/** One value from one source. */
export interface Setting {
  /** The path as the source has it. */
  readonly path: string
  readonly value: string
  /** For messages: '--port', 'node.yaml:12'. */
  readonly where: string
}

/** Values by the settings' names; one for every knob. */
export type KnobValues = ReadonlyMap<string, KnobValue>

export type LoadedConfig =
  | { readonly kind: 'config'; readonly config: NodeConfig; readonly values: KnobValues }
  | { readonly kind: 'refused'; readonly problems: readonly string[] }

/**
 * Checks the settings of `sources`, weakest first, and puts them together. A relative `dir` is taken from `workDirectory`.
 * Problems are sentences that carry the setting's path, the refused value, its place and what is allowed.
 */
export function loadConfig(sources: readonly (readonly Setting[])[], workDirectory: string): LoadedConfig {
  const values = new Map<string, KnobValue>()
  for (const knob of KNOBS) values.set(knobName(knob), defaultOf(knob))
  const problems: string[] = []
  for (const setting of sources.flat()) {
    const knob = knobByPath(setting.path)
    if (knob === undefined) {
      problems.push(unknownSetting(setting))
      continue
    }
    const parsed = parseKnob(knob.type, setting.value)
    if (parsed.kind === 'value') values.set(knobName(knob), parsed.value)
    else
      problems.push(
        `${setting.path}: ${shown(knob, setting.value)} (${setting.where}), allowed: ${describeAllowed(knob.type)}`,
      )
  }
  if (problems.length > 0) return { kind: 'refused', problems }
  const config = buildConfig(values, workDirectory)
  const contradictions = contradictionsIn(config)
  return contradictions.length > 0
    ? { kind: 'refused', problems: contradictions }
    : { kind: 'config', config, values }
}

/** The value that a knob has when no source sets it. */
export function defaultOf(knob: Knob): KnobValue {
  const parsed = parseKnob(knob.type, knob.fallback)
  assert(parsed.kind === 'value', `the default of ${knob.path} is allowed`)
  return parsed.value
}

/** Values in their typed form. They must be complete and allowed, as loadConfig and CONFIG SET make sure. */
export function buildConfig(values: KnobValues, workDirectory: string): NodeConfig {
  const of = <T extends KnobValue>(name: string): T => {
    const value = values.get(name)
    assert(value !== undefined, `setting ${name} has a value`)
    return value as T
  }
  const dir = of<string>('dir')
  return {
    port: of('port'),
    bind: of('bind'),
    dir: isAbsolute(dir) ? dir : resolve(workDirectory, dir),
    appendFsync: of<AppendFsync>('appendfsync'),
    requirePass: of('requirepass'),
    protectedMode: of('protected-mode'),
    maxClients: of('maxclients'),
    idleTimeoutSeconds: of('timeout'),
    handshakeTimeoutSeconds: of('handshake-timeout'),
    tcpKeepaliveSeconds: of('tcp-keepalive'),
    tcpBacklog: of('tcp-backlog'),
    logLevel: of<LogLevel>('loglevel'),
    protoMaxBulkLenBytes: of('proto-max-bulk-len'),
    queryBufferLimitBytes: of('client-query-buffer-limit'),
    outputLimit: of<OutputLimit>('client-output-buffer-limit'),
    slowlogSlowerThanMicroseconds: of('slowlog-log-slower-than'),
    slowlogMaxLength: of('slowlog-max-len'),
    enableDebugCommand: of<NodeConfig['enableDebugCommand']>('enable-debug-command'),
    shutdownTimeoutSeconds: of('shutdown-timeout'),
    storage: {
      segmentSizeBytes: of('segment-size'),
      segmentsMax: of('segments-max'),
      blockCacheSizeBytes: of('block-cache-size'),
      compactionRateBytesPerSecond: of('compaction-rate'),
      level0CompactionTables: of('level0-compaction-trigger'),
      level0SlowdownTables: of('level0-slowdown-trigger'),
      level0StopTables: of('level0-stop-trigger'),
      levelBaseSizeBytes: of('level-base-size'),
      levelSizeMultiplier: of('level-size-multiplier'),
      writeStallDelayMaxMs: of('write-stall-delay-max'),
    },
  }
}

/** Rules between settings. */
function contradictionsIn(config: NodeConfig): string[] {
  const problems: string[] = []
  const { level0CompactionTables, level0SlowdownTables, level0StopTables } = config.storage
  if (level0SlowdownTables <= level0CompactionTables) {
    problems.push(
      `storage.level0-slowdown-trigger: ${level0SlowdownTables}, allowed: more than storage.level0-compaction-trigger, which is ${level0CompactionTables}`,
    )
  }
  if (level0StopTables <= level0SlowdownTables) {
    problems.push(
      `storage.level0-stop-trigger: ${level0StopTables}, allowed: more than storage.level0-slowdown-trigger, which is ${level0SlowdownTables}`,
    )
  }
  return problems
}

function shown(knob: Knob, value: string): string {
  if (knob.secret) return 'a value that is not shown'
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value)
}

/** A setting under its right name but in the wrong section is the likeliest mistake, so that is looked for first. */
function unknownSetting(setting: Setting): string {
  const name = setting.path.slice(setting.path.lastIndexOf('.') + 1)
  const known = KNOBS.map((knob) => knob.path)
  const meant = knobByName(name)?.path ?? nearestName(setting.path, known)
  const guess = meant === undefined ? '' : `; did you mean ${meant}?`
  return `${setting.path}: no such setting (${setting.where})${guess}`
}
