/**
 * How rendered replies leave: at once, when the log has what they stand on; when it has got there; or in the order of their
 * requests, when an earlier one still waits for other nodes. In all cases one write per connection and turn.
 *
 *     deliver      rendered in the shared buffer -> socket, or held until the log's commit
 *     queueReply   rendered behind replies that are still to come -> takes its place among them
 *     settled      the first of those is there -> at the end of the turn all that are, go the way of deliver
 */
import type { Clock } from '../env/clock.js'
import type { LocalKeyspace } from '../coordinator/local-keyspace.js'
import type { Operation, OperationTable } from '../coordinator/operation.js'
import { OUTPUT_PAUSE_BYTES, UNAUTHENTICATED_OUTPUT_BUFFER_BYTES_MAX } from '../resp/limits.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import type { Store } from '../storage/store.js'
import { assert } from '../util/assert.js'
import type { Connection } from './connection.js'
import { OutputBuffers } from './output-buffer.js'
import { ReplyQueue } from './reply-queue.js'

/** Rendered bytes after which a batch hands over what it has, to see whether the client reads. */
const OUTPUT_PIECE_BYTES = 256 * 1024
const MINUS = 0x2d

/** What is counted as replies leave. */
export interface DeliveryStats {
  netOutputBytes: number
  keyspaceHits: number
  keyspaceMisses: number
}

/** What the deliverer tells of its connections. */
export interface DeliveryHost {
  /** Output above this closes the connection; 0 for no limit. */
  outputHardLimitBytes(): number
  /** It may be that nothing more is owed to it. */
  finishIfIdle(connection: Connection): void
  /** There may be room for replies that were let go. */
  runSetAside(replies: ReplyQueue): void
  /** What waits in it may go on. */
  makeReady(connection: Connection): void
  /** Its replies pile up: nothing of it is to be read. */
  pause(connection: Connection): void
  /** The client has read what it was sent. */
  drained(connection: Connection): void
  /** As of DispatcherSettings. */
  slowerThanMs(): number
  /** An operation took that long or longer, from its request's arrival until its reply was there. */
  slow(operation: Operation, connection: Connection, microseconds: number): void
  /** An error leaves, after its command was forgotten: reply[0, length). */
  countError(reply: Buffer, length: number): void
}

export class ReplyDelivery {
  readonly output: OutputBuffers
  readonly #clock: Clock
  readonly #writer: ReplyWriter
  readonly #keyspace: LocalKeyspace
  readonly #store: Store
  readonly #operations: OperationTable
  readonly #stats: DeliveryStats
  readonly #host: DeliveryHost
  /** Connections with held replies, in the order in which they began to wait. */
  #holding: Connection[] = []
  /** Connections whose first waiting reply is there. */
  #settled: Connection[] = []
  #flushDelayed = false
  /** Where what was rendered for the current batch and not yet delivered begins in the writer. */
  #piece = 0
  /** A reply has settled in this turn: its time, and what is slow, were read once for all of them. */
  #isTurnBegun = false
  #turnMs = 0
  #slowerThanMs = Infinity

  constructor(options: {
    clock: Clock
    writer: ReplyWriter
    keyspace: LocalKeyspace
    store: Store
    operations: OperationTable
    stats: DeliveryStats
    host: DeliveryHost
  }) {
    this.#clock = options.clock
    this.#writer = options.writer
    this.#keyspace = options.keyspace
    this.#store = options.store
    this.#operations = options.operations
    this.#stats = options.stats
    this.#host = options.host
    this.output = new OutputBuffers(options.writer)
  }

  newReplies(connection: Connection): ReplyQueue {
    return new ReplyQueue(
      this.#operations,
      (operation) => this.#replySettled(connection, operation),
      () => connection.outputBufferBytes,
    )
  }

  /** The store's onDurable. When compaction is behind, acknowledgements are held back for a bounded while. */
  durableAdvanced(): void {
    if (this.#holding.length === 0 || this.#flushDelayed) return
    const delayMs = this.#store.writeDelayMs
    if (delayMs === 0) return this.#flush()
    this.#flushDelayed = true
    this.#store.noteDelay(delayMs)
    this.#clock.after(delayMs, () => {
      this.#flushDelayed = false
      this.#flush()
    })
  }

  /** The store's onLogFailed: what waits for the log was never acknowledged and its outcome is unknown. */
  logFailed(): void {
    for (const connection of this.#holding) connection.stream.destroy()
  }

  /** The connection is gone. */
  closed(connection: Connection): void {
    connection.replies.drop()
    if (connection.held !== null) this.#letGo(connection, true)
  }

  /** Replies of a batch of requests are rendered next. */
  beginBatch(): void {
    this.output.makeRoom()
    this.#piece = this.#writer.length
  }

  /** Delivers what the batch has rendered so far. */
  deliverPiece(connection: Connection): void {
    this.deliver(connection, this.#piece)
    this.#piece = this.#writer.length
  }

  /** The same, once it is so much that it should be seen whether the client reads. */
  deliverFullPiece(connection: Connection): void {
    if (this.#writer.length - this.#piece > OUTPUT_PIECE_BYTES) this.deliverPiece(connection)
  }

  /** Sends what was rendered since `mark`, or holds it until the log has what it stands on. */
  deliver(connection: Connection, mark: number): void {
    const writer = this.#writer
    const length = writer.length
    const keyspace = this.#keyspace
    this.#stats.keyspaceHits += keyspace.hits
    this.#stats.keyspaceMisses += keyspace.misses
    keyspace.hits = 0
    keyspace.misses = 0
    if (length === mark) return
    this.#stats.netOutputBytes += length - mark
    const buffer = this.output.current()
    const need = keyspace.needSequence
    if (connection.held !== null || need > this.#store.durableSequence) {
      this.#hold(connection, mark, length, need)
      return
    }
    const taken = connection.stream.write(buffer.bytes, mark, length)
    this.output.done(buffer, taken)
    if (!taken) this.#outputGrew(connection)
    if (connection.closing) this.#host.finishIfIdle(connection)
  }

  #hold(connection: Connection, mark: number, end: number, need: number): void {
    if (this.#store.logFailure !== null) {
      // It settled after the log had failed: nobody will ever know more.
      this.#writer.length = mark
      connection.closing = true
      return connection.stream.destroy()
    }
    const buffer = this.output.current()
    if (connection.held === null) {
      connection.held = buffer
      connection.heldStart = mark
      connection.heldEnd = end
      connection.heldNeed = need
      buffer.holds++
      this.#holding.push(connection)
    } else {
      if (need > connection.heldNeed) connection.heldNeed = need
      if (connection.held === buffer && connection.heldEnd === mark) connection.heldEnd = end
      else this.#mergeHeld(connection, mark, end)
    }
    this.#outputGrew(connection)
  }

  /** The replies of two batches that are not neighbours come together in a buffer of their own. */
  #mergeHeld(connection: Connection, mark: number, end: number): void {
    const { held, heldStart, heldEnd } = connection
    assert(held !== null, 'there are held replies')
    const before = heldEnd - heldStart
    const merged = Buffer.allocUnsafeSlow(before + end - mark)
    held.bytes.copy(merged, 0, heldStart, heldEnd)
    this.#writer.buffer.copy(merged, before, mark, end)
    this.#writer.length = mark
    held.holds--
    this.output.done(held, true)
    connection.held = this.output.privateBuffer(merged)
    connection.held.holds = 1
    connection.heldStart = 0
    connection.heldEnd = merged.length
  }

  /** Sends the replies whose sequence is durable. */
  #flush(): void {
    const durable = this.#store.durableSequence
    const holding = this.#holding
    this.#holding = []
    for (const connection of holding) {
      if (connection.held === null) continue
      if (connection.heldNeed > durable) this.#holding.push(connection)
      else this.#letGo(connection, connection.isClosed)
    }
  }

  #letGo(connection: Connection, dropped: boolean): void {
    const { held, heldStart, heldEnd } = connection
    assert(held !== null, 'there are held replies')
    connection.held = null
    held.holds--
    const taken = dropped || connection.stream.write(held.bytes, heldStart, heldEnd)
    this.output.done(held, taken)
    if (dropped) return
    if (taken) this.#host.drained(connection)
    else this.#outputGrew(connection)
    if (connection.closing || connection.inputEnded) this.#host.finishIfIdle(connection)
  }

  /**
   * Replies pile up, because the client does not read or the log is slow: nothing more of this client runs until they have
   * left, and it is given up when they are too many.
   */
  #outputGrew(connection: Connection): void {
    const bytes = connection.outputBufferBytes
    const limit = connection.authenticated
      ? this.#host.outputHardLimitBytes()
      : UNAUTHENTICATED_OUTPUT_BUFFER_BYTES_MAX
    if (limit > 0 && bytes > limit) {
      connection.closing = true
      return connection.stream.destroy()
    }
    if (bytes < OUTPUT_PAUSE_BYTES || connection.outputBlocked) return
    connection.outputBlocked = true
    this.#host.pause(connection)
  }

  /** What was rendered behind `mark` takes its place behind the replies that are still to come. */
  queueReply(connection: Connection, mark: number): void {
    const writer = this.#writer
    if (writer.length === mark) return
    const operation = this.#operations.takeSettled(connection.replies, this.#clock.monotonicMs())
    operation.keepReply(writer.buffer, mark, writer.length)
    operation.needSequence = this.#keyspace.needSequence
    writer.length = mark
    connection.replies.push(operation)
    this.#outputGrew(connection)
  }

  #replySettled(connection: Connection, operation: Operation): void {
    if (!this.#isTurnBegun) this.#beginTurn()
    const tookMs = this.#turnMs - operation.startedAtMs
    if (tookMs >= this.#slowerThanMs) this.#host.slow(operation, connection, Math.round(tookMs * 1000))
    if (connection.hasSettled || connection.isClosed || connection.replies.ready === null) return
    connection.hasSettled = true
    this.#settled.push(connection)
  }

  /** The first reply of a turn has settled. */
  #beginTurn(): void {
    this.#isTurnBegun = true
    this.#turnMs = this.#clock.monotonicMs()
    this.#slowerThanMs = this.#host.slowerThanMs()
    this.#clock.endOfTurn(this.#sendSettled)
  }

  readonly #sendSettled = (): void => {
    this.#isTurnBegun = false
    const settled = this.#settled
    this.#settled = []
    for (const connection of settled) {
      connection.hasSettled = false
      if (!connection.isClosed) this.#sendReplies(connection)
    }
  }

  /** Sends the replies at the front that are there, in one write. */
  #sendReplies(connection: Connection): void {
    const { replies } = connection
    const writer = this.#writer
    this.output.makeRoom()
    this.#keyspace.beginBatch()
    let mark = writer.length
    for (let operation = replies.ready; operation !== null; operation = replies.ready) {
      const { reply, replyLength, needSequence, isSuppressed } = operation
      if (needSequence > this.#keyspace.needSequence) this.#keyspace.needSequence = needSequence
      if (replyLength > 0 && reply[0] === MINUS) this.#host.countError(reply, replyLength)
      if (!isSuppressed) writer.rendered(reply, 0, replyLength)
      replies.shift()
      if (writer.length - mark > OUTPUT_PIECE_BYTES) {
        this.deliver(connection, mark)
        mark = writer.length
      }
    }
    this.deliver(connection, mark)
    this.#host.runSetAside(replies)
    if (connection.queue.length > 0 || connection.stash !== null || connection.rejection !== null) {
      this.#host.makeReady(connection)
    } else {
      this.#host.finishIfIdle(connection)
    }
  }
}
