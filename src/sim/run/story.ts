/** What happened when, for whoever has to understand a run that failed: a bounded list of lines with virtual times. */
import type { EventQueue } from '../event-queue.js'

const LINES_MAX = 20_000

export class Story {
  readonly #queue: EventQueue
  #lines: string[] = []

  constructor(queue: EventQueue) {
    this.#queue = queue
  }

  /** Oldest first. */
  get lines(): readonly string[] {
    return this.#lines
  }

  say(what: string): void {
    this.#lines.push(`${this.#queue.nowMs.toFixed(1).padStart(10)}  ${what}`)
    if (this.#lines.length > LINES_MAX) this.#lines = this.#lines.slice(-LINES_MAX / 2)
  }
}
