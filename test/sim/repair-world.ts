/** What stories about repair do again and again: exchange now, wipe a directory, keep a copy of one and put it back. */
import type { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { NOTICED_MS, UNREPAIRED, fact } from './cluster-world.js'

/** What a node logs for each range that becomes stale. */
export const STALE_EVENT = 'a range is stale: it is rebuilt from its replicas'

/** No background exchanges, and no hints: what a test asks for is all there is. */
export const ON_DEMAND = UNREPAIRED

export const HOUR_MS = 3_600_000
/** Purging looks once a minute. */
export const PURGED_MS = 125_000
/** What has died is kept for a minute after its hour. */
export const QUICK_PURGE = {
  ...ON_DEMAND,
  'cluster.tombstone-grace': '60000',
  'cluster.max-hint-window': '1000',
  'cluster.ping-interval': '500',
}

export function repairFact(cluster: SimCluster, node: SimNode, name: string): Promise<number> {
  return fact(cluster, node, `repair_${name}`, 'repair')
}

/** Has a node exchange with the others, all its ranges or those of some slots, and waits until that is done. */
export async function repaired(cluster: SimCluster, node: SimNode, ...slots: number[]): Promise<string> {
  const reply = String(await cluster.ask(cluster.client(node), 'KV.REPAIR', ...slots))
  while ((await repairFact(cluster, node, 'demanded_ranges')) > 0) await cluster.run(50)
  return reply
}

/** Until every range of the node is judged, and answers. */
export async function rebuilt(cluster: SimCluster, node: SimNode): Promise<void> {
  for (let i = 0; i < 600; i++) {
    const waiting = await repairFact(cluster, node, 'unjudged_ranges')
    if (waiting + (await repairFact(cluster, node, 'stale_ranges')) === 0) return
    await cluster.run(100)
  }
  throw new Error(`${node.name} stays stale: ${JSON.stringify(node.log.lines.slice(-3))}`)
}

/** All files of the stopped node's directory. */
export function copyOf({ disk, config }: SimNode): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  for (const name of disk.list(config.dir)) {
    const file = disk.open(`${config.dir}/${name}`, 'read')
    const bytes = Buffer.alloc(disk.sizeBytes(file))
    disk.readSync(file, bytes, 0, bytes.length, 0)
    disk.close(file)
    files.set(name, bytes)
  }
  return files
}

/** Puts the stopped node's directory back to what it was, or to nothing. */
export function putBack({ disk, config }: SimNode, files: ReadonlyMap<string, Buffer> = new Map()): void {
  for (const name of disk.list(config.dir)) disk.unlink(`${config.dir}/${name}`)
  for (const [name, bytes] of files) {
    const file = disk.open(`${config.dir}/${name}`, 'create')
    disk.writeSync(file, bytes, 0, bytes.length, 0)
    disk.syncSync(file)
    disk.close(file)
  }
  disk.syncDirectory(config.dir)
}

/** All clocks go on by so long, and agree again. */
export async function later(cluster: SimCluster, durationMs: number): Promise<void> {
  for (const node of cluster.nodes) node.clock.jumpWall(durationMs)
  await cluster.run(NOTICED_MS)
}

/** P of a node, milliseconds since 1970; 0 for none. */
export async function horizon(cluster: SimCluster, node: SimNode): Promise<number> {
  const age = await repairFact(cluster, node, 'purge_horizon_age_seconds')
  return age < 0 ? 0 : Math.round((node.clock.wallMs() - 1000 * age) / HOUR_MS) * HOUR_MS
}
