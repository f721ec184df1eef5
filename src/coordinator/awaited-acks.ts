/**
 * Which operations wait for which requests on one link, in the order of their sequences: watermarks come off the front.
 * A growing ring of typed arrays, so that a write costs four stores and no object.
 *
 * An operation may go on before all have answered it (a repair needs only some of those it writes to), so what comes in later
 * must not count for what it waits for then: each entry keeps the round of its operation in which it was added.
 */
import { assert } from '../util/assert.js'
import type { Operation } from './operation.js'

const CAPACITY_FIRST = 1024

export class AwaitedAcks {
  #firsts = new Float64Array(CAPACITY_FIRST)
  #lasts = new Float64Array(CAPACITY_FIRST)
  /** Bit of the member in the operation's masks. */
  #bits = new Int32Array(CAPACITY_FIRST)
  #rounds = new Int32Array(CAPACITY_FIRST)
  #operations: (Operation | null)[] = new Array<Operation | null>(CAPACITY_FIRST).fill(null)
  #head = 0
  #count = 0

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Sequence of the last request of the entry in front. */
  get frontLast(): number {
    return this.#lasts[this.#head]
  }

  get frontFirst(): number {
    return this.#firsts[this.#head]
  }

  /** Bit of the member in front; 0 when its operation does not wait for it any more. */
  get frontBit(): number {
    const isCurrent = this.#operations[this.#head]?.round === this.#rounds[this.#head]
    return isCurrent ? this.#bits[this.#head] : 0
  }

  /** `operation` waits for the requests `first` to `last`, which follow everything that was added before. */
  add(first: number, last: number, bit: number, operation: Operation): void {
    if (this.#count === this.#lasts.length) this.#grow()
    const at = (this.#head + this.#count) & (this.#lasts.length - 1)
    this.#firsts[at] = first
    this.#lasts[at] = last
    this.#bits[at] = bit
    this.#rounds[at] = operation.round
    this.#operations[at] = operation
    this.#count++
    operation.references++
  }

  /** Takes the entry in front off. */
  shift(): Operation {
    const operation = this.#operations[this.#head]
    assert(this.#count > 0 && operation !== null, 'there is an entry in front')
    this.#operations[this.#head] = null
    this.#head = (this.#head + 1) & (this.#lasts.length - 1)
    this.#count--
    return operation
  }

  /** Marks the operation that waits for request `sequence` as refused there; refusals are rare, so this searches. */
  refuse(sequence: number): Operation | null {
    const mask = this.#lasts.length - 1
    for (let i = 0; i < this.#count; i++) {
      const at = (this.#head + i) & mask
      if (this.#lasts[at] < sequence) continue
      if (this.#firsts[at] > sequence) return null
      const operation = this.#operations[at]
      if (operation?.round === this.#rounds[at]) operation.refused |= this.#bits[at]
      return operation
    }
    return null
  }

  #grow(): void {
    const size = this.#lasts.length
    const firsts = new Float64Array(2 * size)
    const lasts = new Float64Array(2 * size)
    const bits = new Int32Array(2 * size)
    const rounds = new Int32Array(2 * size)
    const operations = new Array<Operation | null>(2 * size).fill(null)
    for (let i = 0; i < this.#count; i++) {
      const from = (this.#head + i) & (size - 1)
      firsts[i] = this.#firsts[from]
      lasts[i] = this.#lasts[from]
      bits[i] = this.#bits[from]
      rounds[i] = this.#rounds[from]
      operations[i] = this.#operations[from]
    }
    this.#firsts = firsts
    this.#lasts = lasts
    this.#bits = bits
    this.#rounds = rounds
    this.#operations = operations
    this.#head = 0
  }
}
