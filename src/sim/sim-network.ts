/**
 * The simulated network: hosts by address, and between them ordered streams in virtual time. What real networks do to programs
 * happens on request, per direction between two hosts:
 *
 * - delay: each chunk takes a uniform time between two bounds, of the whole network or of one way; chunks of a stream never
 *   overtake each other;
 * - block: nothing arrives, no bytes and no end of them, until unblocked; then all of it does, as TCP sends again. One way or
 *   both. Connecting needs both ways. A stall is a block of both;
 * - break: both ends of the connections between two hosts are reset.
 *
 * Bytes arrive in chunks cut at random places, in a read buffer that a host's streams share and that is overwritten after each
 * call, so code that keeps what is not its own breaks here. What write() did not take at once is read from the writer's
 * buffer as late as a kernel might.
 *
 * A host's calls come on its own clock: a clock that is stopped (a crash) or paused (SIGSTOP, sleep) hears nothing of
 * the network. `kill` is the crash as the others see it: the machine is up and resets what is sent to it.
 *
 * Deterministic: the same seed and calls give the same events and the same `trace`.
 */
import type { Clock } from '../env/clock.js'
import type { Dialing, DialHandler, Listener, Network, Stream, StreamHandler } from '../env/network.js'
import { assert } from '../util/assert.js'
import { OperationTrace } from './disk/operation-trace.js'
import type { EventQueue } from './event-queue.js'
import type { SimRandom } from './sim-random.js'
import { SimStream } from './sim-stream.js'

export interface SimNetworkOptions {
  readonly random: SimRandom
  readonly queue: EventQueue
  readonly delayMsMin?: number
  readonly delayMsMax?: number
  /** Bytes that both kernels together hold of one direction of a connection. */
  readonly windowBytes?: number
}

const DELAY_MS_MIN = 0.05
const DELAY_MS_MAX = 0.5
const WINDOW_BYTES = 256 * 1024
const READ_BUFFER_BYTES = 64 * 1024
const FIRST_OWN_PORT = 40_000

export class SimNetwork {
  readonly trace = new OperationTrace()
  readonly random: SimRandom
  readonly queue: EventQueue
  readonly windowBytes: number
  delayMsMin: number
  delayMsMax: number
  readonly #hosts = new Map<string, SimHost>()
  readonly #blocked = new Set<string>()
  /** What a chunk takes at the most from one address to another, where that is not the network's. */
  readonly #slow = new Map<string, number>()
  readonly #streams = new Set<SimStream>()

  constructor(options: SimNetworkOptions) {
    this.random = options.random.fork('network')
    this.queue = options.queue
    this.delayMsMin = options.delayMsMin ?? DELAY_MS_MIN
    this.delayMsMax = options.delayMsMax ?? DELAY_MS_MAX
    this.windowBytes = options.windowBytes ?? WINDOW_BYTES
  }

  /** A machine's network. A second call with the address is the machine after a reboot: what it had is reset. */
  host(address: string, clock: Clock): SimHost {
    this.#hosts.get(address)?.kill()
    const host = new SimHost(this, address, clock)
    this.#hosts.set(address, host)
    return host
  }

  /** Nothing gets from one address to another any more. */
  block(from: string, to: string): void {
    this.#blocked.add(`${from}>${to}`)
    this.trace.add(`block ${from}>${to}`)
  }

  unblock(from: string, to: string): void {
    if (!this.#blocked.delete(`${from}>${to}`)) return
    this.trace.add(`unblock ${from}>${to}`)
    for (const stream of this.#streams) stream.goOn()
  }

  /** Both ways. */
  partition(one: string, other: string): void {
    this.block(one, other)
    this.block(other, one)
  }

  heal(one: string, other: string): void {
    this.unblock(one, other)
    this.unblock(other, one)
  }

  /** Resets the connections between two hosts. */
  break(one: string, other: string): void {
    this.trace.add(`break ${one} ${other}`)
    for (const stream of [...this.#streams]) {
      const { localAddress, remoteAddress } = stream
      const isBetween =
        (localAddress === one && remoteAddress === other) || (localAddress === other && remoteAddress === one)
      if (isBetween) stream.reset()
    }
  }

  /** Resets a host's connections with every host of these. */
  breakFrom(one: string, isOther: (address: string) => boolean): void {
    this.trace.add(`break ${one}`)
    for (const stream of [...this.#streams]) {
      const { localAddress, remoteAddress } = stream
      const isFrom = localAddress === one && isOther(remoteAddress)
      if (isFrom || (remoteAddress === one && isOther(localAddress))) stream.reset()
    }
  }

  isBlocked(from: string, to: string): boolean {
    return this.#blocked.has(`${from}>${to}`)
  }

  /** What leaves one address for another from now on takes up to this; null for what is usual. */
  slow(from: string, to: string, delayMsMax: number | null): void {
    if (delayMsMax === null) this.#slow.delete(`${from}>${to}`)
    else this.#slow.set(`${from}>${to}`, delayMsMax)
  }

  drawDelayMs(from: string, to: string): number {
    const delayMsMax =
      this.#slow.size === 0 ? this.delayMsMax : (this.#slow.get(`${from}>${to}`) ?? this.delayMsMax)
    return this.delayMsMin + this.random.fraction() * (delayMsMax - this.delayMsMin)
  }

  hostAt(address: string): SimHost | undefined {
    return this.#hosts.get(address)
  }

  add(stream: SimStream): void {
    this.#streams.add(stream)
  }

  remove(stream: SimStream): void {
    this.#streams.delete(stream)
  }

  /** Streams of a host, for its end. */
  streamsOf(host: SimHost): SimStream[] {
    return [...this.#streams].filter((stream) => stream.host === host)
  }
}

type Accept = (stream: Stream) => StreamHandler

export class SimHost implements Network {
  readonly network: SimNetwork
  readonly address: string
  readonly clock: Clock
  #readBuffer: Buffer | null = null
  isDead = false
  readonly #listeners = new Map<number, Accept>()
  #nextPort = FIRST_OWN_PORT

  constructor(network: SimNetwork, address: string, clock: Clock) {
    this.network = network
    this.address = address
    this.clock = clock
  }

  get readBuffer(): Buffer {
    return (this.#readBuffer ??= Buffer.alloc(READ_BUFFER_BYTES))
  }

  listen(host: string, port: number, accept: Accept): Promise<Listener> {
    const bound = port === 0 ? this.#nextPort++ : port
    if (this.#listeners.has(bound)) {
      const error = new Error(`listen EADDRINUSE: address already in use ${host}:${bound}`)
      return Promise.reject(Object.assign(error, { code: 'EADDRINUSE' }))
    }
    this.#listeners.set(bound, accept)
    const close = (): Promise<void> => {
      if (this.#listeners.get(bound) === accept) this.#listeners.delete(bound)
      return Promise.resolve()
    }
    return Promise.resolve({ host, port: bound, close })
  }

  dial(host: string, port: number, timeoutMs: number, handler: DialHandler): Dialing {
    const attempt = new DialAttempt(this, host, port, handler)
    attempt.start(timeoutMs)
    return attempt
  }

  acceptAt(port: number): Accept | undefined {
    return this.isDead ? undefined : this.#listeners.get(port)
  }

  ownPort(): number {
    return this.#nextPort++
  }

  /** Ports that somebody listens on. */
  get listeners(): number {
    return this.#listeners.size
  }

  /** Ends of connections that are not closed. */
  get openStreams(): number {
    return this.network.streamsOf(this).filter((stream) => !stream.isClosed).length
  }

  /** The process dies: its connections are reset for the others, and it hears nothing of it. */
  kill(): void {
    if (this.isDead) return
    this.isDead = true
    this.network.trace.add(`kill ${this.address}`)
    for (const stream of this.network.streamsOf(this)) stream.die()
  }
}

/** A connection on its way: there and back again, if nothing is in the way. */
class DialAttempt implements Dialing {
  readonly #from: SimHost
  readonly #address: string
  readonly #port: number
  readonly #handler: DialHandler
  #isOver = false

  constructor(from: SimHost, address: string, port: number, handler: DialHandler) {
    this.#from = from
    this.#address = address
    this.#port = port
    this.#handler = handler
  }

  start(timeoutMs: number): void {
    const { network, clock } = this.#from
    clock.after(timeoutMs, () => this.#fail('ETIMEDOUT'))
    network.queue.schedule(network.drawDelayMs(this.#from.address, this.#address), () => this.#arrive())
  }

  cancel(): void {
    this.#isOver = true
  }

  #arrive(): void {
    if (this.#isOver || this.#from.isDead) return
    const { network, address, clock } = this.#from
    if (network.isBlocked(address, this.#address) || network.isBlocked(this.#address, address)) return
    const target = network.hostAt(this.#address)
    const accept = target?.acceptAt(this.#port)
    if (target === undefined || accept === undefined) {
      clock.after(network.drawDelayMs(this.#address, address), () => this.#fail('ECONNREFUSED'))
      return
    }
    const [near, far] = SimStream.pair(this.#from, this.#from.ownPort(), target, this.#port)
    network.trace.add(`connect ${address} ${this.#address}:${this.#port}`)
    target.clock.after(0, () => far.start(accept(far)))
    clock.after(network.drawDelayMs(this.#address, address), () => {
      if (this.#isOver) near.destroy()
      else {
        this.#isOver = true
        near.start(this.#handler.onConnected(near))
      }
    })
  }

  #fail(reason: string): void {
    if (this.#isOver) return
    this.#isOver = true
    assert(!this.#from.isDead, 'a dead host has no timers')
    this.#handler.onFailed(reason)
  }
}
