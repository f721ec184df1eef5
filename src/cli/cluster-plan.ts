/**
 * The nodes that `kindred up` starts on one machine: a configuration file for each, all with the same member list, and its
 * typed form. Flags are passed on to every node; those that cannot be the same everywhere are counted up from node to
 * node (ports) or get a folder for each (dir).
 */
import { join, resolve } from 'node:path'
import { knobByPath, knobName } from '../node/config-schema.js'
import { parseConfigFile } from '../node/config-file.js'
import { loadConfig } from '../node/config.js'
import type { Setting } from '../node/config.js'
import type { NodeConfig } from '../node/node-config.js'

export const NODES_MAX = 16

export interface PlannedNode {
  readonly name: string
  /** Absolute path of its configuration file. */
  readonly configFile: string
  /** What is to be written there. */
  readonly text: string
  readonly config: NodeConfig
}

export type ClusterPlan =
  | { readonly kind: 'nodes'; readonly nodes: readonly PlannedNode[] }
  | { readonly kind: 'refused'; readonly problems: readonly string[] }

/** Settings that are each node's own. */
const OWN = new Set(['port', 'smart-port', 'cluster-port', 'dir'])
const DEFAULT_DIR = './data'
const DEFAULT_PORT = 7001
/** No other machine reaches a node that only listens here, and this machine does by it. */
const LOCAL = ['127.0.0.1', '0.0.0.0', '::', '::1', 'localhost']

/** Plans `count` nodes with these flags. A relative `dir` is taken from `workDirectory`. */
export function planCluster(count: number, flags: readonly Setting[], workDirectory: string): ClusterPlan {
  const problems = flags
    .filter(({ path }) => path === 'cluster.node')
    .map(
      ({ value, where }) =>
        `cluster.node: ${JSON.stringify(value)} (${where}), allowed: nothing; "kindred up" names the nodes`,
    )
  const ports = portsFrom(flags, count, problems)
  const shared = flags.filter(({ path }) => !OWN.has(path) && path !== 'cluster.node')
  const parent = resolve(workDirectory, valueOf(flags, 'dir') ?? DEFAULT_DIR)
  const address = addressOf(valueOf(flags, 'bind'))
  const members = ports.map(
    (of, i) => `    - { name: ${nameOf(i)}, address: ${JSON.stringify(address)}, ${portsText(of)} }`,
  )
  const nodes = ports.map((_, i) => {
    const dir = join(parent, nameOf(i))
    const text = fileText(i, dir, shared, members)
    return { name: nameOf(i), configFile: join(dir, 'node.yaml'), text }
  })
  const planned: PlannedNode[] = []
  for (const node of nodes) {
    const file = parseConfigFile(node.text, node.configFile)
    const loaded = loadConfig([file.settings], { workDirectory, configFile: node.configFile })
    if (loaded.kind === 'config') planned.push({ ...node, config: loaded.config })
    // All have the same settings, so the first one's problems are those of all.
    else if (planned.length === 0 && problems.length === 0)
      problems.push(...file.problems, ...placed(loaded.problems, flags))
  }
  return problems.length > 0 ? { kind: 'refused', problems } : { kind: 'nodes', nodes: planned }
}

function nameOf(index: number): string {
  return `node-${index + 1}`
}

function valueOf(flags: readonly Setting[], path: string): string | undefined {
  return flags.findLast((flag) => flag.path === path)?.value
}

/** By node, and by name: 'port' and what else was given, counted up. */
function portsFrom(flags: readonly Setting[], count: number, problems: string[]): Map<string, number>[] {
  const nodes = Array.from({ length: count }, () => new Map<string, number>())
  for (const name of ['port', 'smart-port', 'cluster-port']) {
    const given = flags.findLast(({ path }) => path === name)
    if (given === undefined && name !== 'port') continue
    const first = given === undefined ? DEFAULT_PORT : Number(given.value)
    const last = 65536 - count
    if (!Number.isInteger(first) || first < 1 || first > last) {
      problems.push(
        `${name}: ${JSON.stringify(given?.value)} (--${name}), allowed for ${count} nodes: an integer from 1 to ${last}, the first node's; --nodes 1 starts a single one`,
      )
    }
    nodes.forEach((ports, i) => ports.set(name, first + i))
  }
  return nodes
}

function portsText(ports: ReadonlyMap<string, number>): string {
  return [...ports].map(([name, port]) => `${name}: ${port}`).join(', ')
}

/** The address that the nodes and their clients use among themselves. */
function addressOf(bind: string | undefined): string {
  const addresses = (bind ?? '').split(/[\s,]+/).filter((address) => address !== '')
  return addresses.length === 0 || addresses.some((address) => LOCAL.includes(address))
    ? '127.0.0.1'
    : addresses[0]
}

function fileText(
  index: number,
  dir: string,
  shared: readonly Setting[],
  members: readonly string[],
): string {
  const lines = shared.map(({ path, value }) => {
    const knob = knobByPath(path)
    return { path, line: `${knob === undefined ? path : knobName(knob)}: ${JSON.stringify(value)}` }
  })
  const top = lines.filter(({ path }) => !path.includes('.'))
  const of = (section: string) => lines.filter(({ path }) => path.startsWith(`${section}.`))
  return [
    `# Written by "kindred up" at each start. Start this node by itself: bin/kindred server --config ${join(dir, 'node.yaml')}`,
    `dir: ${JSON.stringify(dir)}`,
    ...top.map(({ line }) => line),
    ...(of('storage').length === 0 ? [] : ['storage:', ...of('storage').map(({ line }) => `  ${line}`)]),
    'cluster:',
    `  node: ${nameOf(index)}`,
    ...of('cluster').map(({ line }) => `  ${line}`),
    '  members:',
    ...members,
    '',
  ].join('\n')
}

/** The flag's name in place of the line of a file that was never written. */
function placed(problems: readonly string[], flags: readonly Setting[]): string[] {
  return problems.map((problem) => {
    const flag = flags.find(({ path }) => problem.startsWith(`${path}: `))
    return flag === undefined ? problem : problem.replace(/\(\S+:\d+\)/, `(${flag.where})`)
  })
}
