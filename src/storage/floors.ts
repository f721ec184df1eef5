/**
 * What of this store is no longer believed, by slot: entries up to a *floor*, a sequence of this store, count as absent
 * (RULES P2). A range that turned out to be stale is rebuilt beside its old copy: from the moment its floor is raised, lookups
 * and walks see only what was appended since, while the bytes below stay on the disk. Once the rebuild is done the floor is
 * *final*, and compaction may drop what lies below (purge-ranges.ts).
 *
 * A floor only rises, and holds for as long as the store does: everything that an older entry could be hidden by is itself
 * hidden, so a dropped entry uncovers nothing.
 */
import { SLOT_COUNT } from '../ring/slot.js'
import type { SlotRange } from '../ring/slot-range.js'

export class Floors {
  readonly #bySlot = new Float64Array(SLOT_COUNT)

  /** `sequence`: the highest that counts as absent. Lower ones than the one in force change nothing. */
  raise({ firstSlot, lastSlot }: SlotRange, sequence: number): void {
    for (let slot = firstSlot; slot <= lastSlot; slot++) {
      this.#bySlot[slot] = Math.max(this.#bySlot[slot], sequence)
    }
  }

  /** The highest sequence that counts as absent; 0 for none. */
  of(slot: number): number {
    return this.#bySlot[slot]
  }

  /** Whether the entry of this sequence counts as absent. */
  hides(slot: number, sequence: number): boolean {
    return sequence <= this.#bySlot[slot]
  }
}
