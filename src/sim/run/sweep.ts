/** Many runs, one after the other, and what they amount to: seeds, simulated hours, faults by kind, what was wrong. */
import type { Clock } from '../../env/clock.js'
import { microtasks } from '../event-queue.js'
import type { FaultKind } from './fault-model.js'
import { described } from './history.js'
import { Simulation } from './simulation.js'
import type { RunResult } from './simulation.js'

export interface SweepOptions {
  readonly from: number
  readonly seeds: number
  /** No run begins later than this, in real milliseconds. */
  readonly limitMs: number
  /** See runOptions. */
  readonly wishes: { readonly safetyMs?: number; readonly profile?: string }
  readonly tellsStory: boolean
  readonly untilFailure: boolean
  readonly json: boolean
  readonly print: (line: string) => void
}

const VIOLATIONS_SHOWN = 12
const OPERATIONS_SHOWN = 100
const HOUR_MS = 3_600_000

export class Sweep {
  readonly #clock: Clock
  readonly #options: SweepOptions
  readonly #faults = new Map<FaultKind, number>()
  readonly #failed: number[] = []
  #runs = 0
  #operations = 0
  #simulatedMs = 0

  constructor(clock: Clock, options: SweepOptions) {
    this.#clock = clock
    this.#options = options
  }

  /** How many runs were not as they should be. */
  async run(): Promise<number> {
    const { from, seeds, limitMs, untilFailure, json, print } = this.#options
    const startMs = this.#clock.monotonicMs()
    for (let seed = from; seed < from + seeds; seed++) {
      if (this.#clock.monotonicMs() - startMs > limitMs) break
      await this.#one(seed)
      if (untilFailure && this.#failed.length > 0) break
      // Where only microtasks run, signals would wait for the end.
      await microtasks()
    }
    if (!json) print(this.#summary(this.#clock.monotonicMs() - startMs))
    return this.#failed.length
  }

  async #one(seed: number): Promise<void> {
    const { wishes, json, print, tellsStory } = this.#options
    const startMs = this.#clock.monotonicMs()
    const result = await Simulation.run(seed, wishes)
    const { violations, operations, faults, simulatedMs, traceHash } = result
    this.#runs++
    this.#operations += operations.length
    this.#simulatedMs += simulatedMs
    for (const [kind, count] of faults) this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + count)
    if (violations.length > 0) this.#failed.push(seed)
    if (json) {
      const checkers = [...new Set(violations.map(({ checker }) => checker))]
      const first = violations.at(0)?.what ?? ''
      print(JSON.stringify({ seed, ok: violations.length === 0, checkers, first, traceHash }))
      return
    }
    const milliseconds = Math.round(this.#clock.monotonicMs() - startMs)
    const outcome = violations.length === 0 ? 'ok    ' : 'FAILED'
    print(
      `${outcome} seed ${seed}  trace ${traceHash.toString(16).padStart(8, '0')}  ${result.options.nodes} nodes  ` +
        `${operations.length} operations  ${(simulatedMs / 1000).toFixed(1)} s simulated in ${milliseconds} ms  ` +
        `${countsText(faults)}`,
    )
    if (violations.length > 0 || tellsStory) for (const line of storyOf(result)) print(line)
  }

  #summary(elapsedMs: number): string {
    const hours = (this.#simulatedMs / HOUR_MS).toFixed(2)
    const failed = this.#failed.length === 0 ? 'none failed' : `FAILED seeds: ${this.#failed.join(' ')}`
    const lines = [
      `${this.#runs} runs, ${this.#operations} operations, ${hours} hours simulated in ${(elapsedMs / 1000).toFixed(0)} s: ${failed}`,
      `faults: ${countsText(this.#faults)}`,
    ]
    return lines.join('\n')
  }
}

function countsText(counts: ReadonlyMap<FaultKind, number>): string {
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ')
}

/** What was wrong, what happened, and what was asked of the keys in question. */
function* storyOf({ violations, story, operations }: RunResult): Iterable<string> {
  for (const { checker, key, what } of violations.slice(0, VIOLATIONS_SHOWN)) {
    yield `  ${checker} ${key}: ${what}`
  }
  if (violations.length > VIOLATIONS_SHOWN) yield `  and ${violations.length - VIOLATIONS_SHOWN} more`
  yield '  what happened:'
  for (const line of story) yield `    ${line}`
  const keys = new Set(violations.slice(0, VIOLATIONS_SHOWN).map(({ key }) => key))
  keys.delete('')
  for (const key of [...keys].slice(0, 3)) {
    yield `  operations on ${key}:`
    const concerned = operations.filter((operation) => operation.key === key)
    for (const operation of concerned.slice(0, OPERATIONS_SHOWN)) yield `    ${described(operation)}`
  }
}
