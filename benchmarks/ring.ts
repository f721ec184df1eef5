/**
 * How evenly the ring spreads slots, and how many change hands when members join and leave. Nothing is served: all but the
 * time to make a ring is arithmetic with one outcome on every machine. Every figure is in shares, 1 being perfect: the
 * most loaded member's slots against the mean, or the slots moved by a join against the newcomer's share.
 *
 * Members are numbered, their ids hashes; leaves are in seeded random orders, members joining in that of their numbers. The
 * peer is what the textbook does: 16 random boundaries a member.
 */
import { Ring } from '../src/ring/ring.js'
import { changedRanges } from '../src/ring/ring-difference.js'
import { maxOverMean, primarySlots, replicaSlots } from '../src/ring/ring-load.js'
import type { Member } from '../src/ring/member.js'
import { VNODES_PER_WEIGHT } from '../src/ring/member.js'
import { SLOT_COUNT } from '../src/ring/slot.js'
import { memberOf, membersOf } from '../test/support/ring-members.js'
import { Seeded } from '../test/support/seeded.js'
import type { Benchmark, BenchmarkOptions } from './benchmark.js'
import { scaled } from './benchmark.js'
import type { Comparison } from './measure/comparison.js'
import { figureAtMost } from './measure/comparison.js'

const SIZES = [3, 4, 5, 6, 8, 12, 16, 24, 32, 48, 64, 100]
const REPLICAS = 3
const BALANCE_MAX = 1.1
const MOVED_MAX = 1.1
/** Random orders in which members leave, and random rings to compare with. */
const ORDERS = 200
const SEED = 1

export const ring: Benchmark = {
  name: 'ring',
  summary: 'balance of 3 to 100 nodes, slots moved by joins, balance after leaves, time to make a ring',
  minutes: 1,
  run: (options) =>
    Promise.resolve({
      rows: [...growthRows(options), ...leaverRows(), ...leaveRows(options), ...timeRows(options)],
      notes: [
        `N = ${REPLICAS}, ${VNODES_PER_WEIGHT} vnodes a member, weight 1; median (lowest to highest) where a row has several figures`,
        `leaves: ${scaled(ORDERS, options)} random orders, seed ${SEED}; a random ring is 16 distinct random slots a member`,
      ],
    }),
}

/** Members join one by one from an empty ring. */
function growthRows(options: BenchmarkOptions): Comparison[] {
  const [primary, replica, moved]: Comparison[][] = [[], [], []]
  const seeded = new Seeded(SEED)
  let before = new Ring([memberOf(0)], REPLICAS)
  for (let count = 2; count <= SIZES[SIZES.length - 1]; count++) {
    const after = new Ring([...before.members, memberOf(count - 1)], REPLICAS)
    if (SIZES.includes(count)) {
      const random = Array.from({ length: scaled(ORDERS, options) }, () => randomRing(count, seeded))
      const peer = { unit: 'x mean', peer: 'random vnodes' }
      primary.push({
        ...peer,
        measure: `primary slots, max/mean, ${count} nodes`,
        kindred: random.map(() => primaryBalance(after)),
        theirs: random.map(primaryBalance),
        target: figureAtMost(BALANCE_MAX),
      })
      replica.push({
        ...peer,
        measure: `replicas held, max/mean, ${count} nodes`,
        kindred: random.map(() => replicaBalance(after)),
        theirs: random.map(replicaBalance),
      })
      moved.push({
        measure: `primary slots moved by the join of node ${count}`,
        unit: 'x k/n',
        kindred: [movedPrimaries(before, after) / (SLOT_COUNT / count)],
        peer: '',
        theirs: [],
        target: figureAtMost(MOVED_MAX),
      })
    }
    before = after
  }
  return [...primary, ...moved, ...replica]
}

/** Each member of a ring leaves it alone. */
function leaverRows(): Comparison[] {
  return SIZES.slice(1).map((count) => {
    const { members } = new Ring(membersOf(count), REPLICAS)
    const left = members.map(
      (leaver) =>
        new Ring(
          members.filter((member) => member !== leaver),
          REPLICAS,
        ),
    )
    return {
      measure: `primary slots, max/mean, any one of ${count} has left`,
      unit: 'x mean',
      kindred: left.map(primaryBalance),
      peer: '',
      theirs: [],
    }
  })
}

/** Members of a ring of 100 leave in random orders, without any coming back. */
function leaveRows(options: BenchmarkOptions): Comparison[] {
  const largest = SIZES[SIZES.length - 1]
  const full = new Ring(membersOf(largest), REPLICAS)
  const seeded = new Seeded(SEED)
  const orders = Array.from({ length: scaled(ORDERS, options) }, () => shuffled(full.members, seeded))
  return SIZES.toReversed()
    .slice(1)
    .map((count) => ({
      measure: `primary slots, max/mean, ${count} left of ${largest}`,
      unit: 'x mean',
      kindred: orders.map((order) => primaryBalance(new Ring(order.slice(0, count), REPLICAS))),
      peer: 'random vnodes',
      theirs: orders.map(() => primaryBalance(randomRing(count, seeded))),
    }))
}

function timeRows(options: BenchmarkOptions): Comparison[] {
  const members = membersOf(100)
  const { members: placed } = new Ring(members, REPLICAS)
  const row = (measure: string, list: readonly Member[]): Comparison => ({
    measure,
    unit: 'ms CPU',
    kindred: Array.from({ length: options.turns }, () => cpuMs(() => new Ring(list, REPLICAS))),
    peer: '',
    theirs: [],
  })
  return [row('ring of 100 nodes, vnodes to be chosen', members), row('the same, vnodes known', placed)]
}

function cpuMs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function primaryBalance(of: Ring): number {
  return maxOverMean(of, primarySlots(of))
}

function replicaBalance(of: Ring): number {
  return maxOverMean(of, replicaSlots(of))
}

function movedPrimaries(before: Ring, after: Ring): number {
  const moved = changedRanges(before, after).filter((change) => change.before[0] !== change.after[0])
  return moved.reduce((sum, { firstSlot, lastSlot }) => sum + lastSlot - firstSlot + 1, 0)
}

function randomRing(count: number, seeded: Seeded): Ring {
  const slots = new Set<number>()
  while (slots.size < count * VNODES_PER_WEIGHT) slots.add(seeded.below(SLOT_COUNT))
  const vnodes = [...slots]
  return new Ring(
    membersOf(count).map((member, i) => ({
      ...member,
      vnodes: vnodes.slice(i * VNODES_PER_WEIGHT, (i + 1) * VNODES_PER_WEIGHT),
    })),
    REPLICAS,
  )
}

function shuffled<T>(list: readonly T[], seeded: Seeded): readonly T[] {
  const result = [...list]
  for (let i = result.length - 1; i > 0; i--) {
    const other = seeded.below(i + 1)
    ;[result[i], result[other]] = [result[other], result[i]]
  }
  return result
}
