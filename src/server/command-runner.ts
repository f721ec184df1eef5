/**
 * Runs one request: checks it, then calls its command's handler, or hands it to where its key lives. What it renders
 * stands behind the writer's length; what becomes of a request that cannot run now is its caller's business. There is one
 * runner for all client connections, and one request object that it fills: a request that runs at once costs no object.
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
import type { QueuedRequest } from '../commands/session.js'
import type { LocalKeyspace } from '../coordinator/local-keyspace.js'
import { OUTPUT_PAUSE_BYTES } from '../resp/limits.js'
import { ReplyWriter } from '../resp/reply-writer.js'
import { CorruptionError } from '../storage/corruption-error.js'
import { NoRoomYet, StoreError } from '../storage/store-error.js'
import { WRITE_LATER } from '../storage/store.js'
import type { Store } from '../storage/store.js'
import { refuseArity } from '../commands/unknown-command.js'
import { assert } from '../util/assert.js'
import type { Connection } from './connection.js'
import type { DispatcherSettings, ServerStats, SlowCommandSink } from './dispatcher-settings.js'
import { errorText, isUnexpected } from './error-text.js'
import type { KeyedRequests } from './keyed-requests.js'
import { NOT_YET, NO_ROOM, PENDING } from './keyed-result.js'
import type { KeyedResult } from './keyed-result.js'
import type { ParkedRequest } from './parked-request.js'
import { copyOf } from './parked-request.js'
import type { ReplyDelivery } from './reply-delivery.js'
import { ServerRequest } from './server-request.js'

/** A write that waits longer than this for room in the log is refused. */
const ROOM_WAIT_MAX_MS = 10_000
/** Of the brief commands one in so many is timed, and counts for all of them. */
const TIMED_ONE_IN = 16
/** What a request queued by MULTI takes beside its arguments and their offsets: three objects and their places in lists. */
const QUEUED_REQUEST_BYTES = 256
/** Replies of one connection that may wait for other nodes at a time; what comes behind is not run. */
const REPLIES_MAX = 1024
/** The same for what their requests hold: more at a time would only time out on a link that has its fill. */
const PENDING_BYTES_MAX = 8 * 1024 * 1024
const MINUS = 0x2d
const SPACE = 0x20
const CR = 0x0d

/** What the runner needs of whoever runs requests with it. */
export interface RunnerHost {
  /** Nothing is to be run any more. */
  isStopped(): boolean
  /** What waits in the connection may go on. */
  makeReady(connection: Connection): void
}

export class CommandRunner {
  /** What all handlers get; filled before each run. */
  readonly request: ServerRequest
  /** Null on a node that is alone. */
  keyed: KeyedRequests | null = null
  /** clock.monotonicMs(). Stands still within a turn: read once per batch. */
  nowMs = 0
  readonly #clock: Clock
  readonly #registry: CommandRegistry
  readonly #keyspace: LocalKeyspace
  readonly #store: Store
  readonly #settings: DispatcherSettings
  readonly #stats: ServerStats
  readonly #slow: SlowCommandSink
  readonly #unexpected: (error: unknown) => void
  readonly #writer: ReplyWriter
  readonly #delivery: ReplyDelivery
  readonly #host: RunnerHost
  #untimed = 0

  constructor(options: {
    clock: Clock
    registry: CommandRegistry
    keyspace: LocalKeyspace
    store: Store
    services: NodeServices
    settings: DispatcherSettings
    stats: ServerStats
    slow: SlowCommandSink
    /** A command threw what none of ours throws on purpose: a bug, which the operator should hear of. */
    unexpected: (error: unknown) => void
    writer: ReplyWriter
    delivery: ReplyDelivery
    host: RunnerHost
  }) {
    this.#clock = options.clock
    this.#registry = options.registry
    this.#keyspace = options.keyspace
    this.#store = options.store
    this.#settings = options.settings
    this.#stats = options.stats
    this.#slow = options.slow
    this.#unexpected = options.unexpected
    this.#writer = options.writer
    this.#delivery = options.delivery
    this.#host = options.host
    this.request = new ServerRequest(options.writer, options.keyspace, options.services)
  }

  /** A batch of this connection's requests comes next. */
  begin(connection: Connection): void {
    this.#delivery.beginBatch()
    this.#keyspace.beginBatch()
    this.nowMs = this.#clock.monotonicMs()
    connection.lastRequestAtMs = this.nowMs
    this.request.session = connection
  }

  /** The next request to run. */
  fill(bytes: Buffer, offsets: Int32Array, argc: number): void {
    const { request } = this
    request.bytes = bytes
    request.offsets = offsets
    request.argc = argc
  }

  /** Runs the request that was filled in: checks, then the handler. What it renders stands behind the writer's length. */
  run(connection: Connection, inTransaction: boolean, parked?: ParkedRequest): KeyedResult {
    const { request } = this
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
    if (this.keyed !== null && command.name === 'kv.quorum') {
      const inner = innerOf(this.#registry, request)
      if (inner !== null && isKeyed(inner.command)) {
        return this.#runAtLevel(this.keyed, connection, inner, mark, parked, inTransaction)
      }
      if (inner?.command.effect === 'keyspace' && connection.replies.count > 0) return NOT_YET
    }
    if (connection.replies.count > 0 && this.#mustAwaitReplies(connection, command, inTransaction))
      return NOT_YET
    if (this.keyed !== null && isKeyed(command)) {
      return this.#runKeyed(this.keyed, connection, command, mark, parked)
    }
    let result: KeyedResult
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
  ): KeyedResult {
    if (connection.replies.count > 0 && this.#mustAwaitReplies(connection, command, inTransaction))
      return NOT_YET
    const request = this.request
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
  ): KeyedResult {
    let result: KeyedResult
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
  mayRunElsewhere(parked: ParkedRequest, error: Error): boolean {
    if (this.keyed === null || parked.hasMetDamage || !(error instanceof CorruptionError)) return false
    parked.hasMetDamage = true
    return true
  }

  #hasRoom(parked: ParkedRequest | undefined): boolean {
    if (this.#store.admit(this.request.logBytesMax) !== WRITE_LATER) return true
    if (this.#mayWaitForRoom(parked)) return false
    throw new StoreError('behind', `no room in the log for ${ROOM_WAIT_MAX_MS} ms`)
  }

  #mayWaitForRoom(parked: ParkedRequest | undefined): boolean {
    const since = parked === undefined ? 0 : parked.waitsForRoomSinceMs
    return since === 0 || this.nowMs - since < ROOM_WAIT_MAX_MS
  }

  #runTimed(command: Command): Outcome {
    const start = this.#clock.monotonicMs()
    const result = command.handler(this.request)
    if (result === DONE) this.#noteTime(command, start, true)
    return result
  }

  #noteTime(command: Command, start: number, mayBeSlow: boolean): void {
    const microseconds = Math.round((this.#clock.monotonicMs() - start) * 1000)
    const calls = command.isBrief ? TIMED_ONE_IN : 1
    command.stats.microseconds += microseconds * calls
    command.stats.latency.add(microseconds, calls)
    if (mayBeSlow && !command.skipsSlowlog) this.#slow(this.request, this.request.session, microseconds)
  }

  /** An error that a command threw, as a reply; anything but an expected one is a bug and is said. */
  #fail(error: unknown): void {
    this.#writer.error(errorText(error))
    if (isUnexpected(error)) this.#unexpected(error)
  }

  /** A request of which nothing has been applied ends with this error. */
  failed(connection: Connection, error: Error): void {
    const mark = this.#writer.length
    this.#writer.protocol = connection.protocol
    this.#fail(error)
    this.#rendered(connection, null, mark)
  }

  /** The blocks of the request that was filled in have not come in time. */
  overdue(connection: Connection): void {
    const mark = this.#writer.length
    this.keyed?.refuseOverdue(this.isWrite(this.request))
    this.#rendered(connection, null, mark)
  }

  /** Whether a request is a write, also below KV.QUORUM. */
  isWrite(parked: QueuedRequest): boolean {
    const { request } = this
    this.fill(parked.bytes, parked.offsets, parked.argc)
    const command = this.#registry.resolve(parked.bytes, parked.offsets, parked.argc)
    const inner = command?.name === 'kv.quorum' ? innerOf(this.#registry, request) : null
    return (inner?.command ?? command)?.isWrite === true
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
    const { bytes, offsets, argc } = this.request
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
    this.countErrorOf(this.#writer.buffer.subarray(mark), this.#writer.length - mark)
  }

  countErrorOf(reply: Buffer, length: number): void {
    let end = 1
    while (end < length && reply[end] !== SPACE && reply[end] !== CR) end++
    this.#stats.countError(reply.toString('latin1', 1, end))
  }

  /** A command that waits by itself: its reply is rendered apart and delivered when it is there. */
  #defer(connection: Connection, command: Command): typeof DEFERRED {
    const task = this.request.takeTask()
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
    if (connection.isClosed || this.#host.isStopped()) return
    this.begin(connection)
    this.#needAll(own)
    const mark = this.#writer.length
    this.#writer.rendered(own.buffer, 0, own.length)
    if (own.length > 0 && own.buffer[0] === MINUS) this.#countError(command, mark)
    if (connection.replyMode !== 'on' && isSilenced(connection)) this.#writer.length = mark
    if (connection.replies.count > 0) this.#delivery.queueReply(connection, mark)
    this.#delivery.deliver(connection, mark)
    this.#host.makeReady(connection)
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
}

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
