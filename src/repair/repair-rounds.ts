/**
 * When this node exchanges with whom: one exchange at a time, in this order of urgency,
 *
 *     rebuild      of stale ranges, from every live co-replica that is not stale (RULES P2)
 *     on demand    KV.REPAIR
 *     background   with each peer once in anti-entropy-interval, jittered, and soon after a link to it was made; of two nodes
 *                  the one that stands first in the ring begins
 *
 * A round that ends early, because a link was lost or a log is full, is tried again after a while with the ranges that are left.
 */
import { CURRENT, STALE } from '../coordinator/range-states.js'
import type { Timer } from '../env/clock.js'
import { Exchange } from './exchange.js'
import type { ExchangeCounts, ExchangeNode } from './exchange.js'
import type { View } from './exchange-messages.js'
import { coReplicas, sharedRanges } from './repair-context.js'
import type { RepairContext, RepairPeer } from './repair-context.js'
import type { Judging } from './judging.js'
import type { Purging } from './purging.js'
import { seenUntilMs } from './repair-state.js'
import { isEnough } from './staleness.js'

const TICK_MS = 500
const RETRY_MS = 2000
/** A new link is followed by a round within so long. */
const AFTER_LINK_MS = 5000

/** A round with one peer. */
interface Round {
  readonly peer: RepairPeer
  /** What is left. */
  ranges: readonly number[]
  readonly isOnDemand: boolean
}

export interface RoundFacts extends ExchangeCounts {
  readonly rounds: number
  readonly failedRounds: number
  readonly lastDurationMs: number
  /** Of the rebuild that goes on: stale ranges, each counted for every source, and how many of them are done; 0 without one. */
  readonly rebuildRanges: number
  readonly rebuildRangesDone: number
  /** Ranges that KV.REPAIR still has to do, each counted per peer. */
  readonly demanded: number
  readonly isRunning: boolean
}

export class RepairRounds {
  readonly #context: RepairContext
  readonly #node: ExchangeNode
  readonly #judging: () => Judging
  readonly #purging: Purging
  readonly #counts: ExchangeCounts = { ranges: 0, rangesDiffering: 0, keysPulled: 0, keysPushed: 0 }
  #rounds = 0
  #failedRounds = 0
  #lastDurationMs = 0
  /** At most two for each peer: one that is being done, and one that waits. */
  readonly #demanded: Round[] = []
  #running: Round | null = null
  /** By member: clock.monotonicMs() of the next background round, and what an earlier one has left. */
  readonly #dueAtMs: number[]
  readonly #left: (readonly number[] | null)[]
  #rebuildAtMs = 0
  /** Ranges of which more became stale while the running rebuild was at work. */
  readonly #begunAnew = new Set<number>()
  /** By range: who has given all that it has, and above which floor, since the range became stale. */
  readonly #given = new Map<number, Map<string, number>>()
  /** Stale ranges of which too few have given (isEnough), and above which floor. */
  #waiting: ReadonlyMap<number, number> = new Map()
  #saidNoSource = false
  #saidTooFew = false
  #rebuildRanges = 0
  #rebuildRangesDone = 0
  #isRunning = false
  #isStopped = false
  #timer: Timer | null = null

  constructor(context: RepairContext, node: ExchangeNode, judging: () => Judging, purging: Purging) {
    this.#context = context
    this.#node = node
    this.#judging = judging
    this.#purging = purging
    this.#dueAtMs = context.peers.map(() => Infinity)
    this.#left = context.peers.map(() => null)
  }

  start(): void {
    this.#tick()
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  facts(): RoundFacts {
    return {
      ...this.#counts,
      rounds: this.#rounds,
      failedRounds: this.#failedRounds,
      lastDurationMs: this.#lastDurationMs,
      rebuildRanges: this.#rebuildRanges,
      rebuildRangesDone: this.#rebuildRangesDone,
      demanded: this.#demanded.reduce((sum, { ranges }) => sum + ranges.length, 0),
      isRunning: this.#isRunning,
    }
  }

  /** There is a link to the peer: what it missed meanwhile is looked for soon. */
  linked({ member }: RepairPeer): void {
    const { clock, random } = this.#context
    this.#dueAtMs[member] = clock.monotonicMs() + random.below(AFTER_LINK_MS)
    this.#rebuildAtMs = 0
  }

  /** There is something to rebuild. */
  rebuildSoon(): void {
    this.#rebuildAtMs = 0
  }

  /** The range is stale, and has all that could be had: who lacks it too may take it from here. */
  isWaiting(range: number): boolean {
    return this.#waiting.get(range) === this.#context.state.ranges[range].floor && !this.#begunAnew.has(range)
  }

  /** More of the range is missing than was known: what is being rebuilt of it is not all of it. */
  rebuildAnew(range: number): void {
    this.#begunAnew.add(range)
    this.#given.delete(range)
    this.#rebuildAtMs = 0
  }

  /** Exchanges these ranges with everyone who has them, as soon as may be. What waits for the same peer goes with it. */
  demand(ranges: readonly number[]): void {
    const { topology, peers } = this.#context
    const demanded = new Set(ranges)
    for (const peer of peers) {
      if (peer === null || !topology.isLive(peer.member)) continue
      const shared = sharedRanges(this.#context, peer.member).filter((range) => demanded.has(range))
      if (shared.length === 0) continue
      const waiting = this.#demanded.find((round) => round.peer === peer && round !== this.#running)
      if (waiting === undefined) this.#demanded.push({ peer, ranges: shared, isOnDemand: true })
      else waiting.ranges = [...new Set([...waiting.ranges, ...shared])]
    }
    this.#next()
  }

  readonly #tick = (): void => {
    if (this.#isStopped) return
    this.#timer = this.#context.clock.after(TICK_MS, this.#tick)
    void this.#judging().lookAgain()
    this.#next()
  }

  #next(): void {
    if (this.#isRunning || this.#isStopped) return
    const work = this.#rebuildWork() ?? this.#demandedWork() ?? this.#backgroundWork()
    if (work === null) return
    this.#isRunning = true
    const ended = (): void => {
      this.#isRunning = false
      if (!this.#isStopped) this.#context.clock.after(0, () => this.#next())
    }
    work().then(ended, (error: unknown) => {
      this.#context.log.error('a round of repair failed in a way that it should not', {
        error: String(error),
      })
      ended()
    })
  }

  // Rounds with one peer.

  #demandedWork(): (() => Promise<void>) | null {
    const round = this.#demanded.at(0)
    if (round === undefined) return null
    return async () => {
      this.#running = round
      await this.#run(round)
      this.#running = null
      // What could not be done is said in the counts, and left to the background.
      this.#demanded.shift()
    }
  }

  #backgroundWork(): (() => Promise<void>) | null {
    const { clock, random, peers, topology, settings } = this.#context
    const nowMs = clock.monotonicMs()
    const { antiEntropyIntervalMs } = settings()
    if (antiEntropyIntervalMs === 0) return null
    for (const peer of peers) {
      if (peer === null || peer.member < topology.self || !(this.#dueAtMs[peer.member] <= nowMs)) continue
      if (!topology.isLive(peer.member)) continue
      const { member } = peer
      const ranges = this.#left[member] ?? sharedRanges(this.#context, member)
      const round: Round = { peer, ranges, isOnDemand: false }
      return async () => {
        const isDone = await this.#run(round)
        this.#left[member] = isDone ? null : round.ranges
        const jitteredMs = antiEntropyIntervalMs * (0.75 + random.below(501) / 1000)
        this.#dueAtMs[member] = clock.monotonicMs() + (isDone ? jitteredMs : Math.min(RETRY_MS, jitteredMs))
      }
    }
    return null
  }

  /** Answers whether all is done that could be. Never rejects. */
  async #run(round: Round): Promise<boolean> {
    const { clock, log, topology } = this.#context
    const beganMs = clock.monotonicMs()
    try {
      await this.#judging().look(round.peer)
      // Where the peer is behind it has to be rebuilt, and brings back what was purged here otherwise.
      const isBehind = (range: number): boolean => topology.peers[round.peer.member]?.isBehind(range) === true
      const ranges = round.ranges.filter((range) => topology.ranges.of(range) === CURRENT && !isBehind(range))
      const exchange = this.#exchangeWith(round.peer)
      const { notReady, failed } = await exchange.run(ranges, round.isOnDemand, (done) => {
        round.ranges = round.ranges.filter((range) => !done.includes(range))
      })
      if (notReady.length > 0) return false
      if (failed.length > 0) this.#sayFailed(round.peer, failed)
      this.#rounds++
      this.#lastDurationMs = clock.monotonicMs() - beganMs
      return true
    } catch (error) {
      this.#failedRounds++
      if (!this.#isStopped) {
        log.warn('an exchange with a replica was not finished', { peer: round.peer.id, error: String(error) })
      }
      return false
    }
  }

  #sayFailed({ id }: RepairPeer, ranges: readonly number[]): void {
    const text = 'ranges stay different: some of their keys could not be read, or were refused'
    this.#context.log.warn(text, { peer: id, ranges: ranges.join(' ') })
  }

  #exchangeWith(peer: RepairPeer): Exchange {
    const ask = (what: number, body: Buffer): ReturnType<typeof peer.questions.ask> =>
      peer.questions.ask(what, body)
    const node: ExchangeNode = {
      ...this.#node,
      completed: (ranges, own, theirs) => this.#completed(peer, ranges, own, theirs),
    }
    return new Exchange(node, ask, this.#counts, () => this.#isStopped)
  }

  #completed(
    peer: RepairPeer,
    ranges: readonly number[],
    own: { readonly wallMs: number; readonly sequence: number },
    theirs: { readonly wallMs: number },
  ): Promise<void> {
    const { state } = this.#context
    for (const range of ranges) {
      const last = { ownMs: own.wallMs, theirsMs: theirs.wallMs, sequence: own.sequence }
      state.ranges[range].exchanges.set(peer.id, last)
    }
    this.#judging().exchanged(peer.member, ranges)
    return state.save()
  }

  // Rebuilding.

  #staleRanges(): number[] {
    const { topology } = this.#context
    return Array.from({ length: topology.ring.rangeCount }, (_, range) => range).filter((range) => {
      return topology.ranges.of(range) === STALE
    })
  }

  #rebuildWork(): (() => Promise<void>) | null {
    if (this.#context.clock.monotonicMs() < this.#rebuildAtMs) return null
    const stale = this.#staleRanges()
    return stale.length === 0 ? null : () => this.#rebuild(stale)
  }

  /** Exchanges the stale ranges with every live source; those that all of a range's have given, and enough, are current again. */
  async #rebuild(stale: readonly number[]): Promise<void> {
    const { clock, log } = this.#context
    this.#begunAnew.clear()
    const beganMs = clock.monotonicMs()
    const sources = this.#sourcesOf(stale)
    const views = new Map<number, View[]>()
    const failed = new Set<number>()
    this.#rebuildRanges = sources.reduce((sum, { ranges }) => sum + ranges.length, 0)
    this.#rebuildRangesDone = 0
    for (const { peer, ranges } of sources) {
      try {
        for (const [range, view] of await this.#fetch(peer, ranges, failed)) {
          views.set(range, [...(views.get(range) ?? []), view])
        }
      } catch (error) {
        if (!this.#isStopped) log.warn('a rebuild goes on later', { peer: peer.id, error: String(error) })
        for (const range of ranges) failed.add(range)
      }
    }
    this.#rebuildRanges = 0
    this.#rebuildRangesDone = 0
    if (this.#isStopped) return
    const given = stale.filter(
      (range) => views.has(range) && !failed.has(range) && !this.#begunAnew.has(range),
    )
    const rebuilt = given.filter((range) => this.#haveEnoughGiven(range))
    const waiting = given.filter((range) => !rebuilt.includes(range))
    this.#waiting = new Map(waiting.map((range) => [range, this.#context.state.ranges[range].floor]))
    await this.#finish(rebuilt, views)
    if (rebuilt.length > 0) log.info('stale ranges were rebuilt', { ranges: rebuilt.length })
    this.#sayWaiting(
      stale.filter((range) => !views.has(range)),
      waiting,
    )
    const retryMs = this.#begunAnew.size > 0 ? 0 : RETRY_MS
    if (rebuilt.length < stale.length) this.#rebuildAtMs = clock.monotonicMs() + retryMs
    this.#lastDurationMs = clock.monotonicMs() - beganMs
  }

  /** Live members with copies of these ranges. */
  #sourcesOf(stale: readonly number[]): { peer: RepairPeer; ranges: number[] }[] {
    const { topology, peers } = this.#context
    return peers.flatMap((peer) => {
      if (peer === null || !topology.isLive(peer.member)) return []
      const ranges = sharedRanges(this.#context, peer.member).filter((range) => stale.includes(range))
      return ranges.length === 0 ? [] : [{ peer, ranges }]
    })
  }

  /** What the source says of itself after the exchange, by range that it completed; those that it could not are added to `failed`. */
  async #fetch(
    peer: RepairPeer,
    ranges: readonly number[],
    failed: Set<number>,
  ): Promise<readonly (readonly [number, View])[]> {
    await this.#judging().look(peer)
    const { state } = this.#context
    const floors = new Map(ranges.map((range) => [range, state.ranges[range].floor]))
    const result = await this.#exchangeWith(peer).run(ranges, true, (done) => {
      this.#rebuildRangesDone += done.length
    })
    for (const range of result.completed) {
      const given = this.#given.get(range) ?? new Map<string, number>()
      this.#given.set(range, given.set(peer.id, floors.get(range) ?? 0))
    }
    for (const range of result.failed) failed.add(range)
    const view = await this.#judging().look(peer)
    return result.completed.map((range) => [range, view])
  }

  /** RULES P2; what was given above another floor than that of now does not count. */
  #haveEnoughGiven(range: number): boolean {
    const { state, topology } = this.#context
    const { floor, coveredBy } = state.ranges[range]
    const given = [...(this.#given.get(range) ?? [])].flatMap(([id, above]) => (above === floor ? [id] : []))
    return isEnough(new Set(given), coveredBy, topology.ring.rangeAt(range).list.length)
  }

  #sayWaiting(noSource: readonly number[], tooFew: readonly number[]): void {
    const { log } = this.#context
    if (noSource.length > 0 && !this.#saidNoSource) {
      const text = 'no replica of stale ranges can be copied from: they wait, and nothing is dropped'
      log.warn(text, { ranges: noSource.length })
    }
    if (tooFew.length > 0 && !this.#saidTooFew) {
      const text =
        'stale ranges wait for more replicas: what this node has lost, one that is down may have alone'
      log.warn(text, { ranges: tooFew.length })
    }
    this.#saidNoSource = noSource.length > 0
    this.#saidTooFew = tooFew.length > 0
  }

  /** What the sources know of further replicas holds here from now on, and so does their purge horizon. */
  async #finish(ranges: readonly number[], views: ReadonlyMap<number, readonly View[]>): Promise<void> {
    const { state, topology } = this.#context
    if (ranges.length === 0) return
    const covers = ranges.map((range) => state.ranges[range].coveredBy)
    for (const range of ranges) {
      const record = state.ranges[range]
      for (const view of views.get(range) ?? []) this.#takeOver(range, view)
      record.staleReason = null
      record.coveredBy = null
      record.isFloorFinal = true
      this.#given.delete(range)
    }
    try {
      await state.save()
    } catch {
      ranges.forEach((range, i) => {
        state.ranges[range].staleReason = 'purged'
        state.ranges[range].coveredBy = covers[i]
      })
      return
    }
    this.#purging.apply(ranges)
    topology.ranges.set(ranges, CURRENT)
  }

  #takeOver(range: number, view: View): void {
    const { state, peers, topology } = this.#context
    const seen = view.ranges.find((one) => one.range === range)
    if (seen === undefined) return
    const record = state.ranges[range]
    record.horizonMs = Math.max(record.horizonMs, seen.horizonMs)
    const { list } = topology.ring.rangeAt(range)
    for (const member of coReplicas(this.#context, range)) {
      const id = peers[member]?.id ?? ''
      const theirsMs = seen.exchangedMs[list.indexOf(member)] ?? 0
      const own = record.exchanges.get(id)
      // It says what has been seen, and is no evidence for purging: this node has not exchanged with that one.
      if (theirsMs > seenUntilMs(own)) record.exchanges.set(id, { ownMs: theirsMs, theirsMs: 0, sequence: 0 })
    }
  }
}
