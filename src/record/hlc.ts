/**
 * The hybrid logical clock: a safe integer that is both a wall time and an order of events.
 *
 *     hlc := (milliseconds since 2025-01-01 UTC) x 4096 + counter
 *
 * It names dots (RULES V1), ranks writes (last write wins) and dates deletions, so it must never repeat and never fall
 * behind what the node has seen. Plain numbers rather than BigInt or a pair: 53 bits last 69 years at 4 million events a
 * second, compare with `<`, and cost nothing. The counter is no field of its own: when it runs over, the clock is
 * simply a millisecond ahead of the wall, which the next milliseconds catch up with.
 *
 * The clock is told the wall time and never asks for it. How far ahead a foreign stamp may be is the caller's judgement
 * (RULES C2); what is witnessed here is believed.
 *
 * Source: Kulkarni et al., "Logical Physical Clocks", 2014, with physical time and counter packed into one number.
 */
import { assert } from '../util/assert.js'

/** 2025-01-01T00:00:00Z in milliseconds since 1970. */
export const HLC_EPOCH_MS = 1735689600000
export const HLC_PER_MS = 4096
/** The last stamp there is: in the year 2094. */
export const HLC_MAX = Number.MAX_SAFE_INTEGER

export class Hlc {
  #last: number

  /** `start` is the highest stamp that the node may have issued or seen. */
  constructor(start = 0) {
    assert(Number.isSafeInteger(start) && start >= 0, 'an HLC is a safe integer')
    this.#last = start
  }

  /** The highest stamp issued or witnessed so far. */
  get last(): number {
    return this.#last
  }

  /**
   * A new stamp above every earlier one, above the wall clock (milliseconds since 1970) and above `floor`, the highest
   * stamp in the contexts that the new dot will cover (RULES V4).
   */
  mint(wallMs: number, floor = 0): number {
    const wall = (wallMs - HLC_EPOCH_MS) * HLC_PER_MS
    let next = this.#last
    if (wall > next) next = wall
    if (floor > next) next = floor
    next++
    assert(next <= HLC_MAX, 'the HLC is used up')
    this.#last = next
    return next
  }

  /** Advances to a stamp that was seen elsewhere. */
  witness(hlc: number): void {
    assert(hlc <= HLC_MAX, 'an HLC is a safe integer')
    if (hlc > this.#last) this.#last = hlc
  }
}

/** The millisecond since 1970 that a stamp lies in. */
export function hlcToWallMs(hlc: number): number {
  return HLC_EPOCH_MS + Math.floor(hlc / HLC_PER_MS)
}

/** The first stamp of a millisecond since 1970; 0 for times before 2025. */
export function wallMsToHlc(wallMs: number): number {
  return Math.max(0, (wallMs - HLC_EPOCH_MS) * HLC_PER_MS)
}
