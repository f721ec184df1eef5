/**
 * Which own log sequences one member may lack: ranges, ascending and apart from each other, the last of them open while the member
 * is away. More than it lacks does no harm, a record that it has is merged into itself; less would lose a hint. So what
 * is known roughly is widened, and where there are too many ranges they become one.
 */
import { assert } from '../util/assert.js'

/** Refusals come in runs, so there are hardly ever more. */
const RANGES_MAX = 1024

interface Range {
  first: number
  /** Infinity: open. */
  last: number
}

export class MissedSequences {
  #ranges: Range[] = []

  get isEmpty(): boolean {
    return this.#ranges.length === 0
  }

  get isOpen(): boolean {
    return this.#ranges.at(-1)?.last === Infinity
  }

  /** Of the first range; only if there is one. */
  get first(): number {
    assert(!this.isEmpty, 'there is a range')
    return this.#ranges[0].first
  }

  get last(): number {
    assert(!this.isEmpty, 'there is a range')
    return this.#ranges[0].last
  }

  /** first to last, both included; last is Infinity as long as the member is away. */
  add(first: number, last: number): void {
    assert(first <= last, 'a range has a sequence')
    const before = this.#ranges.filter((range) => range.last < first - 1)
    const after = this.#ranges.filter((range) => range.first > last + 1)
    const merged = { first, last }
    for (const range of this.#ranges.slice(before.length, this.#ranges.length - after.length)) {
      merged.first = Math.min(merged.first, range.first)
      merged.last = Math.max(merged.last, range.last)
    }
    this.#ranges = [...before, merged, ...after]
    if (this.#ranges.length <= RANGES_MAX) return
    this.#ranges = [{ first: this.#ranges[0].first, last: this.#ranges[RANGES_MAX].last }]
  }

  /** The member is back: what came after `last` was sent to it. */
  close(last: number): void {
    const open = this.#ranges.at(-1)
    if (open?.last !== Infinity) return
    if (open.first > last) this.#ranges.pop()
    else open.last = last
  }

  /** Sequences below `next` have been dealt with. */
  advance(next: number): void {
    while (!this.isEmpty && this.#ranges[0].last < next) this.#ranges.shift()
    if (!this.isEmpty) this.#ranges[0].first = Math.max(this.#ranges[0].first, next)
  }

  /** Whether a sequence lies in one of the ranges. */
  has(sequence: number): boolean {
    return this.#ranges.some(({ first, last }) => first <= sequence && sequence <= last)
  }
}
