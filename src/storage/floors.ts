/**
 * What of this store is no longer believed, by slot: entries up to a *floor*, a sequence of this store, count as absent
 * (RULES P2). A range that turned out to be stale is rebuilt beside its old copy: from the moment its floor is raised, lookups
 * and walks see only what was appended since, while the bytes below stay on the disk. Once the rebuild is done the floor is
 * *final*, and compaction may drop what lies below.
 *
 * A floor only rises, and holds for as long as the store does: everything that an older entry could be hidden by is itself
 * hidden, so a dropped entry uncovers nothing.
 */
import { SLOT_COUNT } from '../ring/slot.js'

/** Slots firstSlot to lastSlot, both included. */
export interface Floor {
  readonly firstSlot: number
  readonly lastSlot: number
  /** The highest sequence that counts as absent. */
  readonly sequence: number
  readonly isFinal: boolean
}

export class Floors {
  readonly #bySlot = new Float64Array(SLOT_COUNT)
  readonly #final = new Float64Array(SLOT_COUNT)

  /** Lower ones than those in force change nothing. */
  raise({ firstSlot, lastSlot, sequence, isFinal }: Floor): void {
    for (let slot = firstSlot; slot <= lastSlot; slot++) {
      this.#bySlot[slot] = Math.max(this.#bySlot[slot], sequence)
      if (isFinal) this.#final[slot] = Math.max(this.#final[slot], sequence)
    }
  }

  /** Whether the entry of this sequence counts as absent. */
  hides(slot: number, sequence: number): boolean {
    return sequence <= this.#bySlot[slot]
  }

  /** Up to which sequence entries of the slot may be dropped. */
  finalOf(slot: number): number {
    return this.#final[slot]
  }
}
