/**
 * Clients at work: each sends what its plan says, waits for the replies, thinks, and goes on, on plain or on cluster connections.
 * Everything that it sent and was told goes to the history. A client that has waited long enough closes its connection.
 */
import type { Timer } from '../../env/clock.js'
import type { Operation } from '../run/history.js'
import { LOST } from '../sim-client.js'
import type { SimClient, SimReply } from '../sim-client.js'
import { PORT, SMART_PORT } from '../sim-cluster.js'
import type { SimCluster } from '../sim-cluster.js'
import type { SimNode } from '../sim-node.js'
import type { SimRandom } from '../sim-random.js'
import { KeyFamilies } from './key-families.js'
import type { SharedKeys } from './key-families.js'
import { replyOf } from './plan.js'
import type { Command, Plan } from './plan.js'

export interface WorkloadOptions {
  readonly clients: number
  /** Families by how often they are used. */
  readonly families: readonly string[]
  readonly smartClients: number
  readonly otherLevels: number
  readonly thinkMsMax: number
  /** How often a client sends FLUSHALL instead of anything else. */
  readonly flushChance: number
  /** How many times as long as usually a hot key is in use. */
  readonly epochs: number
}

const PATIENCE_MS = 9000
/** Up to so long a client waits before it tries another node. */
const RECONNECT_MS = 400
const MOVES_MAX = 3
const MOVED = /^-MOVED \d+ ([\d.]+):\d+$/

export class Workload {
  readonly operations: Operation[] = []
  /** Told every reply, in the order in which they come. */
  onAnswered: (operation: Operation) => void = () => {}
  readonly #cluster: SimCluster
  readonly #workers: Worker[]
  #connections = 0
  #isPaused = true

  constructor(cluster: SimCluster, random: SimRandom, options: WorkloadOptions) {
    this.#cluster = cluster
    const shared: SharedKeys = {
      queue: cluster.queue,
      written: new Map(),
      values: 0,
      keys: 0,
      otherLevels: options.otherLevels,
      epochs: options.epochs,
    }
    this.#workers = Array.from({ length: options.clients }, (_, i) => {
      const own = random.fork(`client-${i}`)
      return new Worker(this, cluster, i, i < options.smartClients, own, shared, options)
    })
  }

  /** Whether nobody waits for a reply. */
  get isIdle(): boolean {
    return this.#workers.every((worker) => !worker.isWaiting)
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  goOn(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    for (const worker of this.#workers) worker.begin()
  }

  /** Nothing new is sent; replies are still taken. */
  pause(): void {
    this.#isPaused = true
  }

  /** Whoever waits for a reply closes its connection. */
  giveUp(): void {
    for (const worker of this.#workers) worker.hangUp()
  }

  connectionNumber(): number {
    return ++this.#connections
  }

  /** The operations of a command, as sent now. */
  sent(
    command: Command,
    client: number,
    connection: number,
    place: number,
    node: SimNode,
  ): readonly Operation[] {
    const { nowMs } = this.#cluster.queue
    const begun = command.drafts.map((draft, i): Operation => {
      const { kind, family, key, value = '', seen = [], ttlMs = 0 } = draft
      return {
        ...{ id: this.operations.length + i + 1, kind, family, key, value, seen, ttlMs },
        ...{ level: command.level, client, connection, place, node: node.name },
        ...{ startMs: nowMs, endMs: Infinity, reply: LOST },
      }
    })
    this.operations.push(...begun)
    return begun
  }

  answered(command: Command, operations: readonly Operation[], reply: SimReply): void {
    operations.forEach((operation, i) => {
      operation.reply = replyOf(command, reply, i)
      operation.endMs = this.#cluster.queue.nowMs
      this.onAnswered(operation)
    })
    if (typeof reply !== 'string' || !reply.startsWith('-')) command.onReply?.(reply)
  }
}

interface Connection {
  readonly client: SimClient
  readonly node: SimNode
  readonly number: number
}

class Worker {
  readonly #workload: Workload
  readonly #cluster: SimCluster
  readonly #number: number
  readonly #isSmart: boolean
  readonly #random: SimRandom
  readonly #families: KeyFamilies
  readonly #options: WorkloadOptions
  readonly #connections = new Map<SimNode, Connection>()
  #home: SimNode | null = null
  #waiting = 0
  #isScheduled = false
  #patience: Timer | null = null

  constructor(
    workload: Workload,
    cluster: SimCluster,
    number: number,
    isSmart: boolean,
    random: SimRandom,
    shared: SharedKeys,
    options: WorkloadOptions,
  ) {
    this.#workload = workload
    this.#cluster = cluster
    this.#number = number
    this.#isSmart = isSmart
    this.#random = random
    this.#families = new KeyFamilies(shared, random)
    this.#options = options
  }

  get isWaiting(): boolean {
    return this.#waiting > 0
  }

  begin(): void {
    if (this.#waiting === 0) this.#think(null)
  }

  hangUp(): void {
    for (const { client } of [...this.#connections.values()]) client.close()
    this.#connections.clear()
  }

  #think(next: Plan | null): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const thinkMsMax = this.#options.thinkMsMax + (this.#home === null ? RECONNECT_MS : 0)
    this.#cluster.queue.schedule(this.#random.fraction() * thinkMsMax, () => {
      this.#isScheduled = false
      if (!this.#workload.isPaused) this.#send(next ?? this.#plan())
    })
  }

  #plan(): Plan {
    const random = this.#random
    if (!this.#isSmart && random.chance(this.#options.flushChance)) {
      const draft = { kind: 'flush', family: 'flush', key: '' } as const
      return { commands: [{ args: ['FLUSHALL'], drafts: [draft], level: 'QUORUM' }] }
    }
    return this.#families.plan(random.pick(this.#options.families), this.#isSmart)
  }

  #send(plan: Plan): void {
    const random = this.#random
    if (this.#home === null || random.chance(0.02)) this.#home = this.#someNode()
    const { number, node, client } = this.#connectionTo(this.#home)
    this.#waiting = plan.commands.length
    const done = (): void => {
      if (--this.#waiting > 0) return
      this.#patience?.cancel()
      this.#think(plan.then?.() ?? null)
    }
    this.#patience = this.#cluster.queue.schedule(PATIENCE_MS, () => this.hangUp())
    const sent = plan.commands.map((command, place) =>
      this.#workload.sent(command, this.#number, number, place, node),
    )
    const requests = client.pipeline(plan.commands.map((command) => levelled(command)))
    requests.forEach((request, i) => {
      const command = plan.commands[i]
      const answered = (reply: SimReply): void => {
        if (reply === LOST) this.#lost(node)
        this.#workload.answered(command, sent[i], reply)
        done()
      }
      const take = (reply: SimReply): void => this.#follow(command, reply, MOVES_MAX, answered)
      if (request.reply === undefined) request.onReply = take
      else this.#cluster.queue.schedule(0, () => take(request.reply ?? LOST))
    })
  }

  /** A cluster client goes where MOVED sends it. */
  #follow(command: Command, reply: SimReply, left: number, answered: (reply: SimReply) => void): void {
    const moved = typeof reply === 'string' && left > 0 ? MOVED.exec(reply) : null
    const node = moved === null ? undefined : this.#cluster.nodes.find(({ address }) => address === moved[1])
    if (node === undefined) {
      answered(reply)
      return
    }
    this.#home = node
    const { client } = this.#connectionTo(node)
    const request = client.send(...levelled(command))
    const take = (next: SimReply): void => {
      if (next === LOST) this.#lost(node)
      this.#follow(command, next, left - 1, answered)
    }
    if (request.reply === undefined) request.onReply = take
    else this.#cluster.queue.schedule(0, () => take(request.reply ?? LOST))
  }

  #lost(node: SimNode): void {
    this.#connections.delete(node)
    if (this.#home === node) this.#home = null
  }

  #connectionTo(node: SimNode): Connection {
    const known = this.#connections.get(node)
    if (known !== undefined && !known.client.isClosed) return known
    const client = this.#cluster.client(node, this.#isSmart ? SMART_PORT : PORT)
    const connection = { client, node, number: this.#workload.connectionNumber() }
    this.#connections.set(node, connection)
    return connection
  }

  /** Clients know from somewhere which nodes are up, but not always. */
  #someNode(): SimNode {
    const random = this.#random
    const running = this.#cluster.nodes.filter(({ isRunning }) => isRunning)
    return random.pick(running.length > 0 && random.chance(0.95) ? running : this.#cluster.nodes)
  }
}

function levelled({ args, level }: Command): readonly (string | number)[] {
  return level === 'QUORUM' ? args : ['KV.QUORUM', level, ...args]
}
