/**
 * Clients at work on a simulated cluster while, from a seed, links are cut and broken, nodes pause, crash and come back. In the
 * end everything heals, all is read once more everywhere, and the history is judged (client-history.ts).
 */
import { LOST } from '../../src/sim/sim-client.js'
import type { SimClient, SimRequest } from '../../src/sim/sim-client.js'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import type { SimRandom } from '../../src/sim/sim-random.js'
import { described, problemsOfCounter, problemsOfRegister } from './client-history.js'
import type { ClientOperation, OperationKind } from './client-history.js'
import { NOTICED_MS } from './cluster-world.js'

const CLIENTS = 5
const STEPS = 250
const STEP_MS_MAX = 40
const FAULT_CHANCE = 0.06
const MEND_CHANCE = 0.08
const REGISTERS = ['r:1', 'r:2', 'r:3']
/** Each counter is used for so long. */
const COUNTER_MS = 500
const KINDS: readonly OperationKind[] = ['set', 'set', 'get', 'get', 'get', 'incr', 'incr', 'setnx', 'del']
const CONVERGED_WITHIN_MS = 20_000

interface Actor {
  client: SimClient | null
  operation: ClientOperation | null
  request: SimRequest | null
}

export interface StoryResult {
  readonly problems: readonly string[]
  readonly operations: readonly ClientOperation[]
  readonly hash: number
}

export class ClusterStory {
  readonly cluster: SimCluster
  readonly operations: ClientOperation[] = []
  /** What went wrong when, for whoever has to understand a failure. */
  readonly faults: string[] = []
  readonly #random: SimRandom
  readonly #actors: Actor[]
  readonly #down = new Set<SimNode>()
  readonly #paused = new Set<SimNode>()
  #values = 0

  private constructor(cluster: SimCluster) {
    this.cluster = cluster
    this.#random = cluster.random.fork('story')
    this.#actors = Array.from({ length: CLIENTS }, () => ({ client: null, operation: null, request: null }))
  }

  static async told(seed: number | string): Promise<StoryResult & { readonly faults: readonly string[] }> {
    const story = new ClusterStory(await SimCluster.started({ seed: `story ${seed}` }))
    for (let step = 0; step < STEPS; step++) await story.#step()
    const problems = await story.#end()
    const { operations, faults, cluster } = story
    return { problems, operations, faults, hash: cluster.network.trace.hash }
  }

  async #step(): Promise<void> {
    const random = this.#random
    if (random.chance(FAULT_CHANCE)) this.#fault()
    if (random.chance(MEND_CHANCE)) await this.#mend()
    this.#act()
    await this.cluster.run(random.fraction() * STEP_MS_MAX)
    this.#collect()
  }

  // Clients.

  #act(): void {
    const random = this.#random
    this.#actors.forEach((actor, i) => {
      if (actor.operation !== null || random.chance(0.3)) return
      if (actor.client === null || actor.client.isClosed) {
        const running = this.cluster.nodes.filter((node) => !this.#down.has(node))
        if (running.length === 0) return
        actor.client = this.cluster.client(random.pick(running))
      }
      const kind = random.pick(KINDS)
      const key = kind === 'incr' ? this.#counter() : random.pick(REGISTERS)
      const value = kind === 'set' || kind === 'setnx' ? `v${++this.#values}` : ''
      const operation = {
        ...{ kind, key, value, client: i, startMs: this.cluster.queue.nowMs },
        ...{ endMs: Infinity, reply: LOST },
      }
      actor.operation = operation
      this.operations.push(operation)
      actor.request = actor.client.send(kind.toUpperCase(), key, ...(value === '' ? [] : [value]))
    })
  }

  #counter(): string {
    return `c:${Math.floor(this.cluster.queue.nowMs / COUNTER_MS)}`
  }

  #collect(): void {
    for (const actor of this.#actors) {
      const { operation, request } = actor
      if (operation === null || request?.reply === undefined) continue
      operation.reply = request.reply
      operation.endMs = this.cluster.queue.nowMs
      actor.operation = null
      actor.request = null
    }
  }

  // Faults.

  #fault(): void {
    const random = this.#random
    const { network, nodes } = this.cluster
    const node = random.pick(nodes)
    const other = random.pick(nodes.filter((one) => one !== node))
    random.pick([
      () => this.#say(`isolate ${node.name}`, () => this.cluster.isolate(node)),
      () => this.#say(`cut ${node.name} ${other.name}`, () => network.partition(node.address, other.address)),
      () => this.#say(`one way ${node.name} ${other.name}`, () => network.block(node.address, other.address)),
      () => this.#say(`break ${node.name} ${other.name}`, () => network.break(node.address, other.address)),
      () => this.#crash(node),
      () => this.#crash(node),
      () => this.#pause(node),
    ])()
  }

  #say(what: string, task: () => void): void {
    this.faults.push(`${what} at ${this.cluster.queue.nowMs.toFixed(1)}`)
    task()
  }

  #crash(node: SimNode): void {
    if (this.#down.has(node)) return
    const mode = this.#random.pick(['lose-all', 'random', 'keep-all'] as const)
    this.#say(`crash ${node.name} ${mode}`, () => node.crash(mode))
    this.#down.add(node)
    this.#paused.delete(node)
  }

  #pause(node: SimNode): void {
    if (this.#down.has(node)) return
    this.#say(`pause ${node.name}`, () => node.clock.pause())
    this.#paused.add(node)
  }

  async #mend(): Promise<void> {
    const random = this.#random
    const broken = [...this.#down]
    const paused = [...this.#paused]
    if (random.chance(0.5)) this.#say('heal', () => this.cluster.heal())
    if (paused.length > 0) this.#resume(random.pick(paused))
    if (broken.length > 0) await this.#restart(random.pick(broken))
  }

  #resume(node: SimNode): void {
    this.#say(`resume ${node.name}`, () => node.clock.resume())
    this.#paused.delete(node)
  }

  async #restart(node: SimNode): Promise<void> {
    this.faults.push(`start ${node.name} at ${this.cluster.queue.nowMs.toFixed(1)}`)
    await this.cluster.start(node)
    this.#down.delete(node)
  }

  // The end.

  async #end(): Promise<string[]> {
    this.cluster.heal()
    for (const node of this.#paused) this.#resume(node)
    for (const node of this.#down) await this.#restart(node)
    await this.cluster.run(NOTICED_MS)
    this.#collect()
    const problems: string[] = []
    for (const { operation } of this.#actors) {
      if (operation !== null) problems.push(`never answered: ${described(operation)}`)
    }
    for (const operation of this.operations) {
      const { reply } = operation
      if (typeof reply !== 'string' || !reply.startsWith('-')) continue
      if (!/^-(NOREPLICAS|UNCERTAIN|LOST)/.test(reply)) problems.push(`odd: ${described(operation)}`)
    }
    for (const key of REGISTERS) {
      await this.#readEverywhere(key, problems)
      problems.push(...problemsOfRegister(this.#of(key)))
    }
    const counters = this.operations.filter(({ kind }) => kind === 'incr').map(({ key }) => key)
    for (const key of new Set(counters)) {
      const end = await this.#readEverywhere(key, problems)
      problems.push(...problemsOfCounter(this.#of(key), Number(end ?? 0)))
    }
    for (const node of this.cluster.nodes) {
      for (const { level, event, facts } of node.log.lines) {
        if (level === 'error') problems.push(`${node.name} logged: ${event} ${JSON.stringify(facts)}`)
      }
    }
    return problems
  }

  #of(key: string): ClientOperation[] {
    return this.operations.filter((one) => one.key === key)
  }

  /** The value in the end, read at every node at ALL: all see the same. */
  async #readEverywhere(key: string, problems: string[]): Promise<string | null> {
    const { cluster } = this
    const values = new Set<string | null>()
    for (const [i, node] of cluster.nodes.entries()) {
      const client = cluster.client(node)
      const operation: ClientOperation = {
        ...{ kind: 'get', key, value: '', client: CLIENTS + i, startMs: cluster.queue.nowMs },
        ...{ endMs: Infinity, reply: LOST },
      }
      const request = client.send('KV.QUORUM', 'ALL', 'GET', key)
      if (!(await cluster.until(() => request.isDone, CONVERGED_WITHIN_MS))) {
        problems.push(`no answer in the end: ${key} at ${node.name}`)
        continue
      }
      operation.reply = request.reply ?? null
      operation.endMs = cluster.queue.nowMs
      this.operations.push(operation)
      values.add(operation.reply as string | null)
    }
    if (values.size > 1) problems.push(`${key} differs in the end: ${[...values].join(' ')}`)
    return [...values][0] ?? null
  }
}
