import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { Ring } from '../../../src/ring/ring.js'
import { changedRanges } from '../../../src/ring/ring-difference.js'
import { SLOT_COUNT } from '../../../src/ring/slot.js'
import { memberOf } from '../../support/ring-members.js'
import { holds } from '../util/holds.js'

const ring = fc.tuple(fc.uniqueArray(fc.nat(9), { minLength: 1 }), fc.integer({ min: 1, max: 4 })).map(
  ([numbers, replicas]) =>
    new Ring(
      numbers.map((number) => memberOf(number)),
      replicas,
    ),
)

function idsOf(of: Ring, slot: number): string[] {
  return Array.from({ length: of.replicas }, (_, place) => of.members[of.memberAt(slot, place)].id)
}

t.test('the changed ranges are exactly the slots whose lists differ, with both lists', async (t) => {
  holds(
    t,
    fc.property(ring, ring, (before, after) => {
      const changes = changedRanges(before, after)
      let next = 0
      for (let slot = 0; slot < SLOT_COUNT; slot++) {
        while (next < changes.length && changes[next].lastSlot < slot) next++
        const change = next < changes.length && changes[next].firstSlot <= slot ? changes[next] : null
        const [old, young] = [idsOf(before, slot), idsOf(after, slot)]
        if (old.join() === young.join()) assert.equal(change, null, `slot ${slot}`)
        else assert.deepEqual([change?.before, change?.after], [old, young])
      }
    }),
  )
})

t.test('neighbouring ranges of the same change are one', async (t) => {
  holds(
    t,
    fc.property(ring, ring, (before, after) => {
      const changes = changedRanges(before, after)
      changes.slice(1).forEach((change, i) => {
        const previous = changes[i]
        assert.ok(previous.lastSlot < change.firstSlot)
        if (previous.lastSlot === change.firstSlot - 1) {
          const [one, other] = [previous, change].map(
            ({ before, after }) => `${before.join()} ${after.join()}`,
          )
          assert.notEqual(one, other)
        }
      })
    }),
  )
})

t.test('a ring differs in nothing from itself', async (t) => {
  const one = new Ring(
    [1, 2, 3].map((number) => memberOf(number)),
    2,
  )
  t.same(changedRanges(one, new Ring(one.members, 2)), [])
})
