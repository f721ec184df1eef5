/**
 * The slots of a ring, parted by preference list: those of one list have the same home at any time, whoever of it is live
 * and fit. Keys are counted by these parts, so that a node can say how many keys it is home of (RULES R5). There
 * are at most as many as ranges, and far fewer in small clusters: three nodes of three replicas have six lists.
 */
import type { Ring } from './ring.js'
import { SLOT_COUNT } from './slot.js'

export interface ListPartitions {
  /** The ring's. */
  readonly version: string
  /** By slot: its partition, from 0. */
  readonly ofSlot: Uint16Array
  readonly count: number
  /** By partition: its first slot, to ask who is home of all its slots. */
  readonly firstSlots: Uint16Array
}

export function listPartitions(ring: Ring): ListPartitions {
  const ofSlot = new Uint16Array(SLOT_COUNT)
  const firstSlots: number[] = []
  const partitionOf = new Map<string, number>()
  for (const { firstSlot, lastSlot, list } of ring.ranges()) {
    const name = list.join()
    const partition = partitionOf.get(name) ?? firstSlots.length
    if (partition === firstSlots.length) {
      partitionOf.set(name, partition)
      firstSlots.push(firstSlot)
    }
    ofSlot.fill(partition, firstSlot, lastSlot + 1)
  }
  return { version: ring.version, ofSlot, count: firstSlots.length, firstSlots: Uint16Array.from(firstSlots) }
}
