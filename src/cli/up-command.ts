/** `kindred up`: one node in the foreground for someone who wants to try it, with a table of where it is. */
import { relative } from 'node:path'
import type { Setting } from '../node/config.js'
import type { AppendFsync, NodeConfig } from '../node/node-config.js'
import type { RunningNode } from '../node/running-node.js'
import { parseNodeArguments } from './node-arguments.js'
import { nodeConfiguration } from './node-configuration.js'
import type { Output } from './output.js'
import { runNode } from './run-node.js'
import { printHelp } from './help.js'
import { refuse } from './server-command.js'
import { textTable } from './text-table.js'

const DEFAULTS: readonly Setting[] = [
  { path: 'dir', value: './data/node-1', where: 'kindred up' },
  { path: 'loglevel', value: 'warning', where: 'kindred up' },
]

const DURABILITY: Readonly<Record<AppendFsync, string>> = {
  always: 'every write is on disk before its reply (appendfsync always)',
  everysec: 'writes are on disk within a second (appendfsync everysec)',
  no: 'writes are on disk when the system pleases (appendfsync no)',
}

export async function upCommand(args: readonly string[], output: Output): Promise<number> {
  const parsed = parseNodeArguments(args)
  if (parsed.helpWanted) return printHelp('up', output)
  const configuration = nodeConfiguration(parsed, DEFAULTS)
  if (configuration.kind === 'refused') return refuse(configuration.problems, 'up', output)
  const { config } = configuration
  const onServing = (node: RunningNode) => {
    for (const line of welcome(config, node.port, process.cwd())) output.out(line)
  }
  const exitCode = await runNode(config, { logToStandardError: true, onServing }, output)
  if (exitCode === 0) output.out('Stopped.')
  return exitCode
}

/** What is printed once the node serves on `port`. */
export function welcome(config: NodeConfig, port: number, workDirectory: string): string[] {
  const addresses = config.bind.map((host) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
  const row = [addresses.join(', '), nearPath(config.dir, workDirectory), DURABILITY[config.appendFsync]]
  const client = clientCommand(config, config.bind[0], port)
  return [
    ...textTable(['address', 'data directory', 'durability'], [row]),
    '',
    'Try it from another terminal:',
    `  ${client} set greeting hello`,
    `  ${client} get greeting`,
    '',
    'Ctrl-C stops it.',
  ]
}

function clientCommand(config: NodeConfig, host: string, port: number): string {
  const reachable = ['127.0.0.1', 'localhost', '0.0.0.0', '::'].includes(host) ? '' : ` -h ${host}`
  const password = config.requirePass === '' ? '' : ' --askpass'
  return `redis-cli${reachable} -p ${port}${password}`
}

/** The path from here when it lies below, else the whole path. */
function nearPath(path: string, workDirectory: string): string {
  const near = relative(workDirectory, path)
  return near === '' || near.startsWith('..') ? path : `./${near}`
}
