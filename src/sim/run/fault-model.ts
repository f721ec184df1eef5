/**
 * Which faults a run may have, and when one may happen that destroys what was durable: see "The fault model" in README.md.
 *
 * A crash, a partition, a slow disk may strike any node at any time, all of them at once too: what was acknowledged is durable on W
 * disks. A wipe, an old copy and a flipped bit take such copies away. For a quorum of any two to hold everything, each may strike
 * only while every other replica of each of the node's keys has, durably, all that the node has of it. `mayLose` looks whether
 * that is so, at the disks themselves. It is looked at before each such fault, so no two of them add up, however close they are.
 */
import { mergeRecords } from '../../record/merge.js'
import { normaliseRecord } from '../../record/normalise.js'
import { encodeRecord } from '../../record/record.js'
import type { StoreDump } from './store-dump.js'

export const FAULT_KINDS = [
  /** The power goes, and everything that was not synced. */
  'crash-lose-all',
  /** The power goes, and any part of what was not synced is there: torn writes, holes, lost names. */
  'crash-random',
  /** The process dies, the kernel lives on. */
  'crash-keep-all',
  /** Its disk hangs, others go on with what it sends, and then its power goes. */
  'crash-hanging',
  /** Some other nodes are asked to stop in order. */
  'stop',
  'pause',
  /** One node is cut off from all. */
  'partition-whole',
  /** The same, for long, and never two at once: the others go on. */
  'away',
  /** Two nodes do not reach each other. */
  'partition-partial',
  /** Two halves that only one node reaches both of. */
  'partition-bridge',
  'partition-one-way',
  /** A link that comes and goes, each time with what was under way on it. */
  'flapping',
  /** Nothing moves on one way for a moment. */
  'stall',
  'delay',
  'break',
  'client-break',
  'clock-skew',
  'clock-drift',
  'clock-jump',
  'eio-read',
  'eio-write',
  'eio-sync',
  'enospc',
  'slow-disk',
  /** Nothing comes back that is read, while writes go on; then it all does. */
  'reads-hang',
  'bit-flip',
  'wipe',
  'restore',
  /** Every node loses power; they come back much later. */
  'blackout',
  /** Every machine sleeps, and wakes up much later. */
  'sleep',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

/** After these the disk has less than was acknowledged. */
export const LOSSES: ReadonlySet<FaultKind> = new Set(['wipe', 'restore', 'bit-flip'])
export const DISK_FAULTS: ReadonlySet<FaultKind> = new Set(['eio-read', 'eio-write', 'eio-sync', 'enospc'])
export const CLOCK_FAULTS: ReadonlySet<FaultKind> = new Set(['clock-skew', 'clock-drift', 'clock-jump'])

/**
 * Whether a node may lose its disk: every other replica holds all that it has of each key.
 *
 * @param victim what a reader of its disk sees
 * @param others what is durable on the others' disks
 */
export function mayLose(
  victim: StoreDump,
  others: readonly StoreDump[],
  replicasOf: (key: string) => readonly string[],
): boolean {
  if (others.some(({ flushMark }) => flushMark < victim.flushMark)) return false
  for (const [key, { decoded }] of victim.records) {
    const purgeHorizonMs = Math.max(victim.horizonMs(key), ...others.map((other) => other.horizonMs(key)))
    if (normaliseRecord(decoded, { flushMark: 0, purgeHorizonMs }) === null) continue
    const list = replicasOf(key)
    for (const other of others) {
      if (!list.includes(other.node)) continue
      const held = other.records.get(key)
      if (held === undefined) return false
      const merged = encodeRecord(mergeRecords(held.decoded, decoded, 'siblings').record)
      if (!held.bytes.equals(merged)) return false
    }
  }
  return true
}
