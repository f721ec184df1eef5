/**
 * One node's clock on the shared virtual time. The monotonic clock is the event queue's; the wall clock starts at a
 * fixed date and may be made to jump, as an operator or NTP does, to run fast or slow, and to be set right again. `stop` is the node's death: none of its timers fires
 * any more, which a crashed process gets for free and a simulated one does not. `pause` is SIGSTOP, or a laptop's sleep:
 * what falls due meanwhile runs when it goes on, and finds both clocks far ahead.
 */
import type { Clock, Timer } from '../env/clock.js'
import type { EventQueue } from './event-queue.js'

const START_WALL_MS = Date.UTC(2026, 0, 1)

export class SimClock implements Clock {
  readonly #queue: EventQueue
  #wallOffsetMs: number
  /** What the wall clock gains in a millisecond, and since when. */
  #driftRate = 0
  #driftSinceMs = 0
  #timers = 0
  #stopped = false
  /** What fell due during a pause; null while there is none. */
  #deferred: (() => void)[] | null = null

  /** `before`: the clock of the machine before it was started again; its wall clock goes on where that one was. */
  constructor(queue: EventQueue, before?: SimClock) {
    this.#queue = queue
    this.#wallOffsetMs = before === undefined ? START_WALL_MS : before.#wallOffsetMs
    this.#driftRate = before === undefined ? 0 : before.#driftRate
    this.#driftSinceMs = before === undefined ? 0 : before.#driftSinceMs
  }

  /** Timers that were neither cancelled nor have fired. */
  get timers(): number {
    return this.#timers
  }

  /** How far the wall clock is from the true time, in milliseconds; ahead is positive. */
  get errorMs(): number {
    return this.#wallOffsetMs - START_WALL_MS + this.#driftedMs
  }

  get isPaused(): boolean {
    return this.#deferred !== null
  }

  wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#driftedMs + this.#queue.nowMs)
  }

  monotonicMs(): number {
    return this.#queue.nowMs
  }

  after(delayMs: number, task: () => void): Timer {
    this.#timers++
    let isOver = false
    const end = (): void => {
      if (!isOver) this.#timers--
      isOver = true
    }
    const event = this.#queue.schedule(
      delayMs,
      this.#whileRunning(() => {
        // A timer that fell due in a pause may have been cancelled behind it.
        if (isOver) return
        end()
        task()
      }),
    )
    return {
      cancel: () => {
        end()
        event.cancel()
      },
    }
  }

  endOfTurn(task: () => void): void {
    this.#queue.endOfTurn(this.#whileRunning(task))
  }

  /** Moves the wall clock, forwards or backwards. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** From now on the wall clock gains `rate` milliseconds in each; negative where it loses them. */
  drift(rate: number): void {
    this.#wallOffsetMs += this.#driftedMs
    this.#driftRate = rate
    this.#driftSinceMs = this.#queue.nowMs
  }

  /** The wall clock is right, and runs as it should. */
  setRight(): void {
    this.drift(0)
    this.#wallOffsetMs = START_WALL_MS
  }

  get #driftedMs(): number {
    return this.#driftRate * (this.#queue.nowMs - this.#driftSinceMs)
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
