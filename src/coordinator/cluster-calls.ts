/**
 * Calls to one other member about its own data: COMMAND in mode LOCAL, answered in RESP. A call is an operation like any other
 * request that waits for a node, but for its sink, which settles a promise: so it ends with the answer, after half the
 * read timeout, when the peer is taken for dead or the link is lost, and never hangs. What can be called stands in
 * own-answers.ts.
 *
 * This is the cold path, for commands that cover the cluster: it allocates freely.
 */
import { assert } from '../util/assert.js'
import { ClusterError } from './cluster-error.js'
import type { Coordinator } from './coordinator.js'
import { QUEUED } from './operation.js'
import type { Operation, ReplySink } from './operation.js'
import type { OwnAnswers } from './own-answers.js'

/** The member did not answer, or with an error: `message` is its text, code first. */
export class CallError extends Error {}

interface Waiting {
  readonly resolve: (reply: Buffer) => void
  readonly reject: (error: CallError | ClusterError) => void
}

const MINUS = 0x2d

export class ClusterCalls implements ReplySink {
  readonly #coordinator: Coordinator
  readonly #own: OwnAnswers
  readonly #waiting = new Map<Operation, Waiting>()

  constructor(coordinator: Coordinator, own: OwnAnswers) {
    this.#coordinator = coordinator
    this.#own = own
  }

  /**
   * The reply, RESP, of `member` to `args`; this node answers itself. Rejects with CallError when it answers with an error or not
   * at all, with ClusterError 'busy' when too many requests wait.
   */
  call(member: number, args: readonly Buffer[]): Promise<Buffer> {
    const { operations, topology, clock } = this.#coordinator
    if (member === topology.self) return this.#callSelf(args)
    if (!operations.hasRoom(1)) return Promise.reject(new ClusterError('busy'))
    return new Promise((resolve, reject) => {
      const operation = operations.take(this, QUEUED, clock.monotonicMs())
      operation.keepWords(args)
      operation.isCall = true
      this.#waiting.set(operation, { resolve, reject })
      this.#coordinator.forward(operation, member)
    })
  }

  async #callSelf(args: readonly Buffer[]): Promise<Buffer> {
    return replyOrThrow(await this.#own.answer(args))
  }

  settled(operation: Operation): void {
    const waiting = this.#waiting.get(operation)
    assert(waiting !== undefined, 'every call is waited for')
    this.#waiting.delete(operation)
    const reply = Buffer.from(operation.reply.subarray(0, operation.replyLength))
    this.#coordinator.operations.release(operation)
    try {
      waiting.resolve(replyOrThrow(reply))
    } catch (error) {
      waiting.reject(error as CallError)
    }
  }

  holds(): void {}

  takes(): boolean {
    return true
  }
}

function replyOrThrow(reply: Buffer): Buffer {
  if (reply[0] !== MINUS) return reply
  throw new CallError(reply.toString('utf8', 1, reply.length - 2))
}

/** The number in ':12\r\n'. Throws CallError when it is none. */
export function integerReply(reply: Buffer): number {
  const value = Number(reply.toString('latin1', 1, reply.length - 2))
  if (reply[0] === 0x3a && Number.isSafeInteger(value)) return value
  throw new CallError('ERR not an integer reply')
}

/** The bytes of a bulk string, in place. Throws CallError when it is none. */
export function bulkReply(reply: Buffer): Buffer {
  const start = reply.indexOf('\n') + 1
  const length = Number(reply.toString('latin1', 1, start - 2))
  if (reply[0] === 0x24 && start > 0 && start + length + 2 === reply.length) {
    return reply.subarray(start, start + length)
  }
  throw new CallError('ERR not a bulk reply')
}
