/**
 * A cluster as users run it: a process with a settings file for every node, on ports of loopback that are free, ready when
 * each node is linked with every other and all slots have their first home. With `cuttable` the nodes dial each other
 * through proxies of the test, one for each direction, so that links can be cut while the processes go on. With a `network` each
 * node is on a machine of its own there, and what is cut are packets.
 *
 * When the test fails, what the nodes said is in its comments.
 */
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { CLUSTER_PORT_OFFSET, SMART_PORT_OFFSET } from '../../src/node/cluster-schema.js'
import { freePorts } from './free-ports.js'
import { infoFields, KindredNode, temporaryDirectory } from './kindred-node.js'
import type { NodeOptions } from './kindred-node.js'
import { LinkProxy } from './link-proxy.js'
import { NetworkWay } from './private-network.js'
import type { PrivateNetwork } from './private-network.js'
import { until } from './until.js'
import { WireClient } from './wire-client.js'

const LINKED_DEADLINE_MS = 60_000
const SHOWN_LENGTH_MAX = 4_000
const LOOPBACK = '127.0.0.1'
/** On a network every machine has all ports. */
const NETWORK_PORT = 7001
/** Nodes that listen beyond loopback want one. */
const SECRET = 'only for tests, and at least so long'
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
  /** Where the nodes live, node i on machine i; it may have more machines than that. */
  readonly network?: PrivateNetwork
  /** What a single node has besides or instead: environment, further flags, another directory. */
  readonly only?: (node: number) => Pick<NodeOptions, 'env' | 'flags' | 'directory'>
}

/** What one node reaches another by. */
export interface Way {
  /** Nothing passes from now on; what is on its way is lost. */
  cut(): void
  /** Nothing passes, but connections stay open and what is sent may come late. */
  hold(): void
  heal(): void
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
    const { network } = options
    const addresses =
      network === undefined ? await loopbackAddresses(count) : networkAddresses(count, network)
    const directory = temporaryDirectory(t)
    const nodes = await Promise.all(
      addresses.map(async (address, self) => {
        const ways = await Promise.all(addresses.map((_, other) => wayTo(t, options, addresses, self, other)))
        const name = `node-${self + 1}`
        const config = join(directory, `${name}.yaml`)
        const members = addresses.map(({ host, port }, i) => {
          const way = ways[i]
          return { host, port, peerPort: way instanceof LinkProxy ? way.port : port + CLUSTER_PORT_OFFSET }
        })
        writeFileSync(config, settingsFile(self, members, options.settings ?? []))
        const only = options.only?.(self) ?? {}
        const node = KindredNode.make(t, {
          directory: join(directory, name),
          ...only,
          config,
          flags: [...MODEST, ...(options.flags ?? []), ...(only.flags ?? [])],
          launcher: network?.on(self),
          host: address.host,
        })
        return new ClusterNode(name, address, node, ways)
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

  #between(nodes: readonly ClusterNode[]): Way[] {
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
  /** Where clients reach it. */
  readonly host: string
  /** For plain clients. */
  readonly port: number
  /** By node, what this one reaches it by; null where nothing can be cut. */
  readonly ways: readonly (Way | null)[]
  readonly #node: KindredNode

  constructor(name: string, { host, port }: ClientAddress, node: KindredNode, ways: readonly (Way | null)[]) {
    this.name = name
    this.host = host
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

  /** The flags of another one's line in CLUSTER NODES. */
  async flagsOf({ host, smartPort }: ClusterNode): Promise<readonly string[]> {
    const client = await this.open()
    try {
      const lines = (await client.ask('CLUSTER', 'NODES')).split('\n')
      const fields = lines.find((line) => line.includes(` ${host}:${smartPort}@`))?.split(' ') ?? []
      return fields[2]?.split(',') ?? []
    } finally {
      client.close()
    }
  }

  get directory(): string {
    return this.#node.directory
  }

  /** The settings file, which does not say the directory. */
  get config(): string {
    return this.#node.config ?? ''
  }

  /** Everything that the stopped node has kept is lost. */
  wipe(): void {
    rmSync(this.directory, { recursive: true })
  }

  /** Copies what the stopped node has kept; answers what puts the copy in the place of what it has then. */
  keepCopy(): () => void {
    const copy = `${this.directory}.copy`
    cpSync(this.directory, copy, { recursive: true })
    return () => {
      this.wipe()
      cpSync(copy, this.directory, { recursive: true })
    }
  }

  /** A plain connection. */
  open(): Promise<WireClient> {
    return WireClient.open(this.port, { host: this.host })
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

interface ClientAddress {
  readonly host: string
  readonly port: number
}

async function loopbackAddresses(count: number): Promise<ClientAddress[]> {
  const first = await freePorts(count)
  return Array.from({ length: count }, (_, i) => ({ host: LOOPBACK, port: first + i }))
}

function networkAddresses(count: number, network: PrivateNetwork): ClientAddress[] {
  return Array.from({ length: count }, (_, i) => ({ host: network.addressOf(i), port: NETWORK_PORT }))
}

async function wayTo(
  t: Test,
  { cuttable, network }: ClusterOptions,
  addresses: readonly ClientAddress[],
  self: number,
  other: number,
): Promise<Way | null> {
  if (other === self) return null
  if (network !== undefined) return new NetworkWay(network, self, other)
  return cuttable === true ? LinkProxy.start(t, addresses[other].port + CLUSTER_PORT_OFFSET) : null
}

function settingsFile(
  self: number,
  members: readonly (ClientAddress & { readonly peerPort: number })[],
  settings: readonly string[],
): string {
  const own = members[self].host
  const beyondLoopback = [`bind: [${own}]`, `cluster-secret: ${SECRET}`, 'protected-mode: no']
  const entries = members.map(({ host, port, peerPort }, i) => {
    return `    - { name: node-${i + 1}, address: ${host}, port: ${port}, cluster-port: ${peerPort} }`
  })
  const cluster = [
    'cluster:',
    `  node: node-${self + 1}`,
    ...settings.map((line) => `  ${line}`),
    '  members:',
  ]
  return [...(own === LOOPBACK ? [] : beyondLoopback), ...cluster, ...entries, ''].join('\n')
}
