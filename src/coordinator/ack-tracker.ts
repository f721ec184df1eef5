/**
 * How far the requests of one link have been dealt with (RULES L1). Each has an own log sequence that must be durable before it may
 * be acknowledged: 0 when nothing is needed, UNSETTLED as long as that is unknown. The watermark is the last request before
 * the first that must still wait; so a cold record holds it back, and nothing else.
 *
 * Link sequences follow each other without gaps, so a ring of numbers that grows to the most ever in flight says it all: no
 * object per request. Sequences that it was never told of belong to requests that are acknowledged as received.
 */
import { assert } from '../util/assert.js'

/** Needed by a request that has yet to be applied. */
export const UNSETTLED = Infinity

const FIRST_CAPACITY = 64

export class AckTracker {
  /** Everything up to here may be acknowledged. */
  watermark = 0
  /** What the requests above the watermark need, by link sequence modulo the capacity, which is a power of two. */
  #needs = new Float64Array(FIRST_CAPACITY)
  #last = 0

  /** Request `sequence` came, and needs the own log to be durable up to `need`. */
  add(sequence: number, need: number): void {
    assert(sequence > this.#last, 'requests come in order')
    while (this.#last < sequence) {
      if (this.#last - this.watermark === this.#needs.length) this.#grow()
      this.#last++
      this.#needs[this.#last & (this.#needs.length - 1)] = 0
    }
    this.#needs[sequence & (this.#needs.length - 1)] = need
  }

  /** An UNSETTLED request is applied, or refused. */
  settle(sequence: number, need: number): void {
    const at = sequence & (this.#needs.length - 1)
    assert(sequence <= this.#last && this.#needs[at] === UNSETTLED, 'a request is settled once')
    this.#needs[at] = need
  }

  /** Moves the watermark over what the log, durable up to `durable`, suffices for; answers it. */
  advance(durable: number): number {
    const needs = this.#needs
    const mask = needs.length - 1
    let { watermark } = this
    while (watermark < this.#last && needs[(watermark + 1) & mask] <= durable) watermark++
    this.watermark = watermark
    return watermark
  }

  /** Whether a request has been applied that needs more than `durable`. */
  needsMoreThan(durable: number): boolean {
    for (let sequence = this.watermark + 1; sequence <= this.#last; sequence++) {
      const need = this.#needs[sequence & (this.#needs.length - 1)]
      if (need !== UNSETTLED && need > durable) return true
    }
    return false
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#needs.length)
    for (let sequence = this.watermark + 1; sequence <= this.#last; sequence++) {
      larger[sequence & (larger.length - 1)] = this.#needs[sequence & (this.#needs.length - 1)]
    }
    this.#needs = larger
  }
}
