import t from 'tap'
import { listPartitions } from '../../../src/ring/list-partitions.js'
import { Ring } from '../../../src/ring/ring.js'
import { SLOT_COUNT } from '../../../src/ring/slot.js'
import { membersOf } from '../../support/ring-members.js'

function listAt(ring: Ring, slot: number): string {
  return Array.from({ length: ring.replicas }, (_, place) => ring.memberAt(slot, place)).join()
}

t.test('R5 slots are in one partition exactly when their lists are equal', async (t) => {
  for (const [members, replicas] of [
    [1, 3],
    [3, 1],
    [3, 3],
    [5, 3],
    [20, 3],
  ]) {
    const ring = new Ring(membersOf(members), replicas)
    const { version, ofSlot, count, firstSlots } = listPartitions(ring)
    t.equal(version, ring.version)
    const listOf = new Map<number, string>()
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const list = listAt(ring, slot)
      const known = listOf.get(ofSlot[slot])
      if (known === undefined) listOf.set(ofSlot[slot], list)
      else if (known !== list) t.fail(`slot ${slot} of ${members} members`)
    }
    t.equal(new Set(listOf.values()).size, count, `${members} members: no two partitions of one list`)
    t.same([...listOf.keys()], [...listOf.keys()].sort((a, b) => a - b).slice(0, count))
    t.same(
      [...firstSlots],
      [...listOf.keys()].map((partition) => ofSlot.indexOf(partition)),
    )
  }
})

t.test('three nodes that hold everything have at most six partitions', async (t) => {
  t.ok(listPartitions(new Ring(membersOf(3), 3)).count <= 6)
  t.equal(listPartitions(new Ring(membersOf(1), 3)).count, 1)
})
