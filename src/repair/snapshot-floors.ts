/**
 * What of the snapshots of a cluster's nodes is not to be believed when they are put together (RULES P2). They are taken at about the
 * same moment, not at one: one node may have purged a deletion that another, in the snapshot before it learned of that, still holds
 * the deleted value of. Which that may be, the horizons say that every snapshot has: where one node's P of a slot is newer than the
 * start of another's last exchange with it, what that other one held by then counts as absent. What came later is kept whole.
 *
 * Two that are stale towards each other are both believed, as nodes would drop nothing either then.
 */
import { SLOT_COUNT } from '../ring/slot.js'
import { seenUntilMs } from './repair-state.js'
import type { StoredRange, StoredState } from './repair-state.js'

export interface SnapshotMemory {
  readonly nodeId: string
  /** Null for a node that was alone. */
  readonly repair: StoredState | null
}

/** For each snapshot, by slot: entries up to this sequence count as absent. */
export function snapshotFloors(snapshots: readonly SnapshotMemory[]): readonly Float64Array[] {
  const rangesOf = snapshots.map(({ repair }) => bySlot(repair))
  return snapshots.map((_, own) => {
    const floors = new Float64Array(SLOT_COUNT)
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const mine = rangesOf[own][slot]
      let floor = mine?.floor ?? 0
      snapshots.forEach(({ nodeId }, other) => {
        if (other === own) return
        const theirs = rangesOf[other][slot]
        if (!isBehind(mine, nodeId, theirs) || isBehind(theirs, snapshots[own].nodeId, mine)) return
        floor = Math.max(floor, exchangeWith(mine, nodeId)?.sequence ?? 0)
      })
      floors[slot] = floor
    }
    return floors
  })
}

/** Whether `theirs`, of the node with this id, has purged what `mine` may not have seen deleted. */
function isBehind(mine: StoredRange | undefined, nodeId: string, theirs: StoredRange | undefined): boolean {
  if (theirs === undefined || theirs.staleReason !== null) return false
  return theirs.horizonMs > seenUntilMs(exchangeWith(mine, nodeId))
}

function exchangeWith(range: StoredRange | undefined, nodeId: string) {
  return range?.exchanges.find(({ node }) => node === nodeId)
}

function bySlot(repair: StoredState | null): readonly (StoredRange | undefined)[] {
  const slots: (StoredRange | undefined)[] = Array.from({ length: SLOT_COUNT })
  for (const range of repair?.ranges ?? []) slots.fill(range, range.firstSlot, range.lastSlot + 1)
  return slots
}
