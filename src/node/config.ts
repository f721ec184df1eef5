/**
 * The configuration of one node: what the settings of all sources come to, checked as a whole before anything starts.
 *
 * Flags go over the file, the file over the defaults. Every setting of every source is checked, also one that another
 * source overrides: a value that nobody may use should not lie in wait for the day when the flag is left out. All
 * problems are reported together.
 */
import { resolve } from 'node:path'
import { levelName, parseLevel } from '../coordinator/consistency.js'
import type { Level } from '../coordinator/consistency.js'
import { assert } from '../util/assert.js'
import { clusterProblems } from './cluster-checks.js'
import { NO_LISTS, PORT_MAX, portsOf, readClusterLists } from './cluster-lists.js'
import type { ClusterLists } from './cluster-lists.js'
import { CLUSTER_PORT_OFFSET, MEMBERS_PATH, POLICIES_PATH, SMART_PORT_OFFSET } from './cluster-schema.js'
import { KNOBS, knobByName, knobByPath, knobName, sectionOf } from './config-schema.js'
import type { Knob } from './config-schema.js'
import { describeAllowed, parseKnob } from './knob-type.js'
import type { KnobValue } from './knob-type.js'
import { entryPath } from './list-entries.js'
import { COMPACTION_POLICIES_PATH, readCompactionPolicies } from './compaction-policies.js'
import { nearestName } from './nearest-name.js'
import type { CompactionPolicy, NodeConfig } from './node-config.js'

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

/** Where a configuration comes from: a relative `dir` is taken from workDirectory (absolute). */
export interface ConfigOrigin {
  readonly workDirectory: string
  readonly configFile: string
}

export type LoadedConfig =
  | { readonly kind: 'config'; readonly config: NodeConfig }
  | { readonly kind: 'refused'; readonly problems: readonly string[] }

/**
 * Checks the settings of `sources`, weakest first, and puts them together. A relative `dir` is taken from `workDirectory`.
 * Problems are sentences that carry the setting's path, the refused value, its place and what is allowed.
 */
export function loadConfig(sources: readonly (readonly Setting[])[], from: ConfigOrigin): LoadedConfig {
  const settings = sources.flat()
  const problems: string[] = []
  const { values, given } = readValues(settings, problems)
  const lists = readClusterLists(settings, problems)
  const compactionPolicies = readCompactionPolicies(settings, problems)
  if (problems.length === 0) {
    if (lists.members.length > 0) takeOwnMember(values, given, lists, problems)
    else problems.push(...clusterSettingsAlone(values, given, lists))
  }
  if (problems.length > 0) return { kind: 'refused', problems }
  completePorts(values)
  const config = buildConfig(values, from, lists, compactionPolicies)
  const contradictions = contradictionsOf(config)
  return contradictions.length > 0
    ? { kind: 'refused', problems: contradictions }
    : { kind: 'config', config }
}

/** Sentences about settings that are allowed each by itself and contradict each other. */
export function contradictionsOf(config: NodeConfig): string[] {
  return [...contradictionsIn(config), ...clusterProblems(config)]
}

interface ReadValues {
  /** By name, one for every knob. */
  readonly values: Map<string, KnobValue>
  /** By name: the strongest source of those that some source sets. */
  readonly given: ReadonlyMap<string, Setting>
}

function readValues(settings: readonly Setting[], problems: string[]): ReadValues {
  const values = new Map(KNOBS.map((knob) => [knobName(knob), defaultOf(knob)]))
  const given = new Map<string, Setting>()
  for (const setting of settings) {
    const knob = knobByPath(setting.path)
    if (knob === undefined) {
      if (!isListPath(setting.path)) problems.push(unknownSetting(setting))
      continue
    }
    const parsed = parseKnob(knob.type, setting.value)
    if (parsed.kind === 'refused') {
      problems.push(
        `${setting.path}: ${shown(knob, setting.value)} (${setting.where}), allowed: ${describeAllowed(knob.type)}`,
      )
      continue
    }
    values.set(knobName(knob), parsed.value)
    given.set(knobName(knob), setting)
  }
  return { values, given }
}

function isListPath(path: string): boolean {
  const list = entryPath(path)?.list
  return list === MEMBERS_PATH || list === POLICIES_PATH || list === COMPACTION_POLICIES_PATH
}

/** A member's entry says where this node listens: its ports are the node's, and another one beside it is a mistake. */
function takeOwnMember(
  values: Map<string, KnobValue>,
  given: ReadonlyMap<string, Setting>,
  { members }: ClusterLists,
  problems: string[],
): void {
  const self = members.find(({ name }) => name === values.get('node'))
  if (self === undefined) {
    const setting = given.get('node')
    const value = setting === undefined ? 'missing' : `${JSON.stringify(setting.value)} (${setting.where})`
    problems.push(
      `cluster.node: ${value}, allowed: one of the members ${members.map(({ name }) => name).join(', ')}`,
    )
    return
  }
  for (const [name, port] of portsOf(self)) {
    const setting = given.get(name)
    const value = values.get(name)
    if (setting !== undefined && value !== port && !(value === 0 && name !== 'port')) {
      problems.push(
        `${name}: ${setting.value} (${setting.where}), allowed: ${port}, which ${MEMBERS_PATH} has for ${self.name}`,
      )
    }
    values.set(name, port)
  }
  if (values.get('cluster-announce-ip') === '') values.set('cluster-announce-ip', self.address)
}

/** Without members nothing would listen to them, so whoever sets one forgot the list. */
function clusterSettingsAlone(
  values: KnobValues,
  given: ReadonlyMap<string, Setting>,
  { policies }: ClusterLists,
): string[] {
  const alone = `allowed: only together with ${MEMBERS_PATH}`
  const problems = KNOBS.filter((knob) => sectionOf(knob) === 'cluster').flatMap((knob) => {
    const setting = given.get(knobName(knob))
    if (setting === undefined || values.get(knobName(knob)) === defaultOf(knob)) return []
    return [`${knob.path}: ${JSON.stringify(setting.value)} (${setting.where}), ${alone}`]
  })
  if (policies.length > 0) problems.push(`${POLICIES_PATH}: ${policies.length} policies, ${alone}`)
  return problems
}

/** Of a single node; beyond the highest port it gets any free one. */
function completePorts(values: Map<string, KnobValue>): void {
  const port = Number(values.get('port'))
  for (const [name, offset] of [
    ['smart-port', SMART_PORT_OFFSET],
    ['cluster-port', CLUSTER_PORT_OFFSET],
  ] as const) {
    if (values.get(name) === 0 && port !== 0 && port + offset <= PORT_MAX) values.set(name, port + offset)
  }
}

/** The value that a knob has when no source sets it. */
export function defaultOf(knob: Knob): KnobValue {
  const parsed = parseKnob(knob.type, knob.fallback)
  assert(parsed.kind === 'value', `the default of ${knob.path} is allowed`)
  return parsed.value
}

/** The same values by the settings' names, as CONFIG GET shows them and as buildConfig takes them. */
export function valuesOf(config: NodeConfig): Map<string, KnobValue> {
  const fields: Readonly<Record<string, unknown>> = { ...config, ...config.storage, ...config.cluster }
  return new Map(
    KNOBS.map((knob) => {
      const value = fields[knob.field]
      if (value === undefined) return [knobName(knob), defaultOf(knob)]
      return [knobName(knob), knob.type.kind === 'level' ? levelName(value as Level) : (value as KnobValue)]
    }),
  )
}

/**
 * Values in their typed form, with the members and both kinds of policies, which have no setting. They must be complete and allowed, as
 * loadConfig and CONFIG SET make sure.
 */
export function buildConfig(
  values: KnobValues,
  from: ConfigOrigin,
  { members, policies }: ClusterLists = NO_LISTS,
  compactionPolicies: readonly CompactionPolicy[] = [],
): NodeConfig {
  const sections: Record<'' | 'storage' | 'cluster', Record<string, unknown>> = {
    '': {},
    storage: {},
    cluster: {},
  }
  for (const knob of KNOBS) {
    const value = values.get(knobName(knob))
    assert(value !== undefined, `setting ${knob.path} has a value`)
    sections[sectionOf(knob)][knob.field] = knob.type.kind === 'level' ? parseLevel(value as string) : value
  }
  const self = members.find(({ name }) => name === sections.cluster.node)
  const cluster = self === undefined ? null : { ...sections.cluster, self, members, policies }
  const dir = resolve(from.workDirectory, values.get('dir') as string)
  // The schema's fields are exactly those of NodeConfig and its sections; a test holds them together.
  return {
    ...sections[''],
    dir,
    storage: { ...sections.storage, policies: compactionPolicies },
    cluster,
    configFile: from.configFile,
  } as unknown as NodeConfig
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
