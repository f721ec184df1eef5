/**
 * `kindred restore`: data out of snapshots, in one of three ways: a copy of one node's directory, the directories of a new
 * cluster (or of a single node), or the live keys, written anew to a running node.
 */
import { parseArgs } from 'node:util'
import { NodeClock } from '../env/node-clock.js'
import { NodeDisk } from '../env/node-disk.js'
import { NodeLog } from '../env/node-log.js'
import { NodeRandom } from '../env/node-random.js'
import { loadMembers, MEMBERS_NAME } from '../node/member-list-file.js'
import { openMemberList, placedMembers } from '../node/member-list.js'
import type { NodeConfig } from '../node/node-config.js'
import { storeOptions } from '../node/storage-settings.js'
import { restoreNodes } from '../repair/restore-nodes.js'
import type { RestoredNode } from '../repair/restore-nodes.js'
import { SnapshotRecords } from '../repair/snapshot-records.js'
import { Ring } from '../ring/ring.js'
import { refuseUsedDirectory, restoreDirectory } from '../storage/snapshot/restore-directory.js'
import { snapshotBytes } from '../storage/snapshot/snapshot-file.js'
import { verifySnapshot } from '../storage/snapshot/verify-snapshot.js'
import { printHelp } from './help.js'
import { nodeConfiguration } from './node-configuration.js'
import type { Output } from './output.js'
import { Progress } from './progress.js'
import { bringBack } from './restamp-keys.js'

const OPTIONS = {
  into: { type: 'string' },
  config: { type: 'string', multiple: true },
  partial: { type: 'boolean', default: false },
  restamp: { type: 'boolean', default: false },
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '7001' },
  help: { type: 'boolean', short: 'h', default: false },
} as const
const STANDARD_ERROR = 2

interface RestoreOptions {
  readonly snapshots: readonly string[]
  readonly into: string | undefined
  readonly configs: readonly string[]
  readonly partial: boolean
  readonly restamp: boolean
  readonly host: string
  readonly port: number
  readonly help: boolean
}

export async function restoreCommand(args: readonly string[], output: Output): Promise<number> {
  const options = parseOptions(args)
  if (typeof options === 'string') {
    output.error(`kindred: ${options}`)
    output.error('"kindred help restore" lists the options.')
    return 1
  }
  if (options.help) return printHelp('restore', output)
  try {
    if (options.into !== undefined) return restoreOne(options.snapshots[0], options.into, output)
    if (options.configs.length > 0) return restoreCluster(options, output)
    return await restampAll(options, output)
  } catch (error) {
    output.error(`kindred: ${(error as Error).message}`)
    return 1
  }
}

function parseOptions(args: readonly string[]): RestoreOptions | string {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
    const { into, config: configs = [], partial, restamp, host, help } = values
    const port = Number(values.port)
    const options = { snapshots: positionals, into, configs, partial, restamp, host, port, help }
    if (help) return options
    const ways = [into !== undefined, configs.length > 0, restamp].filter(Boolean).length
    if (ways !== 1) return 'restore needs one of --into, --config and --restamp'
    if (positionals.length === 0) return 'restore needs the path of a snapshot'
    if (into !== undefined && positionals.length > 1)
      return '--into takes one snapshot: see --config for more'
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      return `--port: ${JSON.stringify(values.port)}, allowed: an integer from 1 to 65535`
    return options
  } catch (error) {
    return (error as Error).message
  }
}

function world() {
  return {
    disk: new NodeDisk(),
    clock: new NodeClock(true),
    log: new NodeLog('warn', STANDARD_ERROR),
    random: new NodeRandom(),
  }
}

function restoreOne(snapshot: string, directory: string, output: Output): number {
  const { disk, clock, log, random } = world()
  const progress = new Progress(clock, output, 'bytes copied and checked')
  const facts = restoreDirectory(disk, log, snapshot, directory, random.next53(), [MEMBERS_NAME], (bytes) =>
    progress.add(bytes),
  )
  const { origin, madeAtMs, name } = facts
  const of = origin.node === '' ? '' : ` of ${origin.node}`
  output.out(`${directory}: snapshot ${name}${of}, made ${new Date(madeAtMs).toISOString()}`)
  output.out(progress.summary(snapshotBytes(facts)))
  return 0
}

function restoreCluster({ snapshots, configs, partial }: RestoreOptions, output: Output): number {
  const env = world()
  const { disk, clock, log, random } = env
  const problem = missingSnapshots(disk, snapshots)
  if (problem !== null) {
    output.error(`kindred: ${problem}`)
    if (!partial) return 1
  }
  const targets = configs.map((path) => configurationOf(path))
  for (const { dir } of targets) refuseUsedDirectory(disk, dir)
  verifyAll(disk, snapshots)
  const records = new SnapshotRecords(disk, snapshots)
  const progress = new Progress(clock, output, 'keys')
  const nodes = targets.map((config) => restored(disk, config, random.next53()))
  let reported = 0
  const { keys, nodes: written } = restoreNodes(env, records, nodes, (done) => {
    progress.add(done - reported)
    reported = done
  })
  // Behind the manifests: a directory without one is no node's.
  for (const { dir, cluster } of targets) if (cluster !== null) openMemberList(disk, log, dir, cluster)
  for (const node of written) output.out(`${node.name}: ${node.keys} keys, ${node.bytes} bytes`)
  output.out(`${keys} keys restored from ${snapshots.length} snapshots`)
  output.out(progress.summary(written.reduce((sum, { bytes }) => sum + bytes, 0)))
  return 0
}

function configurationOf(path: string): NodeConfig {
  const args = { settings: [], configFile: path, nodes: undefined, helpWanted: false, problems: [] }
  const configuration = nodeConfiguration(args, [])
  if (configuration.kind === 'refused') throw new Error(`${path}: ${configuration.problems.join('; ')}`)
  return configuration.config
}

function restored(disk: NodeDisk, config: NodeConfig, directoryId: number): RestoredNode {
  const { cluster, dir } = config
  const ring = cluster === null ? null : placedMembers(disk, dir, cluster)
  const self = ring === null || cluster === null ? -1 : ring.indexOf(cluster.self.id)
  return {
    name: cluster?.self.name ?? dir,
    options: storeOptions(config, ring),
    directoryId,
    holds: (slot) => ring === null || ring.rangeAt(ring.rangeOfSlot[slot]).list.includes(self),
  }
}

/** Throws for the first snapshot with anything wrong with it. */
function verifyAll(disk: NodeDisk, snapshots: readonly string[]): void {
  for (const path of snapshots) {
    const [problem] = verifySnapshot(disk, path).problems
    if (problem !== undefined) throw new Error(`${problem.file}: ${problem.what}. Nothing was restored.`)
  }
}

/**
 * Why the snapshots may lack acknowledged writes: a write at quorum is on a majority of a range's replicas, so of each range there must be
 * one more than the others are. Null where all is there, and of a single node.
 */
function missingSnapshots(disk: NodeDisk, snapshots: readonly string[]): string | null {
  const { facts } = new SnapshotRecords(disk, snapshots)
  const held = new Set(facts.map(({ origin }) => origin.nodeId))
  const saved = snapshots.map((path) => loadMembers(disk, path)).find((members) => members !== null)
  if (saved === undefined || saved === null) return null
  const ring = new Ring(saved.members, saved.replicas)
  const lacking = ring.ranges().filter(({ list }) => {
    const present = list.filter((member) => held.has(ring.members[member].id)).length
    return present < list.length - Math.floor(list.length / 2)
  })
  if (lacking.length === 0) return null
  const missing = ring.members.flatMap(({ id, name }) => (held.has(id) ? [] : [name])).sort()
  return `of ${lacking.length} of ${ring.rangeCount} ranges too few replicas are there: without the snapshots of ${missing.join(', ')} acknowledged writes may be missing (see --partial)`
}

async function restampAll({ snapshots, host, port }: RestoreOptions, output: Output): Promise<number> {
  const { disk, clock } = world()
  verifyAll(disk, snapshots)
  const records = new SnapshotRecords(disk, snapshots)
  const progress = new Progress(clock, output, 'keys')
  const result = await bringBack({ host, port }, records, clock.wallMs(), {
    onKeys: (keys) => progress.add(keys),
    onSiblings: (key, values) => output.out(`${key} has ${values} values: the newest is brought back`),
    onError: (key, error) => output.error(`kindred: ${key}: ${error}`),
  })
  const { written, kept, failed } = result
  output.out(`${written} keys brought back, ${kept} were there already and were left alone, ${failed} failed`)
  output.out(progress.summary(result.bytes))
  return failed === 0 ? 0 : 1
}
