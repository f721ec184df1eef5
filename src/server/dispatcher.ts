/**
 * From bytes to replies: parses what a connection sent, runs commands in order, and lets replies go when the log has
 * what they stand on. There is one dispatcher for all client connections of a node, with one parser, one reply writer
 * and one request object: a request that runs at once costs no object, no closure, no promise.
 *
 *     receive   bytes of one read -> parse -> run -> rendered replies -> sent, or held until the log's commit
 *     durable   the log has advanced -> held replies leave, one write per connection
 *     goOn      blocks, room or drained output have come -> queued requests run
 *
 * A request that must wait is parked at the front of its connection's queue, and the requests behind it are queued as
 * they are parsed, with the blocks of their keys already loading. Then order per connection is simply the queue's
 * (RULES R3), and other connections notice nothing.
 *
 * Bounds: a queue stops taking input at QUEUE_REQUESTS_MAX or QUEUE_BYTES_MAX (the socket is paused), and a client that
 * does not read its replies stops being served at OUTPUT_PAUSE_BYTES; replies of other nodes: reply-queue.ts.
 * Hot path: longer than usual on purpose.
 */
import type { Clock } from '../env/clock.js'
import type { Command } from '../commands/command.js'
import { arityFits } from '../commands/command.js'
import type { NodeServices } from '../commands/node-services.js'
import { innerOf } from '../commands/quorum-command.js'
import type { QuorumInner } from '../commands/quorum-command.js'
import type { CommandRegistry } from '../commands/registry.js'
import { COLD_BLOCKS, DEFERRED, DONE } from '../commands/request.js'
import type { Outcome } from '../commands/request.js'
import type { QueuedRequest, Session } from '../commands/session.js'
import { refuseArity } from '../commands/unknown-command.js'
import { AHEAD_MAX } from '../coordinator/announced-keys.js'
import type { LocalKeyspace } from '../coordinator/local-keyspace.js'
import type { OperationTable } from '../coordinator/operation.js'
import { COMPLETE, CROSS_PROTOCOL, EMPTY, INCOMPLETE, INVALID, OVERSIZED } from '../resp/parse-result.js'
import { PartialRequest } from '../resp/partial-request.js'
import { ReplyWriter } from '../resp/reply-writer.js'
import { RequestParser } from '../resp/request-parser.js'
import type { RequestLimits } from '../resp/limits.js'
import { OUTPUT_PAUSE_BYTES, UNAUTHENTICATED_LIMITS } from '../resp/limits.js'
import { CorruptionError } from '../storage/corruption-error.js'
import { NoRoomYet, StoreError } from '../storage/store-error.js'
import { WRITE_LATER } from '../storage/store.js'
import type { Store } from '../storage/store.js'
import { assert } from '../util/assert.js'
import type { Connection } from './connection.js'
import type { ParkedRequest } from './parked-request.js'
import { errorText, isUnexpected } from './error-text.js'
import type { KeyedRequests } from './keyed-requests.js'
import { NOT_YET, NO_ROOM, PENDING } from './keyed-result.js'
import type { KeyedResult } from './keyed-result.js'
import { OUTPUT_PIECE_BYTES, ReplyDelivery } from './reply-delivery.js'
import type { ReplyQueue } from './reply-queue.js'
import { ServerRequest } from './server-request.js'

const QUEUE_REQUESTS_MAX = 1024
const QUEUE_BYTES_MAX = 1024 * 1024
/** A write that waits longer than this for room in the log is refused. */
const ROOM_WAIT_MAX_MS = 10_000
/** Of the brief commands one in so many is timed, and counts for all of them. */
const TIMED_ONE_IN = 16
/** What a request queued by MULTI takes beside its arguments and their offsets: three objects and their places in lists. */
const QUEUED_REQUEST_BYTES = 256

/** The argument that is the key of nearly every command which has one. */
const KEY_ARGUMENT = 1

type Result = KeyedResult

/** Replies of one connection that may wait for other nodes at a time; what comes behind is not run. */
const REPLIES_MAX = 1024
/** The same for what their requests hold: more at a time would only time out on a link that has its fill. */
const PENDING_BYTES_MAX = 8 * 1024 * 1024

export interface DispatcherSettings {
  /** Limits for authenticated connections; may change at run time. */
  limits(): RequestLimits
  /** Whether requirepass is set now. */
  asksForPassword(): boolean
  /** Output above this closes the connection; 0 for no limit. */
  outputHardLimitBytes(): number
  /** Requests that take so long, or longer, are for the slow log; Infinity for none. */
  slowerThanMs(): number
}

/** Told about every command that was timed, or waited for other nodes for long: for the slow log. */
export type SlowCommandSink = (request: QueuedRequest, session: Session, microseconds: number) => void

export interface ServerStats {
  commandsProcessed: number
  netInputBytes: number
  netOutputBytes: number
  keyspaceHits: number
  keyspaceMisses: number
  countError(code: string): void
}

export class Dispatcher {
  readonly #clock: Clock
  readonly #registry: CommandRegistry
  readonly #keyspace: LocalKeyspace
  readonly #store: Store
  readonly #settings: DispatcherSettings
  readonly #stats: ServerStats
  readonly #slow: SlowCommandSink
  readonly #parser = new RequestParser()
  readonly #writer = new ReplyWriter()
  readonly #delivery: ReplyDelivery
  readonly #request: ServerRequest
  readonly #onClosed: (connection: Connection) => void
  readonly #unexpected: (error: unknown) => void
  #ready: Connection[] = []
  /** Null on a node that is alone. */
  #keyed: KeyedRequests | null = null
  readonly #waitingForRoom = new Set<Connection>()
  /** In a cluster: connections whose first request waits, or waited, for blocks. */
  readonly #waitingForBlocks = new Set<Connection>()
  #untimed = 0
  #stopped = false
  /** Stands still within a turn: read once per batch. */
  #nowMs = 0
  /** Where what was rendered for the current batch and not yet delivered begins in the writer. */
  #piece = 0

  constructor(options: {
    clock: Clock
    registry: CommandRegistry
    keyspace: LocalKeyspace
    store: Store
    services: NodeServices
    /** Requests that wait for other nodes. */
    operations: OperationTable
    settings: DispatcherSettings
    stats: ServerStats
    slow: SlowCommandSink
    onClosed: (connection: Connection) => void
    /** A command threw what none of ours throws on purpose: a bug, which the operator should hear of. */
    unexpected: (error: unknown) => void
  }) {
    this.#clock = options.clock
    this.#registry = options.registry
    this.#keyspace = options.keyspace
    this.#store = options.store
    this.#settings = options.settings
    this.#stats = options.stats
    this.#slow = options.slow
    this.#onClosed = options.onClosed
    this.#unexpected = options.unexpected
    this.#delivery = new ReplyDelivery({
      clock: options.clock,
      writer: this.#writer,
      keyspace: options.keyspace,
      store: options.store,
      operations: options.operations,
      stats: options.stats,
      host: {
        outputHardLimitBytes: () => options.settings.outputHardLimitBytes(),
        finishIfIdle: (connection) => this.finishIfIdle(connection),
        runSetAside: (replies) => this.#keyed?.runSetAside(replies),
        makeReady: (connection) => this.#makeReady(connection),
        pause: (connection) => this.#pause(connection),
        drained: (connection) => this.drained(connection),
        slowerThanMs: () => options.settings.slowerThanMs(),
        slow: (operation, connection, microseconds) => this.#slow(operation, connection, microseconds),
        countError: (reply, length) => this.#countErrorOf(reply, length),
      },
    })
    this.#request = new ServerRequest(this.#writer, options.keyspace, options.services)
  }

  /** What requests for keys go through in a cluster; `make` gets what they share with all others. */
  useCluster(make: (writer: ReplyWriter, request: ServerRequest) => KeyedRequests): void {
    this.#keyed = make(this.#writer, this.#request)
  }

  newReplies(connection: Connection): ReplyQueue {
    return this.#delivery.newReplies(connection)
  }

  /** Runs nothing more; replies that wait for the log still leave when it has what they stand on. */
  stop(): void {
    this.#stopped = true
  }

  /** Bytes of one read: they are ours until this returns. */
  receive(connection: Connection, bytes: Buffer, length: number): void {
    if (this.#stopped) return
    this.#begin(connection)
    this.#stats.netInputBytes += length
    const partial = connection.partial
    if (connection.closing || connection.rejection !== null) return
    if (partial === null) this.#consume(connection, bytes, 0, length)
    else {
      if (connection.readsDirectly) partial.filled(length)
      else partial.append(bytes, 0, length)
      this.#resume(connection, partial)
    }
  }

  /** The client has read what it was sent. */
  drained(connection: Connection): void {
    if (!connection.outputBlocked || connection.outputBufferBytes >= OUTPUT_PAUSE_BYTES) return
    connection.outputBlocked = false
    this.#makeReady(connection)
  }

  closed(connection: Connection): void {
    this.#waitingForRoom.delete(connection)
    this.#waitingForBlocks.delete(connection)
    this.#dropQueue(connection)
    connection.partial = null
    this.#delivery.closed(connection)
    this.#onClosed(connection)
  }

  /** The store's onDurable. */
  durableAdvanced(): void {
    this.#keyspace.durableAdvanced()
    this.#delivery.durableAdvanced()
  }

  /** The store's onLogFailed. */
  logFailed(error: Error): void {
    this.#keyspace.logFailed(error)
    this.#delivery.logFailed()
  }

  /** The store's onRoom. Also called regularly, so that waits end. */
  roomChanged(): void {
    for (const connection of this.#waitingForRoom) this.#makeReady(connection)
    this.#keyed?.roomChanged()
  }

  /** Called regularly. In a cluster requests end when their blocks have not come in the time that a request may take. */
  endOverdue(): void {
    const keyed = this.#keyed
    if (keyed === null) return
    const nowMs = this.#clock.monotonicMs()
    for (const connection of this.#waitingForBlocks) {
      const [parked] = connection.queue
      if (parked === undefined || parked.load === null || parked.load.isLoaded) {
        this.#waitingForBlocks.delete(connection)
      } else if (nowMs - parked.loadSinceMs >= keyed.timeoutMs(this.#isWrite(parked))) {
        parked.isOverdue = true
        this.#waitingForBlocks.delete(connection)
        this.#makeReady(connection)
      }
    }
  }

  #isWrite(parked: QueuedRequest): boolean {
    const request = this.#request
    request.bytes = parked.bytes
    request.offsets = parked.offsets
    request.argc = parked.argc
    const command = this.#registry.resolve(parked.bytes, parked.offsets, parked.argc)
    const inner = command?.name === 'kv.quorum' ? innerOf(this.#registry, request) : null
    return (inner?.command ?? command)?.isWrite === true
  }

  /** Ends a connection whose peer sends nothing more, once it owes it nothing. */
  finishIfIdle(connection: Connection): void {
    const ends = connection.inputEnded || connection.closing
    if (!ends || connection.mustQueue || connection.held !== null || connection.stash !== null) return
    if (connection.replies.count > 0) return
    connection.stream.end()
  }

  /** Renders `text` as an error and closes the connection behind it. */
  refuse(connection: Connection, text: string): void {
    const mark = this.#writer.length
    this.#writer.error(text)
    connection.closing = true
    this.#delivery.deliver(connection, mark)
  }

  #begin(connection: Connection): void {
    this.#delivery.output.makeRoom()
    this.#keyspace.beginBatch()
    this.#nowMs = this.#clock.monotonicMs()
    connection.lastRequestAtMs = this.#nowMs
    this.#piece = this.#writer.length
    const request = this.#request
    request.session = connection
  }

  #limits(connection: Connection): RequestLimits {
    return connection.authenticated ? this.#settings.limits() : UNAUTHENTICATED_LIMITS
  }

  /** Goes on with a request whose beginning came earlier, then with what came behind it. */
  #resume(connection: Connection, partial: PartialRequest): void {
    const parser = this.#parser
    const result = partial.resume(parser, this.#limits(connection))
    if (result === INCOMPLETE) return
    connection.partial = null
    if (result !== COMPLETE && result !== EMPTY) return this.#reject(connection, result)
    const end = parser.end
    if (result === COMPLETE) this.#take(connection)
    this.#consume(connection, partial.bytes, end, partial.length)
  }

  /** Parses and runs bytes[at, end); what is left over is kept. */
  #consume(connection: Connection, bytes: Buffer, at: number, end: number): void {
    const parser = this.#parser
    // A request that comes alone is not looked at twice.
    let ahead = 1
    while (at < end) {
      if (ahead-- === 0) ahead = this.#lookAhead(connection, bytes, at, end)
      if (connection.closing || connection.isClosed || connection.rejection !== null) break
      if (connection.mustQueue && this.#isFull(connection)) {
        this.#stash(connection, bytes, at, end)
        break
      }
      const result = parser.parse(bytes, at, end, this.#limits(connection))
      if (result === COMPLETE) {
        at = parser.end
        this.#take(connection)
        if (this.#writer.length - this.#piece > OUTPUT_PIECE_BYTES) this.#deliverPiece(connection)
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
    this.#deliverPiece(connection)
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

  #isFull(connection: Connection): boolean {
    return connection.queue.length >= QUEUE_REQUESTS_MAX || connection.queuedBytes >= QUEUE_BYTES_MAX
  }

  /** Keeps unparsed input for later and stops reading. */
  #stash(connection: Connection, bytes: Buffer, at: number, end: number): void {
    connection.stash = Buffer.from(bytes.subarray(at, end))
    this.#pause(connection)
  }

  #pause(connection: Connection): void {
    if (connection.isPaused) return
    connection.isPaused = true
    connection.stream.pause()
  }

  /** Nothing of this connection is parsed any more; what came before is still answered, then it is closed. */
  #reject(connection: Connection, result: number): void {
    assert(result === INVALID || result === CROSS_PROTOCOL || result === OVERSIZED, 'a known parse result')
    this.#pause(connection)
    connection.rejection = result === INVALID ? this.#parser.error : ''
    if (!connection.mustQueue) this.#renderRejection(connection)
    this.#deliverPiece(connection)
    this.finishIfIdle(connection)
  }

  #renderRejection(connection: Connection): void {
    if (connection.rejection !== '') {
      this.#writer.protocolError(connection.rejection ?? '')
      this.#stats.countError('ERR')
    }
    connection.rejection = null
    connection.closing = true
  }

  /** Runs the request that the parser holds, or queues it behind those that wait. */
  #take(connection: Connection): void {
    const parser = this.#parser
    if (connection.mustQueue) {
      this.#enqueue(connection, copyOf(parser.bytes, parser.offsets, parser.argc), false, true)
      return
    }
    const request = this.#request
    request.bytes = parser.bytes
    request.offsets = parser.offsets
    request.argc = parser.argc
    const result = this.#run(connection, false)
    if (result === PENDING) return
    if (result !== DONE) this.#park(connection, result)
    else if (connection.expansion !== null) this.#expand(connection)
  }

  /** Puts a request that could not run in front of its connection's queue. */
  #park(connection: Connection, result: Result): void {
    if (result === DEFERRED) return
    const { bytes, offsets, argc } = this.#request
    const parked = this.#enqueue(connection, copyOf(bytes, offsets, argc), false, false)
    this.#wait(connection, parked, result)
  }

  #wait(connection: Connection, parked: ParkedRequest, result: Result): void {
    if (result === NOT_YET) return
    if (result === COLD_BLOCKS) {
      parked.load = this.#keyspace.startLoads(() => this.#makeReady(connection), parked.load)
      assert(parked.load !== null, 'a COLD command has asked for blocks')
      parked.loadSinceMs = this.#nowMs
      this.#awaitsBlocks(connection)
    } else {
      parked.load?.release()
      parked.load = null
      if (parked.waitsForRoomSinceMs === 0) parked.waitsForRoomSinceMs = this.#nowMs
      this.#waitingForRoom.add(connection)
    }
  }

  #enqueue(
    connection: Connection,
    request: QueuedRequest,
    inTransaction: boolean,
    prefetches: boolean,
  ): ParkedRequest {
    const parked: ParkedRequest = {
      bytes: request.bytes,
      offsets: request.offsets,
      argc: request.argc,
      inTransaction,
      load: null,
      loadSinceMs: 0,
      isOverdue: false,
      hasMetDamage: false,
      waitsForRoomSinceMs: 0,
    }
    connection.queue.push(parked)
    connection.queuedBytes += request.bytes.length
    if (prefetches) this.#prefetch(connection, parked)
    return parked
  }

  /** Has the blocks of a queued request's keys loaded, so that it need not wait again when its turn comes. */
  #prefetch(connection: Connection, parked: ParkedRequest): void {
    const { bytes, offsets, argc } = parked
    const command = this.#registry.resolve(bytes, offsets, argc)
    if (command === null || command.firstKey === 0 || !arityFits(command, argc)) return
    const last = command.lastKey < 0 ? argc + command.lastKey : command.lastKey
    this.#keyspace.countsLookups = false
    this.#keyspace.noReadNow()
    try {
      for (let i = command.firstKey; i <= last && i < argc; i += command.keyStep) {
        this.#keyspace.find(bytes, offsets[2 * i], offsets[2 * i + 1])
      }
    } catch (error) {
      // The log has lost an entry (RULES R2): the request meets that, too, and is answered then.
      if (!(error instanceof StoreError)) throw error
    }
    parked.load = this.#keyspace.startLoads(() => this.#makeReady(connection))
    parked.loadSinceMs = this.#nowMs
  }

  /** A single node has nobody else to ask, and waits as long as its disk takes. */
  #awaitsBlocks(connection: Connection): void {
    if (this.#keyed !== null) this.#waitingForBlocks.add(connection)
  }

  /** EXEC: its requests come next, before everything that is queued already. */
  #expand(connection: Connection): void {
    const requests = connection.expansion
    if (requests === null) return
    connection.expansion = null
    const behind = connection.queue
    connection.queue = []
    for (const request of requests) this.#enqueue(connection, request, true, false)
    connection.queue.push(...behind)
    this.#runQueue(connection)
  }

  /** Runs what is queued until something has to wait. Its last replies are rendered, not delivered. */
  #runQueue(connection: Connection): void {
    const queue = connection.queue
    let done = 0
    while (
      done < queue.length &&
      !connection.isDeferred &&
      !connection.outputBlocked &&
      !connection.closing
    ) {
      const parked = queue[done]
      const load = parked.load
      const isMissing = load !== null && !load.isLoaded
      if (isMissing && !parked.isOverdue) {
        this.#awaitsBlocks(connection)
        break
      }
      const request = this.#request
      request.bytes = parked.bytes
      request.offsets = parked.offsets
      request.argc = parked.argc
      let result: Result = DONE
      if (isMissing) this.#overdue(connection)
      else if (load !== null && load.error !== null && !this.#mayRunElsewhere(parked, load.error))
        this.#failed(connection, load.error)
      else result = this.#run(connection, parked.inTransaction, parked)
      if (result === COLD_BLOCKS || result === NO_ROOM || result === NOT_YET) {
        this.#wait(connection, parked, result)
        break
      }
      parked.load = null
      load?.release()
      done++
      connection.queuedBytes -= parked.bytes.length
      if (this.#writer.length - this.#piece > OUTPUT_PIECE_BYTES) this.#deliverPiece(connection)
      if (result === DONE && connection.expansion !== null) break
    }
    if (done > 0) connection.queue = queue.slice(done)
    if (connection.expansion !== null) this.#expand(connection)
    if (connection.closing) this.#dropQueue(connection)
    else if (connection.rejection !== null && !connection.mustQueue) this.#renderRejection(connection)
  }

  /** Behind QUIT nothing runs any more. */
  #dropQueue(connection: Connection): void {
    for (const parked of connection.queue) parked.load?.release()
    connection.queue = []
    connection.queuedBytes = 0
    connection.stash = null
  }

  #makeReady(connection: Connection): void {
    if (connection.isReady || connection.isClosed) return
    connection.isReady = true
    if (this.#ready.length === 0) this.#clock.endOfTurn(this.#goOn)
    this.#ready.push(connection)
  }

  readonly #goOn = (): void => {
    const ready = this.#ready
    this.#ready = []
    if (this.#stopped) return
    for (const connection of ready) {
      connection.isReady = false
      if (!connection.isClosed) this.#continue(connection)
    }
  }

  #continue(connection: Connection): void {
    this.#waitingForRoom.delete(connection)
    this.#begin(connection)
    this.#keyed?.runSetAside(connection.replies)
    this.#runQueue(connection)
    const stash = connection.stash
    if (stash === null || (connection.mustQueue && this.#isFull(connection))) {
      this.#deliverPiece(connection)
    } else {
      connection.stash = null
      this.#consume(connection, stash, 0, stash.length)
    }
    this.#resumeReading(connection)
    this.finishIfIdle(connection)
  }

  #resumeReading(connection: Connection): void {
    if (!connection.isPaused || connection.closing || connection.stash !== null || connection.outputBlocked)
      return
    connection.isPaused = false
    connection.stream.resume()
  }

  /** Runs the request that #request holds: checks, then the handler. What it renders stands behind the writer's length. */
  #run(connection: Connection, inTransaction: boolean, parked?: ParkedRequest): Result {
    const request = this.#request
    const writer = this.#writer
    const mark = writer.length
    writer.protocol = connection.protocol
    const command = this.#registry.resolve(request.bytes, request.offsets, request.argc)
    if (command === null) {
      this.#registry.refuseUnknown(writer, request.bytes, request.offsets, request.argc)
      return this.#refused(connection, null, mark)
    }
    if (!arityFits(command, request.argc)) {
      refuseArity(writer, command.name)
      return this.#refused(connection, command, mark)
    }
    if (!connection.authenticated && !command.needsNoAuth && this.#settings.asksForPassword()) {
      writer.error('NOAUTH Authentication required.')
      return this.#refused(connection, command, mark)
    }
    if (connection.transaction !== null && !inTransaction && !runsInMulti(command)) {
      return this.#queueForExec(connection, command, mark)
    }
    connection.lastCommand = command.name
    if (this.#keyed !== null && command.name === 'kv.quorum') {
      const inner = innerOf(this.#registry, request)
      if (inner !== null && isKeyed(inner.command)) {
        return this.#runAtLevel(this.#keyed, connection, inner, mark, parked, inTransaction)
      }
      if (inner?.command.effect === 'keyspace' && connection.replies.count > 0) return NOT_YET
    }
    if (connection.replies.count > 0 && this.#mustAwaitReplies(connection, command, inTransaction))
      return NOT_YET
    if (this.#keyed !== null && isKeyed(command)) {
      return this.#runKeyed(this.#keyed, connection, command, mark, parked)
    }
    let result: Result
    try {
      if (command.isWrite && !this.#hasRoom(parked)) return NO_ROOM
      this.#keyspace.countsLookups = command.isReadOnly
      this.#keyspace.beginRequest()
      if (command.isBrief && this.#untimed++ % TIMED_ONE_IN !== 0) result = command.handler(request)
      else result = this.#runTimed(command)
    } catch (error) {
      writer.length = mark
      if (error instanceof NoRoomYet && this.#mayWaitForRoom(parked)) {
        this.#keyspace.cancelRequest()
        return NO_ROOM
      }
      this.#fail(error)
      result = DONE
    }
    if (result === COLD_BLOCKS) {
      writer.length = mark
      this.#keyspace.cancelRequest()
      return result
    }
    command.stats.calls++
    this.#stats.commandsProcessed++
    if (result === DEFERRED) return this.#defer(connection, command)
    return this.#rendered(connection, command, mark)
  }

  /** A reply stands behind `mark`. */
  #rendered(connection: Connection, command: Command | null, mark: number): typeof DONE {
    const writer = this.#writer
    if (writer.length > mark && writer.buffer[mark] === MINUS) this.#countError(command, mark)
    if (connection.replyMode !== 'on' && isSilenced(connection)) writer.length = mark
    if (connection.replies.count > 0) this.#delivery.queueReply(connection, mark)
    return DONE
  }

  /** KV.QUORUM level command: the command, at that level for this once. */
  #runAtLevel(
    keyed: KeyedRequests,
    connection: Connection,
    { level, command, offsets, argc }: QuorumInner,
    mark: number,
    parked: ParkedRequest | undefined,
    inTransaction: boolean,
  ): Result {
    if (connection.replies.count > 0 && this.#mustAwaitReplies(connection, command, inTransaction))
      return NOT_YET
    const request = this.#request
    const { offsets: offsetsOfAll, argc: argcOfAll } = request
    const { readLevel, writeLevel } = connection
    request.offsets = offsets
    request.argc = argc
    connection.readLevel = level
    connection.writeLevel = level
    const result = this.#runKeyed(keyed, connection, command, mark, parked)
    connection.readLevel = readLevel
    connection.writeLevel = writeLevel
    request.offsets = offsetsOfAll
    request.argc = argcOfAll
    return result
  }

  /** Commands on the whole keyspace, and those of a transaction, run when everything before them has ended. */
  #mustAwaitReplies(connection: Connection, command: Command, inTransaction: boolean): boolean {
    const { replies } = connection
    if (inTransaction || replies.count >= REPLIES_MAX || replies.bytes >= OUTPUT_PAUSE_BYTES) return true
    if (replies.requestBytes >= PENDING_BYTES_MAX) return true
    if (command.name === 'exec') return true
    return command.effect === 'keyspace'
  }

  /** A request for keys in a cluster. */
  #runKeyed(
    keyed: KeyedRequests,
    connection: Connection,
    command: Command,
    mark: number,
    parked: ParkedRequest | undefined,
  ): Result {
    let result: Result
    const start = command.isBrief && this.#untimed++ % TIMED_ONE_IN !== 0 ? 0 : this.#clock.monotonicMs()
    try {
      result = keyed.start(command, connection)
    } catch (error) {
      this.#writer.length = mark
      this.#fail(error)
      result = DONE
    }
    if (result === NO_ROOM && !this.#mayWaitForRoom(parked)) {
      this.#fail(new StoreError('behind', `no room in the log for ${ROOM_WAIT_MAX_MS} ms`))
      result = DONE
    }
    if (result !== DONE && result !== PENDING) return result
    command.stats.calls++
    this.#stats.commandsProcessed++
    // A request that has become others has filled the one request object anew: the slow log would show those.
    if (start > 0) this.#noteTime(command, start, result === DONE)
    if (result === DONE) return this.#rendered(connection, command, mark)
    if (connection.replyMode !== 'on' && isSilenced(connection)) connection.replies.suppressLast()
    return PENDING
  }

  /** In a cluster what is damaged here has become a gap, which is for others to answer: the request is routed anew, once. */
  #mayRunElsewhere(parked: ParkedRequest, error: Error): boolean {
    if (this.#keyed === null || parked.hasMetDamage || !(error instanceof CorruptionError)) return false
    parked.hasMetDamage = true
    return true
  }

  #hasRoom(parked: ParkedRequest | undefined): boolean {
    if (this.#store.admit(this.#request.logBytesMax) !== WRITE_LATER) return true
    if (this.#mayWaitForRoom(parked)) return false
    throw new StoreError('behind', `no room in the log for ${ROOM_WAIT_MAX_MS} ms`)
  }

  #mayWaitForRoom(parked: ParkedRequest | undefined): boolean {
    const since = parked === undefined ? 0 : parked.waitsForRoomSinceMs
    return since === 0 || this.#nowMs - since < ROOM_WAIT_MAX_MS
  }

  #runTimed(command: Command): Outcome {
    const start = this.#clock.monotonicMs()
    const result = command.handler(this.#request)
    if (result === DONE) this.#noteTime(command, start, true)
    return result
  }

  #noteTime(command: Command, start: number, mayBeSlow: boolean): void {
    const microseconds = Math.round((this.#clock.monotonicMs() - start) * 1000)
    const calls = command.isBrief ? TIMED_ONE_IN : 1
    command.stats.microseconds += microseconds * calls
    command.stats.latency.add(microseconds, calls)
    if (mayBeSlow && !command.skipsSlowlog) this.#slow(this.#request, this.#request.session, microseconds)
  }

  /** An error that a command threw, as a reply; anything but an expected one is a bug and is said. */
  #fail(error: unknown): void {
    this.#writer.error(errorText(error))
    if (isUnexpected(error)) this.#unexpected(error)
  }

  /** A request of which nothing has been applied ends with this error. */
  #failed(connection: Connection, error: Error): void {
    const mark = this.#writer.length
    this.#writer.protocol = connection.protocol
    this.#fail(error)
    this.#rendered(connection, null, mark)
  }

  /** The blocks of the request that #request holds have not come in time. */
  #overdue(connection: Connection): void {
    const mark = this.#writer.length
    this.#keyed?.refuseOverdue(this.#isWrite(this.#request))
    this.#rendered(connection, null, mark)
  }

  #refused(connection: Connection, command: Command | null, mark: number): typeof DONE {
    if (command?.name === 'exec') this.#abortTransaction(connection, mark)
    if (connection.transaction !== null) connection.transaction.failed = true
    if (command !== null) command.stats.rejectedCalls++
    return this.#rendered(connection, null, mark)
  }

  /** An EXEC that is refused ends its transaction; the error says so, and why. */
  #abortTransaction(connection: Connection, mark: number): void {
    const writer = this.#writer
    const why = writer.buffer.toString('latin1', mark + 1, writer.length - 2).replace(/^ERR /, '')
    writer.length = mark
    writer.error(`EXECABORT Transaction discarded because of: ${why}`)
    connection.transaction = null
  }

  #queueForExec(connection: Connection, command: Command, mark: number): typeof DONE {
    const { transaction } = connection
    assert(transaction !== null, 'requests are queued inside MULTI')
    if (command.refusedInMulti) {
      this.#writer.error('ERR Command not allowed inside a transaction')
      return this.#refused(connection, command, mark)
    }
    const { bytes, offsets, argc } = this.#request
    const copy = copyOf(bytes, offsets, argc)
    transaction.queuedBytes += copy.bytes.length + copy.offsets.byteLength + QUEUED_REQUEST_BYTES
    if (transaction.queuedBytes > this.#settings.limits().queryBufferBytesMax) {
      this.#writer.error('ERR the transaction is larger than client-query-buffer-limit')
      return this.#refused(connection, command, mark)
    }
    transaction.queued.push(copy)
    this.#writer.simple('QUEUED')
    return this.#rendered(connection, null, mark)
  }

  #countError(command: Command | null, mark: number): void {
    if (command !== null) command.stats.failedCalls++
    this.#countErrorOf(this.#writer.buffer.subarray(mark), this.#writer.length - mark)
  }

  #countErrorOf(reply: Buffer, length: number): void {
    let end = 1
    while (end < length && reply[end] !== SPACE && reply[end] !== CR) end++
    this.#stats.countError(reply.toString('latin1', 1, end))
  }

  /** A command that waits by itself: its reply is rendered apart and delivered when it is there. */
  #defer(connection: Connection, command: Command): typeof DEFERRED {
    const task = this.#request.takeTask()
    const own = new ReplyWriter(1024)
    own.protocol = connection.protocol
    connection.isDeferred = true
    task(own).then(
      () => this.#deferredDone(connection, command, own),
      (error: unknown) => {
        own.length = 0
        own.error(errorText(error))
        if (isUnexpected(error)) this.#unexpected(error)
        this.#deferredDone(connection, command, own)
      },
    )
    return DEFERRED
  }

  #deferredDone(connection: Connection, command: Command, own: ReplyWriter): void {
    connection.isDeferred = false
    if (connection.isClosed || this.#stopped) return
    this.#begin(connection)
    this.#needAll(own)
    const mark = this.#writer.length
    this.#writer.rendered(own.buffer, 0, own.length)
    if (own.length > 0 && own.buffer[0] === MINUS) this.#countError(command, mark)
    if (connection.replyMode !== 'on' && isSilenced(connection)) this.#writer.length = mark
    if (connection.replies.count > 0) this.#delivery.queueReply(connection, mark)
    this.#delivery.deliver(connection, mark)
    this.#makeReady(connection)
  }

  /** What a deferred command read or wrote on its way may be anything up to now; a log that has failed will not have it. */
  #needAll(own: ReplyWriter): void {
    const { logFailure, sequence, durableSequence } = this.#store
    if (logFailure === null) {
      this.#keyspace.needSequence = sequence
    } else if (sequence > durableSequence && own.buffer[0] !== MINUS) {
      own.length = 0
      own.error(errorText(new StoreError('log-failed', logFailure.message)))
    }
  }

  /** Delivers what the batch has rendered so far. */
  #deliverPiece(connection: Connection): void {
    this.#delivery.deliver(connection, this.#piece)
    this.#piece = this.#writer.length
  }
}

const MINUS = 0x2d
const SPACE = 0x20
const CR = 0x0d

/** Whether the reply of the request that has just run is not wanted (CLIENT REPLY); to be asked once for each. */
function isSilenced(connection: Connection): boolean {
  if (connection.replyMode === 'skip-next') {
    connection.replyMode = 'skip'
    return false
  }
  if (connection.replyMode === 'skip') connection.replyMode = 'on'
  return true
}

/** MULTI, EXEC and the like act at once; everything else is queued. */
function runsInMulti(command: Command): boolean {
  switch (command.name) {
    case 'exec':
    case 'discard':
    case 'multi':
    case 'watch':
    case 'quit':
    case 'reset':
      return true
    default:
      return false
  }
}

/** Whether the command's requests go where their keys are. */
function isKeyed({ firstKey, effect }: Command): boolean {
  return firstKey > 0 && effect !== 'node' && effect !== 'keyspace'
}

function copyOf(bytes: Buffer, offsets: Int32Array, argc: number): QueuedRequest {
  const first = offsets[0]
  const copy = Buffer.from(bytes.subarray(first, offsets[2 * argc - 1]))
  const own = new Int32Array(2 * argc)
  for (let i = 0; i < own.length; i++) own[i] = offsets[i] - first
  return { bytes: copy, offsets: own, argc }
}
