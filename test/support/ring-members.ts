/** Member lists for tests and benchmarks of the ring: without labels unless told, ids that only depend on a number. */
import { createHash } from 'node:crypto'
import type { Member } from '../../src/ring/member.js'

export function memberOf(number: number, of: Partial<Member> = {}): Member {
  return {
    id: createHash('sha1').update(`member ${number}`).digest('hex'),
    name: `m${number}`,
    host: null,
    rack: null,
    datacenter: null,
    weight: 1,
    vnodes: null,
    ...of,
  }
}

/** Members of consecutive numbers. */
export function membersOf(count: number, from = 0): Member[] {
  return Array.from({ length: count }, (_, i) => memberOf(from + i))
}
