/**
 * One run, from a seed: whole nodes on virtual time, clients at work, and what goes wrong.
 *
 *     safety      faults within the fault model (fault-model.ts), in parts; between two of them what needs quiet (a wipe, an old
 *                 copy) or everybody's time (a blackout, a sleep)
 *     liveness    everything is mended; every node must run, every request be answered, every replica come to hold the same
 *                 by a deadline; once more everything is read; nodes are stopped
 *     judgement   checkers over what clients were told and what is on the disks
 *
 * The same seed is the same run: `traceHash` is one number over every network event, disk operation and reply.
 */
import { slotOf } from '../../ring/slot.js'
import type { Ring } from '../../ring/ring.js'
import { placedMembers } from '../../node/member-list.js'
import type { NodeConfig } from '../../node/node-config.js'
import { judged } from '../checkers/all-checkers.js'
import { differences } from '../checkers/convergence.js'
import type { Evidence, Violation } from '../checkers/evidence.js'
import { OperationTrace } from '../disk/operation-trace.js'
import { LOST } from '../sim-client.js'
import type { SimReply, SimRequest } from '../sim-client.js'
import { SimCluster } from '../sim-cluster.js'
import type { SimNode } from '../sim-node.js'
import { SimRandom } from '../sim-random.js'
import { Workload } from '../workload/workload.js'
import { ClockWatch } from './clock-watch.js'
import { mayLose } from './fault-model.js'
import type { FaultKind } from './fault-model.js'
import { Faults } from './faults.js'
import type { Operation } from './history.js'
import { described } from './history.js'
import { hasClockFaults, hasDiskFaults, hasFallbacks, isLoss, runOptions } from './run-options.js'
import type { RunOptions } from './run-options.js'
import { dumpStore } from './store-dump.js'
import type { StoreDump } from './store-dump.js'
import { Story } from './story.js'

export interface RunResult {
  readonly options: RunOptions
  readonly violations: readonly Violation[]
  readonly operations: readonly Operation[]
  readonly story: readonly string[]
  readonly faults: ReadonlyMap<FaultKind, number>
  /** Virtual milliseconds. */
  readonly simulatedMs: number
  readonly traceHash: number
}

/** After so long without a word a peer is taken for down, and links that were healed are up again. */
const NOTICED_MS = 4000
/** Everything that waits has ended by then, and every node that can has started. */
const HEALED_WITHIN_MS = 60_000
/** Disks of a run may be slow, and a node that lost all fetches it from them block by block. */
const CONVERGED_WITHIN_MS = 240_000
const STOPPED_WITHIN_MS = 30_000
/** What a stopped node may still have to run out. */
const AFTER_STOP_MS = 15_000
const RETRY_START_MS = 500
const LOOK_AGAIN_MS = 300
/** To look at the disks costs more than what happens meanwhile. */
const LOOK_AGAIN_MS_MAX = 10_000
/** Lines of INFO's section repair. */
const NOT_CURRENT = ['repair_unjudged_ranges', 'repair_stale_ranges']
const DEMANDED = ['repair_demanded_ranges']
const DIFFERING = ['repair_ranges_differing']
/** And of its section cluster. */
const HELD_FOR_OTHERS = ['cluster_hints', 'cluster_fallback_copies']
/** Own entries that had left memory before a hint was written of them: exchanges have to bring them. */
const PASSED_OVER = ['cluster_hints_passed_over']
const POSSIBLE_LOSSES = ['cluster_handoffs_possible_losses']
const READS_AT_A_TIME = 50
const MINUTE_MS = 60_000
/** Ten times the grace of deletions, among others. */
const WORLD_STOPS_MS = [10_000, 10 * MINUTE_MS, 3 * 60 * MINUTE_MS, 40 * 60 * MINUTE_MS]
/** Clients that nobody answers do not go on for longer than this. */
const CLIENTS_GO_ON_MS = 10_000

/** What no log of a node may say. */
const BUG_EVENTS = new Set(['a command failed in a way that it should not', 'one dot came with two contents'])

export class Simulation {
  readonly cluster: SimCluster
  readonly workload: Workload
  readonly faults: Faults
  readonly story: Story
  readonly #options: RunOptions
  readonly #random: SimRandom
  readonly #ring: Ring
  readonly #replies = new OperationTrace()
  readonly #timeless = new Set<Operation>()
  readonly #stuck: string[] = []
  readonly #complaints: string[] = []
  readonly #leaks: string[] = []

  private constructor(cluster: SimCluster, options: RunOptions, random: SimRandom) {
    this.cluster = cluster
    this.#options = options
    this.#random = random
    this.story = new Story(cluster.queue)
    this.workload = new Workload(cluster, random.fork('workload'), options.workload)
    this.faults = new Faults(cluster, random.fork('faults'), options.faults, this.story)
    const clocks = new ClockWatch(cluster, (node) => this.faults.isClockWrong(node))
    this.workload.onAnswered = (operation) => {
      this.#replies.add(described(operation))
      if (!clocks.isTimeKnown()) this.#timeless.add(operation)
    }
    const { dir, cluster: members } = cluster.nodes[0].config
    if (members === null) throw new Error('simulated nodes are clustered')
    this.#ring = placedMembers(cluster.nodes[0].disk, dir, members)
  }

  /** The whole run of a seed. */
  static async run(
    seed: number | string,
    wishes: { readonly safetyMs?: number; readonly profile?: string } = {},
  ): Promise<RunResult> {
    const random = new SimRandom(`simulation ${seed}`)
    return Simulation.runWith(runOptions(seed, random.fork('options'), wishes))
  }

  static async runWith(options: RunOptions): Promise<RunResult> {
    const random = new SimRandom(`simulation ${options.seed}`)
    const { nodes, diskDelayMsMax, settings } = options
    const cluster = new SimCluster({ seed: random.fork('cluster').seed, nodes, diskDelayMsMax, settings })
    for (const node of cluster.nodes) {
      node.readsEagerly = options.readsEagerly
      if (options.hasTinyStorage) node.config = withTinyStorage(node.config)
    }
    const simulation = new Simulation(cluster, options, random)
    try {
      await cluster.start(...cluster.nodes)
      await cluster.run(500)
      await simulation.#safety()
      await simulation.#liveness()
      return await simulation.#result()
    } catch (error) {
      return simulation.#thrown(error)
    }
  }

  // Safety.

  async #safety(): Promise<void> {
    const { interludes, safetyMs } = this.#options
    const parts = interludes.length + 1
    for (let part = 0; part < parts; part++) {
      this.workload.goOn()
      this.faults.begin()
      const copied = this.#random.pick(this.cluster.nodes)
      await this.cluster.run(safetyMs / parts / 2)
      if (interludes.includes('restore') && part === 0) this.faults.copyDisk(copied)
      await this.cluster.run(safetyMs / parts / 2)
      this.#collectComplaints()
      if (part < interludes.length) await this.#interlude(interludes[part])
    }
  }

  async #interlude(kind: FaultKind): Promise<void> {
    if (kind === 'blackout' || kind === 'sleep') {
      this.faults.end()
      const durationMs = this.#random.pick(WORLD_STOPS_MS)
      if (durationMs > CLIENTS_GO_ON_MS || this.#random.chance(0.5)) this.workload.pause()
      await this.faults.stopTheWorld(kind, durationMs)
      return
    }
    if (!isLoss(kind)) return
    const { nodes } = this.cluster
    const victims = kind === 'restore' ? nodes.filter((node) => this.faults.hasCopy(node)) : nodes
    if (victims.length === 0) return
    const victim = this.#random.pick(victims)
    this.workload.pause()
    this.faults.healAll()
    if (!(await this.#allUp()) || !(await this.#converged())) return
    // Clients may be at work again when it strikes, as long as the others have all that it has.
    this.workload.goOn()
    await this.cluster.run(this.#random.fraction() * 100)
    for (let attempt = 0; attempt < 20; attempt++) {
      if (await this.#mayLose(victim)) {
        if (kind === 'bit-flip') this.faults.flipBits(victim)
        else this.faults.lose(victim, kind as 'wipe' | 'restore')
        return
      }
      if (attempt === 10) this.workload.pause()
      await this.cluster.run(50)
    }
    this.story.say(`no ${kind}: the others never had all of ${victim.name}`)
  }

  async #mayLose(victim: SimNode): Promise<boolean> {
    // Fallback copies count as copies.
    if (victim.handoffs.count > 0) return false
    const others: StoreDump[] = []
    for (const node of this.cluster.nodes) {
      if (node !== victim) others.push(await dumpStore(node, 'lose-all'))
    }
    return mayLose(await dumpStore(victim), others, this.#replicasOf)
  }

  // Liveness.

  async #liveness(): Promise<void> {
    const { cluster, workload, faults } = this
    workload.pause()
    faults.healAll()
    if (!(await this.#allUp())) this.#stuck.push('not every node runs after everything was healed')
    await cluster.run(NOTICED_MS)
    if (!(await cluster.until(() => workload.isIdle, HEALED_WITHIN_MS))) {
      this.#stuck.push('requests were not answered after everything was healed')
    }
    for (const operation of workload.operations) {
      if (operation.endMs === Infinity) this.#stuck.push(`never answered: ${described(operation)}`)
    }
    if (!(await this.#converged())) this.#stuck.push('replicas still differ at the deadline')
    else if (await this.#needsExchanges()) await this.#treesAgree()
    const losses = await this.#sum('cluster', POSSIBLE_LOSSES)
    if (losses > 0) this.#stuck.push(`${losses} possible losses are counted`)
    await this.#readAll()
    this.#collectComplaints()
    await this.#stopAll()
  }

  /** Starts nodes until all run. */
  async #allUp(): Promise<boolean> {
    const { cluster, faults } = this
    const endMs = cluster.queue.nowMs + HEALED_WITHIN_MS
    while (!faults.allUp) {
      if (cluster.queue.nowMs > endMs) return false
      faults.startAll()
      await cluster.run(RETRY_START_MS)
    }
    return true
  }

  /** Waits until nobody holds anything for another, and exchanges until all replicas hold the same. */
  async #converged(): Promise<boolean> {
    const { cluster } = this
    const endMs = cluster.queue.nowMs + CONVERGED_WITHIN_MS
    for (let lookAgainMs = LOOK_AGAIN_MS; cluster.queue.nowMs < endMs;) {
      if (
        (await this.#sum('repair', NOT_CURRENT)) === 0 &&
        (await this.#sum('cluster', HELD_FOR_OTHERS)) === 0
      ) {
        if (await this.#needsExchanges()) await this.#repaired(endMs)
        if (differences(await this.#dumps(), this.#replicasOf).length === 0) return true
        lookAgainMs = Math.min(2 * lookAgainMs, LOOK_AGAIN_MS_MAX)
      }
      await cluster.run(lookAgainMs)
    }
    return false
  }

  async #needsExchanges(): Promise<boolean> {
    return this.#options.exchanges || (await this.#sum('cluster', PASSED_OVER)) > 0
  }

  /** KV.REPAIR on every node, until it is done. */
  async #repaired(endMs: number): Promise<void> {
    const { cluster } = this
    await this.#askAll('KV.REPAIR')
    while (cluster.queue.nowMs < endMs && (await this.#sum('repair', DEMANDED)) > 0)
      await cluster.run(LOOK_AGAIN_MS)
  }

  /** Replicas that hold the same have equal trees: another exchange finds no range that differs. */
  async #treesAgree(): Promise<void> {
    const { cluster } = this
    const endMs = cluster.queue.nowMs + CONVERGED_WITHIN_MS
    while (
      (await this.#sum('repair', ['repair_ranges_with_trees'])) <
      (await this.#sum('repair', ['repair_ranges']))
    ) {
      if (cluster.queue.nowMs > endMs) {
        this.#stuck.push('Merkle trees are not complete at the deadline')
        return
      }
      await cluster.run(LOOK_AGAIN_MS)
    }
    const before = await this.#sum('repair', DIFFERING)
    await this.#repaired(endMs)
    const found = (await this.#sum('repair', DIFFERING)) - before
    if (found > 0) this.#stuck.push(`${found} Merkle roots differ although replicas hold the same`)
  }

  /** Of some numbers in INFO, over all nodes. */
  async #sum(section: string, names: readonly string[]): Promise<number> {
    let sum = 0
    for (const reply of await this.#askAll('INFO', section)) {
      for (const line of String(reply).split('\r\n')) {
        const [name, value] = line.split(':')
        if (names.includes(name)) sum += Number(value)
      }
    }
    return sum
  }

  async #askAll(...args: readonly string[]): Promise<SimReply[]> {
    const { cluster } = this
    const clients = cluster.nodes.map((node) => cluster.client(node))
    const requests = clients.map((client) => client.send(...args))
    await this.#answered(requests)
    for (const client of clients) client.close()
    return requests.map(({ reply }) => reply ?? LOST)
  }

  /** Every key that any node holds, read by clients of all nodes. */
  async #readAll(): Promise<void> {
    const { cluster, workload } = this
    const keys = new Set((await this.#dumps()).flatMap(({ records }) => [...records.keys()]))
    const known = new Map(workload.operations.map((operation) => [operation.key, operation.family]))
    const clients = cluster.nodes.map((node) => ({ node, client: cluster.client(node) }))
    const connections = clients.map(() => workload.connectionNumber())
    let waiting: SimRequest[] = []
    let place = 0
    for (const key of keys) {
      const at = place++ % clients.length
      const { node, client } = clients[at]
      const family = known.get(key) ?? ''
      const kind = family === 'sib' ? 'look' : 'get'
      const args = [kind === 'look' ? 'KV.SIBLINGS' : 'GET', key]
      const command = { args, drafts: [{ kind, family, key }], level: 'QUORUM' } as const
      const request = client.send(...args)
      const sent = workload.sent(command, -1, connections[at], place, node)
      request.onReply = (reply) => workload.answered(command, sent, reply)
      waiting.push(request)
      if (waiting.length < READS_AT_A_TIME) continue
      await this.#answered(waiting)
      waiting = []
    }
    await this.#answered(waiting)
    for (const { client } of clients) client.close()
  }

  async #answered(requests: readonly SimRequest[]): Promise<void> {
    const answered = (): boolean => requests.every(({ isDone }) => isDone)
    if (await this.cluster.until(answered, HEALED_WITHIN_MS)) return
    const { args } = requests.find(({ reply }) => reply === undefined || reply === LOST) ?? requests[0]
    this.#stuck.push(`no reply to ${args.join(' ')}`)
  }

  async #stopAll(): Promise<void> {
    const { cluster } = this
    let left = cluster.nodes.length
    for (const node of cluster.nodes) {
      void node.halt().then(() => {
        left--
      })
    }
    if (!(await cluster.until(() => left === 0, STOPPED_WITHIN_MS))) this.#stuck.push('nodes do not stop')
    await cluster.run(AFTER_STOP_MS)
    for (const node of cluster.nodes) {
      for (const what of node.leaks()) this.#leaks.push(`${node.name} was stopped and has ${what}`)
    }
  }

  // Judgement.

  async #result(): Promise<RunResult> {
    const { cluster, workload, faults } = this
    const evidence: Evidence = {
      operations: workload.operations,
      stores: await this.#dumps(),
      replicasOf: this.#replicasOf,
      stampMs: this.#options.stampMs,
      disksFailed: hasDiskFaults(this.#options),
      clocksWrong: hasClockFaults(this.#options),
      isSloppy: hasFallbacks(this.#options),
      timeless: this.#timeless,
      nodesStopped: this.#options.faults.kinds.includes('stop'),
      complaints: this.#complaints,
      leaks: this.#leaks,
      stuck: this.#stuck,
    }
    const all = new OperationTrace()
    all.add(`network ${cluster.network.trace.hash} replies ${this.#replies.hash}`)
    for (const node of cluster.nodes) all.add(`${node.name} ${node.diskHash}`)
    return {
      options: this.#options,
      violations: judged(evidence),
      operations: workload.operations,
      story: this.story.lines,
      faults: faults.counts,
      simulatedMs: cluster.queue.nowMs,
      traceHash: all.hash,
    }
  }

  /** What a process would have died of. */
  #thrown(error: unknown): RunResult {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return {
      options: this.#options,
      violations: [{ checker: 'exception', key: '', what }],
      operations: this.workload.operations,
      story: this.story.lines,
      faults: this.faults.counts,
      simulatedMs: this.cluster.queue.nowMs,
      traceHash: 0,
    }
  }

  async #dumps(): Promise<StoreDump[]> {
    const dumps: StoreDump[] = []
    for (const node of this.cluster.nodes) dumps.push(await dumpStore(node))
    return dumps
  }

  #collectComplaints(): void {
    for (const { name, log } of this.cluster.nodes) {
      for (const { event, facts } of log.lines) {
        if (BUG_EVENTS.has(event)) this.#complaints.push(`${name} logged: ${event} ${JSON.stringify(facts)}`)
      }
    }
  }

  readonly #replicasOf = (key: string): readonly string[] => {
    const bytes = Buffer.from(key, 'latin1')
    const slot = slotOf(bytes, 0, bytes.length)
    const ring = this.#ring
    return Array.from({ length: ring.replicas }, (_, place) => ring.members[ring.memberAt(slot, place)].name)
  }
}

function withTinyStorage(config: NodeConfig): NodeConfig {
  return { ...config, storage: { ...config.storage, ...TINY_STORAGE } }
}

const KB = 1024
const TINY_STORAGE = {
  segmentSizeBytes: 64 * KB,
  blockCacheSizeBytes: 32 * KB,
  tableSizeBytes: 32 * KB,
  levelBaseSizeBytes: 128 * KB,
  level0CompactionTables: 2,
  windowTiers: '4s:1s 30s:5s 1m',
}
