/**
 * One end of a simulated connection. Bytes that write() was given pass through three places: `kept` (the writer's own buffer,
 * read late), `flying` (the kernels and the wire, at most a window of them), and the peer's `inbox`, from where they are read
 * in chunks of random size. A window's bytes come free when the peer has read them, and the word of it comes back the other way.
 */
import type { Stream, StreamHandler } from '../env/network.js'
import { assert } from '../util/assert.js'
import type { SimHost } from './sim-network.js'

/** What a buffer is filled with once it is no longer the handler's to look at. */
const POISON = 0xdd

interface Kept {
  readonly bytes: Buffer
  readonly end: number
  at: number
}

export class SimStream implements Stream {
  readonly host: SimHost
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  #peer: SimStream | null = null
  #handler: StreamHandler | null = null
  readonly #kept: Kept[] = []
  readonly #flying: Buffer[] = []
  /** Bytes that left `kept` and were not read yet, or are not known to be. */
  #windowed = 0
  readonly #inbox: Buffer[] = []
  /** Bytes read here whose writer could not be told. */
  #untold = 0
  #isEnding = false
  /** The end of our bytes follows behind what is flying. */
  #sendsEnd = false
  #sentEnd = false
  #gotEnd = false
  #toldEnd = false
  #isClosed = false
  #resetDue = false
  #isPumping = false
  #isStalled = false
  #isReadDue = false
  #isPaused = false
  #target: Buffer | null = null

  private constructor(host: SimHost, port: number, remoteAddress: string, remotePort: number) {
    this.host = host
    this.localAddress = host.address
    this.localPort = port
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
  }

  /** Both ends of a new connection. */
  static pair(
    near: SimHost,
    nearPort: number,
    far: SimHost,
    farPort: number,
  ): [near: SimStream, far: SimStream] {
    const one = new SimStream(near, nearPort, far.address, farPort)
    const other = new SimStream(far, farPort, near.address, nearPort)
    one.#peer = other
    other.#peer = one
    near.network.add(one)
    near.network.add(other)
    return [one, other]
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  start(handler: StreamHandler): void {
    this.#handler = handler
    if (this.#isClosed) this.#later(() => handler.onClose())
    this.#target = handler.nextBuffer()
    this.#readSoon()
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    if (this.#isClosed || this.#isEnding || start === end) return true
    this.#kept.push({ bytes, at: start, end })
    this.#fillWindow()
    return this.#kept.length === 0
  }

  unsentBytes(): number {
    return this.#kept.reduce((sum, { at, end }) => sum + end - at, 0)
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#readSoon()
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return
    this.#isEnding = true
    this.#endIfSent()
  }

  destroy(): void {
    if (this.#isClosed) return
    this.#kept.length = 0
    if (this.#inbox.length > 0) this.#sendReset()
    else this.#sendEnd()
    this.#close()
  }

  /** Both ends are reset at once. */
  reset(): void {
    this.#flying.length = 0
    this.#close()
  }

  /** The host is gone: the other end is reset, this one hears nothing. */
  die(): void {
    this.#handler = null
    this.#flying.length = 0
    this.#sendReset()
    this.#close()
  }

  /** Something that blocked the way is gone. */
  goOn(): void {
    if (this.#resetDue) this.#sendReset()
    if (this.#isStalled) {
      this.#isStalled = false
      this.#pump()
    }
    this.#tellRead()
  }

  get #other(): SimStream {
    assert(this.#peer !== null, 'a stream has two ends')
    return this.#peer
  }

  get #isBlocked(): boolean {
    return this.host.network.isBlocked(this.localAddress, this.remoteAddress)
  }

  // Outwards.

  #fillWindow(): void {
    const { windowBytes } = this.host.network
    while (this.#kept.length > 0 && this.#windowed < windowBytes) {
      const first = this.#kept[0]
      const length = Math.min(first.end - first.at, windowBytes - this.#windowed)
      this.#flying.push(Buffer.from(first.bytes.subarray(first.at, first.at + length)))
      this.#windowed += length
      first.at += length
      if (first.at === first.end) this.#kept.shift()
    }
    this.#pump()
    this.#endIfSent()
  }

  #endIfSent(): void {
    if (!this.#isEnding || this.#kept.length > 0) return
    this.#sendEnd()
    this.#close()
  }

  #sendEnd(): void {
    this.#sendsEnd = true
    this.#pump()
  }

  /** Moves one chunk to the peer after a delay; one at a time, so that order is kept. */
  #pump(): void {
    if (this.#isPumping) return
    if (this.#flying.length === 0 && (!this.#sendsEnd || this.#sentEnd)) return
    this.#isPumping = true
    const { network } = this.host
    network.queue.schedule(network.drawDelayMs(this.localAddress, this.remoteAddress), () => {
      this.#isPumping = false
      if (this.#isBlocked) this.#isStalled = true
      else this.#deliver()
    })
  }

  #deliver(): void {
    const other = this.#other
    const { network } = this.host
    const chunk = this.#flying.length > 1 ? Buffer.concat(this.#flying) : this.#flying.at(0)
    this.#flying.length = 0
    if (chunk === undefined) {
      if (!this.#sendsEnd || this.#sentEnd) return
      this.#sentEnd = true
      network.trace.add(`${this.#name} end`)
      other.#arriveEnd()
      return
    }
    const length = network.random.chance(0.3) ? network.random.between(1, chunk.length) : chunk.length
    if (length < chunk.length) this.#flying.push(chunk.subarray(length))
    network.trace.add(`${this.#name} ${length} @${network.queue.nowMs}`)
    other.#arrive(chunk.subarray(0, length))
    this.#pump()
  }

  get #name(): string {
    return `${this.localAddress}:${this.localPort}>${this.remoteAddress}:${this.remotePort}`
  }

  // Inwards.

  #arrive(bytes: Buffer): void {
    if (this.#isClosed) {
      this.#sendReset()
      return
    }
    this.#inbox.push(bytes)
    this.#readSoon()
  }

  #arriveEnd(): void {
    this.#gotEnd = true
    this.#readSoon()
  }

  #readSoon(): void {
    if (this.#isReadDue || this.#isPaused || this.#handler === null) return
    if (this.#inbox.length === 0 && (!this.#gotEnd || this.#toldEnd)) return
    this.#isReadDue = true
    this.#later(() => {
      this.#isReadDue = false
      this.#read()
    })
  }

  #read(): void {
    const handler = this.#handler
    if (handler === null || this.#isClosed || this.#isPaused) return
    const first = this.#inbox.shift()
    if (first === undefined) {
      if (!this.#gotEnd || this.#toldEnd) return
      this.#toldEnd = true
      handler.onEnd()
      return
    }
    const shared = this.host.readBuffer
    const target = this.#target ?? shared
    const length = Math.min(first.length, target.length)
    first.copy(target, 0, 0, length)
    if (length < first.length) this.#inbox.unshift(first.subarray(length))
    handler.onBytes(target, length)
    if (target === shared) shared.fill(POISON, 0, length)
    this.#untold += length
    this.#tellRead()
    if (this.#isClosed) return
    this.#target = handler.nextBuffer()
    this.#readSoon()
  }

  #tellRead(): void {
    if (this.#untold === 0 || this.#isBlocked) return
    const count = this.#untold
    this.#untold = 0
    this.#other.#wasRead(count)
  }

  #wasRead(count: number): void {
    this.#windowed -= count
    if (this.#isClosed || this.#kept.length === 0) return
    // As in TCP, a window that opens byte by byte is not filled byte by byte.
    if (this.#windowed > this.host.network.windowBytes / 2) return
    this.#fillWindow()
    if (this.#kept.length > 0 || this.#isClosed) return
    this.#later(() => {
      if (!this.#isClosed && this.#kept.length === 0) this.#handler?.onDrain()
    })
  }

  // The end.

  #sendReset(): void {
    const { network } = this.host
    this.#resetDue = this.#isBlocked
    if (this.#resetDue) return
    network.queue.schedule(network.drawDelayMs(this.localAddress, this.remoteAddress), () => {
      network.trace.add(`${this.#name} reset`)
      this.#other.reset()
    })
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#inbox.length = 0
    this.#kept.length = 0
    const handler = this.#handler
    if (handler !== null) this.#later(() => handler.onClose())
    if (this.#other.#isClosed && !this.#resetDue && !this.#other.#resetDue) {
      this.host.network.remove(this)
      this.host.network.remove(this.#other)
    }
  }

  /** On the host's own clock: not at all when it is stopped, later when it is paused. */
  #later(task: () => void): void {
    this.host.clock.after(0, task)
  }
}
