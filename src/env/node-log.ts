/**
 * The log as JSON lines, and the one place that knows pino: one object per event with `level`, `time`, `event` and its
 * facts, so that an operator's tools can filter without parsing prose.
 *
 * Every line is written before the call returns, so that the last words of a crash are not lost. pino's own
 * destination was rejected: in its asynchronous form a full disk keeps the process from ever exiting, in its
 * synchronous form it sleeps on a pipe that is full. Here a line that cannot be written (disk full, pipe closed or full) is
 * dropped and counted: a node that serves must not stop or die because of its log.
 */
import fs from 'node:fs'
import { pino, stdTimeFunctions } from 'pino'
import type { Logger } from 'pino'
import type { Log, LogFacts } from './log.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

const NO_FACTS: LogFacts = {}

export class NodeLog implements Log {
  readonly #logger: Logger
  readonly #lines: LineWriter

  /** `file` is an open descriptor; 1 is standard output. */
  constructor(level: LogLevel, file = 1) {
    this.#lines = new LineWriter(file)
    this.#logger = pino(
      {
        level,
        base: null,
        messageKey: 'event',
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      this.#lines,
    )
  }

  /** Lines that could not be written. */
  get droppedLines(): number {
    return this.#lines.dropped
  }

  /** Takes effect from the next event on. */
  setLevel(level: LogLevel): void {
    this.#logger.level = level
  }

  debug(event: string, facts: LogFacts = NO_FACTS): void {
    this.#logger.debug(facts, event)
  }

  info(event: string, facts: LogFacts = NO_FACTS): void {
    this.#logger.info(facts, event)
  }

  warn(event: string, facts: LogFacts = NO_FACTS): void {
    this.#logger.warn(facts, event)
  }

  error(event: string, facts: LogFacts = NO_FACTS): void {
    this.#logger.error(facts, event)
  }
}

class LineWriter {
  readonly #file: number
  dropped = 0

  constructor(file: number) {
    this.#file = file
  }

  write(line: string): void {
    const bytes = Buffer.from(line)
    try {
      for (let at = 0; at < bytes.length;) at += fs.writeSync(this.#file, bytes, at)
    } catch {
      this.dropped++
    }
  }
}
