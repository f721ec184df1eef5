/** Numbers as sets of bits: bit i stands for member i of some list of at most 32. */

/** How many members the set has. */
export function bitCount(mask: number): number {
  let count = 0
  for (let left = mask; left !== 0; left &= left - 1) count++
  return count
}
