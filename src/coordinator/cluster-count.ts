/**
 * How many live keys the cluster has (RULES R5): every range of the ring is counted once, by the member that this node takes for
 * its home, or, where nobody is fit, by any live replica. So the sum is exact on a converged cluster to within a
 * second, and a range that nobody can count makes it an error rather than too small a number.
 */
import { NOBODY } from './topology.js'
import type { Topology } from './topology.js'
import type { ClusterCalls } from './cluster-calls.js'
import { integerReply } from './cluster-calls.js'
import { ClusterError } from './cluster-error.js'
import type { Clock } from '../env/clock.js'

const COUNT = Buffer.from('COUNT')

export class ClusterCount {
  readonly #calls: ClusterCalls
  readonly #topology: Topology
  readonly #clock: Clock
  readonly #timeoutMs: () => number

  constructor(calls: ClusterCalls, topology: Topology, clock: Clock, timeoutMs: () => number) {
    this.#calls = calls
    this.#topology = topology
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  /** Live keys of the ranges that `counts` chooses. Rejects with ClusterError 'no-replicas-read'. */
  async total(counts: (range: number) => boolean): Promise<number> {
    const { ring } = this.#topology
    const deadlineMs = this.#clock.monotonicMs() + this.#timeoutMs()
    const silent = new Set<number>()
    let left = Array.from({ length: ring.rangeCount }, (_, range) => range).filter(counts)
    let total = 0
    while (left.length > 0) {
      if (this.#clock.monotonicMs() >= deadlineMs) throw new ClusterError('no-replicas-read')
      const byMember = this.#byCounter(left, silent)
      const uncounted: number[] = []
      const counting = [...byMember].map(async ([member, ranges]) => {
        try {
          const count = await this.#countAt(member, ranges)
          total += count
        } catch {
          silent.add(member)
          uncounted.push(...ranges)
        }
      })
      await Promise.all(counting)
      left = uncounted
    }
    return total
  }

  async #countAt(member: number, ranges: readonly number[]): Promise<number> {
    const { ring } = this.#topology
    const args = [COUNT, Buffer.from(ring.version), Buffer.from(ranges.join(','))]
    return integerReply(await this.#calls.call(member, args))
  }

  #byCounter(ranges: readonly number[], silent: ReadonlySet<number>): Map<number, number[]> {
    const byMember = new Map<number, number[]>()
    for (const range of ranges) {
      const member = this.#counterOf(range, silent)
      if (member === NOBODY) throw new ClusterError('no-replicas-read')
      const list = byMember.get(member)
      if (list === undefined) byMember.set(member, [range])
      else list.push(range)
    }
    return byMember
  }

  /** The home, or else a live replica; not one that has kept silent. */
  #counterOf(range: number, silent: ReadonlySet<number>): number {
    const topology = this.#topology
    const { ring } = topology
    const slot = ring.firstSlots[range]
    const isAsked = (member: number): boolean => topology.serves(range, member) && !silent.has(member)
    const home = ring.homeOf(slot, (member) => topology.isFit(member) && isAsked(member))
    if (home !== NOBODY) return home
    return ring.homeOf(slot, (member) => topology.isLive(member) && isAsked(member))
  }
}
