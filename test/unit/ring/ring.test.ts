import t from 'tap'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import type { Member } from '../../../src/ring/member.js'
import { Ring } from '../../../src/ring/ring.js'
import { joined, tokensOf } from '../../../src/ring/slot-range.js'
import { SLOT_COUNT } from '../../../src/ring/slot.js'
import { slotOfToken, TOKEN_END } from '../../../src/ring/token.js'
import { memberOf, membersOf } from '../../support/ring-members.js'
import { holds } from '../util/holds.js'

const label = (letters: string): fc.Arbitrary<string | null> => fc.constantFrom(null, ...letters)
/** Hosts stand in one rack each, racks in one datacenter, as in life. */
const labels = fc.oneof(
  fc.record({ datacenter: label('de'), rack: label('rst'), host: fc.constant(null) }),
  fc.record({ datacenter: label('de'), rack: label('rst'), host: fc.constantFrom(...'hij') }).map((at) => ({
    ...at,
    host: `${at.datacenter}${at.rack}${at.host}`,
  })),
)
const memberList = fc
  .array(fc.tuple(labels, fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 12 })
  .map((list) => list.map(([at, weight], number) => memberOf(number, { ...at, weight })))
const replicas = fc.integer({ min: 1, max: 6 })
const slot = fc.nat(SLOT_COUNT - 1)

function listOf(ring: Ring, at: number): number[] {
  return Array.from({ length: ring.replicas }, (_, place) => ring.memberAt(at, place))
}

function idsOf(ring: Ring, at: number): string[] {
  return listOf(ring, at).map((member) => ring.members[member].id)
}

t.test('equal sets of members are equal rings, in whatever order they are listed', async (t) => {
  const twoOrders = memberList.chain((members) => {
    return fc.tuple(fc.constant(members), fc.shuffledSubarray(members, { minLength: members.length }))
  })
  holds(
    t,
    fc.property(twoOrders, replicas, ([members, shuffled], n) => {
      const one = new Ring(members, n)
      const other = new Ring(shuffled, n)
      assert.deepEqual(other.members, one.members)
      assert.deepEqual(other.lists, one.lists)
      assert.deepEqual(other.rangeOfSlot, one.rangeOfSlot)
      assert.equal(other.version, one.version)
      assert.equal(other.describe(), one.describe())
    }),
  )
})

t.test('the list that a ring keeps makes the same ring again', async (t) => {
  holds(
    t,
    fc.property(memberList, replicas, (members, n) => {
      const ring = new Ring(members, n)
      const kept = JSON.parse(JSON.stringify(ring.members)) as Member[]
      const reversed = kept.map((member) => ({ ...member, vnodes: [...(member.vnodes ?? [])].reverse() }))
      const again = new Ring(reversed, n)
      assert.equal(again.version, ring.version)
      assert.deepEqual(again.lists, ring.lists)
      assert.deepEqual(again.members, ring.members)
    }),
  )
})

t.test(
  'H2 N is replicas, or the number of members where that is less, and no list names one twice',
  async (t) => {
    holds(
      t,
      fc.property(memberList, replicas, slot, (members, n, at) => {
        const ring = new Ring(members, n)
        assert.equal(ring.replicas, Math.min(n, members.length))
        assert.equal(new Set(listOf(ring, at)).size, ring.replicas)
        assert.ok(listOf(ring, at).every((member) => member < members.length))
      }),
    )
  },
)

t.test(
  'H2 a ring version tells lists apart by member, label, weight, vnode and N, and names the list',
  async (t) => {
    const members = membersOf(3)
    const ring = new Ring(members, 3)
    const [first, ...others] = ring.members
    const moved = first.vnodes.map((vnode, i) => (i === 0 ? vnode + 1 : vnode))
    const lists: [readonly Member[], number][] = [
      [ring.members, 2],
      [ring.members, 4],
      [others, 3],
      [[...ring.members, memberOf(9)], 3],
      [[{ ...first, host: 'h' }, ...others], 3],
      [[{ ...first, rack: 'h' }, ...others], 3],
      [[{ ...first, datacenter: 'h' }, ...others], 3],
      [[{ ...first, name: 'h' }, ...others], 3],
      [[{ ...first, weight: 2, vnodes: null }, ...others], 3],
      [[{ ...first, vnodes: moved }, ...others], 3],
    ]
    const versions = [ring, ...lists.map(([list, n]) => new Ring(list, n))].map(({ version }) => version)
    t.equal(new Set(versions).size, lists.length + 1)
    t.ok(versions.every((version) => /^[0-9a-f]{16}$/.test(version)))
    t.equal(
      new Ring(members, 3).version,
      '4f0d1301ab823a1b',
      'never changes: peers of other builds compare it',
    )
    for (const text of [ring.version, 'm0', 'm1', 'm2', first.id]) t.ok(ring.describe().includes(text), text)
  },
)

t.test('every slot lies in one range, and every range of the same list is as long as can be', async (t) => {
  holds(
    t,
    fc.property(memberList, replicas, (members, n) => {
      const ring = new Ring(members, n)
      let next = 0
      ring.ranges().forEach(({ firstSlot, lastSlot, list }, range) => {
        assert.equal(firstSlot, next)
        for (let at = firstSlot; at <= lastSlot; at++) {
          assert.equal(ring.rangeOfSlot[at], range)
        }
        assert.deepEqual(listOf(ring, lastSlot), list)
        if (range > 0) assert.notDeepEqual(ring.rangeAt(range - 1).list, list)
        next = lastSlot + 1
      })
      assert.equal(next, SLOT_COUNT)
    }),
  )
})

t.test('the first of a list is the owner of the next vnode clockwise, labels or not', async (t) => {
  holds(
    t,
    fc.property(memberList, replicas, slot, (members, n, at) => {
      const ring = new Ring(members, n)
      const distance = (vnode: number): number => (vnode - at - 1 + SLOT_COUNT) % SLOT_COUNT
      const vnodes = ring.members.flatMap(({ vnodes }, member) => vnodes.map((vnode) => ({ vnode, member })))
      const nearest = vnodes.reduce((a, b) => (distance(b.vnode) < distance(a.vnode) ? b : a))
      assert.equal(ring.memberAt(at, 0), nearest.member)
    }),
  )
})

t.test(
  'without labels a list is the next distinct members clockwise, and fallbacks go on from there',
  async (t) => {
    holds(
      t,
      fc.property(fc.integer({ min: 1, max: 12 }), replicas, slot, (count, n, at) => {
        const ring = new Ring(membersOf(count), n)
        const distance = (vnode: number): number => (vnode - at - 1 + SLOT_COUNT) % SLOT_COUNT
        const nearest = ring.members.map(({ vnodes }) => Math.min(...vnodes.map(distance)))
        const walk = [...nearest.keys()].sort((a, b) => nearest[a] - nearest[b])
        assert.deepEqual(listOf(ring, at), walk.slice(0, ring.replicas))
        const { firstSlot } = ring.rangeAt(ring.rangeOfSlot[at])
        if (firstSlot === at) assert.deepEqual([...ring.fallbacksOf(at)], walk.slice(ring.replicas))
      }),
    )
  },
)

t.test('fallbacks are all the other members, each once', async (t) => {
  holds(
    t,
    fc.property(memberList, replicas, slot, (members, n, at) => {
      const ring = new Ring(members, n)
      const all = [...listOf(ring, at), ...ring.fallbacksOf(at)].sort((a, b) => a - b)
      assert.deepEqual(all, [...members.keys()])
      assert.equal(ring.fallbacksOf(at), ring.fallbacksOf(at), 'made once')
    }),
  )
})

t.test('replicas are on distinct racks and distinct hosts where there are as many', async (t) => {
  holds(
    t,
    fc.property(memberList, replicas, slot, (members, n, at) => {
      const ring = new Ring(members, n)
      const hosts = ring.members.map(({ host, id }) => host ?? `alone ${id}`)
      const racks = ring.members.map(({ datacenter, rack }) => `${datacenter} ${rack}`)
      const list = listOf(ring, at)
      for (const places of [hosts, racks]) {
        const used = new Set(list.map((member) => places[member])).size
        assert.equal(used, Math.min(ring.replicas, new Set(places).size))
      }
    }),
    { numRuns: 500 },
  )
})

t.test('a host in several racks still gets one replica: hosts outweigh racks', async (t) => {
  const members = membersOf(9).map((member, i) => ({ ...member, host: `h${i % 3}`, rack: `r${i}` }))
  const ring = new Ring(members, 3)
  const crowded: number[] = []
  for (let at = 0; at < SLOT_COUNT; at++) {
    const hosts = new Set(listOf(ring, at).map((member) => ring.members[member].host))
    if (hosts.size < 3) crowded.push(at)
  }
  t.same(crowded, [])
})

t.test('H1 the home of a slot is the first member of its list that is fit', async (t) => {
  holds(
    t,
    fc.property(memberList, replicas, slot, fc.uniqueArray(fc.nat(11)), (members, n, at, unfit) => {
      const ring = new Ring(members, n)
      const home = ring.homeOf(at, (member) => !unfit.includes(member))
      assert.equal(home, listOf(ring, at).find((member) => !unfit.includes(member)) ?? -1)
    }),
  )
})

t.test('a member has a place in exactly the lists that name it', async (t) => {
  holds(
    t,
    fc.property(memberList, replicas, slot, (members, n, at) => {
      const ring = new Ring(members, n)
      ring.members.forEach(({ id }, member) => {
        assert.equal(ring.indexOf(id), member)
        assert.equal(ring.placeOf(at, member), listOf(ring, at).indexOf(member))
        const inside = ring
          .replicaRanges(member)
          .some((range) => range.firstSlot <= at && at <= range.lastSlot)
        assert.equal(inside, ring.placeOf(at, member) >= 0)
        const led = ring.primaryRanges(member).some((range) => range.firstSlot <= at && at <= range.lastSlot)
        assert.equal(led, ring.placeOf(at, member) === 0)
      })
      assert.equal(ring.indexOf('f'.repeat(40)), -1)
    }),
  )
})

t.test(
  'L3 the hash of a slot says the ids of its list and their order, and nothing of the rest of the ring',
  async (t) => {
    holds(
      t,
      fc.property(memberList, memberList, replicas, (members, others, n) => {
        const one = new Ring(members, n)
        const other = new Ring(others, n)
        for (let at = 0; at < SLOT_COUNT; at += 61) {
          const same = idsOf(one, at).join() === idsOf(other, at).join()
          assert.equal(one.listHash(at) === other.listHash(at), same, `slot ${at}`)
        }
      }),
    )
  },
)

t.test('L3 a join leaves the hashes of most slots of a large ring alone', async (t) => {
  const before = new Ring(membersOf(50), 3)
  const after = new Ring([...before.members, memberOf(99)], 3)
  let same = 0
  for (let at = 0; at < SLOT_COUNT; at++) if (before.listHash(at) === after.listHash(at)) same++
  t.ok(same > 0.9 * SLOT_COUNT, `${same} of ${SLOT_COUNT}`)
})

t.test('one member has everything', async (t) => {
  const ring = new Ring(membersOf(1), 3)
  t.same(ring.ranges(), [{ firstSlot: 0, lastSlot: SLOT_COUNT - 1, list: [0] }])
  t.same(ring.primaryRanges(0), [{ firstSlot: 0, lastSlot: SLOT_COUNT - 1 }])
  t.same([...ring.fallbacksOf(7)], [])
  t.equal(
    ring.homeOf(7, () => false),
    -1,
  )
})

t.test('a range of slots is one range of tokens', async (t) => {
  t.same(tokensOf({ firstSlot: 0, lastSlot: SLOT_COUNT - 1 }), { start: 0, end: TOKEN_END })
  const { start, end } = tokensOf({ firstSlot: 5, lastSlot: 6 })
  t.same([start - 1, start, end - 1, end].map(slotOfToken), [4, 5, 6, 7])
  const ranges = [1, 2, 4].map((at) => ({ firstSlot: at, lastSlot: at }))
  t.same(joined(ranges), [
    { firstSlot: 1, lastSlot: 2 },
    { firstSlot: 4, lastSlot: 4 },
  ])
})

t.test('a list that is no list of members is refused with what is wrong', async (t) => {
  const [one, two] = new Ring(membersOf(2), 3).members
  const refusals: [Member[], number, string, RegExp][] = [
    [[], 3, 'NO_MEMBERS', /empty/],
    [[one], 0, 'REPLICAS', /replicas.*: 0/],
    [[one], 1.5, 'REPLICAS', /1\.5/],
    [[memberOf(1, { id: 'abc' })], 3, 'MEMBER', /id of member m1.*"abc"/],
    [[memberOf(1, { id: 'F'.repeat(40) })], 3, 'MEMBER', /hexadecimal/],
    [[memberOf(1, { weight: 0 })], 3, 'MEMBER', /weight of member m1.*: 0/],
    [[memberOf(1, { weight: 65 })], 3, 'MEMBER', /from 1 to 64: 65/],
    [[memberOf(1, { weight: 1.5 })], 3, 'MEMBER', /1\.5/],
    [[one, one], 3, 'MEMBER', new RegExp(`two members have the id ${one.id}`)],
    [[{ ...one, weight: 2 }, two], 3, 'MEMBER', /has 16 vnodes where its weight of 2 means 32/],
    [[{ ...one, vnodes: two.vnodes }, two], 3, 'MEMBER', /m\d and m\d both have a vnode at slot \d+/],
    [[{ ...one, vnodes: one.vnodes.map(() => 7) }, two], 3, 'MEMBER', /both have a vnode at slot 7/],
    [[{ ...one, vnodes: one.vnodes.with(3, SLOT_COUNT) }], 3, 'MEMBER', /vnode at 16384/],
  ]
  for (const [members, n, code, message] of refusals) {
    t.throws(() => new Ring(members, n), { name: 'RingError', code, message })
  }
})
