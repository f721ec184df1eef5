/**
 * Time and timers. `wallMs` may jump (an operator, NTP, a laptop that slept); `monotonicMs` never goes back.
 * A simulation drives both from one virtual time, so nothing outside env/ may ask Node for the time.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC, an integer. */
  wallMs(): number
  /** Milliseconds since an arbitrary start, with a fraction. */
  monotonicMs(): number
  /** Runs `task` once after at least `delayMs`. Timers never keep the process alive by themselves. */
  after(delayMs: number, task: () => void): Timer
  /** Runs `task` once when the current event-loop turn has handed out all its input. */
  endOfTurn(task: () => void): void
}

export interface Timer {
  cancel(): void
}
