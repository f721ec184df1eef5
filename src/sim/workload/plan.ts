/** What a client is going to send, and how its replies become operations of the history. */
import type { OperationKind, OperationLevel } from '../run/history.js'
import type { SimReply } from '../sim-client.js'

/** An operation that has not been sent. */
export interface Draft {
  readonly kind: OperationKind
  readonly family: string
  readonly key: string
  readonly value?: string
  readonly seen?: readonly string[]
  readonly ttlMs?: number
}

/** One request; a request on several keys has as many drafts. */
export interface Command {
  readonly args: readonly (string | number)[]
  readonly drafts: readonly Draft[]
  readonly level: OperationLevel
  /** Told the reply, unless it is an error. */
  readonly onReply?: (reply: SimReply) => void
}

/** Requests that a client sends at once, and what it does next when it has all replies. */
export interface Plan {
  readonly commands: readonly Command[]
  readonly then?: () => Plan | null
}

export function single(
  draft: Draft,
  args: readonly (string | number)[],
  level: OperationLevel = 'QUORUM',
  onReply?: (reply: SimReply) => void,
): Command {
  return { args, drafts: [draft], level, ...(onReply === undefined ? {} : { onReply }) }
}

/** What a command's reply says of its i-th draft. */
export function replyOf(command: Command, reply: SimReply, i: number): SimReply {
  return command.drafts.length > 1 && Array.isArray(reply) ? (reply as readonly SimReply[])[i] : reply
}
