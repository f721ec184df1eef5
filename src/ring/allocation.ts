/**
 * Which slot boundaries a joining member's vnodes take. They are chosen once, against the vnodes that are there, and stay:
 * members that carry vnodes keep them, the others join one after the other in the order of their ids. So the outcome
 * is a function of the set of members, a join takes primary slots for the newcomer alone, and a leave gives away those of
 * the leaver alone.
 *
 * A newcomer takes its share (its weight's part of all slots) in equal pieces, one per vnode, each off the front of a
 * range of the member that is then the most loaded for its weight. A member at or above the mean has a range as large as
 * the mean range, which is the size of a piece, so there is always something to cut. Which of its ranges that are large
 * enough is free, and decides who drops out of which preference lists: the one that leaves the replicas the most even.
 *
 * Sources: Cassandra's token allocation (CASSANDRA-7032, `allocate_tokens_for_local_replication_factor`), which also
 * weighs replicas and cuts for one newcomer at a time, but searches midpoints of 2^64 tokens, where among 16,384 slots the
 * exact piece can be taken. README.md holds it against random tokens and the other choices.
 */
import { assert } from '../util/assert.js'
import { GrowingCircle, NOBODY } from './growing-circle.js'
import type { Member, PlacedMember } from './member.js'
import { VNODES_PER_WEIGHT } from './member.js'
import { SLOT_COUNT } from './slot.js'

/** Lists are evened for N = 3 whatever `replicas` says, so that a member's vnodes do not depend on it. */
const EVENED_PLACES = 3
/** How much the newcomer's own replicas weigh against those of the others: measured, anything from 0.2 to 0.6 does. */
const NEWCOMER_FACTOR = 0.5

/** As many ranges are weighed for one cut: what keeps large rings and heavy members affordable. */
const CANDIDATES_MAX = 64

/**
 * The same members, all of them with vnodes in ascending order. Throws RingError when two carry the same vnode.
 *
 * @param members in the order of their ids, of a total weight of at most TOTAL_WEIGHT_MAX.
 */
export function allocated(members: readonly Member[]): readonly PlacedMember[] {
  const circle = new GrowingCircle(members)
  const joined = members.filter(({ vnodes }) => vnodes !== null)
  members.forEach((member, index) => {
    if (member.vnodes !== null) return
    join(circle, members, index, joined)
    joined.push(member)
  })
  return members.map((member, index) => ({ ...member, vnodes: circle.vnodes[index].sort((a, b) => a - b) }))
}

function join(
  circle: GrowingCircle,
  members: readonly Member[],
  index: number,
  joined: readonly Member[],
): void {
  const { weight } = members[index]
  const vnodes = weight * VNODES_PER_WEIGHT
  if (joined.length === 0) {
    circle.spread(index, vnodes)
    return
  }
  const totalWeight = joined.reduce((sum, member) => sum + member.weight, weight)
  const places = Math.min(EVENED_PLACES, joined.length)
  circle.countFor(places)
  new Newcomer(circle, members, index, totalWeight, places).takeVnodes(vnodes)
}

/** One member while it joins. */
class Newcomer {
  readonly #circle: GrowingCircle
  readonly #members: readonly Member[]
  readonly #index: number
  /** Slots that it is to own, and to hold. */
  readonly #primaryShare: number
  readonly #replicaShare: number

  constructor(
    circle: GrowingCircle,
    members: readonly Member[],
    index: number,
    totalWeight: number,
    places: number,
  ) {
    this.#circle = circle
    this.#members = members
    this.#index = index
    this.#primaryShare = (SLOT_COUNT * members[index].weight) / totalWeight
    this.#replicaShare = this.#primaryShare * places
  }

  takeVnodes(count: number): void {
    for (let taken = 0; taken < count; taken++) {
      const wanted = Math.round((this.#primaryShare - this.#circle.primary[this.#index]) / (count - taken))
      const from = this.#bestRange(wanted, (this.#replicaShare * (taken + 1)) / count)
      const slots = Math.max(1, Math.min(wanted, this.#circle.sizeOf(from) - 1))
      this.#circle.cut(this.#index, from, slots)
    }
  }

  /** The range to cut: of those large enough the one of the lowest cost, else the largest. */
  #bestRange(wanted: number, heldAfter: number): number {
    const ranges = this.#rangesOfMostLoaded()
    let [best, lowest] = [NOBODY, Infinity]
    const large = ranges.filter((vnode) => this.#circle.sizeOf(vnode) > wanted)
    for (const vnode of large.slice(0, CANDIDATES_MAX)) {
      const cost = this.#cost(vnode, wanted, heldAfter)
      if (cost < lowest) [best, lowest] = [vnode, cost]
    }
    if (best !== NOBODY) return best
    return ranges.reduce((a, b) => (this.#circle.sizeOf(b) > this.#circle.sizeOf(a) ? b : a))
  }

  /** Ranges of more than one slot of the members whose primary slots for their weight are the most. */
  #rangesOfMostLoaded(): readonly number[] {
    let ranges: number[] = []
    let most = 0
    this.#circle.vnodes.forEach((vnodes, index) => {
      const load = this.#circle.primary[index] / this.#members[index].weight
      if (index === this.#index || load < most || (load === most && ranges.length >= CANDIDATES_MAX)) return
      const large = vnodes.filter((vnode) => this.#circle.sizeOf(vnode) > 1)
      if (large.length === 0) return
      ranges = load === most ? [...ranges, ...large] : large
      most = load
    })
    assert(ranges.length > 0, 'fewer vnodes than slots leave a range to cut')
    return ranges
  }

  /** By how much the squared distances from the even share of replicas grow when the newcomer cuts there. */
  #cost(vnode: number, slots: number, heldAfter: number): number {
    const evenPerWeight = this.#replicaShare / this.#members[this.#index].weight
    let [cost, held] = [0, this.#circle.replica[this.#index]]
    for (const { loser, slots: moved } of this.#circle.displacements(this.#index, vnode, slots)) {
      held += moved
      if (loser === NOBODY) continue
      const { weight } = this.#members[loser]
      const excess = this.#circle.replica[loser] / weight - evenPerWeight
      cost += moved * (moved / weight - 2 * excess)
    }
    return cost + NEWCOMER_FACTOR * (held - heldAfter) ** 2
  }
}
