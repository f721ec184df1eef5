/**
 * Reads the entries of a list in the configuration file against the table of keys that they may have. Missing keys get
 * their defaults, unknown ones are reported with the one that was probably meant.
 */
import { assert } from '../util/assert.js'
import type { EntryKey } from './cluster-schema.js'
import type { Setting } from './config.js'
import { describeAllowed, parseKnob } from './knob-type.js'
import type { KnobValue } from './knob-type.js'
import { nearestName } from './nearest-name.js'

export interface Entry {
  /** 'cluster.members[2]'. */
  readonly path: string
  /** Where it begins. */
  readonly where: string
  /** By key, one for each; an empty text for a key that was left out and has no default. */
  readonly values: ReadonlyMap<string, KnobValue>
}

/** `cluster.members[2].port`: the list, the entry and its key; null for the path of a plain setting. */
export function entryPath(
  path: string,
): { readonly list: string; readonly entry: string; readonly key: string } | null {
  const match = /^((.+)\[\d+\])\.([^.[\]]+)$/.exec(path)
  return match === null ? null : { list: match[2], entry: match[1], key: match[3] }
}

/** The entries of `list` among the settings, in their order. What is wrong is added to `problems`. */
export function readEntries(
  list: string,
  keys: readonly EntryKey[],
  settings: readonly Setting[],
  problems: string[],
): readonly Entry[] {
  const entries = new Map<string, Setting[]>()
  for (const setting of settings) {
    const path = entryPath(setting.path)
    if (path?.list !== list) continue
    const known = entries.get(path.entry)
    if (known === undefined) entries.set(path.entry, [setting])
    else known.push(setting)
  }
  return [...entries].map(([path, given]) => readEntry(path, keys, given, problems))
}

function readEntry(
  path: string,
  keys: readonly EntryKey[],
  given: readonly Setting[],
  problems: string[],
): Entry {
  const { where } = given[0]
  const texts = new Map(given.map((setting) => [setting.path.slice(path.length + 1), setting]))
  for (const [name, setting] of texts) {
    if (keys.some((key) => key.name === name)) continue
    const meant = nearestName(
      name,
      keys.map((key) => key.name),
    )
    const guess = meant === undefined ? '' : `; did you mean ${meant}?`
    problems.push(`${setting.path}: no such key (${setting.where})${guess}`)
  }
  const values = new Map<string, KnobValue>()
  for (const key of keys) {
    const setting = texts.get(key.name)
    if (setting === undefined && key.fallback === null) {
      problems.push(`${path}.${key.name}: missing (${where}), allowed: ${describeAllowed(key.type)}`)
      continue
    }
    const text = setting?.value ?? key.fallback ?? ''
    const parsed = parseKnob(key.type, text)
    if (parsed.kind === 'value') values.set(key.name, parsed.value)
    else if (setting === undefined) values.set(key.name, absent(key))
    else {
      problems.push(
        `${setting.path}: ${JSON.stringify(text)} (${setting.where}), allowed: ${describeAllowed(key.type)}`,
      )
    }
  }
  return { path, where, values }
}

function absent(key: EntryKey): string {
  assert(key.fallback === '', `the default of ${key.name} is allowed`)
  return ''
}
