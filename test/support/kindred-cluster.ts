/**
 * A cluster as users run it: a process with a settings file for every node, on ports of loopback that are free, ready when
 * each node is linked with every other and all slots have their first home. With `cuttable` the nodes dial each other
 * through proxies of the test, one for each direction, so that links can be cut while the processes go on.
 *
 * When the test fails, what the nodes said is in its comments.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { CLUSTER_PORT_OFFSET, SMART_PORT_OFFSET } from '../../src/node/cluster-schema.js'
import { freePorts } from './free-ports.js'
import { infoFields, KindredNode, temporaryDirectory } from './kindred-node.js'
import { LinkProxy } from './link-proxy.js'
import { until } from './until.js'
import { WireClient } from './wire-client.js'

const LINKED_DEADLINE_MS = 60_000
const SHOWN_LENGTH_MAX = 4_000
/** Little memory, and no sync of the disk that a test would have to wait for; the rest as users have it. */
const MODEST: readonly string[] = [
  ...['--segment-size', '4mb', '--block-cache-size', '4mb'],
  ...['--appendfsync', 'everysec'],
]

export interface ClusterOptions {
  /** Default 3. */
  readonly nodes?: number
  /** Flags of every node. */
  readonly flags?: readonly string[]
  /** Lines of section `cluster` of every node's settings file, such as 'write-timeout: 500'. */
  readonly settings?: readonly string[]
  /** Links go through proxies. */
  readonly cuttable?: boolean
}

export class KindredCluster {
  readonly nodes: readonly ClusterNode[]

  private constructor(nodes: readonly ClusterNode[]) {
    this.nodes = nodes
  }

  /** A cluster that serves, all nodes linked; it ends with the test `t`. */
  static async start(t: Test, options: ClusterOptions = {}): Promise<KindredCluster> {
    const cluster = await KindredCluster.make(t, options)
    await Promise.all(cluster.nodes.map((node) => node.startAgain()))
    await cluster.linked()
    return cluster
  }

  /** The same without its start. */
  static async make(t: Test, options: ClusterOptions = {}): Promise<KindredCluster> {
    const count = options.nodes ?? 3
    const first = await freePorts(count)
    const directory = temporaryDirectory(t)
    const numbers = Array.from({ length: count }, (_, i) => i)
    const nodes = await Promise.all(
      numbers.map(async (self) => {
        const ways = await Promise.all(
          numbers.map(async (other) => {
            if (options.cuttable !== true || other === self) return null
            return LinkProxy.start(t, first + CLUSTER_PORT_OFFSET + other)
          }),
        )
        const config = join(directory, `node-${self + 1}.yaml`)
        writeFileSync(config, settingsFile(self, first, ways, options.settings ?? []))
        const flags = [...MODEST, ...(options.flags ?? [])]
        const node = KindredNode.make(t, { directory: join(directory, `node-${self + 1}`), config, flags })
        return new ClusterNode(`node-${self + 1}`, first + self, node, ways)
      }),
    )
    const cluster = new KindredCluster(nodes)
    t.teardown(() => {
      if (!t.passing()) t.comment(cluster.#whatNodesSaid())
    })
    return cluster
  }

  /** Resolves when these nodes (default all) are linked with every other, and every slot has its first home. */
  async linked(nodes: readonly ClusterNode[] = this.nodes): Promise<void> {
    for (const node of nodes) {
      try {
        await until(
          `${node.name} is linked`,
          async () => this.#isWhole(await node.info()),
          LINKED_DEADLINE_MS,
        )
      } catch (error) {
        throw new Error(this.#whatNodesSaid(), { cause: error })
      }
    }
  }

  /** What a node says in INFO when it sees all members, and every home where the ring has it. */
  #isWhole(info: ReadonlyMap<string, string>): boolean {
    const isUp = (name: string): boolean =>
      info.get(`cluster_member_${name}`)?.startsWith('state=up') === true
    const away = ['cluster_slots_elsewhere', 'cluster_slots_homeless']
    return away.every((name) => info.get(name) === '0') && this.nodes.every(({ name }) => isUp(name))
  }

  #whatNodesSaid(): string {
    return this.nodes.map(({ name, said }) => `${name} said:\n${said.slice(-SHOWN_LENGTH_MAX)}`).join('\n')
  }

  /** Cuts what these nodes and all others dial each other by: they are alone together. */
  partition(nodes: readonly ClusterNode[]): void {
    for (const way of this.#between(nodes)) way.cut()
  }

  /** The same, but everything waits on its way. */
  hold(nodes: readonly ClusterNode[]): void {
    for (const way of this.#between(nodes)) way.hold()
  }

  /** Two nodes are apart, and both linked with the others. */
  cut(one: ClusterNode, other: ClusterNode): void {
    this.cutOneWay(one, other)
    this.cutOneWay(other, one)
  }

  /** What `from` dials `to` by is cut: it can ask nothing of it, and is asked. */
  cutOneWay(from: ClusterNode, to: ClusterNode): void {
    from.ways[this.nodes.indexOf(to)]?.cut()
  }

  /** Everybody reaches everybody again. */
  heal(): void {
    for (const node of this.nodes) for (const way of node.ways) way?.heal()
  }

  #between(nodes: readonly ClusterNode[]): LinkProxy[] {
    const ways = this.nodes.flatMap((node) =>
      node.ways.filter((_, i) => nodes.includes(node) !== nodes.includes(this.nodes[i])),
    )
    return ways.filter((way) => way !== null)
  }

  /** The sum of a counter of INFO over all nodes. */
  async total(field: string): Promise<number> {
    const all = await Promise.all(this.nodes.map((node) => node.info()))
    return all.reduce((sum, info) => sum + Number(info.get(field)), 0)
  }
}

export class ClusterNode {
  readonly name: string
  /** For plain clients. */
  readonly port: number
  /** By node, what this one dials it by; null where it dials it directly. */
  readonly ways: readonly (LinkProxy | null)[]
  readonly #node: KindredNode

  constructor(name: string, port: number, node: KindredNode, ways: readonly (LinkProxy | null)[]) {
    this.name = name
    this.port = port
    this.#node = node
    this.ways = ways
  }

  /** For cluster clients. */
  get smartPort(): number {
    return this.port + SMART_PORT_OFFSET
  }

  /** Starts the process, also for the first time; resolves when it serves clients, linked or not. */
  startAgain(): Promise<void> {
    return this.#node.startAgain()
  }

  /** SIGTERM; resolves when the process is gone, and rejects when it did not end in order. */
  async stop(): Promise<void> {
    const { code, error } = await this.#node.stop()
    if (code !== 0) throw new Error(`${this.name} ended with ${code}:\n${error}`)
  }

  kill9(): Promise<void> {
    return this.#node.kill9()
  }

  pause(): void {
    this.#node.pause()
  }

  goOn(): void {
    this.#node.goOn()
  }

  /** Everything the process has printed since it was started last. */
  get said(): string {
    return this.#node.said
  }

  /** Whether this node takes another one for dead. */
  async seesDown({ name }: ClusterNode): Promise<boolean> {
    return (await this.info()).get(`cluster_member_${name}`)?.startsWith('state=down') === true
  }

  /** A plain connection. */
  open(): Promise<WireClient> {
    return WireClient.open(this.port)
  }

  /** The fields of INFO, all sections. */
  async info(): Promise<Map<string, string>> {
    const client = await this.open()
    try {
      return infoFields(await client.ask('INFO', 'everything'))
    } finally {
      client.close()
    }
  }
}

function settingsFile(
  self: number,
  first: number,
  ways: readonly (LinkProxy | null)[],
  settings: readonly string[],
): string {
  const members = ways.map((way, i) => {
    const peerPort = way?.port ?? first + i + CLUSTER_PORT_OFFSET
    return `    - { name: node-${i + 1}, address: 127.0.0.1, port: ${first + i}, cluster-port: ${peerPort} }`
  })
  const lines = ['cluster:', `  node: node-${self + 1}`, ...settings.map((line) => `  ${line}`), '  members:']
  return [...lines, ...members, ''].join('\n')
}
