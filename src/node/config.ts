/**
 * The configuration of one node: what the settings of all sources come to, checked as a whole before anything starts.
 *
 * Flags go over the file, the file over the defaults. Every setting of every source is checked, also one that another
 * source overrides: a value that nobody may use should not lie in wait for the day when the flag is left out. All
 * problems are reported together.
 */
import { resolve } from 'node:path'
import { assert } from '../util/assert.js'
import { isStorageKnob, KNOBS, knobByName, knobByPath, knobName } from './config-schema.js'
import type { Knob } from './config-schema.js'
import { describeAllowed, parseKnob } from './knob-type.js'
import type { KnobValue } from './knob-type.js'
import { nearestName } from './nearest-name.js'
import type { NodeConfig } from './node-config.js'

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
  const config = buildConfig(values, from)
  const contradictions = contradictionsIn(config)
  return contradictions.length > 0
    ? { kind: 'refused', problems: contradictions }
    : { kind: 'config', config }
}

/** The value that a knob has when no source sets it. */
export function defaultOf(knob: Knob): KnobValue {
  const parsed = parseKnob(knob.type, knob.fallback)
  assert(parsed.kind === 'value', `the default of ${knob.path} is allowed`)
  return parsed.value
}

/** The same values by the settings' names, as CONFIG GET shows them and as buildConfig takes them. */
export function valuesOf(config: NodeConfig): Map<string, KnobValue> {
  const fields: Readonly<Record<string, unknown>> = { ...config, ...config.storage }
  return new Map(KNOBS.map((knob) => [knobName(knob), fields[knob.field] as KnobValue]))
}

/** Values in their typed form. They must be complete and allowed, as loadConfig and CONFIG SET make sure. */
export function buildConfig(values: KnobValues, from: ConfigOrigin): NodeConfig {
  const top: Record<string, KnobValue> = {}
  const storage: Record<string, KnobValue> = {}
  for (const knob of KNOBS) {
    const value = values.get(knobName(knob))
    assert(value !== undefined, `setting ${knob.path} has a value`)
    const section = isStorageKnob(knob) ? storage : top
    section[knob.field] = value
  }
  const dir = resolve(from.workDirectory, values.get('dir') as string)
  // The schema's fields are exactly NodeConfig's and StorageConfig's; a test holds them together.
  return { ...top, dir, storage, configFile: from.configFile } as unknown as NodeConfig
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
