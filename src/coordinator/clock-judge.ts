/**
 * Whether this node's wall clock can be trusted, from how far the clocks of live peers are ahead of it (RULES C1, C2). Pure: a
 * function of offsets in milliseconds.
 *
 * A node whose clock is in doubt mints no dots: a stamp from the future would win over everything written after it, for as long
 * as it takes the others to get there.
 */

export interface ClockJudgement {
  /** Mints nothing, and is not fit to be home. */
  readonly inDoubt: boolean
  /** How far the clock that bounds foreign stamps is ahead of this one: 0 or more. */
  readonly aheadMs: number
}

/**
 * @param offsetsMs how far the clocks of live peers are ahead of the own one; in any order.
 * @param driftMaxMs max-clock-drift.
 * @param hasJumped the own clock has jumped against the monotonic one, and no peer has been near it since. Not to be said of
 *   a node that is the only member: nobody could confirm its clock.
 */
export function judgeClock(
  offsetsMs: readonly number[],
  driftMaxMs: number,
  hasJumped: boolean,
): ClockJudgement {
  if (offsetsMs.length === 0) return { inDoubt: hasJumped, aheadMs: 0 }
  const isConfirmed = offsetsMs.some((offset) => Math.abs(offset) <= driftMaxMs)
  const unconfirmed = hasJumped && !isConfirmed
  if (offsetsMs.length === 1) {
    // Of two that differ, the one ahead.
    return {
      inDoubt: unconfirmed || offsetsMs[0] < -driftMaxMs,
      aheadMs: Math.max(0, offsetsMs[0]),
    }
  }
  const median = medianOf([0, ...offsetsMs])
  return { inDoubt: unconfirmed || Math.abs(median) > driftMaxMs, aheadMs: Math.max(0, median) }
}

/** Of an even number of clocks, the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
