/**
 * Turns the arguments of `server` and `up` into settings. Every knob of the schema is a flag of the same name, given as
 * `--name value` or `--name=value`; a flag that is repeated adds to a list (`--bind`), for other knobs the last counts.
 *
 * node:util's parseArgs does the splitting. It runs in its lenient mode because its strict one stops at the first
 * mistake, while here all of them are reported together, each with the name that was probably meant. commander and
 * yargs were not taken: they would hold a second table of options beside the schema and bring what is not needed here.
 */
import { parseArgs } from 'node:util'
import type { Setting } from '../node/config.js'
import { KNOBS, knobByName, knobName } from '../node/config-schema.js'
import { nearestName } from '../node/nearest-name.js'

export interface NodeArguments {
  readonly settings: readonly Setting[]
  /** Path as given with --config. */
  readonly configFile: string | undefined
  /** As given with --nodes; only `up` knows that flag. */
  readonly nodes: string | undefined
  readonly helpWanted: boolean
  readonly problems: readonly string[]
}

const OPTIONS = {
  ...Object.fromEntries(KNOBS.map((knob) => [knobName(knob), { type: 'string' }] as const)),
  config: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

const UP_OPTIONS = { ...OPTIONS, nodes: { type: 'string' } } as const

export function parseNodeArguments(
  args: readonly string[],
  command: 'server' | 'up' = 'server',
): NodeArguments {
  const options = command === 'up' ? UP_OPTIONS : OPTIONS
  const { tokens } = parseArgs({
    args,
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values = new Map<string, string>()
  const problems: string[] = []
  let helpWanted = false
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue
    if (token.kind === 'positional') {
      problems.push(`${token.value}: not expected here; a configuration file is given with --config`)
    } else if (token.name === 'help') helpWanted = true
    else if (!Object.hasOwn(options, token.name)) {
      problems.push(unknownFlag(token.name, token.rawName, Object.keys(options)))
    } else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--'))) {
      problems.push(`--${token.name}: needs a value`)
    } else values.set(token.name, joined(token.name, values.get(token.name), token.value))
  }
  const configFile = values.get('config')
  const nodes = values.get('nodes')
  values.delete('config')
  values.delete('nodes')
  const settings = [...values].map(([name, value]) => settingOf(name, value))
  return { settings, configFile, nodes, helpWanted, problems }
}

function joined(name: string, earlier: string | undefined, value: string): string {
  const isList = knobByName(name)?.type.kind === 'addresses'
  return isList && earlier !== undefined ? `${earlier} ${value}` : value
}

function settingOf(name: string, value: string): Setting {
  return { path: knobByName(name)?.path ?? name, value, where: `--${name}` }
}

function unknownFlag(name: string, rawName: string, known: readonly string[]): string {
  const meant = rawName.startsWith('--') ? nearestName(name, known) : undefined
  return `${rawName}: no such flag${meant === undefined ? '' : `; did you mean --${meant}?`}`
}
