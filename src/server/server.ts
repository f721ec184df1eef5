/**
 * The client side of a node: listens, admits connections, and ends those that overstay. Everything that a stranger meets
 * before a command runs is here: the number of connections, protected mode, the time to authenticate, the idle timeout.
 */
import type { Clock, Timer } from '../env/clock.js'
import type { Listener, Network, Stream, StreamHandler } from '../env/network.js'
import type { Listener as ListenerKind, Session } from '../commands/session.js'
import { Connection } from './connection.js'
import type { Dispatcher } from './dispatcher.js'

const SWEEP_EVERY_MS = 100
/** How long a client has to take its last replies before it is cut off. */
const CLOSE_GRACE_MS = 200

const MAX_CLIENTS_TEXT = 'ERR max number of clients reached'
const PROTECTED_TEXT =
  'DENIED Kindred is running in protected mode because protected mode is enabled and no password is set for the default user. ' +
  'In this mode connections are only accepted from the loopback interface. Set requirepass, or set protected-mode to no ' +
  'if the network is trusted, to accept connections from elsewhere.'

export interface ServerSettings {
  readonly maxClients: number
  readonly protectedMode: boolean
  readonly requirePass: string
  /** 0 for no limit. */
  readonly idleTimeoutSeconds: number
  readonly handshakeTimeoutSeconds: number
  /** client-output-buffer-limit: a client above softBytes (0 for no limit) for longer than softSeconds is closed. */
  readonly outputLimit: { readonly softBytes: number; readonly softSeconds: number }
}

export interface ConnectionCounters {
  connectionsReceived: number
  rejectedConnections: number
}

export class Server {
  readonly #clock: Clock
  readonly #network: Network
  readonly #settings: () => ServerSettings
  readonly #counters: ConnectionCounters
  #dispatcher: Dispatcher | null = null
  readonly #connections = new Set<Connection>()
  #listeners: Listener[] = []
  #nextId = 1
  #timer: Timer | null = null

  constructor(clock: Clock, network: Network, settings: () => ServerSettings, counters: ConnectionCounters) {
    this.#clock = clock
    this.#network = network
    this.#settings = settings
    this.#counters = counters
  }

  /**
   * Binds all addresses or none, for one kind of clients; resolves with the port. Rejects with EADDRINUSE and the like, and
   * then listens to nobody any more.
   */
  async listen(
    hosts: readonly string[],
    port: number,
    dispatcher: Dispatcher,
    kind: ListenerKind = 'plain',
  ): Promise<number> {
    this.#dispatcher = dispatcher
    let bound = port
    try {
      for (const host of hosts) {
        const listener = await this.#network.listen(host, bound, (stream) =>
          this.#accept(stream, dispatcher, kind),
        )
        this.#listeners.push(listener)
        bound = listener.port
      }
    } catch (error) {
      await this.stopListening()
      throw error
    }
    this.#timer ??= this.#clock.after(SWEEP_EVERY_MS, () => this.#sweep())
    return bound
  }

  get count(): number {
    return this.#connections.size
  }

  /** Open connections, oldest first. */
  connections(): Iterable<Session> {
    return this.#connections
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection)
  }

  async stopListening(): Promise<void> {
    const listeners = this.#listeners
    this.#listeners = []
    // A listener is closed for good only when its connections are: nobody waits for that here.
    for (const listener of listeners) void listener.close()
    await Promise.resolve()
  }

  /** Closes what is still open: replies that are rendered leave first. */
  closeConnections(): void {
    this.#timer?.cancel()
    const connections = [...this.#connections]
    for (const connection of connections) connection.stream.end()
    this.#clock.after(CLOSE_GRACE_MS, () => {
      for (const connection of connections) connection.stream.destroy()
    })
  }

  #accept(stream: Stream, dispatcher: Dispatcher, kind: ListenerKind): StreamHandler {
    const settings = this.#settings()
    const nowMs = this.#clock.monotonicMs()
    const connection = new Connection(
      this.#nextId++,
      stream,
      dispatcher,
      nowMs,
      settings.requirePass === '',
      kind,
    )
    this.#counters.connectionsReceived++
    const refusal = this.#refusal(stream, settings)
    this.#connections.add(connection)
    if (refusal !== null) {
      this.#counters.rejectedConnections++
      connection.closing = true
      // The stream starts once its handler is known.
      this.#clock.endOfTurn(() => dispatcher.refuse(connection, refusal))
    }
    return connection
  }

  #refusal(stream: Stream, settings: ServerSettings): string | null {
    if (this.#connections.size >= settings.maxClients) return MAX_CLIENTS_TEXT
    const open = settings.requirePass === '' && settings.protectedMode && !isLoopback(stream.remoteAddress)
    return open ? PROTECTED_TEXT : null
  }

  /** Whether the client has left more than the soft limit unread for longer than is allowed. */
  #isBehind(connection: Connection, limit: ServerSettings['outputLimit'], nowMs: number): boolean {
    if (limit.softBytes === 0 || connection.outputBufferBytes <= limit.softBytes) {
      connection.behindSinceMs = 0
      return false
    }
    if (connection.behindSinceMs === 0) connection.behindSinceMs = nowMs
    return nowMs - connection.behindSinceMs > limit.softSeconds * 1000
  }

  #sweep(): void {
    const { idleTimeoutSeconds, handshakeTimeoutSeconds, outputLimit } = this.#settings()
    const nowMs = this.#clock.monotonicMs()
    for (const connection of this.#connections) {
      const idleMs = nowMs - connection.lastRequestAtMs
      const ageMs = nowMs - connection.connectedAtMs
      const isIdle = idleTimeoutSeconds > 0 && idleMs > idleTimeoutSeconds * 1000 && !connection.mustQueue
      const isStrange = !connection.authenticated && ageMs > handshakeTimeoutSeconds * 1000
      if (isIdle || isStrange || this.#isBehind(connection, outputLimit, nowMs)) connection.stream.destroy()
    }
    this.#dispatcher?.roomChanged()
    this.#dispatcher?.endOverdue()
    this.#timer = this.#clock.after(SWEEP_EVERY_MS, () => this.#sweep())
  }
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}
