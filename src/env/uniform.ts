/**
 * A uniform integer below a bound, out of uniform 53-bit ones. Draws from the incomplete last stretch are thrown away,
 * since a plain remainder would favour small results; fewer than one draw in two is, and for small bounds next to none.
 */
import { assert } from '../util/assert.js'

const TWO_53 = 2 ** 53

/** An integer in [0, bound), 1 <= bound <= 2^53, from `source.next53()`. */
export function uniformBelow(source: { next53(): number }, bound: number): number {
  assert(Number.isInteger(bound) && bound >= 1 && bound <= TWO_53, 'bound is an integer in [1, 2^53]')
  const usable = TWO_53 - (TWO_53 % bound)
  for (;;) {
    const drawn = source.next53()
    if (drawn < usable) return drawn % bound
  }
}
