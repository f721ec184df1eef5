/**
 * Clients of a cluster that write, and remember what they were told, so that in the end every promise can be held against what
 * the nodes answer. Each worker talks to one node, one request after the other, and lives through a cut connection.
 *
 * An outcome is `done`, `refused` (NOREPLICAS, CLOCK: nothing was applied) or `unknown` (UNCERTAIN, or the connection ended:
 * it may appear, also later). Keys are never used for two things:
 *
 *     once        written once                                 there as soon as it was acknowledged; only then, or if unknown
 *     register    written again and again by one worker         the last acknowledged value, or an unknown one
 *     deleted     written, deleted                              gone once the deletion was acknowledged
 *     expired     written with a short life, or given one       gone
 *     kept        written with a long life, made to persist     there, without an end
 *     counter     incremented by all workers                    exact as long as no increment was unknown
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { ClusterNode, KindredCluster } from './kindred-cluster.js'
import { Seeded } from './seeded.js'
import { until } from './until.js'
import { WireClient, pipeline } from './wire-client.js'

const COUNTERS = 60
const REGISTERS = 40
const READ_BACK = 500
const RECONNECT_EVERY_MS = 30
const RECENT_MAX = 400
const SHORT_LIFE_MS = 200
const LONG_LIFE_SECONDS = 10_000
const HONEST = /^-(?:UNCERTAIN|NOREPLICAS|CLOCK) /

export type Outcome = 'done' | 'refused' | 'unknown'

/** An error as a client saw it. */
export interface SeenError {
  readonly node: string
  /** The reply without its line end, or 'the connection ended'. */
  readonly text: string
}

export interface Verdict {
  /** Acknowledged and not there, or not as it was acknowledged. */
  readonly lost: readonly string[]
  /** There although nobody wrote it, or its write was refused. */
  readonly phantoms: readonly string[]
  /** Deleted or expired, and there. */
  readonly resurrected: readonly string[]
}

/** What the value of a key may be in the end; null is absent. */
interface Expected {
  readonly kind: 'present' | 'maybe' | 'gone'
  readonly values: ReadonlySet<string>
}

interface Register {
  acknowledged: string | null
  readonly unknown: Set<string>
}

interface Counter {
  readonly replies: number[]
  unknown: number
}

export class ClusterHistory {
  /** Errors that clients saw, but for those of nodes in `gone`. */
  readonly errors: SeenError[] = []
  /** Nodes whose own clients may see anything now: they are being stopped, killed, or not linked yet. */
  readonly gone = new Set<ClusterNode>()
  readonly outcomes: Record<Outcome, number> = { done: 0, refused: 0, unknown: 0 }
  /** Values that were read while the load went on and are not what was acknowledged. */
  readonly staleReads: string[] = []
  readonly #cluster: KindredCluster
  readonly #expected = new Map<string, Expected>()
  readonly #registers = new Map<string, Register>()
  readonly #counters = Array.from({ length: COUNTERS }, (): Counter => ({ replies: [], unknown: 0 }))
  readonly #doneAt = new Map<ClusterNode, number>()
  /** Keys of kind `once` that were acknowledged a moment ago. */
  readonly #recent: string[] = []
  readonly #seed: number
  #workers: Promise<void>[] = []
  #isOver = false

  constructor(cluster: KindredCluster, seed: number) {
    this.#cluster = cluster
    this.#seed = seed
  }

  /** Starts so many workers on every node. */
  start(workersOfNode: number): void {
    this.#workers = this.#cluster.nodes.flatMap((node, n) =>
      Array.from({ length: workersOfNode }, (_, i) => {
        const name = `${n}-${i}`
        return this.#work(new Worker(this, node, name, new Seeded(this.#seed * 1000 + n * 100 + i)))
      }),
    )
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Resolves when the clients of each of these nodes have been acknowledged `count` further requests. */
  async goesOn(nodes: readonly ClusterNode[], count: number): Promise<void> {
    for (const node of nodes) {
      const enough = (this.#doneAt.get(node) ?? 0) + count
      await until(
        `${count} more requests are done on ${node.name}`,
        () => (this.#doneAt.get(node) ?? 0) >= enough,
        60_000,
      )
    }
  }

  /** Ends the load; resolves when the last request has been answered and all short lives are over. */
  async stop(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#workers)
    await pause(2 * SHORT_LIFE_MS)
  }

  /** Errors by node and code, for a test's comments. */
  summary(): string {
    const counts = new Map<string, number>()
    for (const { node, text } of this.errors) {
      const name = `${node} ${text.split(' ', 1)[0]}`
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
    const { done, refused, unknown } = this.outcomes
    const errors = [...counts].map(([name, count]) => `${name} ${count}`).toSorted()
    return `${done} done, ${refused} refused, ${unknown} unknown; of nodes that were there: ${errors.join(', ') || 'none'}`
  }

  /** Errors of nodes that were there all the time which are not among the honest ones. */
  get dishonest(): readonly SeenError[] {
    return this.errors.filter(({ text }) => !HONEST.test(text))
  }

  /**
   * Reads everything back through every node, which must be linked; at level ONE, where nodes are replicas of all keys, what each
   * of them has itself. That repairs nothing.
   */
  async verdict(level: 'QUORUM' | 'ONE' = 'QUORUM'): Promise<Verdict> {
    const lost: string[] = []
    const phantoms: string[] = []
    const resurrected: string[] = []
    for (const [key, { acknowledged, unknown }] of this.#registers) {
      const values = new Set(unknown)
      if (acknowledged !== null) values.add(acknowledged)
      this.#expected.set(key, { kind: acknowledged === null ? 'maybe' : 'present', values })
    }
    for (const node of this.#cluster.nodes) {
      const client = await node.open()
      await client.ask('KV.QUORUM', 'READ', level)
      const keys = [...this.#expected.keys()]
      for (let first = 0; first < keys.length; first += READ_BACK) {
        const part = keys.slice(first, first + READ_BACK)
        const values = await client.bulks('MGET', ...part)
        for (const [i, key] of part.entries()) {
          const { kind, values: allowed } = this.#expected.get(key) as Expected
          const value = values[i]?.toString() ?? null
          const found = `${key} is ${value} on ${node.name}`
          if (value === null && kind === 'present') lost.push(found)
          else if (value !== null && kind === 'gone') resurrected.push(found)
          else if (value !== null && !allowed.has(value)) (kind === 'present' ? lost : phantoms).push(found)
        }
      }
      await this.#judgeCounters(client, node, lost, phantoms)
      client.close()
    }
    return { lost, phantoms, resurrected }
  }

  /** Whether all nodes have by themselves what was acknowledged, and nothing else. */
  async isOnAllNodes(): Promise<boolean> {
    const { lost, phantoms, resurrected } = await this.verdict('ONE')
    return lost.length + phantoms.length + resurrected.length === 0
  }

  /** Counters whose every increment was acknowledged or refused. */
  get exactCounters(): number {
    return this.#counters.filter(({ unknown, replies }) => unknown === 0 && replies.length > 0).length
  }

  async #judgeCounters(
    client: WireClient,
    node: ClusterNode,
    lost: string[],
    phantoms: string[],
  ): Promise<void> {
    const values = await client.bulks('MGET', ...this.#counters.map((_, i) => `counter:${i}`))
    for (const [i, { replies, unknown }] of this.#counters.entries()) {
      const value = Number(values[i]?.toString() ?? '0')
      const found = `counter:${i} is ${value} on ${node.name}: ${replies.length} acknowledged, ${unknown} unknown`
      if (value > replies.length + unknown) phantoms.push(found)
      if (unknown > 0) continue
      if (value < replies.length || new Set(replies).size < replies.length) lost.push(found)
    }
  }

  // What workers report.

  sees(node: ClusterNode, outcome: Outcome, error: string | null): void {
    this.outcomes[outcome]++
    if (outcome === 'done') this.#doneAt.set(node, (this.#doneAt.get(node) ?? 0) + 1)
    if (error !== null && !this.gone.has(node)) this.errors.push({ node: node.name, text: error })
  }

  async #work(worker: Worker): Promise<void> {
    while (!this.#isOver) await this.#step(worker)
    worker.close()
  }

  #step(worker: Worker): Promise<void> {
    const { random } = worker
    return random.pick([
      () => this.#once(worker),
      () => this.#once(worker),
      () => this.#readRecent(worker),
      () => this.#readRecent(worker),
      () => this.#register(worker),
      () => this.#deleted(worker),
      () => this.#expired(worker),
      () => this.#kept(worker),
      () => this.#increment(worker),
      () => this.#increment(worker),
    ])()
  }

  async #once(worker: Worker): Promise<void> {
    const key = worker.newKey('once')
    const outcome = await worker.write('+OK\r\n', 'SET', key, key)
    this.#expect(key, outcome)
    if (outcome !== 'done') return
    this.#recent.push(key)
    if (this.#recent.length > RECENT_MAX) this.#recent.splice(0, RECENT_MAX / 2)
  }

  /** What `outcome` of writing a key's own name leaves of it. */
  #expect(key: string, outcome: Outcome): void {
    const values = new Set(outcome === 'refused' ? [] : [key])
    this.#expected.set(key, { kind: outcome === 'done' ? 'present' : 'maybe', values })
  }

  /** A quorum read of what somebody, on any node, was acknowledged. */
  async #readRecent(worker: Worker): Promise<void> {
    if (this.#recent.length === 0) return
    const key = worker.random.pick(this.#recent)
    const reply = await worker.read('GET', key)
    if (reply !== null && reply !== bulk(key)) this.staleReads.push(`${key}: ${reply} on ${worker.node.name}`)
  }

  async #register(worker: Worker): Promise<void> {
    const key = `register:${worker.name}:${worker.random.below(REGISTERS)}`
    const register = this.#registers.get(key) ?? { acknowledged: null, unknown: new Set() }
    this.#registers.set(key, register)
    const value = worker.newKey('value')
    const outcome = await worker.write('+OK\r\n', 'SET', key, value)
    if (outcome === 'done') register.acknowledged = value
    else if (outcome === 'unknown') register.unknown.add(value)
  }

  async #deleted(worker: Worker): Promise<void> {
    const key = worker.newKey('deleted')
    const written = await worker.write('+OK\r\n', 'SET', key, key)
    this.#expect(key, written)
    if (written !== 'done') return
    await this.#ends(key, await worker.write(':1\r\n', 'DEL', key))
  }

  async #expired(worker: Worker): Promise<void> {
    const key = worker.newKey('expired')
    if (worker.random.chance(2)) {
      await worker.write('+OK\r\n', 'SET', key, key, 'PX', SHORT_LIFE_MS)
      return this.#ends(key, 'done')
    }
    const written = await worker.write('+OK\r\n', 'SET', key, key, 'EX', LONG_LIFE_SECONDS)
    this.#expect(key, written)
    if (written === 'done') await this.#ends(key, await worker.write(':1\r\n', 'PEXPIRE', key, SHORT_LIFE_MS))
  }

  /** What the outcome of ending an acknowledged key leaves of it. */
  async #ends(key: string, outcome: Outcome): Promise<void> {
    if (outcome === 'done') this.#expected.set(key, { kind: 'gone', values: new Set() })
    else if (outcome === 'unknown') this.#expected.set(key, { kind: 'maybe', values: new Set([key]) })
  }

  async #kept(worker: Worker): Promise<void> {
    const key = worker.newKey('kept')
    const written = await worker.write('+OK\r\n', 'SET', key, key, 'EX', LONG_LIFE_SECONDS)
    this.#expect(key, written)
    if (written === 'done') await worker.write(':1\r\n', 'PERSIST', key)
  }

  async #increment(worker: Worker): Promise<void> {
    const i = worker.random.below(COUNTERS)
    const counter = this.#counters[i]
    const { outcome, reply } = await worker.ask('INCR', `counter:${i}`)
    if (outcome === 'done') counter.replies.push(Number(reply.slice(1)))
    else if (outcome === 'unknown') counter.unknown++
  }
}

class Worker {
  readonly node: ClusterNode
  readonly name: string
  readonly random: Seeded
  readonly #history: ClusterHistory
  #client: WireClient | null = null
  #keys = 0

  constructor(history: ClusterHistory, node: ClusterNode, name: string, random: Seeded) {
    this.#history = history
    this.node = node
    this.name = name
    this.random = random
  }

  newKey(kind: string): string {
    return `${kind}:${this.name}:${this.#keys++}`
  }

  close(): void {
    this.#client?.close()
  }

  /** A write whose reply, when it is none of the errors, must be `expected`: anything else is an error of its own. */
  async write(expected: string, ...args: readonly (string | number)[]): Promise<Outcome> {
    const { outcome, reply } = await this.ask(...args)
    if (outcome === 'done' && reply !== expected) {
      this.#history.errors.push({ node: this.node.name, text: `${args.join(' ')} answered ${reply}` })
    }
    return outcome
  }

  /** The reply to a read; null when there was none. */
  async read(...args: readonly (string | number)[]): Promise<string | null> {
    const { outcome, reply } = await this.ask(...args)
    return outcome === 'done' ? reply : null
  }

  async ask(...args: readonly (string | number)[]): Promise<{ outcome: Outcome; reply: string }> {
    const client = await this.#connected()
    if (client === null) return { outcome: 'refused', reply: '' }
    void client.send(pipeline(args))
    const reply = (await client.replyOrEnd())?.toString('latin1') ?? null
    if (reply === null) {
      this.#client = null
      client.close()
      this.#history.sees(this.node, 'unknown', 'the connection ended')
      return { outcome: 'unknown', reply: '' }
    }
    const isError = reply.startsWith('-')
    const outcome = !isError ? 'done' : /^-(?:NOREPLICAS|CLOCK) /.test(reply) ? 'refused' : 'unknown'
    this.#history.sees(this.node, outcome, isError ? reply.trimEnd() : null)
    return { outcome, reply }
  }

  /** Null when the load is over before the node takes a connection. */
  async #connected(): Promise<WireClient | null> {
    while (this.#client === null) {
      if (this.#history.isOver) return null
      this.#client = await this.node.open().catch(() => null)
      if (this.#client === null) await pause(RECONNECT_EVERY_MS)
    }
    return this.#client
  }
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`
}
