/**
 * What a command handler works with: the arguments in place, the connection it came from, the reply to render, and the
 * node around it. One Request object serves a connection's requests one after the other; handlers must not keep it.
 */
import type { Keyspace } from '../coordinator/keyspace.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import type { Session } from './session.js'
import type { NodeServices } from './node-services.js'

export interface Request {
  /** Holds all arguments; theirs only until the handler returns (read it again after every call that may wait). */
  readonly bytes: Buffer
  /** Argument i (0 is the command's name) is bytes[offsets[2i], offsets[2i+1]). */
  readonly offsets: Int32Array
  /** Arguments including the name. */
  readonly argc: number
  readonly session: Session
  readonly reply: ReplyWriter
  readonly keyspace: Keyspace
  readonly node: NodeServices
  /**
   * For commands that have to wait for something other than a block: the connection parks the command, later requests
   * of the same connection wait behind it, and what `task` renders becomes its reply. `task` may not touch the request;
   * take out what you need first. Returns Outcome.DEFERRED for the handler to return.
   */
  defer(task: (reply: ReplyWriter) => Promise<void>): Outcome
}

/** The reply is rendered. */
export const DONE = 0
/** Blocks have to be loaded first: nothing was written; the server runs the handler again from its start. */
export const COLD_BLOCKS = 1
/** request.defer was called. */
export const DEFERRED = 2
export type Outcome = typeof DONE | typeof COLD_BLOCKS | typeof DEFERRED

export type Handler = (request: Request) => Outcome
