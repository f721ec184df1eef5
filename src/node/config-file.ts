/**
 * Reads a configuration file into settings with their places, and is the one file that knows the `yaml` package.
 *
 * Scalars are taken as they are written (YAML's failsafe schema): `requirepass: 0123` stays four characters and
 * `appendfsync: no` a word. A list means its items joined by spaces, which is how Redis writes lists; of a list of entries
 * every key is a setting of its own, numbered from one: `cluster.members[1].port`. Anything deeper is reported with its
 * place instead of being guessed at.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Node, YAMLMap } from 'yaml'
import type { Setting } from './config.js'

/** The largest configuration file that is read, in characters. */
export const CONFIG_FILE_LENGTH_MAX = 1024 * 1024

export interface ConfigFileContent {
  readonly settings: readonly Setting[]
  /** Sentences about what could not be understood, each with its place. */
  readonly problems: readonly string[]
}

/** Reads the text of a file; `fileName` only names it in messages. */
export function parseConfigFile(text: string, fileName: string): ConfigFileContent {
  if (text.length > CONFIG_FILE_LENGTH_MAX) {
    return { settings: [], problems: [`${fileName}: is longer than ${CONFIG_FILE_LENGTH_MAX} characters`] }
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { schema: 'failsafe', lineCounter: lines, prettyErrors: false })
  const place = (offset: number) => `${fileName}:${lines.linePos(offset).line}`
  const problems = document.errors.map((error) => `${place(error.pos[0])}: not valid YAML: ${error.message}`)
  const settings: Setting[] = []
  const root = document.contents
  if (problems.length > 0 || root === null || (isScalar(root) && root.value === ''))
    return { settings, problems }
  if (isMap(root)) collect(root, '', { place, settings, problems })
  else problems.push(`${place(0)}: a configuration file is a list of "name: value" lines`)
  return { settings, problems }
}

interface Collector {
  readonly place: (offset: number) => string
  readonly settings: Setting[]
  readonly problems: string[]
}

function collect(map: YAMLMap<Node, Node | null>, section: string, into: Collector): void {
  for (const { key, value } of map.items) {
    const where = into.place(key.range?.[0] ?? 0)
    const path = section + (isScalar(key) ? String(key.value) : '?')
    if (value === null) into.settings.push({ path, value: '', where })
    else if (isScalar(value)) into.settings.push({ path, value: String(value.value), where })
    else if (isMap(value) && section === '') collect(value as YAMLMap<Node, Node | null>, `${path}.`, into)
    else if (isSeq(value) && value.items.every((item) => isScalar(item))) {
      into.settings.push({ path, value: value.items.map((item) => String(item.value)).join(' '), where })
    } else if (isSeq(value) && section !== '' && value.items.every((item) => isMap(item))) {
      value.items.forEach((item, i) => collectEntry(item, `${path}[${i + 1}]`, into))
    } else {
      const what = isAlias(value) ? 'a reference to elsewhere' : 'a structure'
      into.problems.push(`${where}: ${path} is ${what}, where a single value is expected`)
    }
  }
}

function collectEntry(map: YAMLMap<unknown, unknown>, path: string, into: Collector): void {
  if (map.items.length === 0) into.problems.push(`${into.place(map.range?.[0] ?? 0)}: ${path} is empty`)
  for (const { key, value } of map.items) {
    const known = isScalar(key)
    const where = into.place((known ? key.range?.[0] : undefined) ?? 0)
    const name = `${path}.${known ? String(key.value) : '?'}`
    if (value === null) into.settings.push({ path: name, value: '', where })
    else if (isScalar(value)) into.settings.push({ path: name, value: String(value.value), where })
    else into.problems.push(`${where}: ${name} is a structure, where a single value is expected`)
  }
}
