import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import type { Member } from '../../../src/ring/member.js'
import { TOTAL_WEIGHT_MAX, VNODES_PER_WEIGHT, WEIGHT_MAX } from '../../../src/ring/member.js'
import { Ring } from '../../../src/ring/ring.js'
import { changedRanges } from '../../../src/ring/ring-difference.js'
import { maxOverMean, primarySlots, replicaSlots } from '../../../src/ring/ring-load.js'
import { SLOT_COUNT } from '../../../src/ring/slot.js'
import { memberOf, membersOf } from '../../support/ring-members.js'
import { holds } from '../util/holds.js'

const PRIMARY_MAX = 1.1
const MOVED_MAX = 1.1

const someMembers = fc.uniqueArray(fc.nat(1_000_000), { minLength: 1, maxLength: 40 })

function primaryBalance(ring: Ring): number {
  return maxOverMean(ring, primarySlots(ring))
}

/** Slots whose first in the list is another one. */
function movedPrimaries(before: Ring, after: Ring): number {
  const moved = changedRanges(before, after).filter((change) => change.before[0] !== change.after[0])
  return moved.reduce((sum, { firstSlot, lastSlot }) => sum + lastSlot - firstSlot + 1, 0)
}

t.test(
  'from 3 to 100 members, joining one by one or all at once, nobody leads 1.10 x the mean',
  async (t) => {
    let members: readonly Member[] = []
    const uneven: string[] = []
    for (let count = 1; count <= 100; count++) {
      const ring = new Ring([...members, memberOf(count)], 3)
      members = ring.members
      if (count < 3) continue
      const balance = primaryBalance(ring)
      const heldBalance = maxOverMean(ring, replicaSlots(ring))
      if (balance > PRIMARY_MAX) uneven.push(`${count} joined: ${balance}`)
      if (heldBalance > PRIMARY_MAX) uneven.push(`${count} joined, replicas: ${heldBalance}`)
      if (count > 10 && count % 10 > 0) continue
      const fresh = primaryBalance(new Ring(membersOf(count, 1), 3))
      if (fresh > PRIMARY_MAX) uneven.push(`${count} at once: ${fresh}`)
    }
    t.same(uneven, [])
  },
)

t.test('a join moves nothing but what the newcomer takes, at most 1.1 x its share', async (t) => {
  holds(
    t,
    fc.property(someMembers, fc.integer({ min: 1, max: 4 }), (numbers, weight) => {
      const before = new Ring(
        numbers.map((number) => memberOf(number)),
        3,
      )
      const newcomer = memberOf(-1, { weight })
      const after = new Ring([newcomer, ...before.members], 3)
      const taken = primarySlots(after)[after.indexOf(newcomer.id)]
      assert.equal(movedPrimaries(before, after), taken)
      assert.ok(taken <= (MOVED_MAX * SLOT_COUNT * weight) / (numbers.length + weight))
      for (const { vnodes, id } of before.members) {
        assert.deepEqual(after.members[after.indexOf(id)].vnodes, vnodes)
      }
    }),
    { numRuns: 30 },
  )
})

t.test('a join after leaves in any order moves at most 1.1 x its share as well', async (t) => {
  const full = new Ring(membersOf(40), 3)
  holds(
    t,
    fc.property(fc.shuffledSubarray([...Array(40).keys()], { minLength: 1 }), (staying) => {
      const left = new Ring(
        staying.map((index) => full.members[index]),
        3,
      )
      const after = new Ring([...left.members, memberOf(99)], 3)
      assert.ok(movedPrimaries(left, after) <= (MOVED_MAX * SLOT_COUNT) / (staying.length + 1))
    }),
    { numRuns: 50 },
  )
})

t.test('a leave moves nothing but what the leaver had', async (t) => {
  holds(
    t,
    fc.property(someMembers, fc.nat(), (numbers, choice) => {
      fc.pre(numbers.length > 1)
      const before = new Ring(
        numbers.map((number) => memberOf(number)),
        3,
      )
      const leaver = choice % numbers.length
      const after = new Ring(
        before.members.filter((_, index) => index !== leaver),
        3,
      )
      assert.equal(movedPrimaries(before, after), primarySlots(before)[leaver])
    }),
    { numRuns: 30 },
  )
})

t.test('weights: vnodes and slots in their proportion', async (t) => {
  const weights = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 3, maxLength: 20 })
  holds(
    t,
    fc.property(weights, (list) => {
      const ring = new Ring(
        list.map((weight, number) => memberOf(number, { weight })),
        3,
      )
      for (const { weight, vnodes } of ring.members) assert.equal(vnodes.length, weight * VNODES_PER_WEIGHT)
      assert.ok(primaryBalance(ring) <= PRIMARY_MAX, `max/mean ${primaryBalance(ring)}`)
    }),
    { numRuns: 30 },
  )
})

t.test('as many vnodes as slots are a ring, more are refused with the limit', async (t) => {
  const weights = [...Array<number>(15).fill(WEIGHT_MAX), WEIGHT_MAX - 1, 1]
  const full = new Ring(
    weights.map((weight, number) => memberOf(number, { weight })),
    3,
  )
  t.same(
    primarySlots(full),
    full.members.map(({ weight }) => weight * VNODES_PER_WEIGHT),
  )
  t.throws(() => new Ring([...full.members, memberOf(99)], 3), {
    name: 'RingError',
    code: 'TOO_MANY',
    message: new RegExp(`come to ${TOTAL_WEIGHT_MAX + 1}; a ring takes ${TOTAL_WEIGHT_MAX} `),
  })
  t.throws(() => new Ring(membersOf(2000), 3), { code: 'TOO_MANY' })
})
