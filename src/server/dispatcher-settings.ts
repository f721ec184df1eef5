/** What the server's parts are told of the configuration, and what they count for INFO. */
import type { QueuedRequest, Session } from '../commands/session.js'
import type { RequestLimits } from '../resp/limits.js'

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
