/** Randomness, seeded in simulations. */
export interface Random {
  /** A uniform integer in [0, 2^53). */
  next53(): number
  /** A uniform integer in [0, bound). */
  below(bound: number): number
}
