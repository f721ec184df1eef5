/**
 * `kindred up`: nodes in the foreground for someone who wants to try it, with a table of where they are. Three nodes
 * unless told otherwise; one of them alone is this process itself.
 */
import { relative } from 'node:path'
import type { Setting } from '../node/config.js'
import type { AppendFsync, NodeConfig } from '../node/node-config.js'
import type { RunningNode } from '../node/running-node.js'
import { NODES_MAX, planCluster } from './cluster-plan.js'
import { parseNodeArguments } from './node-arguments.js'
import type { NodeArguments } from './node-arguments.js'
import { nodeConfiguration } from './node-configuration.js'
import type { Output } from './output.js'
import { runNode } from './run-node.js'
import { printHelp } from './help.js'
import { refuse } from './server-command.js'
import { textTable } from './text-table.js'
import { upCluster } from './up-cluster.js'

const DIR: Setting = { path: 'dir', value: './data/node-1', where: 'kindred up' }
const LOG_LEVEL: Setting = { path: 'loglevel', value: 'warning', where: 'kindred up' }

const DURABILITY: Readonly<Record<AppendFsync, string>> = {
  always: 'every write is on disk before its reply (appendfsync always)',
  everysec: 'writes are on disk within a second (appendfsync everysec)',
  no: 'writes are on disk when the system pleases (appendfsync no)',
}

/** As many as a key has copies, so that any one of them may fail. */
const NODES = 3

export async function upCommand(args: readonly string[], output: Output): Promise<number> {
  const parsed = parseNodeArguments(args, 'up')
  if (parsed.helpWanted) return printHelp('up', output)
  const nodes = nodesOf(parsed)
  if (typeof nodes === 'string') return refuse([...parsed.problems, nodes], 'up', output)
  if (nodes === 1) return upAlone(parsed, output)
  if (parsed.problems.length > 0) return refuse(parsed.problems, 'up', output)
  const flags = [LOG_LEVEL, ...parsed.settings].filter(isLastOfItsPath)
  const plan = planCluster(nodes, flags, process.cwd())
  if (plan.kind === 'refused') return refuse(plan.problems, 'up', output)
  return upCluster(plan.nodes, output)
}

function isLastOfItsPath({ path }: Setting, index: number, all: readonly Setting[]): boolean {
  return all.findLastIndex((other) => other.path === path) === index
}

/** How many nodes to start, or what is wrong with the number. A configuration file describes one. */
function nodesOf({ nodes, configFile }: NodeArguments): number | string {
  if (nodes === undefined) return configFile === undefined ? NODES : 1
  const count = /^\d{1,3}$/.test(nodes) ? Number(nodes) : 0
  if (count < 1 || count > NODES_MAX) {
    return `--nodes: ${JSON.stringify(nodes)}, allowed: an integer from 1 to ${NODES_MAX}`
  }
  if (count === 1 || configFile === undefined) return count
  return '--config: describes one node; with --nodes give the settings as flags, which go to every node'
}

async function upAlone(parsed: NodeArguments, output: Output): Promise<number> {
  const configuration = nodeConfiguration(parsed, [DIR, LOG_LEVEL])
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
