/**
 * The order of a connection's requests: each runs the moment it is parsed, unless it has to wait; then it is parked at the
 * front of its connection's queue, and the requests behind it are queued as they are parsed, with the blocks of their keys
 * already loading. So order per connection is simply the queue's (RULES R3), and other connections notice nothing.
 *
 *     receive   bytes of one read -> parsed (request-intake.ts) -> run (command-runner.ts) -> rendered replies
 *               -> sent, or held until the log's commit (reply-delivery.ts)
 *     durable   the log has advanced -> held replies leave, one write per connection
 *     goOn      blocks, room or drained output have come -> queued requests run
 *
 * There is one dispatcher for all client connections of a node, with one parser, one reply writer and one request object: a
 * request that runs at once costs no object, no closure, no promise.
 *
 * Bounds: a queue takes no more input when it is full (request-intake.ts: the socket is paused), and a client that does not
 * read its replies stops being served at OUTPUT_PAUSE_BYTES; replies of other nodes: reply-queue.ts.
 */
import type { Clock } from '../env/clock.js'
import { arityFits } from '../commands/command.js'
import type { NodeServices } from '../commands/node-services.js'
import type { CommandRegistry } from '../commands/registry.js'
import { COLD_BLOCKS, DEFERRED, DONE } from '../commands/request.js'
import type { QueuedRequest } from '../commands/session.js'
import type { LocalKeyspace } from '../coordinator/local-keyspace.js'
import type { OperationTable } from '../coordinator/operation.js'
import { OUTPUT_PAUSE_BYTES } from '../resp/limits.js'
import { ReplyWriter } from '../resp/reply-writer.js'
import type { RequestParser } from '../resp/request-parser.js'
import { StoreError } from '../storage/store-error.js'
import type { Store } from '../storage/store.js'
import { assert } from '../util/assert.js'
import { CommandRunner } from './command-runner.js'
import type { Connection } from './connection.js'
import type { DispatcherSettings, ServerStats, SlowCommandSink } from './dispatcher-settings.js'
import type { KeyedRequests } from './keyed-requests.js'
import { NOT_YET, NO_ROOM, PENDING } from './keyed-result.js'
import type { KeyedResult } from './keyed-result.js'
import type { ParkedRequest } from './parked-request.js'
import { copyOf } from './parked-request.js'
import { ReplyDelivery } from './reply-delivery.js'
import type { ReplyQueue } from './reply-queue.js'
import { RequestIntake } from './request-intake.js'
import type { ServerRequest } from './server-request.js'

/** What a dispatcher is made of. */
export interface DispatcherOptions {
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
}

export class Dispatcher {
  readonly #clock: Clock
  readonly #registry: CommandRegistry
  readonly #keyspace: LocalKeyspace
  readonly #writer = new ReplyWriter()
  readonly #delivery: ReplyDelivery
  readonly #intake: RequestIntake
  readonly #runner: CommandRunner
  readonly #onClosed: (connection: Connection) => void
  #ready: Connection[] = []
  readonly #waitingForRoom = new Set<Connection>()
  /** In a cluster: connections whose first request waits, or waited, for blocks. */
  readonly #waitingForBlocks = new Set<Connection>()
  #stopped = false

  constructor(options: DispatcherOptions) {
    this.#clock = options.clock
    this.#registry = options.registry
    this.#keyspace = options.keyspace
    this.#onClosed = options.onClosed
    this.#delivery = this.#buildDelivery(options)
    this.#intake = new RequestIntake({
      ...options,
      writer: this.#writer,
      delivery: this.#delivery,
      host: {
        take: (connection, parser) => this.#take(connection, parser),
        finishIfIdle: (connection) => this.finishIfIdle(connection),
      },
    })
    this.#runner = new CommandRunner({
      ...options,
      writer: this.#writer,
      delivery: this.#delivery,
      host: {
        isStopped: () => this.#stopped,
        makeReady: (connection) => this.#makeReady(connection),
      },
    })
  }

  #buildDelivery(options: DispatcherOptions): ReplyDelivery {
    return new ReplyDelivery({
      clock: options.clock,
      writer: this.#writer,
      keyspace: options.keyspace,
      store: options.store,
      operations: options.operations,
      stats: options.stats,
      host: {
        outputHardLimitBytes: () => options.settings.outputHardLimitBytes(),
        finishIfIdle: (connection) => this.finishIfIdle(connection),
        runSetAside: (replies) => this.#runner.keyed?.runSetAside(replies),
        makeReady: (connection) => this.#makeReady(connection),
        pause: (connection) => this.#intake.pause(connection),
        drained: (connection) => this.drained(connection),
        slowerThanMs: () => options.settings.slowerThanMs(),
        slow: (operation, connection, microseconds) => options.slow(operation, connection, microseconds),
        countError: (reply, length) => this.#runner.countErrorOf(reply, length),
      },
    })
  }

  /** What requests for keys go through in a cluster; `make` gets what they share with all others. */
  useCluster(make: (writer: ReplyWriter, request: ServerRequest) => KeyedRequests): void {
    this.#runner.keyed = make(this.#writer, this.#runner.request)
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
    this.#runner.begin(connection)
    this.#intake.receive(connection, bytes, length)
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
    this.#runner.keyed?.roomChanged()
  }

  /** Called regularly. In a cluster requests end when their blocks have not come in the time that a request may take. */
  endOverdue(): void {
    const keyed = this.#runner.keyed
    if (keyed === null) return
    const nowMs = this.#clock.monotonicMs()
    for (const connection of this.#waitingForBlocks) {
      const [parked] = connection.queue
      if (parked === undefined || parked.load === null || parked.load.isLoaded) {
        this.#waitingForBlocks.delete(connection)
      } else if (nowMs - parked.loadSinceMs >= keyed.timeoutMs(this.#runner.isWrite(parked))) {
        parked.isOverdue = true
        this.#waitingForBlocks.delete(connection)
        this.#makeReady(connection)
      }
    }
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

  /** Runs the request that the parser holds, or queues it behind those that wait. */
  #take(connection: Connection, parser: RequestParser): void {
    if (connection.mustQueue) {
      this.#enqueue(connection, copyOf(parser.bytes, parser.offsets, parser.argc), false, true)
      return
    }
    this.#runner.fill(parser.bytes, parser.offsets, parser.argc)
    const result = this.#runner.run(connection, false)
    if (result === PENDING) return
    if (result !== DONE) this.#park(connection, result)
    else if (connection.expansion !== null) this.#expand(connection)
  }

  /** Puts a request that could not run in front of its connection's queue. */
  #park(connection: Connection, result: KeyedResult): void {
    if (result === DEFERRED) return
    const { bytes, offsets, argc } = this.#runner.request
    const parked = this.#enqueue(connection, copyOf(bytes, offsets, argc), false, false)
    this.#wait(connection, parked, result)
  }

  #wait(connection: Connection, parked: ParkedRequest, result: KeyedResult): void {
    if (result === NOT_YET) return
    if (result === COLD_BLOCKS) {
      parked.load = this.#keyspace.startLoads(() => this.#makeReady(connection), parked.load)
      assert(parked.load !== null, 'a COLD command has asked for blocks')
      parked.loadSinceMs = this.#runner.nowMs
      this.#awaitsBlocks(connection)
    } else {
      parked.load?.release()
      parked.load = null
      if (parked.waitsForRoomSinceMs === 0) parked.waitsForRoomSinceMs = this.#runner.nowMs
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
    parked.loadSinceMs = this.#runner.nowMs
  }

  /** A single node has nobody else to ask, and waits as long as its disk takes. */
  #awaitsBlocks(connection: Connection): void {
    if (this.#runner.keyed !== null) this.#waitingForBlocks.add(connection)
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
      this.#runner.fill(parked.bytes, parked.offsets, parked.argc)
      let result: KeyedResult = DONE
      if (isMissing) this.#runner.overdue(connection)
      else if (load !== null && load.error !== null && !this.#runner.mayRunElsewhere(parked, load.error))
        this.#runner.failed(connection, load.error)
      else result = this.#runner.run(connection, parked.inTransaction, parked)
      if (result === COLD_BLOCKS || result === NO_ROOM || result === NOT_YET) {
        this.#wait(connection, parked, result)
        break
      }
      parked.load = null
      load?.release()
      done++
      connection.queuedBytes -= parked.bytes.length
      this.#delivery.deliverFullPiece(connection)
      if (result === DONE && connection.expansion !== null) break
    }
    if (done > 0) connection.queue = queue.slice(done)
    if (connection.expansion !== null) this.#expand(connection)
    if (connection.closing) this.#dropQueue(connection)
    else if (connection.rejection !== null && !connection.mustQueue) this.#intake.renderRejection(connection)
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
    this.#runner.begin(connection)
    this.#runner.keyed?.runSetAside(connection.replies)
    this.#runQueue(connection)
    const stash = connection.stash
    if (stash === null || (connection.mustQueue && this.#intake.isFull(connection))) {
      this.#delivery.deliverPiece(connection)
    } else {
      connection.stash = null
      this.#intake.consume(connection, stash, 0, stash.length)
    }
    this.#intake.resumeReading(connection)
    this.finishIfIdle(connection)
  }
}
