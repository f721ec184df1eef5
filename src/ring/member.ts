/**
 * One line of the configured member list, as far as placement is concerned; where a member listens is somebody else's
 * business. A list is a set: nothing depends on the order of its lines, everything here sorts by id.
 *
 * A member that has joined carries its vnodes, chosen once when it joined (allocation.ts) and kept on disk, as Cassandra
 * keeps tokens. README.md says why.
 */
import { xxh32 } from '../util/xxhash.js'
import { RingError } from './ring-error.js'
import { SLOT_COUNT } from './slot.js'

/** Vnodes of a member of weight 1. */
export const VNODES_PER_WEIGHT = 16
/** Of one member; a machine that is larger runs several nodes, labelled with its host. */
export const WEIGHT_MAX = 64
/** Weights of all members together: beyond it there are more vnodes than slots. */
export const TOTAL_WEIGHT_MAX = SLOT_COUNT / VNODES_PER_WEIGHT

export interface Member {
  /** 40 lower-case hexadecimal digits, as Redis's node ids. */
  readonly id: string
  readonly name: string
  /** The machine; members of equal label stand and fall together. Null: a machine of its own. */
  readonly host: string | null
  /** Null: in one rack with every other member that names none. */
  readonly rack: string | null
  /** Racks of equal label in two datacenters are two racks. */
  readonly datacenter: string | null
  /** A whole number from 1 to WEIGHT_MAX; twice the weight is twice the vnodes and twice the load. */
  readonly weight: number
  /**
   * The boundaries that its vnodes lie on, as slot numbers: a vnode at s owns the slots below s down to the next vnode, one
   * at 0 those below 16384. Null until it has joined a ring.
   */
  readonly vnodes: readonly number[] | null
}

/** A member that has joined. */
export interface PlacedMember extends Member {
  readonly vnodes: readonly number[]
}

/** The members in the order of their ids. Throws RingError for a list that no ring can be made of. */
export function sortedMembers(members: Iterable<Member>): readonly Member[] {
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1))
  if (sorted.length === 0) throw new RingError('NO_MEMBERS', 'the member list is empty')
  let total = 0
  sorted.forEach((member, i) => {
    checkMember(member)
    if (i > 0 && sorted[i - 1].id === member.id)
      throw new RingError('MEMBER', `two members have the id ${member.id}`)
    total += member.weight
  })
  if (total > TOTAL_WEIGHT_MAX) {
    throw new RingError(
      'TOO_MANY',
      `the weights of the ${sorted.length} members come to ${total}; a ring takes ${TOTAL_WEIGHT_MAX} ` +
        `(${SLOT_COUNT} slots, ${VNODES_PER_WEIGHT} vnodes for a weight of 1)`,
    )
  }
  return sorted
}

function checkMember({ id, name, weight, vnodes }: Member): void {
  if (!/^[0-9a-f]{40}$/.test(id)) {
    throw new RingError('MEMBER', `the id of member ${name} is not 40 hexadecimal digits: "${id}"`)
  }
  if (!Number.isSafeInteger(weight) || weight < 1 || weight > WEIGHT_MAX) {
    throw new RingError(
      'MEMBER',
      `the weight of member ${name} is not a whole number from 1 to ${WEIGHT_MAX}: ${weight}`,
    )
  }
  if (vnodes === null) return
  if (vnodes.length !== weight * VNODES_PER_WEIGHT) {
    throw new RingError(
      'MEMBER',
      `member ${name} has ${vnodes.length} vnodes where its weight of ${weight} means ${weight * VNODES_PER_WEIGHT}`,
    )
  }
  const wrong = vnodes.find((slot) => !Number.isInteger(slot) || slot < 0 || slot >= SLOT_COUNT)
  if (wrong !== undefined) throw new RingError('MEMBER', `member ${name} has a vnode at ${wrong}: not a slot`)
}

/** One text for one set of members and one N: what ring versions are hashes of. */
export function canonicalList(members: readonly PlacedMember[], replicas: number): string {
  const lines = members.map(({ id, name, host, rack, datacenter, weight, vnodes }) => {
    return JSON.stringify([id, name, host, rack, datacenter, weight, [...vnodes].sort((a, b) => a - b)])
  })
  return [`replicas ${replicas}`, ...lines].join('\n')
}

/** 64 bits of xxHash32 under two seeds, as 16 hexadecimal digits. */
export function hashOfText(text: string): string {
  const bytes = new TextEncoder().encode(text)
  return [1, 2].map((seed) => hex(xxh32(bytes, 0, bytes.length, seed))).join('')
}

function hex(hash: number): string {
  return (hash >>> 0).toString(16).padStart(8, '0')
}
