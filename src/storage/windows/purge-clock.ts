/**
 * The time by which what has expired leaves the disk of a node that nobody could warn (RULES T5). A wall clock that jumps ahead
 * against the monotonic one may be wrong, and what was purged by it is gone; so after such a jump the old time is carried on by the
 * monotonic clock until the grace has run on it, and only then the wall clock is believed. One that is set back is followed
 * at once: it purges less.
 *
 * With replicas this is not needed, but harmless: there the purge horizons decide (RULES P1), of peers' evidence.
 */
import type { Clock } from '../../env/clock.js'

/** Against the monotonic clock between two looks: more was set by somebody, or the machine slept. */
const JUMP_MS_MIN = 1000

export class PurgeClock {
  readonly #clock: Clock
  readonly #graceMs: number
  /** Of the trusted time, against the monotonic clock. */
  #aheadMs: number
  /** Since when the wall clock has been ahead of the trusted time, on the monotonic clock; null while it is not. */
  #jumpedAtMs: number | null = null

  constructor(clock: Clock, graceMs: number) {
    this.#clock = clock
    this.#graceMs = graceMs
    this.#aheadMs = clock.wallMs() - clock.monotonicMs()
  }

  /** Milliseconds since 1970. To be asked every second or so, or a slow clock looks like one that jumps. */
  nowMs(): number {
    const monotonicMs = this.#clock.monotonicMs()
    const aheadMs = this.#clock.wallMs() - monotonicMs
    if (aheadMs <= this.#aheadMs + JUMP_MS_MIN) {
      this.#trust(aheadMs)
    } else {
      this.#jumpedAtMs ??= monotonicMs
      if (monotonicMs - this.#jumpedAtMs >= this.#graceMs) this.#trust(aheadMs)
    }
    return Math.floor(monotonicMs + this.#aheadMs)
  }

  #trust(aheadMs: number): void {
    this.#aheadMs = aheadMs
    this.#jumpedAtMs = null
  }
}
