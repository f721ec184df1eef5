/** From the arguments of `server` and `up` to a checked configuration, or to everything that is wrong with them. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseConfigFile } from '../node/config-file.js'
import type { ConfigFileContent } from '../node/config-file.js'
import { loadConfig } from '../node/config.js'
import type { Setting } from '../node/config.js'
import type { NodeConfig } from '../node/node-config.js'
import type { NodeArguments } from './node-arguments.js'

export type NodeConfiguration =
  | { readonly kind: 'config'; readonly config: NodeConfig }
  | { readonly kind: 'refused'; readonly problems: readonly string[] }

/** `defaults` go over the schema's defaults and under everything else. */
export function nodeConfiguration(args: NodeArguments, defaults: readonly Setting[]): NodeConfiguration {
  const file = args.configFile === undefined ? NO_FILE : readConfigFile(args.configFile)
  const workDirectory = process.cwd()
  const configFile = args.configFile === undefined ? '' : resolve(workDirectory, args.configFile)
  const loaded = loadConfig([defaults, file.settings, args.settings], { workDirectory, configFile })
  const problems = [...args.problems, ...file.problems, ...(loaded.kind === 'refused' ? loaded.problems : [])]
  if (problems.length > 0 || loaded.kind === 'refused') return { kind: 'refused', problems }
  return loaded
}

const NO_FILE: ConfigFileContent = { settings: [], problems: [] }

function readConfigFile(path: string): ConfigFileContent {
  try {
    return parseConfigFile(readFileSync(path, 'utf8'), path)
  } catch (error) {
    return { settings: [], problems: [`--config: cannot read ${path}: ${(error as Error).message}`] }
  }
}
