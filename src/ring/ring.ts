/**
 * Who has which slot: a pure function of the set of members and of `replicas`. Two nodes of equal `version` agree on every
 * list; two of different versions agree on every slot whose `listHash` is equal (RULES L3).
 *
 * Requests ask for places all the time and rings hardly ever change, so everything is laid out when a ring is made: slots
 * are grouped in ranges of equal preference lists (16 to a member at weight 1, at most one a slot), and a lookup is two
 * array reads:
 *
 *     rangeOfSlot[slot] -> range;   lists[range * replicas + place] -> index of the member in `members`
 *
 * A member's index is its position in the order of ids: good within one ring, never to be kept or sent.
 */
import { assert } from '../util/assert.js'
import { xxh32 } from '../util/xxhash.js'
import { allocated } from './allocation.js'
import type { Member, PlacedMember } from './member.js'
import { canonicalList, hashOfText, sortedMembers } from './member.js'
import { RingError } from './ring-error.js'
import type { SlotRange } from './slot-range.js'
import { joined } from './slot-range.js'
import { SLOT_COUNT } from './slot.js'
import { VnodeCircle } from './vnode-circle.js'

/** A range with its preference list, as indexes of members. */
export interface ListedRange extends SlotRange {
  readonly list: readonly number[]
}

const NOBODY = -1
const ID_LENGTH = 40
const LIST_SEED = 3

export class Ring {
  /** In the order of their ids, all with vnodes: the list to keep on disk. */
  readonly members: readonly PlacedMember[]
  /** N: as configured, or the number of members where that is less (H2). */
  readonly replicas: number
  /** 16 hexadecimal digits, equal for equal lists: a hash of every member with its vnodes, and of the configured N. */
  readonly version: string
  readonly rangeCount: number
  /** By slot. */
  readonly rangeOfSlot = new Uint16Array(SLOT_COUNT)
  /** By range. */
  readonly firstSlots: Uint16Array
  /** By range x `replicas` + place: index of a member, the home of quiet times first. */
  readonly lists: Uint16Array
  /** By range: a signed 32-bit hash of the ids in the list. */
  readonly #listHashes: Int32Array
  readonly #circle: VnodeCircle
  readonly #vnodeOfRange: Uint16Array
  readonly #fallbacks: (Uint16Array | undefined)[] = []
  readonly #indexOfId: ReadonlyMap<string, number>

  /**
   * @param members the configured list, in any order. Members without vnodes join in the order of their ids.
   * @param replicas N as configured, from 1.
   * @throws RingError where no ring can be made; its message is for the operator.
   */
  constructor(members: Iterable<Member>, replicas: number) {
    if (!Number.isSafeInteger(replicas) || replicas < 1) {
      throw new RingError('REPLICAS', `replicas is not a whole number from 1: ${replicas}`)
    }
    this.members = allocated(sortedMembers(members))
    this.replicas = Math.min(replicas, this.members.length)
    this.version = hashOfText(canonicalList(this.members, replicas))
    this.#indexOfId = new Map(this.members.map(({ id }, index) => [id, index]))
    this.#circle = new VnodeCircle(this.members)
    const ranges = this.#layOut()
    this.rangeCount = ranges.length
    this.firstSlots = Uint16Array.from(ranges, ({ firstSlot }) => firstSlot)
    this.#vnodeOfRange = Uint16Array.from(ranges, ({ vnode }) => vnode)
    this.lists = new Uint16Array(ranges.length * this.replicas)
    ranges.forEach(({ list, firstSlot }, range) => {
      this.lists.set(list, range * this.replicas)
      this.rangeOfSlot.fill(range, firstSlot)
    })
    this.#listHashes = Int32Array.from(ranges, ({ list }) => this.#hashOfList(list))
  }

  /** Ranges of equal lists, ascending. The vnode first met from slot 16383 on is the lowest, so its range has two ends. */
  #layOut(): { firstSlot: number; vnode: number; list: Uint16Array }[] {
    const ranges: { firstSlot: number; vnode: number; list: Uint16Array }[] = []
    const { ends } = this.#circle
    let firstSlot = 0
    for (let i = 0; firstSlot < SLOT_COUNT; i++) {
      const vnode = i % ends.length
      const list = this.#circle.chosen(this.#circle.clockwiseFrom(vnode), this.replicas)
      const before = ranges.at(-1)?.list
      if (!before?.every((member, place) => member === list[place])) ranges.push({ firstSlot, vnode, list })
      firstSlot = i < ends.length ? ends[i] : SLOT_COUNT
    }
    return ranges
  }

  #hashOfList(list: Uint16Array): number {
    const bytes = new Uint8Array(list.length * ID_LENGTH)
    const encoder = new TextEncoder()
    list.forEach((member, place) =>
      encoder.encodeInto(this.members[member].id, bytes.subarray(place * ID_LENGTH)),
    )
    return xxh32(bytes, 0, bytes.length, LIST_SEED)
  }

  /** Index of the member with this id, or -1. */
  indexOf(id: string): number {
    return this.#indexOfId.get(id) ?? NOBODY
  }

  /** Index of the member at a place of the slot's preference list, 0 to `replicas` - 1. */
  memberAt(slot: number, place: number): number {
    return this.lists[this.rangeOfSlot[slot] * this.replicas + place]
  }

  /** The place of a member in the slot's preference list, or -1 where it is no replica of the slot. */
  placeOf(slot: number, member: number): number {
    const start = this.rangeOfSlot[slot] * this.replicas
    for (let place = 0; place < this.replicas; place++) if (this.lists[start + place] === member) return place
    return NOBODY
  }

  /** L3: a hash of the slot's preference list, signed, 32 bits. Depends on ids and their order alone. */
  listHash(slot: number): number {
    return this.#listHashes[this.rangeOfSlot[slot]]
  }

  /** H1: the first member of the slot's preference list that is live and fit, as the caller sees it; -1 when none is. */
  homeOf(slot: number, isFit: (member: number) => boolean): number {
    const start = this.rangeOfSlot[slot] * this.replicas
    for (let place = 0; place < this.replicas; place++) {
      const member = this.lists[start + place]
      if (isFit(member)) return member
    }
    return NOBODY
  }

  /**
   * The members that are no replicas of the slot, in ring order: where fallback copies go. Made when first asked for and
   * kept with the range.
   */
  fallbacksOf(slot: number): Uint16Array {
    const range = this.rangeOfSlot[slot]
    const known = this.#fallbacks[range]
    if (known !== undefined) return known
    const order = this.#circle.clockwiseFrom(this.#vnodeOfRange[range])
    const rest = order.filter((member) => this.placeOf(slot, member) === NOBODY)
    this.#fallbacks[range] = rest
    return rest
  }

  /** Every range with its list, ascending: what CLUSTER SLOTS and repair walk. */
  ranges(): readonly ListedRange[] {
    return Array.from({ length: this.rangeCount }, (_, range) => this.rangeAt(range))
  }

  rangeAt(range: number): ListedRange {
    assert(range >= 0 && range < this.rangeCount, 'a range of this ring')
    const start = range * this.replicas
    return {
      firstSlot: this.firstSlots[range],
      lastSlot: range + 1 < this.rangeCount ? this.firstSlots[range + 1] - 1 : SLOT_COUNT - 1,
      list: [...this.lists.subarray(start, start + this.replicas)],
    }
  }

  /** The slots whose lists the member leads, ascending, as few ranges as possible: CLUSTER NODES. */
  primaryRanges(member: number): readonly SlotRange[] {
    return joined(this.ranges().filter(({ list }) => list[0] === member))
  }

  /** The slots that the member holds a replica of, its primary ones among them. */
  replicaRanges(member: number): readonly SlotRange[] {
    return joined(this.ranges().filter(({ list }) => list.includes(member)))
  }

  /** The list on one line, for the refusal that names both sides' (H2). */
  describe(): string {
    const members = this.members.map(({ id, name, host, rack, datacenter, weight }) => {
      const labels = Object.entries({ host, rack, datacenter })
      const named = labels.filter(([, label]) => label !== null).map(([what, label]) => ` ${what} ${label}`)
      return `${name} (${id}${named.join('')} weight ${weight})`
    })
    return `ring ${this.version} of ${this.replicas} replicas: ${members.join(', ')}`
  }
}
