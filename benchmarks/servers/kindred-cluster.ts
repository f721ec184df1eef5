/**
 * Three nodes of Kindred on this machine, each started with a configuration file as a user would write it: N=3,
 * R=W=QUORUM. Also who their clients are: cluster clients, which ask each node for the keys of which it is the home, and
 * plain ones on one node or spread over all.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SlotRange } from '../../src/ring/slot-range.js'
import { homesOf } from '../load/home-keys.js'
import { temporaryFolder } from './cleanup.js'
import { probe, RespClient } from './resp-client.js'
import { eventually, ServerGroup } from './server-group.js'
import { freePorts, ServerProcess } from './server-process.js'
import { isKindredBusy, KINDRED } from './start-server.js'
import type { AppendFsync } from './start-server.js'

export interface ClusterNode {
  readonly name: string
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

const NODES = 3

/** The text of a node's configuration file: JSON, which is YAML. */
export function configurationOf(
  node: ClusterNode,
  members: readonly ClusterNode[],
  directory: string,
  appendfsync: AppendFsync,
): string {
  const settings = {
    port: node.port,
    'smart-port': node.smartPort,
    'cluster-port': node.clusterPort,
    dir: directory,
    appendfsync,
    loglevel: 'warning',
    cluster: {
      node: node.name,
      replicas: NODES,
      'read-consistency': 'QUORUM',
      'write-consistency': 'QUORUM',
      members: members.map(({ name, port, smartPort, clusterPort }) => ({
        name,
        address: '127.0.0.1',
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

  private constructor(group: ServerGroup, nodes: readonly ClusterNode[]) {
    this.group = group
    this.nodes = nodes
  }

  /** Resolves when every node takes writes and names a home for every slot. */
  static async start(parent: string, appendfsync: AppendFsync): Promise<KindredCluster> {
    const ports = await freePorts(NODES * 3)
    const nodes = Array.from({ length: NODES }, (_, i) => {
      const [port, smartPort, clusterPort] = ports.slice(i * 3)
      return { name: `node-${i + 1}`, port, smartPort, clusterPort }
    })
    const folder = temporaryFolder(parent, 'cluster')
    const servers = await Promise.all(nodes.map((node) => startNode(node, nodes, folder, appendfsync)))
    const cluster = new KindredCluster(new ServerGroup('Kindred', servers, [folder]), nodes)
    await cluster.whenReady()
    return cluster
  }

  /** Resolves when every node takes writes and all agree on a home for every slot. */
  async whenReady(): Promise<void> {
    await eventually('the cluster is not ready', async () => {
      const homes = await Promise.all(this.nodes.map(({ smartPort }) => this.#homesBy(smartPort)))
      if (homes.some((of) => of.some((ranges) => ranges.length === 0))) {
        throw new Error('a node is the home of nothing')
      }
      if (new Set(homes.map((of) => JSON.stringify(of))).size > 1) throw new Error('nodes disagree on homes')
      for (const { port } of this.nodes) await probe(port)
    })
  }

  async clients(kind: ClientKind): Promise<Clients> {
    if (kind !== 'cluster clients') {
      const ports = this.nodes.map(({ port }) => port)
      return { ports: kind === 'plain, spread' ? ports : ports.slice(0, 1), homes: null }
    }
    const ports = this.nodes.map(({ smartPort }) => smartPort)
    return { ports, homes: await this.#homesBy(ports[0]) }
  }

  async #homesBy(smartPort: number): Promise<SlotRange[][]> {
    const client = await RespClient.connect(smartPort)
    try {
      const ports = this.nodes.map((node) => node.smartPort)
      return homesOf(await client.call('CLUSTER', 'SLOTS'), ports)
    } finally {
      client.close()
    }
  }
}

function startNode(
  node: ClusterNode,
  nodes: readonly ClusterNode[],
  folder: string,
  appendfsync: AppendFsync,
): Promise<ServerProcess> {
  const file = join(folder, `${node.name}.yaml`)
  writeFileSync(file, configurationOf(node, nodes, join(folder, node.name), appendfsync))
  return ServerProcess.start({
    name: `Kindred ${node.name}`,
    program: KINDRED,
    args: ['server', '--config', file],
    port: node.port,
    isBusy: isKindredBusy,
  })
}
