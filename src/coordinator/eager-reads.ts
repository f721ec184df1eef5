/**
 * Whether a block that is not in the block cache may be read on the spot. The operating system's page cache usually has it:
 * then a synchronous read takes 2 µs, where the thread pool costs 4 µs of the event loop and a parked request. When
 * it has not, the read waits for the disk, and everybody waits with it. Nothing tells beforehand which it will be, so
 * this watches: a few slow reads among the recent ones, and all reads go to the thread pool for a while that doubles each time
 * it happens again and shrinks while reads are fast. So a cold disk costs the event loop a few reads per back-off, not
 * one per request. A single slow read says nothing: the thread may just have been off its core.
 *
 * Rejected: reading asynchronously always (half the throughput on data that memory holds, measured), and a worker
 * thread fed through shared memory (as fast, but it competes for the second core with flush and compaction).
 */
const SLOW_MS = 0.3
/** Slow reads among the recent ones at which the back-off begins; a fast read takes 1/64 of a slow one back. */
const SLOW_READS_MAX = 3
const FAST_READ_CREDIT = 1 / 64
const BACK_OFF_MIN_MS = 20
const BACK_OFF_MAX_MS = 10_000
/** So many fast reads in a row halve the back-off. */
const FAST_READS_TO_RELAX = 1000
/** Reads on the spot in one batch of requests … */
const READS_PER_BATCH = 256
/** … and how long they may take together: a block that has to be expanded takes as long as twenty that need not. */
const MS_PER_BATCH = 1

export class EagerReads {
  #allowedFromMs = 0
  #backOffMs = BACK_OFF_MIN_MS
  #fastInARow = 0
  #slowness = 0
  #left = READS_PER_BATCH
  #leftMs = MS_PER_BATCH

  /** A new batch of requests: its reads are counted anew. */
  beginBatch(): void {
    this.#left = READS_PER_BATCH
    this.#leftMs = MS_PER_BATCH
  }

  /** `nowMs` is monotonic. */
  allowed(nowMs: number): boolean {
    return this.#left > 0 && this.#leftMs > 0 && nowMs >= this.#allowedFromMs
  }

  /** Tells how long a read took that ended at `nowMs`. */
  took(durationMs: number, nowMs: number): void {
    this.#left--
    this.#leftMs -= durationMs
    if (durationMs <= SLOW_MS) {
      this.#slowness = Math.max(0, this.#slowness - FAST_READ_CREDIT)
      if (++this.#fastInARow < FAST_READS_TO_RELAX) return
      this.#fastInARow = 0
      this.#backOffMs = Math.max(BACK_OFF_MIN_MS, this.#backOffMs / 2)
      return
    }
    this.#fastInARow = 0
    if (++this.#slowness < SLOW_READS_MAX) return
    this.#slowness = 0
    this.#allowedFromMs = nowMs + this.#backOffMs
    this.#backOffMs = Math.min(BACK_OFF_MAX_MS, this.#backOffMs * 2)
  }
}
