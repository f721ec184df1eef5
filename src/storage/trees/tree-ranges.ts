/**
 * How the tokens of a node are divided for its trees: into the ring's ranges, which are runs of slots, and each range into
 * leaves, equal intervals of its tokens. So the keys of a leaf are one contiguous walk, and two nodes of one ring have
 * the same leaves without a word about them.
 *
 * A leaf is found in whole numbers only: 14 bits of token below the slot make positions fine enough for the narrowest
 * range, one slot, and small enough for products and quotients of doubles to be exact.
 */
import { SLOT_COUNT } from '../../ring/slot.js'
import { TOKENS_PER_SLOT } from '../../ring/token.js'
import { assert } from '../../util/assert.js'
import { assertPartitions } from '../partitions.js'
import type { Partitions } from '../partitions.js'
import { NEVER_HOUR } from './record-share.js'

/** Leaves of the tree of what never dies. */
export const LEAVES = 1024
/** Leaves of the tree of an hour of death: each of them is LEAVES / HOUR_LEAVES of the others. */
export const HOUR_LEAVES = 64

const POSITIONS_PER_SLOT = 2 ** 14
const TOKENS_PER_POSITION = TOKENS_PER_SLOT / POSITIONS_PER_SLOT

/** Tokens from `from` up to, and without, `end`. */
export interface TokenInterval {
  readonly from: number
  readonly end: number
}

export class TreeRanges {
  /** Equal for equal divisions only. */
  readonly version: string
  readonly count: number
  /** By slot. */
  readonly ofSlot: Uint16Array
  /** By range: its first position, and of how many it consists. */
  readonly #firstPositions: Int32Array
  readonly #positions: Int32Array

  /** @param partitions each of them a run of slots, in the order of slots. */
  constructor(partitions: Partitions) {
    assertPartitions(partitions)
    const { version, ofSlot, count } = partitions
    this.version = version
    this.count = count
    this.ofSlot = ofSlot
    this.#firstPositions = new Int32Array(count)
    this.#positions = new Int32Array(count)
    for (let slot = 0, last = -1; slot < SLOT_COUNT; slot++) {
      const range = ofSlot[slot]
      if (range !== last) {
        assert(range === last + 1, 'a range is one run of slots, and ranges ascend')
        this.#firstPositions[range] = slot * POSITIONS_PER_SLOT
        last = range
      }
      this.#positions[range] += POSITIONS_PER_SLOT
    }
  }

  /** Which of the LEAVES of its range a token lies in. */
  leafOf(range: number, token: number): number {
    const position = Math.floor(token / TOKENS_PER_POSITION) - this.#firstPositions[range]
    return Math.floor((position * LEAVES) / this.#positions[range])
  }

  /** All tokens of a range. */
  interval(range: number): TokenInterval {
    return { from: this.#tokenAt(range, 0, 1), end: this.#tokenAt(range, 1, 1) }
  }

  /** The tokens of part `part` of a range that is divided into `parts`: a power of two, LEAVES at most. */
  partInterval(range: number, part: number, parts: number): TokenInterval {
    assert(part >= 0 && part < parts && LEAVES % parts === 0, 'a leaf is one of its tree')
    return { from: this.#tokenAt(range, part, parts), end: this.#tokenAt(range, part + 1, parts) }
  }

  /** The first token of a part: the first position whose leaf is the part's first. */
  #tokenAt(range: number, part: number, parts: number): number {
    const position = Math.ceil((part * this.#positions[range]) / parts)
    return (this.#firstPositions[range] + position) * TOKENS_PER_POSITION
  }
}

/** Leaves of an hour's tree that is not folded; `hour` as RecordShare has it. */
export function fullLeafCount(hour: number): number {
  return hour === NEVER_HOUR ? LEAVES : HOUR_LEAVES
}
