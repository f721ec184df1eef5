/**
 * The one request object of a node: handlers see it as Request. It is filled anew for every request, so that a request
 * costs no object.
 */
import type { NodeServices } from '../commands/node-services.js'
import { DEFERRED } from '../commands/request.js'
import type { Outcome, Request } from '../commands/request.js'
import type { Session } from '../commands/session.js'
import type { LocalKeyspace } from '../coordinator/local-keyspace.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import { assert } from '../util/assert.js'

/** More than a log entry takes beside the request's own bytes, as long as contexts are short. */
const ENTRY_SLACK_BYTES = 512

export class ServerRequest implements Request {
  bytes: Buffer = Buffer.alloc(0)
  offsets: Int32Array = new Int32Array(0)
  argc = 0
  session!: Session
  readonly reply: ReplyWriter
  readonly keyspace: LocalKeyspace
  readonly node: NodeServices
  #task: ((reply: ReplyWriter) => Promise<void>) | null = null

  constructor(reply: ReplyWriter, keyspace: LocalKeyspace, node: NodeServices) {
    this.reply = reply
    this.keyspace = keyspace
    this.node = node
  }

  /** Bytes that it writes to the log at most, as long as contexts are short. */
  get logBytesMax(): number {
    const { offsets, argc } = this
    return offsets[2 * argc - 1] - offsets[0] + argc * ENTRY_SLACK_BYTES
  }

  defer(task: (reply: ReplyWriter) => Promise<void>): Outcome {
    this.#task = task
    return DEFERRED
  }

  takeTask(): (reply: ReplyWriter) => Promise<void> {
    const task = this.#task
    assert(task !== null, 'a deferring command leaves its task')
    this.#task = null
    return task
  }
}
