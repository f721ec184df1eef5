/**
 * Numbers below n by Zipf's law with exponent 0.99, the popular ones strewn over all: YCSB's generator. Source: Gray et al.,
 * "Quickly Generating Billion-Record Synthetic Databases", SIGMOD 1994.
 */
const THETA = 0.99
/** Prime, and so a permutation of the numbers below any n that it does not divide. */
const SPREAD = 2_654_435_761

export class Zipf {
  readonly #count: number
  readonly #random: () => number
  readonly #zeta: number
  readonly #eta: number

  constructor(count: number, random: () => number) {
    this.#count = count
    this.#random = random
    let zeta = 0
    for (let i = 1; i <= count; i++) zeta += i ** -THETA
    this.#zeta = zeta
    this.#eta = (1 - (2 / count) ** (1 - THETA)) / (1 - (1 + 0.5 ** THETA) / zeta)
  }

  next(): number {
    return (this.#rank() * SPREAD) % this.#count
  }

  #rank(): number {
    const random = this.#random()
    const area = random * this.#zeta
    if (area < 1) return 0
    if (area < 1 + 0.5 ** THETA) return 1
    const alpha = 1 / (1 - THETA)
    return Math.min(this.#count - 1, Math.floor(this.#count * (this.#eta * random - this.#eta + 1) ** alpha))
  }
}
