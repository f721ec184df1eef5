/**
 * The initiator's side of an exchange: brings this node and one other replica to the same records in some ranges of the ring.
 *
 *     BEGIN   roots of all ranges at one cut-off, the higher P of the sides (RULES P3): equal ones are done
 *     HOURS   of a range that differs: which of its trees do
 *     NODES   32 inner nodes of such a tree, then the leaves below those that differ
 *     LIST    of each stretch of tokens that differs: keys and digests, held against the own ones
 *     PULL    whole records of what is lacking or different here, merged (PAGE where nothing is here at all)
 *     PUSH    whole records of what is lacking or different there
 *     END     both sides note that the exchange of some ranges was complete, each with its own time and log sequence of its beginning
 *
 * What has to be looked at is fixed by trees of the beginning, but stretches are compared as they are when their turn comes, whole,
 * with all hours of death together: a key may have moved from one tree to another meanwhile, and on one side only.
 *
 * Where a tree has no leaves, or the own trees are not complete, as those of a stale range, the stretch is all of the range.
 *
 * Nothing here decides when: that is repair-rounds.ts. An exchange that ends early leaves nothing behind but what was merged; the
 * next one finds that much less to do.
 */
import { assert } from '../util/assert.js'
import { BodyWriter } from './body.js'
import type { BodyReader } from './body.js'
import * as messages from './exchange-messages.js'
import type { Begun, BegunRange, KeyDigests } from './exchange-messages.js'
import { ExchangeError, LINK_FULL } from './exchange-peer.js'
import type { Asking } from './exchange-peer.js'
import type { RangeContent } from './range-content.js'
import type { RangeTrees } from './range-trees-view.js'
import { RecordsRefused } from './record-intake.js'
import type { RecordIntake } from './record-intake.js'
import { CorruptionError } from '../storage/corruption-error.js'

/** Every END is a sync of the log and of the repair state on both sides, so ranges that are mended soon after one another share one. */
const END_EVERY_MS = 500
/** Inner nodes that are compared before leaves are. */
const INNER_NODES = 32

/** Tokens from `from` up to, and without, `end`. */
export interface Stretch {
  readonly from: number
  readonly end: number
}

/** What an exchange needs of its own node. */
export interface ExchangeNode {
  readonly content: RangeContent
  readonly intake: RecordIntake
  /** Asked again and again: a log that is read anew brings others. */
  trees(): RangeTrees
  /** The own purge horizon of a range. */
  horizonMs(range: number): number
  /** All slots of the range. */
  interval(range: number): Stretch
  wallMs(): number
  /** Sequence of the newest own entry. */
  sequence(): number
  /** Resolves when everything appended so far survives a crash; rejects with StoreError. */
  whenSynced(): Promise<void>
  /** Both sides have merged all that differed in these ranges when it began; resolves when that is on disk. */
  completed(ranges: readonly number[], own: Beginning, theirs: Beginning): Promise<void>
  /** So many bytes went over the link: resolves when it may go on. */
  spend(bytes: number): Promise<void>
}

/** When an exchange was begun, by the clock and the log of one side. */
export interface Beginning {
  readonly wallMs: number
  readonly sequence: number
}

export interface ExchangeCounts {
  ranges: number
  rangesDiffering: number
  keysPulled: number
  keysPushed: number
}

export interface ExchangeResult {
  readonly completed: readonly number[]
  /** The other side is stale for them. */
  readonly stale: readonly number[]
  /** Trees are not complete, here or there, and lists were not asked for. */
  readonly notReady: readonly number[]
  /** Some keys could not be read, or were refused by one of the sides. */
  readonly failed: readonly number[]
}

export class Exchange {
  readonly #node: ExchangeNode
  readonly #ask: Asking
  readonly #counts: ExchangeCounts
  readonly #isStopped: () => boolean

  /** `counts` are added to. `isStopped`: ends it with an ExchangeError at the next step. */
  constructor(
    node: ExchangeNode,
    ask: Asking,
    counts: ExchangeCounts,
    isStopped: () => boolean = () => false,
  ) {
    this.#node = node
    this.#ask = ask
    this.#counts = counts
    this.#isStopped = isStopped
  }

  /**
   * Exchanges ranges that both sides have. Rejects with ExchangeError, StoreError, or what reading damaged bytes throws; ranges
   * that were completed before stay so. `onCompleted`: called for some of them at a time. `mayList`: ranges without trees are
   * compared key by key.
   */
  async run(
    ranges: readonly number[],
    mayList: boolean,
    onCompleted: (ranges: readonly number[]) => void,
  ): Promise<ExchangeResult> {
    const own = { wallMs: this.#node.wallMs(), sequence: this.#node.sequence() }
    const begun = await this.#begin(ranges)
    const equal: number[] = []
    const differing: BegunRange[] = []
    const stale: number[] = []
    const notReady: number[] = []
    for (const one of begun.ranges) {
      if (one.state === messages.RANGE_STALE) stale.push(one.range)
      else if (!mayList && !this.#haveTrees(one)) notReady.push(one.range)
      else if (this.#isEqual(one)) equal.push(one.range)
      else differing.push(one)
    }
    const completed: number[] = []
    const end = async (done: readonly number[]): Promise<void> => {
      if (done.length === 0) return
      await this.#end(done, own, begun)
      completed.push(...done)
      this.#counts.ranges += done.length
      onCompleted(done)
    }
    await end(equal)
    const failed: number[] = []
    let mended: number[] = []
    let endedAtMs = own.wallMs
    for (const one of differing) {
      this.#counts.rangesDiffering++
      try {
        await this.#mend(one)
      } catch (error) {
        if (!isOfOneRange(error)) throw error
        failed.push(one.range)
        continue
      }
      mended.push(one.range)
      const nowMs = this.#node.wallMs()
      if (nowMs >= endedAtMs && nowMs < endedAtMs + END_EVERY_MS) continue
      await end(mended)
      mended = []
      endedAtMs = nowMs
    }
    await end(mended)
    return { completed, stale, notReady, failed }
  }

  async #begin(ranges: readonly number[]): Promise<Begun> {
    const body = new BodyWriter().u16(ranges.length)
    for (const range of ranges) body.u16(range).u53(this.#node.horizonMs(range))
    const begun = messages.readBegun(await this.#asked(messages.BEGIN, body.bytes))
    if (begun === null) throw new ExchangeError('an answer that is none to BEGIN')
    const isAnswer =
      begun.ranges.length === ranges.length && begun.ranges.every(({ range }, i) => range === ranges[i])
    if (!isAnswer) throw new ExchangeError('an answer about other ranges')
    return begun
  }

  #haveTrees({ range, state }: BegunRange): boolean {
    return state === messages.RANGE_OK && this.#node.trees().isReady(range)
  }

  #isEqual(one: BegunRange): boolean {
    if (!this.#haveTrees(one)) return false
    const { range, horizonMs, low, high } = one
    const trees = this.#node.trees()
    const root = { low: 0, high: 0 }
    trees.rootAbove(range, this.#cutoff(range, horizonMs), root)
    return root.low === low && root.high === high
  }

  #cutoff(range: number, theirsMs: number): number {
    return Math.max(this.#node.horizonMs(range), theirsMs)
  }

  async #end(ranges: readonly number[], own: Beginning, begun: Begun): Promise<void> {
    await this.#node.whenSynced()
    const body = new BodyWriter().u53(begun.beganMs).u53(begun.bootId).u53(own.wallMs).u53(begun.sequence)
    body.u16(ranges.length)
    for (const range of ranges) body.u16(range)
    await this.#asked(messages.END, body.bytes)
    await this.#node.completed(ranges, own, { wallMs: begun.beganMs, sequence: begun.sequence })
  }

  /** Brings both sides to the same records of a range. */
  async #mend(one: BegunRange): Promise<void> {
    const { range, horizonMs } = one
    const cutoffMs = this.#cutoff(range, horizonMs)
    const hasTrees = this.#haveTrees(one)
    const stretches = hasTrees ? await this.#differing(range, cutoffMs) : [this.#node.interval(range)]
    for (const stretch of joined(stretches)) await this.#mendStretch(stretch, cutoffMs)
  }

  // Trees.

  /** Where the trees of a range differ. */
  async #differing(range: number, cutoffMs: number): Promise<Stretch[]> {
    const body = await this.#asked(messages.HOURS, new BodyWriter().u16(range).u53(cutoffMs).bytes)
    const theirs = new Map<number, { low: number; high: number; leaves: number }>()
    for (let left = body.u32(); left > 0 && body.hasAll; left--) {
      theirs.set(body.u53(), { low: body.u32() | 0, high: body.u32() | 0, leaves: body.u16() })
    }
    if (!body.isSound) throw new ExchangeError('an answer that is none to HOURS')
    // A write may have come while they answered, and with it a rebuild.
    const trees = this.#node.trees()
    if (!trees.isReady(range)) return [this.#node.interval(range)]
    const hours = new Set([...trees.hoursOf(range).filter((hour) => hour > cutoffMs), ...theirs.keys()])
    const stretches: Stretch[] = []
    for (const hour of hours) {
      const own = { low: 0, high: 0 }
      trees.rootOf(range, hour, own)
      const other = theirs.get(hour) ?? { low: 0, high: 0, leaves: trees.leafCountOf(range, hour) }
      if (own.low === other.low && own.high === other.high) continue
      if (other.leaves !== trees.leafCountOf(range, hour) || other.leaves === 0)
        return [this.#node.interval(range)]
      stretches.push(...(await this.#differingLeaves(range, hour, other.leaves)))
    }
    return stretches
  }

  async #differingLeaves(range: number, hour: number, leaves: number): Promise<Stretch[]> {
    const inner = Math.min(INNER_NODES, leaves)
    const perNode = leaves / inner
    const found: Stretch[] = []
    for (const node of await this.#differingNodes(range, hour, inner, 0, inner)) {
      const below =
        perNode === 1 ? [node] : await this.#differingNodes(range, hour, leaves, node * perNode, perNode)
      for (const leaf of below) found.push(this.#node.trees().nodeInterval(range, leaf, leaves))
    }
    return found
  }

  /** Which of the nodes [first, first + n) of a level differ. */
  async #differingNodes(
    range: number,
    hour: number,
    count: number,
    first: number,
    n: number,
  ): Promise<number[]> {
    const question = new BodyWriter().u16(range).u53(hour).u16(count).u16(first).u16(n)
    const body = await this.#asked(messages.NODES, question.bytes)
    const trees = this.#node.trees()
    const differing: number[] = []
    if (!trees.isReady(range)) throw new ExchangeError('the trees are being made anew', messages.NOT_READY)
    const own = trees.nodesOf(range, hour, count)
    for (let node = first; node < first + n; node++) {
      const [low, high] = [body.u32() | 0, body.u32() | 0]
      if (own[2 * node] !== low || own[2 * node + 1] !== high) differing.push(node)
    }
    if (!body.isSound) throw new ExchangeError('an answer that is none to NODES')
    return differing
  }

  // Keys.

  async #mendStretch({ from, end }: Stretch, cutoffMs: number): Promise<void> {
    const { content } = this.#node
    for (let next = from; next < end;) {
      const own = await content.digests(next, end, cutoffMs)
      if (own.tokens.length === 0) next = await this.#pullPages(next, own.next, cutoffMs)
      else next = await this.#compare(own, next, cutoffMs)
    }
  }

  /** Nothing is held here of these tokens. */
  async #pullPages(from: number, end: number, cutoffMs: number): Promise<number> {
    for (let next = from; next < end;) {
      const body = await this.#asked(
        messages.PAGE,
        new BodyWriter()
          .u53(next)
          .u53(end - 1)
          .u53(cutoffMs).bytes,
      )
      const reached = body.u53() + 1
      if (!body.hasAll || reached <= next || reached > end)
        throw new ExchangeError('an answer that is none to PAGE')
      this.#counts.keysPulled += await this.#node.intake.take(body.rest())
      next = reached
    }
    return end
  }

  /** Holds a list of the own keys, from `from` on, against the other side's; answers up to where that was done. */
  async #compare(own: KeyDigests, from: number, cutoffMs: number): Promise<number> {
    const question = new BodyWriter()
      .u53(from)
      .u53(own.next - 1)
      .u53(cutoffMs)
    const theirs = messages.readDigests(await this.#asked(messages.LIST, question.bytes))
    if (theirs === null || theirs.next <= from || theirs.next > own.next) {
      throw new ExchangeError('an answer that is none to LIST')
    }
    const { toPull, toPush } = differences(own, theirs)
    for (let i = 0; i < toPull.length;)
      i += await this.#pull(toPull.slice(i, i + messages.PULL_TOKENS_MAX), cutoffMs)
    for (let i = 0; i < toPush.length;) i += await this.#push(toPush.slice(i), cutoffMs)
    return theirs.next
  }

  /** Answers of how many tokens the records came. */
  async #pull(tokens: readonly number[], cutoffMs: number): Promise<number> {
    const question = new BodyWriter().u53(cutoffMs).u16(tokens.length)
    for (const token of tokens) question.u53(token)
    const body = await this.#asked(messages.PULL, question.bytes)
    const done = body.u16()
    if (!body.hasAll || done === 0 || done > tokens.length)
      throw new ExchangeError('an answer that is none to PULL')
    this.#counts.keysPulled += await this.#node.intake.take(body.rest())
    return done
  }

  /** Answers of how many tokens the records have gone. */
  async #push(tokens: readonly number[], cutoffMs: number): Promise<number> {
    const { tokens: done, records } = await this.#node.content.recordsOf(tokens, cutoffMs)
    assert(done > 0, 'one token at least is pushed')
    if (records.length > 0) await this.#asked(messages.PUSH, records)
    this.#counts.keysPushed += done
    return done
  }

  async #asked(what: number, body: Buffer): Promise<BodyReader> {
    if (this.#isStopped()) throw new ExchangeError('the node stops')
    const answer = await this.#ask(what, Buffer.from(body))
    await this.#node.spend(body.length + answer.left)
    if (this.#isStopped()) throw new ExchangeError('the node stops')
    return answer
  }
}

/** Whether other ranges may do better. */
function isOfOneRange(error: unknown): boolean {
  if (error instanceof ExchangeError)
    return [messages.REFUSED, messages.UNREADABLE, messages.NOT_READY, LINK_FULL].includes(error.status)
  return error instanceof RecordsRefused || error instanceof CorruptionError
}

/** Tokens of which one side lacks a key, or has it otherwise: those to pull come before those to push, which go out merged. */
export function differences(own: KeyDigests, theirs: KeyDigests): { toPull: number[]; toPush: number[] } {
  const ownByToken = byToken(own, theirs.next)
  const theirsByToken = byToken(theirs, theirs.next)
  const toPull: number[] = []
  const toPush: number[] = []
  for (const [token, digests] of theirsByToken) if (ownByToken.get(token) !== digests) toPull.push(token)
  for (const [token, digests] of ownByToken) if (theirsByToken.get(token) !== digests) toPush.push(token)
  return { toPull, toPush }
}

/** Of each token below `end` the digests of its keys, in an order of their own. */
function byToken({ tokens, digests }: KeyDigests, end: number): Map<number, string> {
  const found = new Map<number, string[]>()
  tokens.forEach((token, i) => {
    if (token >= end) return
    const digest = `${digests[2 * i]}:${digests[2 * i + 1]}`
    const others = found.get(token)
    if (others === undefined) found.set(token, [digest])
    else others.push(digest)
  })
  return new Map([...found].map(([token, all]) => [token, all.sort().join(' ')]))
}

/** The same tokens in as few stretches as possible, ascending. */
export function joined(stretches: readonly Stretch[]): Stretch[] {
  const result: Stretch[] = []
  for (const { from, end } of stretches.toSorted((a, b) => a.from - b.from)) {
    const last = result.at(-1)
    if (last !== undefined && from <= last.end)
      result[result.length - 1] = { from: last.from, end: Math.max(end, last.end) }
    else result.push({ from, end })
  }
  return result
}
