/**
 * The real clock. Timers are unref'd, so that a forgotten one never keeps a stopped node's process alive; a command that waits
 * for its own work, with no socket open, asks for a clock whose timers do. Node fires a
 * timer of more than 2^31 - 1 ms at once; longer delays are therefore slept in pieces. `endOfTurn` is setImmediate: it
 * runs after the poll phase, when every socket that was readable in this turn has been handed its bytes.
 */
import type { Clock, Timer } from './clock.js'

const PIECE_MS_MAX = 0x7fff_ffff

export class NodeClock implements Clock {
  readonly #keepsProcess: boolean

  /** `keepsProcess`: the process does not end as long as a timer is to fire. */
  constructor(keepsProcess = false) {
    this.#keepsProcess = keepsProcess
  }

  wallMs(): number {
    return Date.now()
  }

  monotonicMs(): number {
    return performance.now()
  }

  after(delayMs: number, task: () => void): Timer {
    return new NodeTimer(delayMs, task, this.#keepsProcess)
  }

  endOfTurn(task: () => void): void {
    setImmediate(task)
  }
}

class NodeTimer implements Timer {
  readonly #task: () => void
  readonly #keepsProcess: boolean
  #handle: NodeJS.Timeout

  constructor(delayMs: number, task: () => void, keepsProcess: boolean) {
    this.#task = task
    this.#keepsProcess = keepsProcess
    this.#handle = this.#sleep(delayMs)
  }

  cancel(): void {
    clearTimeout(this.#handle)
  }

  #sleep(delayMs: number): NodeJS.Timeout {
    const handle =
      delayMs <= PIECE_MS_MAX
        ? setTimeout(this.#task, delayMs)
        : setTimeout(() => {
            this.#handle = this.#sleep(delayMs - PIECE_MS_MAX)
          }, PIECE_MS_MAX)
    return this.#keepsProcess ? handle : handle.unref()
  }
}
