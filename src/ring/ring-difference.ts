/** What differs between two rings, slot range by slot range: what a resize has to move. By ids, as indexes differ. */
import type { Ring } from './ring.js'
import type { SlotRange } from './slot-range.js'
import { SLOT_COUNT } from './slot.js'

export interface ListChange extends SlotRange {
  /** The preference lists, as ids in order. */
  readonly before: readonly string[]
  readonly after: readonly string[]
}

/** The ranges whose preference list is not the same in both rings, ascending; neighbours of equal change are one. */
export function changedRanges(before: Ring, after: Ring): readonly ListChange[] {
  const changes: ListChange[] = []
  let firstSlot = 0
  while (firstSlot < SLOT_COUNT) {
    const [old, young] = [before, after].map((ring) => ring.rangeAt(ring.rangeOfSlot[firstSlot]))
    const lastSlot = Math.min(old.lastSlot, young.lastSlot)
    const change = { firstSlot, lastSlot, before: idsOf(before, old.list), after: idsOf(after, young.list) }
    if (!sameIds(change.before, change.after)) append(changes, change)
    firstSlot = lastSlot + 1
  }
  return changes
}

function append(changes: ListChange[], change: ListChange): void {
  const previous = changes.at(-1)
  const continues =
    previous?.lastSlot === change.firstSlot - 1 &&
    sameIds(previous.before, change.before) &&
    sameIds(previous.after, change.after)
  if (continues) changes[changes.length - 1] = { ...previous, lastSlot: change.lastSlot }
  else changes.push(change)
}

function idsOf(ring: Ring, list: readonly number[]): readonly string[] {
  return list.map((member) => ring.members[member].id)
}

function sameIds(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, place) => id === b[place])
}
