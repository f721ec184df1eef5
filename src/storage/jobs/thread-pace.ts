/**
 * The pace of a job in a worker thread: sleeps by Atomics.wait on a word that the main thread shares, so that a
 * cancellation or a new rate wakes it at once. The rate is kept by a schedule rather than a bucket: every spend moves the
 * time at which the next one is due, and a job that was idle or slower than its rate gains at most `BURST_MS`.
 *
 *     control := Int32Array of [wake counter, cancelled 0|1, rate in KiB/s or 0 for none]
 */
import { JobError } from './job-error.js'
import type { Pace } from '../compaction/pace.js'

/** Sleeping less than this costs more than it smooths. */
const SLEEP_MS_MIN = 2
const BURST_MS = 100

const WAKE = 0
const CANCELLED = 1
const RATE = 2

/** Sleeps for at most `forMs` while words[index] is `value`: Atomics.wait. */
export type Sleep = (words: Int32Array, index: number, value: number, forMs: number) => void

/** The main thread's end of the shared words. */
export class PaceControl {
  readonly words = new Int32Array(new SharedArrayBuffer(12))

  /** 0 for no limit. */
  setRate(bytesPerSecond: number): void {
    const kibPerSecond = bytesPerSecond === 0 ? 0 : Math.max(1, Math.round(bytesPerSecond / 1024))
    Atomics.store(this.words, RATE, Math.min(kibPerSecond, 0x7fff_ffff))
    this.#wake()
  }

  /** For good: every job that spends from now on is cancelled. */
  cancel(): void {
    Atomics.store(this.words, CANCELLED, 1)
    this.#wake()
  }

  #wake(): void {
    Atomics.add(this.words, WAKE, 1)
    Atomics.notify(this.words, WAKE)
  }
}

export class ThreadPace implements Pace {
  readonly #words: Int32Array
  readonly #monotonicMs: () => number
  readonly #sleep: Sleep
  #dueMs = 0
  #rate = 0

  /** `words` are those of a PaceControl. */
  constructor(words: Int32Array, monotonicMs: () => number, sleep: Sleep = Atomics.wait) {
    this.#words = words
    this.#monotonicMs = monotonicMs
    this.#sleep = sleep
  }

  spend(bytes: number): void {
    this.#take(bytes)
    for (;;) {
      const wakes = Atomics.load(this.#words, WAKE)
      if (Atomics.load(this.#words, CANCELLED) !== 0) throw new JobError('cancelled', 'the engine is closing')
      // A new rate does not have to wait for what the old one scheduled.
      if (Atomics.load(this.#words, RATE) !== this.#rate) return
      const sleepMs = this.#dueMs - this.#monotonicMs()
      if (sleepMs < SLEEP_MS_MIN) return
      this.#sleep(this.#words, WAKE, wakes, sleepMs)
    }
  }

  /** Moves the time at which the next spend is due. */
  #take(bytes: number): void {
    const now = this.#monotonicMs()
    const rate = Atomics.load(this.#words, RATE)
    this.#dueMs = rate === this.#rate ? Math.max(this.#dueMs, now - BURST_MS) : now
    this.#rate = rate
    if (rate > 0) this.#dueMs += (bytes / 1024 / rate) * 1000
  }
}
