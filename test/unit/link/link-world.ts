/** Nodes with links between them on a simulated network, and users that write down what they are told. */
import { EventQueue } from '../../../src/sim/event-queue.js'
import { SimClock } from '../../../src/sim/sim-clock.js'
import { SimLog } from '../../../src/sim/sim-log.js'
import type { SimHost } from '../../../src/sim/sim-network.js'
import { SimNetwork } from '../../../src/sim/sim-network.js'
import { SimRandom } from '../../../src/sim/sim-random.js'
import type { CloseReason } from '../../../src/link/close-reason.js'
import type { Hello } from '../../../src/link/hello.js'
import type { IncomingLink, IncomingLinkUser } from '../../../src/link/incoming-link.js'
import { LINK_DEFAULTS } from '../../../src/link/link-node.js'
import type { LinkNode, LinkSettings } from '../../../src/link/link-node.js'
import { Links } from '../../../src/link/links.js'
import type { PeerLink, PeerLinkUser, PeerState } from '../../../src/link/peer-link.js'

export const PORT = 17001
const SECRET = 'the secret of the tests'

export interface Received {
  readonly kind: number
  readonly text: string
  readonly length: number
  readonly sequence: number
  readonly hlc: number
}

/** What a test may change of a node while it runs. */
export class TestNode implements LinkNode {
  nodeId: string
  bootId: number
  ring = 'ring 1'
  mark = 0
  state: Buffer = Buffer.from('hello state')
  flags = 0
  pings: Buffer = Buffer.alloc(0)
  hlc = 1000
  readonly witnessed: number[] = []

  constructor(nodeId: string, bootId: number) {
    this.nodeId = nodeId
    this.bootId = bootId
  }

  ringVersion = (): string => this.ring
  flushMark = (): number => this.mark
  helloState = (): Buffer => this.state
  fitness = (): number => this.flags
  pingState = (): Buffer => this.pings
  stamp = (): number => this.hlc
  witness = (hlc: number): void => {
    this.witnessed.push(hlc)
  }
}

/** Takes requests; acknowledges each read's at once unless told otherwise. */
export class TestServer implements IncomingLinkUser {
  readonly events: string[] = []
  readonly hellos: Hello[] = []
  readonly requests: Received[] = []
  links: IncomingLink[] = []
  acknowledges = true
  refusal: string | null = null
  /** Called for each request. */
  onEach: (link: IncomingLink, sequence: number, kind: number) => void = () => {}

  judge(hello: Hello): string | null {
    this.hellos.push(hello)
    this.events.push(`judge ${hello.nodeId}`)
    return this.refusal
  }

  onOpened(link: IncomingLink): void {
    this.links.push(link)
    this.events.push(`opened ${link.hello?.nodeId} ${link.hello?.bootId}`)
  }

  onRequest(
    link: IncomingLink,
    kind: number,
    bytes: Buffer,
    start: number,
    end: number,
    sequence: number,
    hlc: number,
  ): void {
    this.requests.push(received(kind, bytes, start, end, sequence, hlc))
    this.events.push(`request ${sequence}`)
    this.onEach(link, sequence, kind)
    if (this.acknowledges) link.acknowledge(sequence)
  }

  onClosed(link: IncomingLink, reason: CloseReason): void {
    this.links = this.links.filter((one) => one !== link)
    this.events.push(`closed ${link.hello?.bootId} ${reason}`)
  }
}

/** Writes requests, and keeps what became of them. */
export class TestClient implements PeerLinkUser {
  readonly events: string[] = []
  readonly hellos: Hello[] = []
  readonly answers: Received[] = []
  readonly refused: { sequence: number; reason: number }[] = []
  readonly lost: { acked: number; handed: number; last: number }[] = []
  readonly states: PeerState[] = []
  acked = 0
  refusal: string | null = null
  onConnect: () => void = () => {}

  judge(hello: Hello): string | null {
    this.hellos.push(hello)
    return this.refusal
  }

  onConnected(_link: PeerLink, hello: Hello): void {
    this.acked = 0
    this.events.push(`connected ${hello.nodeId}`)
    this.onConnect()
  }

  onAnswer(
    _link: PeerLink,
    kind: number,
    bytes: Buffer,
    start: number,
    end: number,
    sequence: number,
    hlc: number,
  ): void {
    this.answers.push(received(kind, bytes, start, end, sequence, hlc))
    this.events.push(`answer ${sequence}`)
  }

  onRefused(_link: PeerLink, sequence: number, reason: number): void {
    this.refused.push({ sequence, reason })
    this.events.push(`refused ${sequence}`)
  }

  onAcked(_link: PeerLink, watermark: number): void {
    this.acked = watermark
    this.events.push(`acked ${watermark}`)
  }

  onLost(_link: PeerLink, acked: number, handed: number, last: number): void {
    this.lost.push({ acked, handed, last })
    this.events.push(`lost ${acked} ${handed} ${last}`)
  }

  onState(_link: PeerLink, state: PeerState): void {
    this.states.push(state)
    this.events.push(state)
  }

  onFitness(link: PeerLink): void {
    this.events.push(`fitness ${link.fitness} ${link.pingState.toString()}`)
  }
}

export interface TestMember {
  readonly address: string
  readonly node: TestNode
  readonly host: SimHost
  readonly clock: SimClock
  readonly log: SimLog
  readonly server: TestServer
  readonly links: Links
}

export class LinkWorld {
  readonly random: SimRandom
  readonly queue: EventQueue
  readonly network: SimNetwork
  #boots = 0

  constructor(seed: number | string, windowBytes?: number) {
    this.random = new SimRandom(seed)
    this.queue = new EventQueue(this.random)
    const { random, queue } = this
    this.network = new SimNetwork({ random, queue, ...(windowBytes === undefined ? {} : { windowBytes }) })
  }

  /** A node that listens; its name is id and address. */
  member(address: string, settings: Partial<LinkSettings> = {}, nodeId = address): TestMember {
    const clock = new SimClock(this.queue)
    const host = this.network.host(address, clock)
    const node = new TestNode(nodeId, ++this.#boots)
    const log = new SimLog()
    const server = new TestServer()
    const random = this.random.fork(`${address}-${node.bootId}`)
    const all = { ...LINK_DEFAULTS, secret: SECRET, ...settings }
    const links = new Links({ clock, random, network: host, log }, node, all, server)
    void links.listen(address, PORT)
    return { address, node, host, clock, log, server, links }
  }

  /** Links one node to another. */
  link(from: TestMember, to: string, expected: string | null = null): { link: PeerLink; client: TestClient } {
    const client = new TestClient()
    return { link: from.links.peer(to, PORT, client, expected), client }
  }

  run(durationMs: number): void {
    this.queue.advanceSync(durationMs)
  }

  /** Runs until the condition holds; false at the limit. */
  until(condition: () => boolean, limitMs = 10_000): boolean {
    const endMs = this.queue.nowMs + limitMs
    while (!condition()) {
      if (this.queue.nowMs > endMs || !this.queue.stepSync()) return false
    }
    return true
  }
}

/** Two nodes, the first linked to the second and up. */
export function pair(seed: number | string, settings: Partial<LinkSettings> = {}, windowBytes?: number) {
  const world = new LinkWorld(seed, windowBytes)
  const a = world.member('a', settings)
  const b = world.member('b', settings)
  const { link, client } = world.link(a, 'b')
  world.until(() => link.state === 'up' && b.server.links.length === 1)
  return { world, a, b, link, client }
}

/** Writes one request; answers its sequence, -1 when it is not taken. */
export function request(link: PeerLink | IncomingLink, kind: number, text: string): number {
  const at = link.begin(kind, text.length)
  if (at === -1) return -1
  link.bytes.write(text, at, 'latin1')
  return link.end(at + text.length)
}

function received(
  kind: number,
  bytes: Buffer,
  start: number,
  end: number,
  sequence: number,
  hlc: number,
): Received {
  const text = bytes.toString('latin1', start, Math.min(end, start + 200))
  return { kind, text, length: end - start, sequence, hlc }
}
