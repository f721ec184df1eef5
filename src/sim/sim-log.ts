/** The log of a simulated node: keeps the newest lines, for tests that ask what an operator would have read. */
import type { Log, LogFacts } from '../env/log.js'

export interface SimLogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly facts: LogFacts
}

const LINES_MAX = 10_000

export class SimLog implements Log {
  #lines: SimLogLine[] = []

  /** Oldest first. */
  get lines(): readonly SimLogLine[] {
    return this.#lines
  }

  /** The lines of one event, oldest first. */
  of(event: string): readonly SimLogLine[] {
    return this.#lines.filter((line) => line.event === event)
  }

  debug(event: string, facts: LogFacts = {}): void {
    this.#keep({ level: 'debug', event, facts })
  }

  info(event: string, facts: LogFacts = {}): void {
    this.#keep({ level: 'info', event, facts })
  }

  warn(event: string, facts: LogFacts = {}): void {
    this.#keep({ level: 'warn', event, facts })
  }

  error(event: string, facts: LogFacts = {}): void {
    this.#keep({ level: 'error', event, facts })
  }

  #keep(line: SimLogLine): void {
    this.#lines.push(line)
    if (this.#lines.length >= 2 * LINES_MAX) this.#lines = this.#lines.slice(-LINES_MAX)
  }
}
