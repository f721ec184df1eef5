/**
 * Seeded randomness: the same seed gives the same run. The generator is sfc32 (Chris Doty-Humphrey's small fast
 * counter, 128 bits of state): four additions and shifts a draw, passes PractRand, and is exact in 32-bit integers.
 * Math.random cannot be seeded; a linear congruential generator has too short a period and correlated low bits.
 *
 * `fork(name)` gives a stream that depends on the seed and the names that led to it, and not on what was drawn
 * before: adding a draw in one subsystem leaves every other subsystem's run as it was.
 */
import { uniformBelow } from '../env/uniform.js'
import type { Random } from '../env/random.js'
import { assert } from '../util/assert.js'
import { xxh32 } from '../util/xxhash.js'

const TWO_32 = 0x1_0000_0000
const TWO_53 = 2 ** 53
/** The first outputs still resemble the seed; the generator's author discards this many. */
const WARM_UP_DRAWS = 15

export class SimRandom implements Random {
  readonly seed: string
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number | string) {
    this.seed = String(seed)
    const bytes = new TextEncoder().encode(this.seed)
    this.#a = xxh32(bytes, 0, bytes.length, 1)
    this.#b = xxh32(bytes, 0, bytes.length, 2)
    this.#c = xxh32(bytes, 0, bytes.length, 3)
    for (let i = 0; i < WARM_UP_DRAWS; i++) this.next32()
  }

  /** A stream of its own for a subsystem, the same whenever it is forked. */
  fork(name: string): SimRandom {
    return new SimRandom(`${this.seed}/${name}`)
  }

  /** A uniform integer in [0, 2^32). */
  next32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  next53(): number {
    const high = this.next32() >>> 11
    return high * TWO_32 + this.next32()
  }

  below(bound: number): number {
    return uniformBelow(this, bound)
  }

  /** A uniform integer in [low, high], both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** A uniform fraction in [0, 1). */
  fraction(): number {
    return this.next53() / TWO_53
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(from: readonly T[]): T {
    assert(from.length > 0, 'there is something to pick from')
    return from[this.below(from.length)]
  }
}
