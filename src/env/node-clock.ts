/**
 * The real clock. Timers are unref'd, so that a forgotten one never keeps a stopped node's process alive. Node fires a
 * timer of more than 2^31 - 1 ms at once; longer delays are therefore slept in pieces. `endOfTurn` is setImmediate: it
 * runs after the poll phase, when every socket that was readable in this turn has been handed its bytes.
 */
import type { Clock, Timer } from './clock.js'

const PIECE_MS_MAX = 0x7fff_ffff

export class NodeClock implements Clock {
  wallMs(): number {
    return Date.now()
  }

  monotonicMs(): number {
    return performance.now()
  }

  after(delayMs: number, task: () => void): Timer {
    return new NodeTimer(delayMs, task)
  }

  endOfTurn(task: () => void): void {
    setImmediate(task)
  }
}

class NodeTimer implements Timer {
  readonly #task: () => void
  #handle: NodeJS.Timeout

  constructor(delayMs: number, task: () => void) {
    this.#task = task
    this.#handle = this.#sleep(delayMs)
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }

  #sleep(delayMs: number): NodeJS.Timeout {
    if (delayMs <= PIECE_MS_MAX) return setTimeout(this.#task, delayMs).unref()
    return setTimeout(() => {
      this.#handle = this.#sleep(delayMs - PIECE_MS_MAX)
    }, PIECE_MS_MAX).unref()
  }
}
