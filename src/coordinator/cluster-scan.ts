/**
 * A walk over the keys of the cluster in token order (RULES R4), step by step: each step asks R replicas of one stretch of tokens
 * for a page of it and merges them (scan-merge.ts). Between steps nothing is remembered but the token, so the next step may
 * ask others, and run on another node.
 *
 * A stretch reaches over as many ranges of the ring as the chosen replicas have in common: three nodes of three replicas have
 * all, and an empty keyspace costs one step. A replica that does not answer is replaced by another one.
 */
import type { Clock } from '../env/clock.js'
import { TOKEN_END, TOKENS_PER_SLOT, slotOfToken } from '../ring/token.js'
import { bulkReply } from './cluster-calls.js'
import type { ClusterCalls } from './cluster-calls.js'
import { ClusterError } from './cluster-error.js'
import { required } from './consistency.js'
import type { Level } from './consistency.js'
import type { KeyVisitor } from './keyspace.js'
import { mergeScanPages } from './scan-merge.js'
import { ScanPage } from './scan-page.js'
import type { Topology } from './topology.js'

const PAGE = Buffer.from('PAGE')

/** Tokens from `start` up to but without `end`, and who is asked for them. */
interface Stretch {
  readonly start: number
  readonly end: number
  readonly members: readonly number[]
}

export interface ClusterScanStep {
  /** Token to go on from; TOKEN_END at the end. */
  readonly next: number
  /** Keys that were looked at, dead ones included. */
  readonly looked: number
}

export class ClusterScan {
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

  /**
   * Visits the live keys of a stretch from `cursor` on, some `keys` of them or fewer, in the ranges that `covers` chooses. Rejects
   * with ClusterError 'no-replicas-read' when too few replicas of a range answer; then nothing was visited.
   */
  async step(
    covers: (range: number) => boolean,
    cursor: number,
    keys: number,
    level: Level,
    visit: KeyVisitor,
  ): Promise<ClusterScanStep> {
    const deadlineMs = this.#clock.monotonicMs() + this.#timeoutMs()
    const silent = new Set<number>()
    for (;;) {
      const stretch = this.#stretchFrom(covers, cursor, level, silent)
      if (stretch === null) return { next: TOKEN_END, looked: 0 }
      const pages = await this.#pages(stretch, keys, silent)
      if (pages !== null) {
        const looked = Math.max(...pages.map((page) => page.entryCount))
        return { next: mergeScanPages(pages, visit), looked }
      }
      if (this.#clock.monotonicMs() >= deadlineMs) throw new ClusterError('no-replicas-read')
    }
  }

  /** Null when no range from `cursor` on is to be covered. */
  #stretchFrom(
    covers: (range: number) => boolean,
    cursor: number,
    level: Level,
    silent: ReadonlySet<number>,
  ): Stretch | null {
    const { ring } = this.#topology
    if (cursor >= TOKEN_END) return null
    let first: number = ring.rangeOfSlot[slotOfToken(cursor)]
    while (first < ring.rangeCount && !covers(first)) first++
    if (first === ring.rangeCount) return null
    const members = this.#chosen(first, required(level, ring.replicas), silent)
    let next = first + 1
    while (next < ring.rangeCount && covers(next) && this.#haveAll(next, members)) next++
    const end = next === ring.rangeCount ? TOKEN_END : ring.firstSlots[next] * TOKENS_PER_SLOT
    return { start: Math.max(cursor, ring.firstSlots[first] * TOKENS_PER_SLOT), end, members }
  }

  /** So many live replicas of the range, this node first, for it costs no round trip. */
  #chosen(range: number, count: number, silent: ReadonlySet<number>): readonly number[] {
    const topology = this.#topology
    const { list } = topology.ring.rangeAt(range)
    const live = list.filter((member) => {
      return topology.isLive(member) && topology.serves(range, member) && !silent.has(member)
    })
    live.sort((a, b) => Number(b === topology.self) - Number(a === topology.self))
    if (live.length < count) throw new ClusterError('no-replicas-read')
    return live.slice(0, count)
  }

  #haveAll(range: number, members: readonly number[]): boolean {
    const topology = this.#topology
    const { list } = topology.ring.rangeAt(range)
    return members.every((member) => list.includes(member) && topology.serves(range, member))
  }

  /** As ClusterCalls.call, which gives up other members by itself; this one must not be waited for when its disk hangs, either. */
  #call(member: number, args: readonly Buffer[]): Promise<Buffer> {
    const called = this.#calls.call(member, args)
    if (member !== this.#topology.self) return called
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(this.#timeoutMs() / 2, () => {
        reject(new ClusterError('no-replicas-read'))
      })
      called.finally(() => timer.cancel()).then(resolve, reject)
    })
  }

  /** A page of each member of the stretch; null when one has not given any, which is `silent` from then on. */
  async #pages(stretch: Stretch, keys: number, silent: Set<number>): Promise<readonly ScanPage[] | null> {
    const { start, end, members } = stretch
    const args = [PAGE, ...[start, end, keys].map((number) => Buffer.from(String(number)))]
    const asking = members.map(async (member) => {
      try {
        const page = ScanPage.decode(bulkReply(await this.#call(member, args)))
        if (page !== null) return page
      } catch {
        // Whatever it was, this member's keys of the stretch are not known.
      }
      silent.add(member)
      return null
    })
    const pages: ScanPage[] = []
    for (const page of await Promise.all(asking)) if (page !== null) pages.push(page)
    return pages.length === members.length ? pages : null
  }
}
