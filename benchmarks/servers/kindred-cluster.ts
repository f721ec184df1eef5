/**
 * Three nodes of Kindred on this machine, each started with a configuration file as a user would write it: N=3,
 * R=W=QUORUM. Also who their clients are: cluster clients, which ask each node for the keys of which it is the home, and
 * plain ones on one node or spread over all.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SlotRange } from '../../src/ring/slot-range.js'
import type { PrivateNetwork } from '../../test/support/private-network.js'
import { homesOf } from '../load/home-keys.js'
import { temporaryFolder } from './cleanup.js'
import { onLoopback, probe, RespClient } from './resp-client.js'
import { eventually, ServerGroup } from './server-group.js'
import { freePorts, ServerProcess } from './server-process.js'
import { isKindredBusy, KINDRED } from './start-server.js'
import type { AppendFsync } from './start-server.js'

export interface ClusterNode {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly smartPort: number
  readonly clusterPort: number
}

/** Where connections go, and which keys they ask for there. */
export interface Clients {
  readonly ports: readonly number[]
  readonly homes: readonly (readonly SlotRange[])[] | null
}

export type ClientKind = 'cluster clients' | 'plain, one node' | 'plain, spread'
export const CLIENT_KINDS: readonly ClientKind[] = ['cluster clients', 'plain, one node', 'plain, spread']

export interface KindredClusterOptions {
  /** Each node is on a machine of its own there, node i on machine i. */
  readonly network?: PrivateNetwork | null
  /** Of section `cluster`. */
  readonly settings?: Readonly<Record<string, string | number>>
}

const NODES = 3
/** On a network of their own, each node has all ports. */
const NETWORK_PORTS = [7001, 8001, 17001] as const
/** Nodes that listen beyond loopback want one. */
const SECRET = 'for benchmarks alone, on a private network'

/** The text of a node's configuration file: JSON, which is YAML. */
export function configurationOf(
  node: ClusterNode,
  members: readonly ClusterNode[],
  directory: string,
  appendfsync: AppendFsync,
  clusterSettings: Readonly<Record<string, string | number>> = {},
): string {
  const settings = {
    port: node.port,
    'smart-port': node.smartPort,
    'cluster-port': node.clusterPort,
    dir: directory,
    appendfsync,
    loglevel: 'warning',
    ...(node.host === onLoopback(0).host
      ? {}
      : { bind: [node.host], 'cluster-secret': SECRET, 'protected-mode': 'no' }),
    cluster: {
      node: node.name,
      replicas: NODES,
      'read-consistency': 'QUORUM',
      'write-consistency': 'QUORUM',
      ...clusterSettings,
      members: members.map(({ name, host, port, smartPort, clusterPort }) => ({
        name,
        address: host,
        port,
        'smart-port': smartPort,
        'cluster-port': clusterPort,
      })),
    },
  }
  return `${JSON.stringify(settings, null, 2)}\n`
}

export class KindredCluster {
  readonly group: ServerGroup
  readonly nodes: readonly ClusterNode[]
  readonly #servers: ServerProcess[]
  readonly #folder: string
  readonly #network: PrivateNetwork | null

  private constructor(
    servers: ServerProcess[],
    nodes: readonly ClusterNode[],
    folder: string,
    network: PrivateNetwork | null,
  ) {
    this.group = new ServerGroup('Kindred', servers, [folder])
    this.nodes = nodes
    this.#servers = servers
    this.#folder = folder
    this.#network = network
  }

  /** Resolves when every node takes writes and names a home for every slot. */
  static async start(
    parent: string,
    appendfsync: AppendFsync,
    options: KindredClusterOptions = {},
  ): Promise<KindredCluster> {
    const { network = null, settings } = options
    const nodes = network === null ? await onFreePorts() : onMachines(network)
    const folder = temporaryFolder(parent, 'cluster')
    for (const node of nodes) {
      const text = configurationOf(node, nodes, join(folder, node.name), appendfsync, settings)
      writeFileSync(join(folder, `${node.name}.yaml`), text)
    }
    const servers = await Promise.all(nodes.map((_, i) => startNode(nodes, i, folder, network)))
    const cluster = new KindredCluster(servers, nodes, folder, network)
    await cluster.whenReady()
    return cluster
  }

  /** Starts a node again that was killed; resolves when it serves. */
  async restart(node: number): Promise<void> {
    this.#servers[node] = await startNode(this.nodes, node, this.#folder, this.#network)
  }

  /** Removes everything that a node has kept, while it is not running. */
  wipe(node: number): void {
    rmSync(join(this.#folder, this.nodes[node].name), { recursive: true })
  }

  /** Removes what a node has saved of its Merkle trees, while it is not running. */
  loseTrees(node: number): void {
    const directory = join(this.#folder, this.nodes[node].name)
    for (const name of readdirSync(directory)) if (name.endsWith('.trees')) rmSync(join(directory, name))
  }

  /** Resolves when every node takes writes and all agree on a home for every slot. */
  async whenReady(): Promise<void> {
    await eventually('the cluster is not ready', async () => {
      const homes = await Promise.all(this.nodes.map((node) => this.homesBy(node)))
      if (homes.some((of) => of.some((ranges) => ranges.length === 0))) {
        throw new Error('a node is the home of nothing')
      }
      if (new Set(homes.map((of) => JSON.stringify(of))).size > 1) throw new Error('nodes disagree on homes')
      for (const node of this.nodes) await probe(node)
    })
  }

  async clients(kind: ClientKind): Promise<Clients> {
    if (kind !== 'cluster clients') {
      const ports = this.nodes.map(({ port }) => port)
      return { ports: kind === 'plain, spread' ? ports : ports.slice(0, 1), homes: null }
    }
    const ports = this.nodes.map(({ smartPort }) => smartPort)
    return { ports, homes: await this.homesBy(this.nodes[0]) }
  }

  /** The slots whose home each node is, as one of them says. */
  async homesBy({ host, smartPort }: ClusterNode): Promise<SlotRange[][]> {
    const client = await RespClient.connect({ host, port: smartPort })
    try {
      const addresses = this.nodes.map((node) => ({ host: node.host, port: node.smartPort }))
      return homesOf(await client.call('CLUSTER', 'SLOTS'), addresses)
    } finally {
      client.close()
    }
  }
}

async function onFreePorts(): Promise<ClusterNode[]> {
  const ports = await freePorts(NODES * 3)
  return Array.from({ length: NODES }, (_, i) => {
    const [port, smartPort, clusterPort] = ports.slice(i * 3)
    return { name: `node-${i + 1}`, host: onLoopback(0).host, port, smartPort, clusterPort }
  })
}

function onMachines(network: PrivateNetwork): ClusterNode[] {
  const [port, smartPort, clusterPort] = NETWORK_PORTS
  return Array.from({ length: NODES }, (_, i) => {
    return { name: `node-${i + 1}`, host: network.addressOf(i), port, smartPort, clusterPort }
  })
}

function startNode(
  nodes: readonly ClusterNode[],
  index: number,
  folder: string,
  network: PrivateNetwork | null,
): Promise<ServerProcess> {
  const { name, host, port } = nodes[index]
  const command = [KINDRED, 'server', '--config', join(folder, `${name}.yaml`)]
  const [program, ...args] = network === null ? command : [...network.on(index), ...command]
  return ServerProcess.start({ name: `Kindred ${name}`, program, args, host, port, isBusy: isKindredBusy })
}
