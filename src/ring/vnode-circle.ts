/**
 * The vnodes of all members in ring order, and whom one meets walking clockwise from one of them. A preference list is
 * chosen from that walk as Dynamo does (section 4.8: skip vnodes of nodes already taken), with the labels of
 * machines and racks on top:
 *
 *     each place goes to the first member clockwise, not yet taken, of the fewest copies on its host, then on its rack
 *
 * With as many hosts as places that is a host each; with as many racks as places, and no machine in two racks, a rack
 * each. With fewer it is as even as the walk permits instead of nothing. A host outweighs a rack because it certainly fails
 * as one. The first place is always the vnode's owner, so labels never move a primary.
 */
import type { PlacedMember } from './member.js'
import { SLOT_COUNT } from './slot.js'

export class VnodeCircle {
  /** Ascending: the slot behind the last that the vnode owns, 1 to 16384. */
  readonly ends: Uint16Array
  readonly #owners: Uint16Array
  readonly #hosts: Uint16Array
  readonly #racks: Uint16Array

  /** @param members in the order of their ids, vnodes all distinct. */
  constructor(members: readonly PlacedMember[]) {
    const vnodes = members.flatMap(({ vnodes }, owner) => {
      return vnodes.map((slot) => ({ end: slot === 0 ? SLOT_COUNT : slot, owner }))
    })
    vnodes.sort((a, b) => a.end - b.end)
    this.ends = Uint16Array.from(vnodes, ({ end }) => end)
    this.#owners = Uint16Array.from(vnodes, ({ owner }) => owner)
    this.#hosts = numbered(members.map(({ host, id }) => (host === null ? ['alone', id] : ['host', host])))
    this.#racks = numbered(members.map(({ datacenter, rack }) => [datacenter, rack]))
  }

  /** All members, in the order in which the first of their vnodes is met from `vnode` clockwise. */
  clockwiseFrom(vnode: number): Uint16Array {
    const order = new Uint16Array(this.#hosts.length)
    const met = new Uint8Array(this.#hosts.length)
    for (let found = 0, at = vnode; found < order.length; at++) {
      const owner = this.#owners[at % this.#owners.length]
      if (met[owner] === 1) continue
      met[owner] = 1
      order[found++] = owner
    }
    return order
  }

  /** The first `places` members of a walk by the rule above; `places` at most the number of members. */
  chosen(order: Uint16Array, places: number): Uint16Array {
    const list = new Uint16Array(places)
    const taken = new Uint8Array(order.length)
    const onHost = new Uint16Array(order.length)
    const onRack = new Uint16Array(order.length)
    for (let place = 0; place < places; place++) {
      let best = -1
      for (const member of order) {
        if (taken[member] === 1) continue
        const onHostFewer = best === -1 ? -1 : onHost[this.#hosts[member]] - onHost[this.#hosts[best]]
        const onRackFewer = best === -1 ? -1 : onRack[this.#racks[member]] - onRack[this.#racks[best]]
        if (onHostFewer < 0 || (onHostFewer === 0 && onRackFewer < 0)) best = member
        if (onHost[this.#hosts[best]] + onRack[this.#racks[best]] === 0) break
      }
      list[place] = best
      taken[best] = 1
      onHost[this.#hosts[best]]++
      onRack[this.#racks[best]]++
    }
    return list
  }
}

/** Equal labels get equal numbers, from 0. */
function numbered(labels: readonly (readonly (string | null)[])[]): Uint16Array {
  const numbers = new Map<string, number>()
  return Uint16Array.from(labels, (label) => {
    const text = JSON.stringify(label)
    const number = numbers.get(text) ?? numbers.size
    numbers.set(text, number)
    return number
  })
}
