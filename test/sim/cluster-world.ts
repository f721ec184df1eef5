/** What tests of simulated clusters ask again and again: keys with a given preference list, siblings, INFO, who is home. */
import { placedMembers } from '../../src/node/member-list.js'
import type { Ring } from '../../src/ring/ring.js'
import { slotOf } from '../../src/ring/slot.js'
import type { SimClient, SimReply } from '../../src/sim/sim-client.js'
import type { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'

/** After so long without a word a peer is taken for down, and links that were healed are up again. */
export const NOTICED_MS = 4000
/** Settings of a cluster in which a replica gets what it missed by hints alone, and of one in which it does when somebody reads it. */
export const UNEXCHANGED = { 'cluster.anti-entropy-interval': '0' }
export const UNREPAIRED = { ...UNEXCHANGED, 'cluster.hinted-handoff-enabled': 'no' }

export interface Siblings {
  readonly context: string
  /** In the order of KV.SIBLINGS, the winner first; null for deletions. */
  readonly values: readonly SimReply[]
}

/** Who has which slot. */
export function ringOf({ nodes: [, node] }: SimCluster): Ring {
  const { dir, cluster } = node.config
  if (cluster === null) throw new Error('simulated nodes are clustered')
  return placedMembers(node.disk, dir, cluster)
}

/** The nodes of the key's preference list. */
export function listOf(cluster: SimCluster, key: string, ring = ringOf(cluster)): SimNode[] {
  const bytes = Buffer.from(key)
  const slot = slotOf(bytes, 0, bytes.length)
  return Array.from({ length: ring.replicas }, (_, place) => {
    const { name } = ring.members[ring.memberAt(slot, place)]
    const node = cluster.nodes.find((one) => one.name === name)
    if (node === undefined) throw new Error(`${name} is one of the nodes`)
    return node
  })
}

/** Keys, all different ones, whose preference list begins with these nodes. */
export function* keysAt(cluster: SimCluster, ...nodes: readonly SimNode[]): Generator<string, never> {
  const ring = ringOf(cluster)
  for (let i = 0; ; i++) {
    const key = `key:${i}`
    const list = listOf(cluster, key, ring)
    if (nodes.every((node, place) => list[place] === node)) yield key
  }
}

export function keyAt(cluster: SimCluster, ...nodes: readonly SimNode[]): string {
  return keysAt(cluster, ...nodes).next().value
}

export async function siblings(cluster: SimCluster, client: SimClient, key: string): Promise<Siblings> {
  const reply = await cluster.ask(client, 'KV.SIBLINGS', key)
  if (!Array.isArray(reply)) throw new Error(`KV.SIBLINGS answers ${String(reply)}`)
  const [, context, , list] = reply as [string, string, string, SimReply[][]]
  return { context, values: list.map((fields) => fields[3]) }
}

/** Clients of all nodes. */
export function clientsOf(cluster: SimCluster): SimClient[] {
  return cluster.nodes.map((node) => cluster.client(node))
}

/** A client whose requests are served at these levels. */
export async function clientAt(
  cluster: SimCluster,
  node: SimNode,
  read: string,
  write: string,
): Promise<SimClient> {
  const client = cluster.client(node)
  const reply = await cluster.ask(client, 'KV.QUORUM', 'READ', read, 'WRITE', write)
  if (reply !== 'OK') throw new Error(`KV.QUORUM answers ${String(reply)}`)
  return client
}

/** What each node holds by itself, read at ONE. */
export async function heldBy(cluster: SimCluster, key: string): Promise<SimReply[]> {
  const held: SimReply[] = []
  for (const node of cluster.nodes) {
    held.push(await cluster.ask(await clientAt(cluster, node, 'ONE', 'ONE'), 'GET', key))
  }
  return held
}

/** A number of INFO. */
export async function fact(
  cluster: SimCluster,
  node: SimNode,
  name: string,
  section = 'cluster',
): Promise<number> {
  const info = String(await cluster.ask(cluster.client(node), 'INFO', section))
  const line = info.split('\r\n').find((one) => one.startsWith(`${name}:`))
  if (line === undefined) throw new Error(`INFO has no ${name}`)
  return Number(line.slice(name.length + 1))
}
