/**
 * How the keys of a store are told apart when they are counted. A node of a cluster holds slots that it is home of, slots
 * that others are, and both change places when a node fails; DBSIZE asks each node only for what it is home of (RULES
 * R5). So keys are counted by partition, a set of slots that always have the same home.
 *
 * `version` names the division. Counts on disk that belong to another one are of no use: the keys are counted anew.
 */
import { SLOT_COUNT } from '../ring/slot.js'
import { assert } from '../util/assert.js'

export interface Partitions {
  /** Equal for equal divisions only; at most VERSION_BYTES_MAX bytes of UTF-8. */
  readonly version: string
  /** By slot: its partition, from 0. */
  readonly ofSlot: Uint16Array
  /** From 1; all partitions are below. */
  readonly count: number
}

export const VERSION_BYTES_MAX = 255

/** All slots together: a node that has all keys. */
export const ONE_PARTITION: Partitions = { version: '', ofSlot: new Uint16Array(SLOT_COUNT), count: 1 }

export function assertPartitions({ version, ofSlot, count }: Partitions): void {
  assert(Buffer.byteLength(version) <= VERSION_BYTES_MAX, 'the version of the partitions is short')
  assert(ofSlot.length === SLOT_COUNT, 'every slot has its partition')
  assert(count > 0 && ofSlot.every((partition) => partition < count), 'partitions are below their count')
}
