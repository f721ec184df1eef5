/**
 * What may leave the tables of a node with replicas, by ranges of slots: the dead, up to the purge horizon of the range (RULES P1), and
 * whatever lies at or below its final floor (floors.ts). Plain data behind it, so that a job can take it along.
 */
import { SLOT_COUNT } from '../ring/slot.js'
import { slotOfToken } from '../ring/token.js'

/** Slots firstSlot to lastSlot, both included. */
export interface PurgeRange {
  readonly firstSlot: number
  readonly lastSlot: number
  /** Entries that died at or before this time may go, milliseconds since 1970; 0 for none. */
  readonly untilMs: number
  /** Entries of this sequence or a lower one may go, dead or alive; 0 for none. */
  readonly floor: number
}

export class PurgeRanges {
  readonly ranges: readonly PurgeRange[]
  readonly #untilMs = new Float64Array(SLOT_COUNT)
  readonly #floors = new Float64Array(SLOT_COUNT)
  readonly #isOwn = new Uint8Array(SLOT_COUNT)

  /** Slots of no range keep everything. */
  constructor(ranges: readonly PurgeRange[]) {
    this.ranges = ranges
    for (const { firstSlot, lastSlot, untilMs, floor } of ranges) {
      this.#untilMs.fill(untilMs, firstSlot, lastSlot + 1)
      this.#floors.fill(floor, firstSlot, lastSlot + 1)
      this.#isOwn.fill(1, firstSlot, lastSlot + 1)
    }
  }

  /** Whether an entry that died then may go. */
  isPurgeable(token: number, deathMs: number): boolean {
    return deathMs <= this.#untilMs[slotOfToken(token)]
  }

  /** Whether the entry is not believed any more. */
  isBelowFloor(token: number, sequence: number): boolean {
    return sequence <= this.#floors[slotOfToken(token)]
  }

  /** The time until which the dead may go wherever between two tokens they lie, both included. */
  untilMsWithin(minToken: number, maxToken: number): number {
    const lastSlot = slotOfToken(maxToken)
    let lowest = Infinity
    for (let slot = slotOfToken(minToken); slot <= lastSlot; slot++)
      lowest = Math.min(lowest, this.#untilMs[slot])
    return lowest
  }

  /** The same, of the slots of some range: only of those does a node hold anything. 0 where there are none. */
  untilMsOfOwnWithin(minToken: number, maxToken: number): number {
    const lastSlot = slotOfToken(maxToken)
    let lowest = Infinity
    for (let slot = slotOfToken(minToken); slot <= lastSlot; slot++)
      if (this.#isOwn[slot] === 1) lowest = Math.min(lowest, this.#untilMs[slot])
    return lowest === Infinity ? 0 : lowest
  }
}
