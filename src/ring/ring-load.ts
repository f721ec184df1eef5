/** How evenly a ring spreads the slots: figures for the operator, the benchmark and the tests. */
import type { Ring } from './ring.js'

/** By member: slots whose lists it leads. */
export function primarySlots(ring: Ring): readonly number[] {
  return slotsPerMember(ring, 1)
}

/** By member: slots that it holds a replica of. */
export function replicaSlots(ring: Ring): readonly number[] {
  return slotsPerMember(ring, ring.replicas)
}

function slotsPerMember(ring: Ring, places: number): readonly number[] {
  const slots = ring.members.map(() => 0)
  for (const { firstSlot, lastSlot, list } of ring.ranges()) {
    for (let place = 0; place < places; place++) slots[list[place]] += lastSlot - firstSlot + 1
  }
  return slots
}

/** The most loaded member's slots for its weight against the mean of all: 1 is perfect balance. */
export function maxOverMean(ring: Ring, slots: readonly number[]): number {
  const weight = ring.members.reduce((sum, member) => sum + member.weight, 0)
  const mean = slots.reduce((sum, count) => sum + count, 0) / weight
  return Math.max(...slots.map((count, index) => count / ring.members[index].weight)) / mean
}
