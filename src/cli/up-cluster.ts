/**
 * `kindred up` with several nodes: starts them as processes, waits until all serve and see each other, says how to try them,
 * and stops them in order. A node that ends by itself is said and stays ended: whoever tries out failures wants to see
 * them, and a node that restarts in a loop hides what is wrong with it.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { NodeDisk } from '../env/node-disk.js'
import { placedMembers } from '../node/member-list.js'
import { primarySlots } from '../ring/ring-load.js'
import type { PlannedNode } from './cluster-plan.js'
import { addressText, healthOf, isWhole, parseClusterStatus, shareText } from './cluster-status.js'
import type { ClusterStatus } from './cluster-status.js'
import { NodeProcess } from './node-process.js'
import type { Output } from './output.js'
import { ask } from './resp-client.js'
import { StopSignals } from './stop-signals.js'
import { textTable } from './text-table.js'

const POLL_MS = 50
const ANSWER_TIMEOUT_MS = 2000
/** After which the table is printed although some nodes do not see each other. */
const LINKED_MS_MAX = 15_000

/** Runs the planned nodes until they are told to stop; resolves with the exit code. */
export async function upCluster(plans: readonly PlannedNode[], output: Output): Promise<number> {
  const nodes: NodeProcess[] = []
  const signals = new StopSignals(() => stopAll(nodes, 'SIGKILL'))
  let stopping = false
  signals.onFirst((signal) => {
    stopping = true
    stopAll(nodes, signal)
  })
  try {
    plans.forEach(writeConfig)
  } catch (error) {
    output.error(`kindred: cannot write the nodes' configuration: ${(error as Error).message}`)
    return 1
  }
  for (const plan of plans) nodes.push(start(plan, output, () => stopping))
  const served = await waitUntilServing(nodes, () => stopping)
  if (!served && !stopping) {
    stopping = true
    output.error('kindred: not every node could start; the others are stopped')
    stopAll(nodes, 'SIGTERM')
  }
  if (served) {
    const status = await waitUntilLinked(nodes, () => stopping)
    if (!stopping) for (const line of welcomeToCluster(plans, status)) output.out(line)
  }
  await Promise.all(nodes.map((node) => node.ended))
  const inOrder = nodes.filter((node) => node.endedInOrder).length
  if (served) output.out(`Stopped ${inOrder} of ${nodes.length} nodes in order.`)
  return served && inOrder === nodes.length ? 0 : 1
}

/** Only the owner may read it: it can hold passwords. */
function writeConfig({ configFile, text }: PlannedNode): void {
  mkdirSync(dirname(configFile), { recursive: true })
  writeFileSync(configFile, text, { mode: 0o600 })
}

function start(plan: PlannedNode, output: Output, stopping: () => boolean): NodeProcess {
  const node = new NodeProcess(plan, (line) => output.error(`${plan.name} | ${line}`))
  void node.ended.then((how) => {
    if (stopping() && node.endedInOrder) return
    output.error(`kindred: ${plan.name} has ended: ${how}${stopping() ? '' : '. It is not restarted'}`)
  })
  return node
}

function stopAll(nodes: readonly NodeProcess[], signal: NodeJS.Signals): void {
  for (const node of nodes) node.kill(signal)
}

/** False when a node ended, or all are to stop, before all serve. */
async function waitUntilServing(nodes: readonly NodeProcess[], stopping: () => boolean): Promise<boolean> {
  for (;;) {
    const serving = await Promise.all(nodes.map(isServing))
    if (stopping() || nodes.some((node) => node.end !== null)) return false
    if (serving.every(Boolean)) return true
    await sleep(POLL_MS)
  }
}

/** Whether it is this process that answers at the node's port. */
async function isServing(node: NodeProcess): Promise<boolean> {
  const info = await askNode(node.plan, ['INFO', 'server'])
  return Buffer.isBuffer(info) && info.includes(`process_id:${node.processId}\r\n`)
}

/** The state of the cluster once every node sees all others, or as it is after a while; null where the nodes know of none. */
async function waitUntilLinked(
  nodes: readonly NodeProcess[],
  stopping: () => boolean,
): Promise<ClusterStatus | null> {
  for (const untilMs = performance.now() + LINKED_MS_MAX; ; await sleep(POLL_MS)) {
    const replies = await Promise.all(nodes.map(({ plan }) => askNode(plan, ['KV.STATUS'])))
    const states = replies.map(parseClusterStatus)
    const isLinked = states.every((status) => status === null || isWhole(status))
    const isLate = performance.now() > untilMs || stopping() || nodes.some((node) => node.end !== null)
    if (isLinked || isLate) return states.find((status) => status !== null && !isWhole(status)) ?? states[0]
  }
}

/** The reply, or undefined when there is none. */
async function askNode({ config }: PlannedNode, command: readonly string[]) {
  const login = config.requirePass === '' ? [] : [['AUTH', config.requirePass]]
  const address = { host: hostOf(config.bind), port: config.port }
  try {
    return (await ask(address, [...login, command], ANSWER_TIMEOUT_MS)).at(-1)
  } catch {
    return undefined
  }
}

function hostOf(bind: readonly string[]): string {
  return ['0.0.0.0', '::'].includes(bind[0]) ? '127.0.0.1' : bind[0]
}

/** What is printed once all nodes serve. `status` is null where they do not tell. */
export function welcomeToCluster(plans: readonly PlannedNode[], status: ClusterStatus | null): string[] {
  const [{ config }] = plans
  if (config.cluster === null) throw new Error('several nodes have a member list')
  const ring = placedMembers(new NodeDisk(), config.dir, config.cluster)
  const primary = primarySlots(ring)
  const rows = plans.map((plan) => {
    const { port, smartPort, cluster, dir } = plan.config
    const host = hostOf(plan.config.bind)
    const member = status?.members.find(({ name }) => name === plan.name)
    return [
      plan.name,
      addressText({ host, port }),
      addressText({ host, port: smartPort }),
      shareText(primary[ring.indexOf(cluster?.self.id ?? '')]),
      member === undefined ? 'serving' : healthOf(member),
      dir,
    ]
  })
  const { replicas } = ring
  const password = config.requirePass === '' ? '' : ' --askpass'
  const host = hostOf(config.bind) === '127.0.0.1' ? '' : ` -h ${hostOf(config.bind)}`
  return [
    ...textTable(['node', 'clients', 'cluster clients', 'primary of', 'health', 'data directory'], rows),
    '',
    `Each key is on ${replicas} of ${plans.length} nodes. Try it from another terminal:`,
    `  redis-cli${host} -p ${config.port}${password} set greeting hello`,
    `  redis-cli${host} -p ${plans[plans.length - 1].config.port}${password} get greeting`,
    `  redis-cli -c${host} -p ${config.smartPort}${password} get greeting`,
    `  bin/kindred status --port ${config.port}`,
    '',
    'A node that fails stays down. Start it again by itself:',
    `  bin/kindred server --config ${plans[0].configFile}`,
    '',
    'Ctrl-C stops all.',
  ]
}
