/**
 * Sockets without garbage. Node's own way of reading allocates a Buffer for every chunk; here all sockets read into one
 * shared buffer (net.Socket's `onread`), which a server that consumes its input before returning may do. `onread` can
 * only be given to a Socket's constructor, so each connection, accepted or dialed, is wrapped anew around its handle. Two things
 * keep that honest: the first socket's `_handle` is taken away at once, so that it never closes what it no longer owns,
 * and it is destroyed when the wrapped one closes, or `server.close()` would never call back.
 *
 * `write` goes straight to the socket's descriptor while the stream has nothing queued, and reports whether the kernel took
 * everything at once, so that callers can reuse their buffers in the common case.
 */
import { writeSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import type { Server } from 'node:net'
import type { Dialing, DialHandler, Listener, Network, Stream, StreamHandler } from './network.js'

/** One read takes at most this much from a socket. */
export const READ_BUFFER_BYTES = 256 * 1024

export interface NodeNetworkOptions {
  /** Seconds of silence before TCP keep-alive probes; 0 for none. */
  readonly keepAliveSeconds: number
  readonly backlog: number
}

export class NodeNetwork implements Network {
  readonly #readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  readonly #options: NodeNetworkOptions

  constructor(options: NodeNetworkOptions) {
    this.#options = options
  }

  listen(host: string, port: number, accept: (stream: Stream) => StreamHandler): Promise<Listener> {
    const { keepAliveSeconds, backlog } = this.#options
    const server = createServer(
      {
        noDelay: true,
        pauseOnConnect: true,
        keepAlive: keepAliveSeconds > 0,
        keepAliveInitialDelay: keepAliveSeconds * 1000,
      },
      (accepted) => wrap(accepted, this.#readBuffer, accept),
    )
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port, backlog }, () => {
        server.off('error', reject)
        // A connection that could not be accepted is lost; the node is not.
        server.on('error', () => {})
        resolve(listenerOf(server, host))
      })
    })
  }

  dial(host: string, port: number, timeoutMs: number, handler: DialHandler): Dialing {
    const dialed = new Socket({ allowHalfOpen: true })
    let isOver = false
    const timer = setTimeout(() => failed('ETIMEDOUT'), timeoutMs).unref()
    const failed = (reason: string): void => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      dialed.destroy()
      handler.onFailed(reason)
    }
    dialed.on('error', (error: NodeJS.ErrnoException) => failed(error.code ?? error.message))
    dialed.once('connect', () => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      const { keepAliveSeconds } = this.#options
      dialed.setNoDelay(true)
      if (keepAliveSeconds > 0) dialed.setKeepAlive(true, keepAliveSeconds * 1000)
      wrap(dialed, this.#readBuffer, (stream) => handler.onConnected(stream))
    })
    dialed.connect({ host, port })
    return {
      cancel: () => {
        if (isOver) return
        isOver = true
        clearTimeout(timer)
        dialed.destroy()
      },
    }
  }
}

function listenerOf(server: Server, host: string): Listener {
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return {
    host,
    port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

interface WithHandle {
  _handle: object | null
}

function wrap(accepted: Socket, readBuffer: Buffer, accept: (stream: Stream) => StreamHandler): void {
  const owner = accepted as unknown as WithHandle
  const handle = owner._handle
  if (handle === null) {
    accepted.destroy()
    return
  }
  const stream = new NodeStream(accepted, readBuffer)
  owner._handle = null
  stream.start(handle, accept)
}

class NodeStream implements Stream {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly #accepted: Socket
  readonly #shared: Buffer
  #socket: Socket | null = null
  #target: Buffer
  #handler: StreamHandler | null = null
  /** The socket's, for as long as it is not destroyed; -1 where the system has none. */
  #descriptor = -1
  #draining = false
  #isPaused = false

  constructor(accepted: Socket, shared: Buffer) {
    this.remoteAddress = plainAddress(accepted.remoteAddress)
    this.remotePort = accepted.remotePort ?? 0
    this.localAddress = plainAddress(accepted.localAddress)
    this.localPort = accepted.localPort ?? 0
    this.#accepted = accepted
    this.#shared = shared
    this.#target = shared
  }

  /** What `accept` already writes is sent. */
  start(handle: object, accept: (stream: Stream) => StreamHandler): void {
    const options = {
      handle,
      readable: true,
      writable: true,
      allowHalfOpen: true,
      onread: {
        buffer: () => this.#nextTarget(),
        callback: (length: number, bytes: Uint8Array) => {
          this.#handler?.onBytes(bytes as Buffer, length)
          return true
        },
      },
    }
    const socket = new Socket(options)
    this.#descriptor = descriptorOf(handle)
    this.#socket = socket
    const handler = accept(this)
    this.#handler = handler
    socket.on('error', () => socket.destroy())
    socket.on('end', () => handler.onEnd())
    socket.on('close', () => {
      this.#accepted.destroy()
      handler.onClose()
    })
    if (!this.#isPaused) socket.resume()
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    const socket = this.#socket
    if (socket === null || socket.destroyed || socket.writableEnded) return true
    const sent = socket.writableLength === 0 ? writeNow(this.#descriptor, bytes, start, end) : 0
    if (start + sent === end) return true
    socket.write(bytes.subarray(start + sent, end))
    if (socket.writableLength === 0) return true
    if (!this.#draining) this.#announceDrain(socket)
    return false
  }

  /** Node's 'drain' only comes above its high-water mark; an empty write behind the rest always calls back. */
  #announceDrain(socket: Socket): void {
    this.#draining = true
    socket.write(EMPTY, () => {
      this.#draining = false
      if (socket.destroyed) return
      if (socket.writableLength > 0) this.#announceDrain(socket)
      else this.#handler?.onDrain()
    })
  }

  unsentBytes(): number {
    return this.#socket?.writableLength ?? 0
  }

  pause(): void {
    this.#isPaused = true
    this.#socket?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#socket?.resume()
  }

  end(): void {
    const socket = this.#socket
    if (socket !== null && !socket.writableEnded) socket.end(() => socket.destroy())
  }

  destroy(): void {
    this.#socket?.destroy()
  }

  /** Node asks after every read; answering with something other than a buffer keeps the last one, at no cost. */
  #nextTarget(): Buffer {
    const wanted = this.#handler?.nextBuffer() ?? this.#shared
    if (wanted === this.#target && this.#handler !== null) return NO_CHANGE
    this.#target = wanted
    return wanted
  }
}

function descriptorOf(handle: object): number {
  const descriptor: unknown = Reflect.get(handle, 'fd')
  return typeof descriptor === 'number' ? descriptor : -1
}

/**
 * One write(2), past the machinery of Node's streams, which costs more than the copy into the kernel. Answers how many
 * bytes the kernel took: 0 when it has no room, and for errors, which the stream will meet again and tell.
 */
function writeNow(descriptor: number, bytes: Buffer, start: number, end: number): number {
  if (descriptor < 0) return 0
  try {
    return writeSync(descriptor, bytes, start, end - start)
  } catch {
    return 0
  }
}

const EMPTY = Buffer.alloc(0)
const NO_CHANGE = null as unknown as Buffer

/** IPv4 peers of a dual-stack socket appear as ::ffff:a.b.c.d; Redis prints them plainly. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return '?'
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
