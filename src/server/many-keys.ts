/**
 * Requests on keys of several slots, in a cluster: most become one request for each key, whose replies are put together; RENAME,
 * RENAMENX, COPY and LCS become steps that follow each other (two-keys.ts). Each part is as safe as a request of its own; the whole
 * is not atomic.
 */
import type { Clock } from '../env/clock.js'
import type { Command } from '../commands/command.js'
import { NO_SUCH_KEY } from '../commands/error-texts.js'
import { readCopyOptions } from '../commands/keys.js'
import { lcsOfValues } from '../commands/lcs.js'
import type { CommandRegistry } from '../commands/registry.js'
import { DONE } from '../commands/request.js'
import { RequestParts } from '../commands/request-parts.js'
import type { Operation, OperationTable } from '../coordinator/operation.js'
import { QUEUED } from '../coordinator/operation.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import { slotOf } from '../ring/slot.js'
import { keyHashOf } from '../ring/token.js'
import { assert } from '../util/assert.js'
import type { Connection } from './connection.js'
import { errorText } from './error-text.js'
import { NOT_YET, PENDING } from './keyed-result.js'
import type { KeyedResult } from './keyed-result.js'
import type { ServerRequest } from './server-request.js'
import { SplitReply } from './split-reply.js'
import { SUB_REQUESTS_MAX, SubRequestError, SubRequests, bulkIn } from './sub-requests.js'
import { copyKey, renameKey } from './two-keys.js'

/** What the reply of a split request may come to, in values of the longest allowed length. */
const REPLY_LONGEST_VALUES_MAX = 2

export const TOO_MANY_WAIT = 'ERR too many requests are waiting for other nodes'

export class ManyKeyRequests {
  readonly #clock: Clock
  readonly #operations: OperationTable
  readonly #registry: CommandRegistry
  readonly #writer: ReplyWriter
  readonly #request: ServerRequest
  readonly #run: (operation: Operation) => void
  readonly #unexpected: (error: unknown) => void
  readonly #parts = new RequestParts()

  constructor(options: {
    clock: Clock
    operations: OperationTable
    registry: CommandRegistry
    writer: ReplyWriter
    request: ServerRequest
    /** Runs a part. */
    run: (operation: Operation) => void
    unexpected: (error: unknown) => void
  }) {
    this.#clock = options.clock
    this.#operations = options.operations
    this.#registry = options.registry
    this.#writer = options.writer
    this.#request = options.request
    this.#run = options.run
    this.#unexpected = options.unexpected
  }

  /** Whether the request that #request holds is one that split() takes. */
  canSplit(command: Command): boolean {
    const { bytes, offsets, argc } = this.#request
    return this.#parts.begin(command, bytes, offsets, argc)
  }

  #refuse(text: string): typeof DONE {
    this.#writer.error(text)
    return DONE
  }

  /** A request on several keys, for which canSplit() was just true, becomes one request for each; their replies are put together. */
  split(command: Command, connection: Connection): KeyedResult {
    const request = this.#request
    const parts = this.#parts
    const operations = this.#operations
    const { count } = parts
    const { split, isWrite } = command
    assert(split !== null, 'the command is one that is split')
    if (connection.replies.mustWait(isWrite, connection.readLevel)) return NOT_YET
    if (!operations.hasRoom(count + 1)) return this.#refuse(TOO_MANY_WAIT)
    const nowMs = this.#clock.monotonicMs()
    const whole = operations.take(connection.replies, QUEUED, nowMs)
    whole.keepRequest(request.bytes, request.offsets, request.argc)
    whole.isWrite = isWrite
    whole.isSplit = true
    whole.protocol = connection.protocol
    whole.readLevel = connection.readLevel
    const bytesMax = REPLY_LONGEST_VALUES_MAX * request.node.settings.protoMaxBulkLenBytes
    const reply = new SplitReply(operations, whole, count, split, bytesMax)
    connection.replies.push(whole)
    const operationsOfParts: Operation[] = []
    for (let i = 0; i < count; i++) {
      parts.take(i)
      operationsOfParts.push(this.#takePart(reply, i, connection, isWrite, nowMs))
    }
    // Only now: to run a part, the request is filled anew.
    for (const part of operationsOfParts) this.#run(part)
    return PENDING
  }

  /** A request on two keys of different slots: steps that follow each other (two-keys.ts). */
  twoKeys(command: Command, connection: Connection): KeyedResult {
    const request = this.#request
    const operations = this.#operations
    const { isWrite } = command
    if (connection.replies.mustWait(isWrite, connection.readLevel)) return NOT_YET
    if (!operations.hasRoom(1 + SUB_REQUESTS_MAX)) return this.#refuse(TOO_MANY_WAIT)
    let replaces = command.name === 'rename'
    if (command.name === 'copy') {
      const asked = readCopyOptions(request)
      if (asked === null) return DONE
      replaces = asked
    }
    const whole = operations.take(connection.replies, QUEUED, this.#clock.monotonicMs())
    whole.keepRequest(request.bytes, request.offsets, request.argc)
    whole.isWrite = isWrite
    whole.isSplit = true
    whole.protocol = connection.protocol
    whole.readLevel = connection.readLevel
    connection.replies.push(whole)
    const requests = new SubRequests({
      clock: this.#clock,
      registry: this.#registry,
      operations,
      run: (operation) => this.#run(operation),
      readLevel: connection.readLevel,
      writeLevel: connection.writeLevel,
    })
    this.#runTwoKeys(command, whole, requests, replaces).then(
      () => this.#endTwoKeys(whole, requests),
      (error: unknown) => {
        if (error instanceof SubRequestError) whole.keepError(error.message)
        else {
          this.#unexpected(error)
          whole.keepError(errorText(error))
        }
        this.#endTwoKeys(whole, requests)
      },
    )
    return PENDING
  }

  async #runTwoKeys(
    command: Command,
    whole: Operation,
    requests: SubRequests,
    replaces: boolean,
  ): Promise<void> {
    const [first, second] = [1, 2].map((i) => {
      return Buffer.from(whole.bytes.subarray(whole.offsets[2 * i], whole.offsets[2 * i + 1]))
    })
    if (command.split === 'read-two') {
      const values = await Promise.all([requests.ask('GET', first), requests.ask('GET', second)])
      const [a, b] = values.map((reply) => bulkIn(reply) ?? Buffer.alloc(0))
      return this.#renderLcs(whole, a, b)
    }
    if (command.name === 'copy') {
      const moved = await copyKey(requests, first, second, replaces)
      return keepText(whole, moved === 'done' ? ':1' : ':0')
    }
    const moved = await renameKey(requests, first, second, replaces)
    if (moved === 'no-source') throw new SubRequestError(NO_SUCH_KEY)
    if (command.name === 'rename') keepText(whole, '+OK')
    else keepText(whole, moved === 'done' ? ':1' : ':0')
  }

  #renderLcs(whole: Operation, a: Buffer, b: Buffer): void {
    const request = this.#request
    const writer = this.#writer
    request.bytes = whole.bytes
    request.offsets = whole.offsets
    request.argc = whole.argc
    const protocolBefore = writer.protocol
    const mark = writer.length
    writer.protocol = whole.protocol
    lcsOfValues(request, a, b)
    whole.keepReply(writer.buffer, mark, writer.length)
    writer.length = mark
    writer.protocol = protocolBefore
  }

  #endTwoKeys(whole: Operation, requests: SubRequests): void {
    whole.needSequence = requests.needSequence
    this.#operations.settle(whole)
  }

  /** An operation for the part that #parts has taken. */
  #takePart(
    sink: SplitReply,
    index: number,
    { protocol, readLevel, writeLevel }: Connection,
    isWrite: boolean,
    nowMs: number,
  ): Operation {
    const part = this.#operations.take(sink, QUEUED, nowMs)
    part.tag = index
    part.keepArguments(this.#parts.bytes, this.#parts.offsets, this.#parts.argc)
    const { bytes, offsets } = part
    part.keyFirst = 1
    part.keyLast = 1
    part.keyStep = 1
    part.slot = slotOf(bytes, offsets[2], offsets[3])
    part.keyHash = keyHashOf(bytes, offsets[2], offsets[3])
    part.isWrite = isWrite
    part.protocol = protocol
    part.readLevel = readLevel
    part.writeLevel = writeLevel
    return part
  }
}

function keepText(operation: Operation, text: string): void {
  const line = Buffer.from(`${text}\r\n`)
  operation.keepReply(line, 0, line.length)
}
