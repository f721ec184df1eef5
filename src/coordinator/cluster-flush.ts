/**
 * FLUSHALL over the cluster (RULES P4): a mark on dots, above everything that any member has minted. First every member that is
 * not failed says how far its clock is; then each takes the mark, durably, and goes past it. A replica refuses what lies
 * at or below the mark, and coordinators mint such writes again, so nothing comes back.
 *
 *     before the mark is appended here    nothing was applied: -NOREPLICAS, -CLOCK
 *     all have it, or have become failed  OK; who was failed gets it in its next handshake
 *     not all within flush-timeout        -UNCERTAIN; they get it with the next ping
 *
 * *Failed* is what two members hold down, or the only live one, as gossip agrees on it (membership/failure-agreement.ts). A member
 * that this node reaches is asked all the same, whatever others think of it.
 */
import type { Clock } from '../env/clock.js'
import { majority } from './consistency.js'
import { integerReply } from './cluster-calls.js'
import type { ClusterCalls } from './cluster-calls.js'
import { ClusterError } from './cluster-error.js'
import type { FlushMarks } from './flush-marks.js'
import type { Topology } from './topology.js'

const STAMP = Buffer.from('STAMP')
const FLUSH = Buffer.from('FLUSH')
const AGAIN_AFTER_MS = 50

export class ClusterFlush {
  readonly #calls: ClusterCalls
  readonly #topology: Topology
  readonly #clock: Clock
  readonly #marks: FlushMarks
  readonly #timeoutMs: () => number
  readonly #clockInDoubt: () => boolean
  readonly #isAgreedFailed: (member: number) => boolean

  constructor(options: {
    calls: ClusterCalls
    topology: Topology
    clock: Clock
    marks: FlushMarks
    timeoutMs: () => number
    clockInDoubt: () => boolean
    isFailed: (member: number) => boolean
  }) {
    this.#calls = options.calls
    this.#topology = options.topology
    this.#clock = options.clock
    this.#marks = options.marks
    this.#timeoutMs = options.timeoutMs
    this.#clockInDoubt = options.clockInDoubt
    this.#isAgreedFailed = options.isFailed
  }

  /** Resolves when every key is gone; rejects with ClusterError, or with StoreError when this node cannot take the mark. */
  async run(): Promise<void> {
    const deadlineMs = this.#clock.monotonicMs() + this.#timeoutMs()
    const stamps = await this.#survey(deadlineMs)
    if (!this.#isQuorum([...stamps.keys()])) throw new ClusterError('no-replicas-write')
    if (this.#clockInDoubt()) throw new ClusterError('clock')
    const mark = this.#marks.mint(Math.max(...stamps.values()))
    const isEverywhere = await Promise.race([this.#spread(mark, deadlineMs), this.#until(deadlineMs)])
    if (isEverywhere) return
    throw new ClusterError('uncertain', 'not every member is known to have it within flush-timeout')
  }

  /** How far the clock of every member is that is not failed. */
  async #survey(deadlineMs: number): Promise<Map<number, number>> {
    const stamps = new Map<number, number>()
    for (;;) {
      await Promise.all(this.#members().map((member) => this.#ask(member, stamps)))
      const silent = this.#members().filter((member) => !stamps.has(member))
      if (silent.every((member) => this.#isFailed(member))) return stamps
      if (this.#clock.monotonicMs() >= deadlineMs) throw new ClusterError('no-replicas-write')
      await this.#pause(AGAIN_AFTER_MS)
    }
  }

  async #ask(member: number, stamps: Map<number, number>): Promise<void> {
    if (!this.#topology.isLive(member)) return void stamps.delete(member)
    try {
      stamps.set(member, integerReply(await this.#calls.call(member, [STAMP])))
    } catch {
      stamps.delete(member)
    }
  }

  #isFailed(member: number): boolean {
    return !this.#topology.isLive(member) && this.#isAgreedFailed(member)
  }

  /** Whether these are a majority of every range's replicas. */
  #isQuorum(members: readonly number[]): boolean {
    const { ring } = this.#topology
    return ring.ranges().every(({ list }) => {
      return list.filter((member) => members.includes(member)).length >= majority(ring.replicas)
    })
  }

  /** Whether every member has taken the mark, or has become failed, before the deadline. */
  async #spread(mark: number, deadlineMs: number): Promise<boolean> {
    const have = new Set<number>()
    const args = [FLUSH, Buffer.from(String(mark))]
    const hand = async (member: number): Promise<void> => {
      try {
        await this.#calls.call(member, args)
        have.add(member)
      } catch {
        // Asked again, unless it is failed by then.
      }
    }
    while (this.#clock.monotonicMs() < deadlineMs) {
      const missing = this.#members().filter((member) => !have.has(member))
      await Promise.all(missing.filter((member) => this.#topology.isLive(member)).map(hand))
      if (missing.every((member) => have.has(member) || this.#isFailed(member))) return true
      await this.#pause(AGAIN_AFTER_MS)
    }
    return false
  }

  #members(): number[] {
    return this.#topology.ring.members.map((_, member) => member)
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(delayMs, resolve))
  }

  async #until(deadlineMs: number): Promise<boolean> {
    await this.#pause(Math.max(0, deadlineMs - this.#clock.monotonicMs()))
    return false
  }
}
