/**
 * How many bytes the peer has not acknowledged: one entry per frame that was made, in a ring of numbers that grows to the
 * largest number of frames ever in flight. No object per message, none per frame.
 */
import { assert } from '../util/assert.js'

const FIRST_CAPACITY = 64

export class Unacknowledged {
  /** Everything up to here has been acknowledged. */
  watermark = 0
  #ackedBytes = 0
  /** Pairs: last sequence of a frame, bytes of all messages up to it. Capacity is a power of two of pairs. */
  #ring = new Float64Array(2 * FIRST_CAPACITY)
  #first = 0
  #count = 0

  /** A frame was made. */
  add(sequence: number, bytes: number): void {
    if (2 * this.#count === this.#ring.length) this.#grow()
    const at = this.#index(this.#count++)
    this.#ring[at] = sequence
    this.#ring[at + 1] = bytes
  }

  acknowledge(watermark: number): void {
    assert(watermark >= this.watermark, 'a watermark never falls')
    this.watermark = watermark
    while (this.#count > 0) {
      const at = this.#index(0)
      if (this.#ring[at] > watermark) break
      this.#ackedBytes = this.#ring[at + 1]
      this.#first = (this.#first + 1) % (this.#ring.length / 2)
      this.#count--
    }
  }

  /** Of `messageBytes` in all, those in frames that are not acknowledged as a whole. */
  bytes(messageBytes: number): number {
    return messageBytes - this.#ackedBytes
  }

  #index(nth: number): number {
    return 2 * ((this.#first + nth) % (this.#ring.length / 2))
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#ring.length)
    for (let i = 0; i < this.#count; i++) {
      const from = this.#index(i)
      larger[2 * i] = this.#ring[from]
      larger[2 * i + 1] = this.#ring[from + 1]
    }
    this.#ring = larger
    this.#first = 0
  }
}
