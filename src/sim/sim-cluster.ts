/**
 * Whole nodes in one process on virtual time, from a seed: each with a machine of its own (disk, clock, address), one network
 * between them, and clients on hosts of their own. What goes wrong, goes wrong on request: see SimNode, SimNetwork, SimDisk.
 *
 * Nodes work in callbacks; only starts, stops and storage jobs use promises. So events run many at a time, and microtasks are
 * waited for once in a while, at places that depend on the events alone: the same seed is the same run.
 */
import { loadConfig } from '../node/config.js'
import type { NodeConfig } from '../node/node-config.js'
import { assert } from '../util/assert.js'
import { EventQueue, microtasks } from './event-queue.js'
import { SimClient } from './sim-client.js'
import type { SimReply, SimRequest } from './sim-client.js'
import { SimClock } from './sim-clock.js'
import { SimEnv } from './sim-env.js'
import { SimNetwork } from './sim-network.js'
import { SimNode } from './sim-node.js'
import { SimRandom } from './sim-random.js'

export interface SimClusterOptions {
  readonly seed: number | string
  /** How many; node i is called node-i, from 1. */
  readonly nodes?: number
  /** Settings of all nodes, by path. */
  readonly settings?: Readonly<Record<string, string>>
  /** See SimDisk. */
  readonly diskDelayMsMax?: number
}

export const PORT = 7001
export const SMART_PORT = 8001
const CLUSTER_PORT = 17001
const DEFAULT_NODES = 3
/** Small, since there are many clusters in a test; larger than what most tests write. */
const SMALL_STORAGE = {
  'storage.segment-size': '1mb',
  'storage.block-cache-size': '1mb',
  'storage.table-size': '1mb',
}
/** Events between two waits for microtasks. */
const EVENTS_PER_TURN = 16
const LIMIT_MS = 60_000

export class SimCluster {
  readonly random: SimRandom
  readonly queue: EventQueue
  readonly network: SimNetwork
  readonly nodes: readonly SimNode[]
  #clients = 0
  #events = 0

  constructor(options: SimClusterOptions) {
    const { seed, nodes = DEFAULT_NODES, settings = {}, diskDelayMsMax } = options
    this.random = new SimRandom(seed)
    this.queue = new EventQueue(this.random)
    this.network = new SimNetwork({ random: this.random, queue: this.queue })
    const names = Array.from({ length: nodes }, (_, i) => `node-${i + 1}`)
    this.nodes = names.map((name, i) => {
      const delays = diskDelayMsMax === undefined ? {} : { delayMsMax: diskDelayMsMax }
      const env = SimEnv.among(this.queue, this.random.fork(name), delays)
      return new SimNode(name, addressOf(i), configOf(names, i, settings), env, this.network)
    })
  }

  /** All nodes run and are linked to each other. */
  static async started(options: SimClusterOptions): Promise<SimCluster> {
    const cluster = new SimCluster(options)
    await cluster.start(...cluster.nodes)
    await cluster.run(500)
    return cluster
  }

  /** Starts nodes at the same time; rejects with the first error. */
  async start(...nodes: readonly SimNode[]): Promise<void> {
    await this.settled(Promise.all(nodes.map((node) => node.start())))
  }

  async stop(node: SimNode): Promise<void> {
    await this.settled(node.stop())
  }

  /** A client's connection to a node. */
  client(node: SimNode, port = PORT): SimClient {
    const address = `client-${++this.#clients}`
    const host = this.network.host(address, new SimClock(this.queue))
    return new SimClient(host, node.address, port)
  }

  /** The reply to one request. */
  async ask(client: SimClient, ...args: readonly (string | number)[]): Promise<SimReply> {
    return this.reply(client.send(...args))
  }

  async reply(request: SimRequest): Promise<SimReply> {
    const came = await this.until(() => request.isDone)
    assert(came && request.reply !== undefined, `a reply to ${request.args.join(' ')} comes`)
    return request.reply
  }

  async replies(requests: readonly SimRequest[]): Promise<SimReply[]> {
    const replies: SimReply[] = []
    for (const request of requests) replies.push(await this.reply(request))
    return replies
  }

  /** Nothing gets from one of these nodes to any other, nor back. */
  isolate(...nodes: readonly SimNode[]): void {
    for (const node of nodes) {
      for (const other of this.nodes) {
        if (!nodes.includes(other)) this.network.partition(node.address, other.address)
      }
    }
  }

  /** Everything gets everywhere again. */
  heal(): void {
    for (const node of this.nodes) {
      for (const other of this.nodes) {
        if (node !== other) this.network.unblock(node.address, other.address)
      }
    }
  }

  // Time.

  async run(durationMs: number): Promise<void> {
    const endMs = this.queue.nowMs + durationMs
    const marker = { isDue: false }
    this.queue.schedule(durationMs, () => (marker.isDue = true))
    await this.until(() => marker.isDue, durationMs + 1)
    assert(this.queue.nowMs >= endMs, 'the time has passed')
  }

  /** Runs until the condition holds, which is looked at after every event; false when it did not within `limitMs`. */
  async until(condition: () => boolean, limitMs = LIMIT_MS): Promise<boolean> {
    const endMs = this.queue.nowMs + limitMs
    while (!condition()) {
      if (this.queue.nowMs > endMs) return false
      const ran = this.queue.stepSync()
      if (!ran || ++this.#events % EVENTS_PER_TURN === 0) await microtasks()
      if (!ran && this.queue.waiting === 0) return condition()
    }
    return true
  }

  /** Time goes on until the promise is settled. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    await microtasks()
    assert(await this.until(() => isSettled), 'what is awaited ends')
    return promise
  }
}

function addressOf(index: number): string {
  return `10.0.0.${index + 1}`
}

function configOf(
  names: readonly string[],
  self: number,
  changes: Readonly<Record<string, string>>,
): NodeConfig {
  const settings: Record<string, string> = {
    port: String(PORT),
    'smart-port': String(SMART_PORT),
    'cluster-port': String(CLUSTER_PORT),
    'cluster-secret': 'the secret that simulated nodes share',
    'protected-mode': 'no',
    dir: '/data',
    bind: addressOf(self),
    appendfsync: 'always',
    ...SMALL_STORAGE,
    'cluster.node': names[self],
  }
  names.forEach((name, i) => {
    const member = `cluster.members[${i + 1}]`
    settings[`${member}.name`] = name
    settings[`${member}.address`] = addressOf(i)
    settings[`${member}.port`] = String(PORT)
    settings[`${member}.smart-port`] = String(SMART_PORT)
    settings[`${member}.cluster-port`] = String(CLUSTER_PORT)
  })
  const all = Object.entries({ ...settings, ...changes }).map(([path, value]) => ({
    path,
    value,
    where: 'simulation',
  }))
  const loaded = loadConfig([all], { workDirectory: '/', configFile: '' })
  if (loaded.kind === 'refused') throw new Error(loaded.problems.join('\n'))
  return loaded.config
}
