/**
 * The vnodes of a ring while members join it: who owns which boundary, how many slots each owns alone and as one of the
 * first `places` of a list, and what a further vnode would change. Labels of machines and racks are not looked at here.
 */
import { assert } from '../util/assert.js'
import type { Member } from './member.js'
import { RingError } from './ring-error.js'
import { SLOT_COUNT } from './slot.js'

export const NOBODY = -1

/** Slots for which the newcomer gets into the list, and who drops out of it: NOBODY where the list was not full. */
export interface Displacement {
  readonly loser: number
  readonly slots: number
}

export class GrowingCircle {
  readonly #members: readonly Member[]
  /** By boundary: the index of the member whose vnode lies there. */
  readonly #ownerAt = new Int16Array(SLOT_COUNT).fill(NOBODY)
  /** By boundary with a vnode: the slots that it owns, and the next vnode clockwise. */
  readonly #sizeAt = new Uint16Array(SLOT_COUNT)
  readonly #nextAt = new Uint16Array(SLOT_COUNT)
  /** By member. */
  readonly vnodes: readonly number[][]
  readonly primary: Float64Array
  readonly replica: Float64Array
  #places = 0

  /** Puts the vnodes where they are that members bring along. Throws RingError when two share a boundary. */
  constructor(members: readonly Member[]) {
    this.#members = members
    this.vnodes = members.map(() => [])
    this.primary = new Float64Array(members.length)
    this.replica = new Float64Array(members.length)
    members.forEach(({ vnodes }, owner) => {
      for (const at of vnodes ?? []) this.#claim(at, owner)
    })
  }

  sizeOf(vnode: number): number {
    return this.#sizeAt[vnode]
  }

  /** Spreads the vnodes of the first member evenly. */
  spread(owner: number, count: number): void {
    for (let i = 0; i < count; i++) this.#claim(Math.floor((i * SLOT_COUNT) / count), owner)
  }

  /** From here on a list has `places` places; counts everything anew where that is another number than before. */
  countFor(places: number): void {
    if (this.#places === places) return
    this.#places = places
    this.primary.fill(0)
    this.replica.fill(0)
    const taken = [...this.#ownerAt.keys()].filter((at) => this.#ownerAt[at] !== NOBODY)
    taken.forEach((at, i) => {
      this.#sizeAt[at] = at - (i === 0 ? taken[taken.length - 1] - SLOT_COUNT : taken[i - 1])
      this.#nextAt[at] = taken[(i + 1) % taken.length]
      this.primary[this.#ownerAt[at]] += this.#sizeAt[at]
    })
    for (const at of taken) for (const member of this.#listAt(at)) this.replica[member] += this.#sizeAt[at]
  }

  /** What changes in the lists when the newcomer takes `slots` off the front of the vnode's range. */
  displacements(newcomer: number, vnode: number, slots: number): readonly Displacement[] {
    const result: Displacement[] = []
    this.#displace(result, newcomer, vnode, slots)
    const between: number[] = []
    for (let at = this.#before(vnode); at !== vnode; at = this.#before(at)) {
      const owner = this.#ownerAt[at]
      if (owner === newcomer) break
      if (!between.includes(owner)) between.push(owner)
      if (between.length === this.#places) break
      this.#displace(result, newcomer, at, this.#sizeAt[at])
    }
    return result
  }

  #displace(result: Displacement[], newcomer: number, at: number, slots: number): void {
    const list = this.#listAt(at)
    if (list.includes(newcomer)) return
    result.push({ loser: list.length < this.#places ? NOBODY : list[list.length - 1], slots })
  }

  /** Gives the newcomer a vnode with the first `slots` slots of another vnode's range. */
  cut(newcomer: number, vnode: number, slots: number): void {
    for (const { loser, slots: moved } of this.displacements(newcomer, vnode, slots)) {
      this.replica[newcomer] += moved
      if (loser !== NOBODY) this.replica[loser] -= moved
    }
    const before = this.#before(vnode)
    const at = (before + slots) % SLOT_COUNT
    this.#claim(at, newcomer)
    this.#sizeAt[at] = slots
    this.#sizeAt[vnode] -= slots
    this.#nextAt[before] = at
    this.#nextAt[at] = vnode
    this.primary[newcomer] += slots
    this.primary[this.#ownerAt[vnode]] -= slots
  }

  #claim(at: number, owner: number): void {
    const other = this.#ownerAt[at]
    if (other !== NOBODY) {
      const [one, two] = [this.#members[other].name, this.#members[owner].name]
      throw new RingError('MEMBER', `members ${one} and ${two} both have a vnode at slot ${at}`)
    }
    assert(at >= 0 && at < SLOT_COUNT, 'a vnode lies on a slot boundary')
    this.#ownerAt[at] = owner
    this.vnodes[owner].push(at)
  }

  #before(vnode: number): number {
    return (vnode - this.#sizeAt[vnode] + SLOT_COUNT) % SLOT_COUNT
  }

  /** The first distinct owners clockwise, the vnode's own first. */
  #listAt(vnode: number): readonly number[] {
    const list: number[] = []
    let at = vnode
    do {
      const owner = this.#ownerAt[at]
      if (!list.includes(owner)) list.push(owner)
      at = this.#nextAt[at]
    } while (list.length < this.#places && at !== vnode)
    return list
  }
}
