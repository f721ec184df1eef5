/**
 * Requests of one key that a request on several keys is made of, one after the other: operations like any other, whose sink settles a
 * promise with the reply. For what cannot be taken apart into parts that run side by side (split-reply.ts).
 */
import type { Clock } from '../env/clock.js'
import type { CommandRegistry } from '../commands/registry.js'
import type { Operation, OperationTable, ReplySink } from '../coordinator/operation.js'
import { QUEUED } from '../coordinator/operation.js'
import type { SessionLevel } from '../commands/session.js'
import { slotOf } from '../ring/slot.js'
import { keyHashOf } from '../ring/token.js'
import { assert } from '../util/assert.js'

/** Sub-requests of one request that may wait at a time. */
export const SUB_REQUESTS_MAX = 2
const KEY = 1

/** An error reply to a sub-request: `message` is its text, code first. */
export class SubRequestError extends Error {}

export class SubRequests implements ReplySink {
  /** Own log entries up to this sequence have to be durable before anything that the replies show may leave. */
  needSequence = 0
  readonly #clock: Clock
  readonly #registry: CommandRegistry
  readonly #operations: OperationTable
  readonly #run: (operation: Operation) => void
  readonly #readLevel: SessionLevel
  readonly #writeLevel: SessionLevel
  readonly #waiting = new Map<Operation, (reply: Buffer) => void>()

  constructor(options: {
    clock: Clock
    registry: CommandRegistry
    operations: OperationTable
    run: (operation: Operation) => void
    readLevel: SessionLevel
    writeLevel: SessionLevel
  }) {
    this.#clock = options.clock
    this.#registry = options.registry
    this.#operations = options.operations
    this.#run = options.run
    this.#readLevel = options.readLevel
    this.#writeLevel = options.writeLevel
  }

  /** The reply, RESP2, to a command whose first argument is its key. Rejects with SubRequestError for an error. */
  async ask(...args: readonly (Buffer | string)[]): Promise<Buffer> {
    const reply = await new Promise<Buffer>((resolve) => this.#start(args.map(bytesOf), resolve))
    if (reply[0] === MINUS) throw new SubRequestError(reply.toString('utf8', 1, reply.length - 2))
    return reply
  }

  #start(args: readonly Buffer[], resolve: (reply: Buffer) => void): void {
    if (!this.#operations.hasRoom(1)) return resolve(BUSY)
    const operation = this.#operations.take(this, QUEUED, this.#clock.monotonicMs())
    operation.keepWords(args)
    const command = this.#registry.resolve(operation.bytes, operation.offsets, args.length)
    assert(command !== null && command.firstKey === KEY, 'a command on one key')
    const key = args[KEY]
    operation.keyFirst = KEY
    operation.keyLast = KEY
    operation.keyStep = 1
    operation.slot = slotOf(key, 0, key.length)
    operation.keyHash = keyHashOf(key, 0, key.length)
    operation.isWrite = command.isWrite
    operation.protocol = 2
    operation.readLevel = this.#readLevel
    operation.writeLevel = this.#writeLevel
    this.#waiting.set(operation, resolve)
    this.#run(operation)
  }

  settled(operation: Operation): void {
    const resolve = this.#waiting.get(operation)
    assert(resolve !== undefined, 'every sub-request is waited for')
    this.#waiting.delete(operation)
    this.needSequence = Math.max(this.needSequence, operation.needSequence)
    const reply = Buffer.from(operation.reply.subarray(0, operation.replyLength))
    this.#operations.release(operation)
    resolve(reply)
  }

  holds(): void {}

  takes(): boolean {
    return true
  }
}

const MINUS = 0x2d
const BUSY = Buffer.from('-ERR too many requests are waiting for other nodes\r\n')

function bytesOf(argument: Buffer | string): Buffer {
  return Buffer.isBuffer(argument) ? argument : Buffer.from(argument)
}

/** The number in ':12\r\n'. */
export function integerIn(reply: Buffer): number {
  return Number(reply.toString('latin1', 1, reply.length - 2))
}

/** The bytes of a bulk string, in place; null for nil. */
export function bulkIn(reply: Buffer): Buffer | null {
  const start = reply.indexOf('\n') + 1
  const length = Number(reply.toString('latin1', 1, start - 2))
  return length < 0 ? null : reply.subarray(start, start + length)
}
