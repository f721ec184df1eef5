/** Small seeded randomness for generated cases (mulberry32); print the seed when a case fails. */
export class Seeded {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** A uniform integer in [0, bound), bound at most 2^32. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * bound)
  }

  /** True once in `oneIn` draws, on average. */
  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }
}
