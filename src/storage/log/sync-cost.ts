/**
 * Whether the log should be synced on the event loop or in the thread pool. The hop to a thread and back costs 30 to 60 µs
 * and wakes another core; a disk with a write cache that survives power loss syncs in less. Then waiting for it on the
 * spot is faster, for the waiting clients and for all others. On any other disk a sync takes a millisecond and more, and must
 * not hold the event loop. So: the thread pool, until syncs prove to be quick, and again as soon as they are not.
 */
const QUICK_MS = 0.25
/** Weight of the newest sync in the running mean. */
const NEWEST_SHARE = 1 / 16
/** Dirty bytes beyond which a sync is never quick enough. */
export const INLINE_SYNC_BYTES_MAX = 512 * 1024

export class SyncCost {
  #meanMs = 1

  get isQuick(): boolean {
    return this.#meanMs < QUICK_MS
  }

  /** A sync took so long, the hop through the thread pool included if it made one. */
  took(durationMs: number): void {
    // One long sync counts for what it is worth only up to a point: it may have been the scheduler.
    const counted = Math.min(durationMs, 8 * QUICK_MS)
    this.#meanMs += (counted - this.#meanMs) * NEWEST_SHARE
  }
}
