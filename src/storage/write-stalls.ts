/**
 * How often, and for how long, writers were slowed down because flush and compaction were behind. Two ways: acknowledgements are
 * held back for a bounded while (write-stall-delay-max), and where no segment may be begun, writes wait for room, at last in vain.
 */
export interface StallFacts {
  /** Groups of replies that were held back, and for how long together. */
  readonly delays: number
  readonly delayedMs: number
  /** Times in which writes had to wait for room, and how long they were together, the present one included. */
  readonly waits: number
  readonly waitedMs: number
}

export class WriteStalls {
  #delays = 0
  #delayedMs = 0
  #waits = 0
  #waitedMs = 0
  /** Monotonic; -1 when nobody waits. */
  #waitsSinceMs = -1

  /** Replies are held back for so long. */
  delayed(delayMs: number): void {
    this.#delays++
    this.#delayedMs += delayMs
  }

  /** A write found no room. */
  waits(nowMs: number): void {
    if (this.#waitsSinceMs >= 0) return
    this.#waits++
    this.#waitsSinceMs = nowMs
  }

  /** There is room. */
  goesOn(nowMs: number): void {
    if (this.#waitsSinceMs < 0) return
    this.#waitedMs += nowMs - this.#waitsSinceMs
    this.#waitsSinceMs = -1
  }

  facts(nowMs: number): StallFacts {
    const now = this.#waitsSinceMs < 0 ? 0 : nowMs - this.#waitsSinceMs
    return {
      delays: this.#delays,
      delayedMs: this.#delayedMs,
      waits: this.#waits,
      waitedMs: Math.round(this.#waitedMs + now),
    }
  }
}
