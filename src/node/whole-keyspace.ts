/** The keyspace of the cluster as commands see it: who counts which ranges, and with whom it is walked and emptied. */
import type { ClusterKeyspace, Scope, ScanStep } from '../commands/cluster-keyspace.js'
import { ClusterCalls } from '../coordinator/cluster-calls.js'
import { ClusterCount } from '../coordinator/cluster-count.js'
import { ClusterFlush } from '../coordinator/cluster-flush.js'
import { ClusterScan } from '../coordinator/cluster-scan.js'
import type { Level } from '../coordinator/consistency.js'
import type { Coordinator } from '../coordinator/coordinator.js'
import type { FlushMarks } from '../coordinator/flush-marks.js'
import type { KeyVisitor } from '../coordinator/keyspace.js'
import type { OwnAnswers } from '../coordinator/own-answers.js'
import type { Topology } from '../coordinator/topology.js'
import type { Random } from '../env/random.js'
import { TOKEN_END, TOKENS_PER_SLOT } from '../ring/token.js'
import type { ClusterConfig } from './node-config.js'

export class WholeKeyspace implements ClusterKeyspace {
  readonly #topology: Topology
  readonly #random: Random
  readonly #count: ClusterCount
  readonly #scan: ClusterScan
  readonly #flush: ClusterFlush

  constructor(options: {
    coordinator: Coordinator
    answers: OwnAnswers
    marks: FlushMarks
    random: Random
    settings: () => ClusterConfig
    clockInDoubt: () => boolean
    isFailed: (member: number) => boolean
  }) {
    const { coordinator, settings, marks, clockInDoubt, isFailed } = options
    const { topology, clock } = coordinator
    this.#topology = topology
    this.#random = options.random
    const calls = new ClusterCalls(coordinator, options.answers)
    this.#count = new ClusterCount(calls, topology, clock, () => settings().readTimeoutMs)
    this.#scan = new ClusterScan(calls, topology, clock, () => settings().readTimeoutMs)
    const timeoutMs = (): number => settings().flushTimeoutMs
    this.#flush = new ClusterFlush({ calls, topology, clock, marks, timeoutMs, clockInDoubt, isFailed })
  }

  count(scope: Scope): Promise<number> {
    return this.#count.total((range) => this.#covers(scope, range))
  }

  async scan(scope: Scope, cursor: number, keys: number, level: Level, visit: KeyVisitor): Promise<ScanStep> {
    const covers = (range: number): boolean => this.#covers(scope, range)
    const { next, looked } = await this.#scan.step(covers, cursor, keys, level, visit)
    return { next: next === TOKEN_END ? 0 : next, looked }
  }

  randomToken(scope: Scope): number {
    const { ring } = this.#topology
    const ranges = ring.ranges().filter((_, range) => this.#covers(scope, range))
    const slots = ranges.reduce((sum, { firstSlot, lastSlot }) => sum + lastSlot - firstSlot + 1, 0)
    let nth = this.#random.below(Math.max(1, slots))
    for (const { firstSlot, lastSlot } of ranges) {
      const count = lastSlot - firstSlot + 1
      if (nth < count) return (firstSlot + nth) * TOKENS_PER_SLOT + (this.#random.next53() % TOKENS_PER_SLOT)
      nth -= count
    }
    return 0
  }

  flushAll(): Promise<void> {
    return this.#flush.run()
  }

  #covers(scope: Scope, range: number): boolean {
    const topology = this.#topology
    return scope === 'cluster' || topology.homeOf(topology.ring.firstSlots[range]) === topology.self
  }
}
