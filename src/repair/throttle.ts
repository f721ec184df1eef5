/** A rate of bytes that repair keeps to, over all that this node asks of others: what was spent too early is slept off. */
import type { Clock } from '../env/clock.js'

/** Debts below this are not slept for: timers are no finer. */
const SLEEP_FROM_MS = 5

export class Throttle {
  readonly #clock: Clock
  readonly #bytesPerSecond: () => number
  #freeAtMs = 0

  /** `bytesPerSecond`: 0 for no limit. */
  constructor(clock: Clock, bytesPerSecond: () => number) {
    this.#clock = clock
    this.#bytesPerSecond = bytesPerSecond
  }

  /** Resolves when so many bytes may have been sent or received. */
  async spend(bytes: number): Promise<void> {
    const rate = this.#bytesPerSecond()
    if (rate === 0) return
    const nowMs = this.#clock.monotonicMs()
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + (1000 * bytes) / rate
    const debtMs = this.#freeAtMs - nowMs
    if (debtMs >= SLEEP_FROM_MS) await new Promise<void>((resolve) => this.#clock.after(debtMs, resolve))
  }
}
