/**
 * A request that could not run at once: it waits for blocks, for room in the log, or behind an earlier request of its
 * connection. It has its own copy of its arguments, or shares the copy of the rest of the input it came in.
 */
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
