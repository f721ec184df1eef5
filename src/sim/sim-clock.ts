/**
 * One node's clock on the shared virtual time. The monotonic clock is the event queue's; the wall clock starts at a
 * fixed date and may be made to jump, as an operator or NTP does. `stop` is the node's death: none of its timers fires
 * any more, which a crashed process gets for free and a simulated one does not. `pause` is SIGSTOP, or a laptop's sleep:
 * what falls due meanwhile runs when it goes on, and finds both clocks far ahead.
 */
import type { Clock, Timer } from '../env/clock.js'
import type { EventQueue } from './event-queue.js'

const START_WALL_MS = Date.UTC(2026, 0, 1)

export class SimClock implements Clock {
  readonly #queue: EventQueue
  #wallOffsetMs: number
  #stopped = false
  /** What fell due during a pause; null while there is none. */
  #deferred: (() => void)[] | null = null

  /** `before`: the clock of the machine before it was started again; its wall clock goes on where that one was. */
  constructor(queue: EventQueue, before?: SimClock) {
    this.#queue = queue
    this.#wallOffsetMs = before === undefined ? START_WALL_MS : before.#wallOffsetMs
  }

  wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#queue.nowMs)
  }

  monotonicMs(): number {
    return this.#queue.nowMs
  }

  after(delayMs: number, task: () => void): Timer {
    return this.#queue.schedule(delayMs, this.#whileRunning(task))
  }

  endOfTurn(task: () => void): void {
    this.#queue.endOfTurn(this.#whileRunning(task))
  }

  /** Moves the wall clock, forwards or backwards. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  stop(): void {
    this.#stopped = true
  }

  pause(): void {
    this.#deferred ??= []
  }

  resume(): void {
    const deferred = this.#deferred ?? []
    this.#deferred = null
    for (const task of deferred) this.#queue.schedule(0, this.#whileRunning(task))
  }

  #whileRunning(task: () => void): () => void {
    return () => {
      if (this.#stopped) return
      if (this.#deferred === null) task()
      else this.#deferred.push(task)
    }
  }
}
