/**
 * The answering side of exchanges (exchange-messages.ts says what is asked). It keeps nothing between two questions: what it has to
 * know again it is told again. Some answers are made at once, others read or write the store first; of those only so many are
 * made at a time, for all peers together, and each is bounded in size, so that memory is.
 */
import { INLINE_MESSAGE_BYTES_MAX } from '../link/limits.js'
import { StoreError } from '../storage/store-error.js'
import { copyBytes, readU32, writeU32 } from '../util/bytes.js'
import type { AnsweringLink } from '../coordinator/answers.js'
import { EXCHANGE_IS } from '../coordinator/messages.js'
import { BodyReader, BodyWriter } from './body.js'
import * as messages from './exchange-messages.js'
import type { BegunRange, Identity, View } from './exchange-messages.js'
import type { ExchangeNode } from './exchange.js'
import { RecordsRefused } from './record-intake.js'

/** Answers that are being made at a time; one initiator asks for one after the other. */
const ANSWERS_MAX = 64
const NOTHING = Buffer.alloc(0)

/** What answering needs of the node besides what exchanging does. */
export interface AnsweringNode extends ExchangeNode {
  readonly bootId: number
  readonly rangeCount: number
  /** The range that a token lies in. */
  rangeOf(token: number): number
  /** Whether others may take the range from this node (RULES P2). */
  isSource(range: number): boolean
  /** What is known of a member, and this node's horizons in the ranges that both have. */
  viewOf(member: number): View
  /** Resolves once the member's identity is remembered durably. */
  remember(member: number, identity: Identity): Promise<void>
  /** Ranges of which both nodes have a copy. */
  isShared(range: number, member: number): boolean
  completedWith(
    member: number,
    ranges: readonly number[],
    own: { wallMs: number; sequence: number },
    theirsMs: number,
  ): Promise<void>
}

class Refusal extends Error {
  readonly status: number

  constructor(status: number) {
    super('refused')
    this.status = status
  }
}

export class ExchangeAnswers {
  /** Bytes of bodies in both directions, since the start, and questions by what they ask. */
  bytes = 0
  readonly questions = new Float64Array(16)
  readonly #node: AnsweringNode
  #underWay = 0

  constructor(node: AnsweringNode) {
    this.#node = node
  }

  /** An EXCHANGE of a member; `bytes` are copied. */
  answer(member: number, link: AnsweringLink, bytes: Buffer, start: number, end: number): void {
    if (end - start < messages.EXCHANGE_HEAD_BYTES) return
    const request = readU32(bytes, start)
    const what = bytes[start + 4]
    if (this.#underWay >= ANSWERS_MAX) return this.#send(link, request, messages.BUSY, NOTHING)
    const body = Buffer.from(bytes.subarray(start + messages.EXCHANGE_HEAD_BYTES, end))
    this.questions[Math.min(what, this.questions.length - 1)]++
    this.bytes += body.length
    this.#underWay++
    this.#bodyOf(member, what, new BodyReader(body))
      .then(
        (answer) => this.#send(link, request, messages.DONE, answer),
        (error: unknown) => this.#send(link, request, statusOf(error), NOTHING),
      )
      .finally(() => this.#underWay--)
  }

  #send(link: AnsweringLink, request: number, status: number, body: Buffer): void {
    const head = messages.EXCHANGE_HEAD_BYTES
    this.bytes += body.length
    const isInline = head + body.length <= INLINE_MESSAGE_BYTES_MAX
    const at = isInline
      ? link.begin(EXCHANGE_IS, head + body.length)
      : link.begin(EXCHANGE_IS, head, body.length)
    // Who asked has a timeout.
    if (at < 0) return
    writeU32(link.bytes, at, request)
    link.bytes[at + 4] = status
    if (!isInline) {
      link.endWith(at + head, body, 0, body.length)
      return
    }
    copyBytes(body, 0, body.length, link.bytes, at + head)
    link.end(at + head + body.length)
  }

  async #bodyOf(member: number, what: number, body: BodyReader): Promise<Buffer> {
    switch (what) {
      case messages.VIEW:
        return this.#view(member, body)
      case messages.KNOW:
        return this.#know(member, body)
      case messages.BEGIN:
        return this.#begin(member, body)
      case messages.HOURS:
        return this.#hours(member, body)
      case messages.NODES:
        return this.#nodes(member, body)
      case messages.LIST:
        return this.#list(member, body)
      case messages.PULL:
        return this.#pull(member, body)
      case messages.PAGE:
        return this.#page(member, body)
      case messages.PUSH:
        return this.#push(body)
      case messages.END:
        return this.#end(member, body)
      default:
        throw new Refusal(messages.MALFORMED)
    }
  }

  async #view(member: number, body: BodyReader): Promise<Buffer> {
    if (!body.isSound) throw new Refusal(messages.MALFORMED)
    return messages.writeView(this.#node.viewOf(member))
  }

  async #know(member: number, body: BodyReader): Promise<Buffer> {
    const identity = messages.readIdentity(body)
    if (!body.isSound || identity.directoryId === '') throw new Refusal(messages.MALFORMED)
    await this.#node.remember(member, identity)
    return NOTHING
  }

  async #begin(member: number, body: BodyReader): Promise<Buffer> {
    const node = this.#node
    const begun = { beganMs: node.wallMs(), bootId: node.bootId, sequence: node.sequence() }
    const ranges: BegunRange[] = []
    for (let left = body.u16(); left > 0 && body.hasAll; left--) {
      const range = this.#range(member, body.u16())
      ranges.push(this.#begunRange(range, body.u53()))
    }
    if (!body.isSound) throw new Refusal(messages.MALFORMED)
    return messages.writeBegun({ ...begun, ranges })
  }

  #begunRange(range: number, theirsMs: number): BegunRange {
    const trees = this.#node.trees()
    const horizonMs = this.#node.horizonMs(range)
    const root = { low: 0, high: 0 }
    if (!this.#node.isSource(range)) return { range, state: messages.RANGE_STALE, horizonMs, ...root }
    if (!trees.isReady(range)) return { range, state: messages.RANGE_NOT_READY, horizonMs, ...root }
    trees.rootAbove(range, Math.max(horizonMs, theirsMs), root)
    return { range, state: messages.RANGE_OK, horizonMs, ...root }
  }

  async #hours(member: number, body: BodyReader): Promise<Buffer> {
    const trees = this.#node.trees()
    const range = this.#range(member, body.u16())
    const cutoffMs = body.u53()
    this.#demand(body, range)
    const hours = trees.hoursOf(range).filter((hour) => hour > cutoffMs)
    const answer = new BodyWriter().u32(hours.length)
    const root = { low: 0, high: 0 }
    for (const hour of hours) {
      trees.rootOf(range, hour, root)
      answer.u53(hour).u32(root.low).u32(root.high).u16(trees.leafCountOf(range, hour))
    }
    return answer.bytes
  }

  async #nodes(member: number, body: BodyReader): Promise<Buffer> {
    const trees = this.#node.trees()
    const range = this.#range(member, body.u16())
    const [hour, count, first, n] = [body.u53(), body.u16(), body.u16(), body.u16()]
    this.#demand(body, range)
    const leaves = trees.leafCountOf(range, hour)
    if (count === 0 || leaves % count !== 0 || first + n > count) throw new Refusal(messages.NOT_READY)
    const nodes = trees.nodesOf(range, hour, count)
    const answer = new BodyWriter()
    for (let word = 2 * first; word < 2 * (first + n); word++) answer.u32(nodes[word])
    return answer.bytes
  }

  async #list(member: number, body: BodyReader): Promise<Buffer> {
    const [from, end, cutoffMs] = this.#stretch(body)
    this.#demandServed(member, from)
    return messages.writeDigests(await this.#node.content.digests(from, end, cutoffMs))
  }

  async #page(member: number, body: BodyReader): Promise<Buffer> {
    const [from, end, cutoffMs] = this.#stretch(body)
    this.#demandServed(member, from)
    const { next, records } = await this.#node.content.records(from, end, cutoffMs)
    return Buffer.concat([new BodyWriter().u53(next - 1).bytes, records])
  }

  async #pull(member: number, body: BodyReader): Promise<Buffer> {
    const cutoffMs = body.u53()
    const count = body.u16()
    const tokens = Array.from({ length: Math.min(count, messages.PULL_TOKENS_MAX) }, () => body.u53())
    if (!body.isSound || count === 0) throw new Refusal(messages.MALFORMED)
    for (const token of tokens) this.#demandServed(member, token)
    const found = await this.#node.content.recordsOf(tokens, cutoffMs)
    return Buffer.concat([new BodyWriter().u16(found.tokens).bytes, found.records])
  }

  async #push(body: BodyReader): Promise<Buffer> {
    await this.#node.intake.take(body.rest())
    return NOTHING
  }

  async #end(member: number, body: BodyReader): Promise<Buffer> {
    const node = this.#node
    const own = { wallMs: body.u53(), sequence: 0 }
    const bootId = body.u53()
    const theirsMs = body.u53()
    own.sequence = body.u53()
    const ranges: number[] = []
    for (let left = body.u16(); left > 0 && body.hasAll; left--) ranges.push(this.#range(member, body.u16()))
    if (!body.isSound) throw new Refusal(messages.MALFORMED)
    if (bootId !== node.bootId || own.sequence > node.sequence()) throw new Refusal(messages.OUTDATED)
    await node.whenSynced()
    await node.completedWith(member, ranges, own, theirsMs)
    return NOTHING
  }

  #range(member: number, range: number): number {
    if (range < this.#node.rangeCount && this.#node.isShared(range, member)) return range
    throw new Refusal(messages.OUTDATED)
  }

  /** The question is sound, and can be answered from the trees. */
  #demand(body: BodyReader, range: number): void {
    if (!body.isSound) throw new Refusal(messages.MALFORMED)
    if (!this.#node.isSource(range) || !this.#node.trees().isReady(range))
      throw new Refusal(messages.NOT_READY)
  }

  #stretch(body: BodyReader): [number, number, number] {
    const [from, end, cutoffMs] = [body.u53(), body.u53() + 1, body.u53()]
    if (!body.isSound || from >= end) throw new Refusal(messages.MALFORMED)
    return [from, end, cutoffMs]
  }

  /** A stale node is no source (RULES P2). */
  #demandServed(member: number, from: number): void {
    const range = this.#node.rangeOf(from)
    if (!this.#node.isShared(range, member)) throw new Refusal(messages.OUTDATED)
    if (!this.#node.isSource(range)) throw new Refusal(messages.NOT_READY)
  }
}

function statusOf(error: unknown): number {
  if (error instanceof Refusal) return error.status
  if (error instanceof RecordsRefused) return messages.REFUSED
  return error instanceof StoreError ? messages.NO_ROOM : messages.UNREADABLE
}
