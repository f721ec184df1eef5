/**
 * A request that could not run at once: it waits for blocks, for room in the log, or behind an earlier request of its
 * connection. It has its own copy of its arguments, or shares the copy of the rest of the input it came in.
 */
import type { QueuedRequest } from '../commands/session.js'
import type { BlockLoad } from '../coordinator/block-load.js'

export interface ParkedRequest {
  readonly bytes: Buffer
  readonly offsets: Int32Array
  readonly argc: number
  /** Part of an EXEC: its checks were made when it was queued. */
  readonly inTransaction: boolean
  /** A block of an earlier load was damaged: it has run again since, and may have been for another node to answer. */
  hasMetDamage: boolean
  /** The blocks it waits for; null when none are under way. */
  load: BlockLoad | null
  /** clock.monotonicMs() when that load was begun. */
  loadSinceMs: number
  /** In a cluster it ends with an error when it has waited for blocks too long: a disk that hangs says nothing. */
  isOverdue: boolean
  /** clock.monotonicMs() since when it waits for room in the log; 0 when it does not. */
  waitsForRoomSinceMs: number
}

/** A request whose arguments lie in a buffer of its own. */
export function copyOf(bytes: Buffer, offsets: Int32Array, argc: number): QueuedRequest {
  const first = offsets[0]
  const copy = Buffer.from(bytes.subarray(first, offsets[2 * argc - 1]))
  const own = new Int32Array(2 * argc)
  for (let i = 0; i < own.length; i++) own[i] = offsets[i] - first
  return { bytes: copy, offsets: own, argc }
}
