/**
 * Which of its ring ranges this node may answer for (RULES P2). A range is *current* on almost every node almost always; it is
 * *unjudged* from a start until the live co-replicas have been heard, and *stale* from the moment at which it is known that
 * others have purged what this node has not seen, until it has been rebuilt from them. While a range is not current, what
 * others write here is logged and acknowledged, but no read, digest or proposal is answered, and this node is nobody's home.
 *
 * Asked on every request of a peer, so a question is one array read. Why a range is stale, and how far its rebuild has come,
 * is known to those who repair it (src/repair).
 */
import { assert } from '../util/assert.js'

export const CURRENT = 0
export const UNJUDGED = 1
export const STALE = 2
export type RangeState = typeof CURRENT | typeof UNJUDGED | typeof STALE

export class RangeStates {
  readonly #states: Uint8Array
  /** A bit for each range that is not current, from the low bit of the first byte on; empty while all are. */
  #bits: Uint8Array = new Uint8Array(0)
  readonly #onChange: () => void

  /** All are current. `onChange`: homes may have moved. */
  constructor(rangeCount: number, onChange: () => void) {
    this.#states = new Uint8Array(rangeCount)
    this.#onChange = onChange
  }

  of(range: number): RangeState {
    return this.#states[range] as RangeState
  }

  isCurrent(range: number): boolean {
    return this.#states[range] === CURRENT
  }

  /** Ranges that are in this state. */
  count(state: RangeState): number {
    return this.#states.reduce((sum, one) => sum + Number(one === state), 0)
  }

  /** What peers are told in pings. */
  get bits(): Uint8Array {
    return this.#bits
  }

  set(ranges: Iterable<number>, state: RangeState): void {
    if (this.begin(ranges, state)) this.#onChange()
  }

  /** As set(), before anybody is to be told. Answers whether anything has changed. */
  begin(ranges: Iterable<number>, state: RangeState): boolean {
    let hasChanged = false
    for (const range of ranges) {
      assert(range < this.#states.length, 'a range of the ring')
      hasChanged ||= this.#states[range] !== state
      this.#states[range] = state
    }
    if (hasChanged) this.#bits = this.#packed()
    return hasChanged
  }

  #packed(): Uint8Array {
    const ranges: number[] = []
    this.#states.forEach((state, range) => {
      if (state !== CURRENT) ranges.push(range)
    })
    return rangeBits(ranges)
  }
}

/** A bit for each of these ranges, from the low bit of the first byte on; empty for none. */
export function rangeBits(ranges: readonly number[]): Uint8Array {
  const bits = new Uint8Array((Math.max(-1, ...ranges) + 8) >> 3)
  for (const range of ranges) bits[range >> 3] |= 1 << (range & 7)
  return bits
}

/** Whether the bit of a range is set in bits as above. */
export function hasRangeBit(bits: Uint8Array, range: number): boolean {
  const at = range >> 3
  return at < bits.length && (bits[at] & (1 << (range & 7))) !== 0
}
