/**
 * From bytes to requests: parses what a connection sent, keeps what is not whole yet, and stops reading where there is no
 * room to queue more. There is one parser for all client connections.
 */
import { AHEAD_MAX } from '../coordinator/announced-keys.js'
import type { LocalKeyspace } from '../coordinator/local-keyspace.js'
import { COMPLETE, CROSS_PROTOCOL, EMPTY, INCOMPLETE, INVALID, OVERSIZED } from '../resp/parse-result.js'
import { PartialRequest } from '../resp/partial-request.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import { RequestParser } from '../resp/request-parser.js'
import type { RequestLimits } from '../resp/limits.js'
import { UNAUTHENTICATED_LIMITS } from '../resp/limits.js'
import { assert } from '../util/assert.js'
import type { Connection } from './connection.js'
import type { DispatcherSettings, ServerStats } from './dispatcher-settings.js'
import type { ReplyDelivery } from './reply-delivery.js'

const QUEUE_REQUESTS_MAX = 1024
const QUEUE_BYTES_MAX = 1024 * 1024
/** The argument that is the key of nearly every command which has one. */
const KEY_ARGUMENT = 1

/** Whoever runs what was parsed. */
export interface IntakeHost {
  /** Runs the request that the parser holds, or queues it behind those that wait. */
  take(connection: Connection, parser: RequestParser): void
  /** It may be that nothing more is owed to it. */
  finishIfIdle(connection: Connection): void
}

export class RequestIntake {
  readonly #parser = new RequestParser()
  readonly #settings: DispatcherSettings
  readonly #stats: ServerStats
  readonly #keyspace: LocalKeyspace
  readonly #writer: ReplyWriter
  readonly #delivery: ReplyDelivery
  readonly #host: IntakeHost

  constructor(options: {
    settings: DispatcherSettings
    stats: ServerStats
    keyspace: LocalKeyspace
    writer: ReplyWriter
    delivery: ReplyDelivery
    host: IntakeHost
  }) {
    this.#settings = options.settings
    this.#stats = options.stats
    this.#keyspace = options.keyspace
    this.#writer = options.writer
    this.#delivery = options.delivery
    this.#host = options.host
  }

  /** Bytes of one read: they are ours until this returns. */
  receive(connection: Connection, bytes: Buffer, length: number): void {
    this.#stats.netInputBytes += length
    const partial = connection.partial
    if (connection.closing || connection.rejection !== null) return
    if (partial === null) this.consume(connection, bytes, 0, length)
    else {
      if (connection.readsDirectly) partial.filled(length)
      else partial.append(bytes, 0, length)
      this.#resume(connection, partial)
    }
  }

  /** Goes on with a request whose beginning came earlier, then with what came behind it. */
  #resume(connection: Connection, partial: PartialRequest): void {
    const parser = this.#parser
    const result = partial.resume(parser, this.#limits(connection))
    if (result === INCOMPLETE) return
    connection.partial = null
    if (result !== COMPLETE && result !== EMPTY) return this.#reject(connection, result)
    const end = parser.end
    if (result === COMPLETE) this.#host.take(connection, parser)
    this.consume(connection, partial.bytes, end, partial.length)
  }

  /** Parses and runs bytes[at, end); what is left over is kept. */
  consume(connection: Connection, bytes: Buffer, at: number, end: number): void {
    const parser = this.#parser
    // A request that comes alone is not looked at twice.
    let ahead = 1
    while (at < end) {
      if (ahead-- === 0) ahead = this.#lookAhead(connection, bytes, at, end)
      if (connection.closing || connection.isClosed || connection.rejection !== null) break
      if (connection.mustQueue && this.isFull(connection)) {
        this.#stash(connection, bytes, at, end)
        break
      }
      const result = parser.parse(bytes, at, end, this.#limits(connection))
      if (result === COMPLETE) {
        at = parser.end
        this.#host.take(connection, parser)
        this.#delivery.deliverFullPiece(connection)
      } else if (result === EMPTY) {
        at = parser.end
      } else if (result === INCOMPLETE) {
        connection.partial = new PartialRequest(bytes, at, end)
        connection.partial.resume(parser, this.#limits(connection))
        break
      } else {
        return this.#reject(connection, result)
      }
    }
    this.#delivery.deliverPiece(connection)
  }

  /**
   * Has the keys of the next few requests fetched from memory at once, when there are several: a pipelined request would
   * otherwise spend most of its time in cache misses, one after the other. Answers how many requests it has looked at
   * beyond the first.
   */
  #lookAhead(connection: Connection, bytes: Buffer, at: number, end: number): number {
    const parser = this.#parser
    const { announced } = this.#keyspace
    const limits = this.#limits(connection)
    announced.begin(bytes)
    let requests = 0
    while (requests < AHEAD_MAX && at < end && parser.parse(bytes, at, end, limits) === COMPLETE) {
      at = parser.end
      requests++
      const { offsets } = parser
      if (parser.argc > KEY_ARGUMENT && parser.bytes === bytes)
        announced.announce(offsets[2 * KEY_ARGUMENT], offsets[2 * KEY_ARGUMENT + 1])
    }
    if (requests > 1) announced.prefetch()
    return Math.max(0, requests - 1)
  }

  /** Whether no more of its requests may queue. */
  isFull(connection: Connection): boolean {
    return connection.queue.length >= QUEUE_REQUESTS_MAX || connection.queuedBytes >= QUEUE_BYTES_MAX
  }

  /** Keeps unparsed input for later and stops reading. */
  #stash(connection: Connection, bytes: Buffer, at: number, end: number): void {
    connection.stash = Buffer.from(bytes.subarray(at, end))
    this.pause(connection)
  }

  /** Nothing more of this connection is read. */
  pause(connection: Connection): void {
    if (connection.isPaused) return
    connection.isPaused = true
    connection.stream.pause()
  }

  /** Unless something still stands against it. */
  resumeReading(connection: Connection): void {
    if (!connection.isPaused || connection.closing || connection.stash !== null || connection.outputBlocked)
      return
    connection.isPaused = false
    connection.stream.resume()
  }

  /** Nothing of this connection is parsed any more; what came before is still answered, then it is closed. */
  #reject(connection: Connection, result: number): void {
    assert(result === INVALID || result === CROSS_PROTOCOL || result === OVERSIZED, 'a known parse result')
    this.pause(connection)
    connection.rejection = result === INVALID ? this.#parser.error : ''
    if (!connection.mustQueue) this.renderRejection(connection)
    this.#delivery.deliverPiece(connection)
    this.#host.finishIfIdle(connection)
  }

  /** The last reply of a connection whose input could not be parsed. */
  renderRejection(connection: Connection): void {
    if (connection.rejection !== '') {
      this.#writer.protocolError(connection.rejection ?? '')
      this.#stats.countError('ERR')
    }
    connection.rejection = null
    connection.closing = true
  }

  #limits(connection: Connection): RequestLimits {
    return connection.authenticated ? this.#settings.limits() : UNAUTHENTICATED_LIMITS
  }
}
