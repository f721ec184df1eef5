/**
 * One client connection: its session, what has arrived and not run, what is rendered and not sent. Requests of a
 * connection run strictly in order. Usually each runs the moment it is parsed; once one has to wait, those behind it queue up
 * (their blocks already loading), and the dispatcher goes on when the first is ready.
 *
 * The connection only keeps state; the dispatcher decides.
 */
import type { Stream, StreamHandler } from '../env/network.js'
import { LEVEL_DEFAULT } from '../coordinator/consistency.js'
import type { Listener, QueuedRequest, Session, SessionLevel, Transaction } from '../commands/session.js'
import type { PartialRequest } from '../resp/partial-request.js'
import type { Dispatcher } from './dispatcher.js'
import type { OutputBuffer } from './output-buffer.js'
import type { ReplyQueue } from './reply-queue.js'
import type { ParkedRequest } from './parked-request.js'

export class Connection implements Session, StreamHandler {
  readonly id: number
  readonly stream: Stream
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly listener: Listener
  readonly connectedAtMs: number
  lastRequestAtMs: number
  lastCommand = ''
  name = ''
  libraryName = ''
  libraryVersion = ''
  protocol = 2
  authenticated: boolean
  replyMode: 'on' | 'off' | 'skip-next' | 'skip' = 'on'
  noEvict = false
  noTouch = false
  readsFromReplicas = false
  readLevel: SessionLevel = LEVEL_DEFAULT
  writeLevel: SessionLevel = LEVEL_DEFAULT
  closing = false
  transaction: Transaction | null = null
  expansion: readonly QueuedRequest[] | null = null

  /** The beginning of a request whose rest has not arrived. */
  partial: PartialRequest | null = null
  /** The last read went straight into `partial`. */
  readsDirectly = false
  /** Requests that wait, in order; the first is the one that everything waits for. */
  queue: ParkedRequest[] = []
  queuedBytes = 0
  /** Input that was left unparsed because the queue was full or output stuck. */
  stash: Buffer | null = null
  /** A command waits for something other than blocks; the queue stands behind it. */
  isDeferred = false
  /** The client does not read: nothing more runs until it does. */
  outputBlocked = false
  isPaused = false
  /** Since when its unread output is above the soft limit, by the monotonic clock; 0 when it is not. */
  behindSinceMs = 0
  inputEnded = false
  /** Unparseable input came: the error to send behind the last reply, '' for none; then the connection is closed. */
  rejection: string | null = null
  isClosed = false
  /** On the dispatcher's list of connections to go on with. */
  isReady = false
  /** On its list of connections whose next reply is there. */
  hasSettled = false

  /** Replies that wait for other nodes; what is rendered behind one of them waits too. */
  readonly replies: ReplyQueue

  /** Rendered replies that wait for the log: held[heldStart, heldEnd). */
  held: OutputBuffer | null = null
  heldStart = 0
  heldEnd = 0
  /** The sequence that has to be durable before they leave. */
  heldNeed = 0

  readonly #dispatcher: Dispatcher

  constructor(
    id: number,
    stream: Stream,
    dispatcher: Dispatcher,
    nowMs: number,
    authenticated: boolean,
    listener: Listener,
  ) {
    this.listener = listener
    this.id = id
    this.stream = stream
    this.remoteAddress = stream.remoteAddress
    this.remotePort = stream.remotePort
    this.localAddress = stream.localAddress
    this.localPort = stream.localPort
    this.connectedAtMs = nowMs
    this.lastRequestAtMs = nowMs
    this.authenticated = authenticated
    this.#dispatcher = dispatcher
    this.replies = dispatcher.newReplies(this)
  }

  get queryBufferBytes(): number {
    return (this.partial?.length ?? 0) + (this.stash?.length ?? 0) + this.queuedBytes
  }

  get outputBufferBytes(): number {
    return this.stream.unsentBytes() + (this.held === null ? 0 : this.heldEnd - this.heldStart)
  }

  /** Whether a request that is parsed now has to queue up. */
  get mustQueue(): boolean {
    return this.queue.length > 0 || this.isDeferred || this.outputBlocked
  }

  kill(): void {
    this.stream.destroy()
  }

  onBytes(bytes: Buffer, length: number): void {
    this.#dispatcher.receive(this, bytes, length)
  }

  nextBuffer(): Buffer | null {
    const target = this.partial === null ? null : this.partial.readTarget()
    this.readsDirectly = target !== null
    return target
  }

  onDrain(): void {
    this.#dispatcher.drained(this)
  }

  onEnd(): void {
    this.inputEnded = true
    this.#dispatcher.finishIfIdle(this)
  }

  onClose(): void {
    this.isClosed = true
    this.#dispatcher.closed(this)
  }
}
