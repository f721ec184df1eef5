/** How far a long command of the command line is: a line every few seconds, and one at its end. */
import type { Clock } from '../env/clock.js'
import type { Output } from './output.js'

const EVERY_MS = 5000

export class Progress {
  readonly #clock: Clock
  readonly #output: Output
  readonly #what: string
  readonly #startedAtMs: number
  #saidAtMs: number
  #done = 0

  /** `what` is counted: 'keys'. */
  constructor(clock: Clock, output: Output, what: string) {
    this.#clock = clock
    this.#output = output
    this.#what = what
    this.#startedAtMs = clock.monotonicMs()
    this.#saidAtMs = this.#startedAtMs
  }

  add(count: number): void {
    this.#done += count
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#saidAtMs < EVERY_MS) return
    this.#saidAtMs = nowMs
    this.#output.out(`${this.#done} ${this.#what}`)
  }

  /** '123 bytes in 4.5 s: 27.3 MB/s'. */
  summary(bytes: number): string {
    const seconds = Math.max(0.001, (this.#clock.monotonicMs() - this.#startedAtMs) / 1000)
    return `${bytes} bytes in ${seconds.toFixed(1)} s: ${(bytes / 1e6 / seconds).toFixed(1)} MB/s`
  }
}
