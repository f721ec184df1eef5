/**
 * Another member as the coordinator talks to it: writes requests onto its link, and knows which operations wait for which
 * of them. All bodies are written in place (messages.ts); only what is too large for one frame is copied once.
 */
import type { Hello } from '../link/hello.js'
import { INLINE_MESSAGE_BYTES_MAX } from '../link/limits.js'
import { CATCHING_UP, ISOLATED } from '../link/ping.js'
import type { PeerLink, PeerLinkUser, PeerState } from '../link/peer-link.js'
import { assert } from '../util/assert.js'
import { CONTEXT_ENTRY_BYTES } from '../record/layout.js'
import { copyBytes, writeU32 } from '../util/bytes.js'
import { AwaitedAcks } from './awaited-acks.js'
import * as messages from './messages.js'
import type { Operation } from './operation.js'
import { hasRangeBit } from './range-states.js'
import type { RecordOverlay } from './record-overlay.js'

const NOTHING = new Uint8Array(0)

export type LinkChange = 'made' | 'lost' | 'unreachable'

/** Told what a peer answers, and how it is. */
export interface PeerUser {
  judge(hello: Hello): string | null
  /** Live or not, fit or not: homes may have moved. */
  peerChanged(peer: Peer): void
  /** The watermark has passed an operation's requests, or the peer refused one of them (see operation.refused). */
  acked(operation: Operation, bit: number): void
  /** The connection is gone: `mayHaveArrived` is false when the request never left this process. */
  ackLost(operation: Operation, bit: number, mayHaveArrived: boolean): void
  /** The connection is gone for everything that awaits answers; those of a sequence above `handed` never left. */
  answersLost(peer: Peer, handed: number): void
  /** It is taken for dead although the connection stands: reads go elsewhere, writes may still be answered. */
  answersOverdue(peer: Peer): void
  digestIs(peer: Peer, request: number, first: number, second: number): void
  recordIs(peer: Peer, request: number, bytes: Buffer, start: number, end: number): void
  replyIs(peer: Peer, request: number, bytes: Buffer, start: number, end: number): void
  cannot(peer: Peer, request: number, reason: number): void
  gossipIs(peer: Peer, request: number, bytes: Buffer, start: number, end: number): void
  exchangeIs(peer: Peer, bytes: Buffer, start: number, end: number): void
  /** A connection is there, or was lost, or could not be made. */
  linkChanged(peer: Peer, change: LinkChange): void
  /** It has refused a request: the operation's that waits for it, if there is one. */
  refused(peer: Peer, operation: Operation | null, reason: number): void
}

/** Whose requests to a peer belong to no operation: told what becomes of all of them. */
export interface OtherRequests {
  acked(watermark: number): void
  refused(sequence: number, reason: number): void
  /** The connection is gone, and with it everything that was not acknowledged. */
  lost(): void
}

export class Peer implements PeerLinkUser {
  /** Index in the ring. */
  readonly member: number
  readonly acks = new AwaitedAcks()
  link!: PeerLink
  /** By range of the ring: where it has said that it answers for nothing (RULES P2). */
  staleBits: Uint8Array = NOTHING
  /** The same, where this node knows that it lacks what was purged here, whether it has noticed or not. */
  behindBits: Uint8Array = NOTHING
  /** On this connection each of the two knows how the other one sees it: before that neither's word is taken (RULES P2). */
  isJudged = false
  others: OtherRequests | null = null
  readonly #user: PeerUser

  constructor(member: number, user: PeerUser) {
    this.member = member
    this.#user = user
  }

  /** Requests reach it and answers come back, as far as is known. */
  get isLive(): boolean {
    return this.link.isOpen && this.link.state !== 'down'
  }

  get isFit(): boolean {
    return this.isLive && this.link.fitness === 0
  }

  /** Whether it answers for the range, and may be believed (RULES P2). */
  serves(range: number): boolean {
    return this.isJudged && !hasRangeBit(this.staleBits, range) && !this.isBehind(range)
  }

  isBehind(range: number): boolean {
    return hasRangeBit(this.behindBits, range)
  }

  /** As isFit, where nobody else is: a member that is catching up (RULES H1) included. */
  get isFitBehind(): boolean {
    return this.isLive && (this.link.fitness & ~CATCHING_UP) === 0
  }

  /** As isFitBehind, where nobody else is: a member that reaches few others included. */
  get isFitAtNeed(): boolean {
    return this.isLive && (this.link.fitness & ~(CATCHING_UP | ISOLATED)) === 0
  }

  /** Sends the record bytes[start, end); answers its sequence, -1 when the link takes nothing. */
  sendRecord(listHash: number, bytes: Uint8Array, start: number, end: number): number {
    return this.#sendRecord(messages.RECORD, listHash, bytes, start, end)
  }

  /** The same with something that the peer missed. */
  sendHint(listHash: number, bytes: Uint8Array, start: number, end: number): number {
    return this.#sendRecord(messages.HINT, listHash, bytes, start, end)
  }

  /** Has the peer keep the record for the `targets`, places of its list as bits, until `wanted` of them have taken it. */
  sendFallback(
    listHash: number,
    wanted: number,
    targets: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number {
    const head = messages.FALLBACK_HEAD_BYTES
    const { link } = this
    const isInline = end - start + head <= INLINE_MESSAGE_BYTES_MAX
    const at = link.begin(messages.FALLBACK, isInline ? end - start + head : head, isInline ? 0 : end - start)
    if (at === -1) return -1
    messages.writeFallbackHead(link.bytes, at, listHash, wanted, targets)
    if (!isInline) return link.endWith(at + head, Buffer.from(bytes.subarray(start, end)), 0, end - start)
    copyBytes(bytes, start, end, link.bytes, at + head)
    return link.end(at + head + end - start)
  }

  #sendRecord(kind: number, listHash: number, bytes: Uint8Array, start: number, end: number): number {
    const length = end - start
    const head = messages.RECORD_HEAD_BYTES
    const { link } = this
    if (length + head <= INLINE_MESSAGE_BYTES_MAX) {
      const at = link.begin(kind, length + head)
      if (at === -1) return -1
      messages.writeListHash(link.bytes, at, listHash)
      copyBytes(bytes, start, end, link.bytes, at + head)
      return link.end(at + head + length)
    }
    const at = link.begin(kind, head, length)
    if (at === -1) return -1
    messages.writeListHash(link.bytes, at, listHash)
    // A copy: the log's memory may be used again before a slow link has read it.
    return link.endWith(at + head, Buffer.from(bytes.subarray(start, end)), 0, length)
  }

  /** Proposes the records of `draft`, each with the context it is based on; answers the sequence, -1 as above. */
  sendProposal(listHash: number, draft: RecordOverlay): number {
    let length = messages.PROPOSAL_HEAD_BYTES
    for (let i = 0; i < draft.count; i++) {
      length += messages.PART_FIXED_BYTES + draft.base(i).length + draft.length(i)
    }
    const { link } = this
    if (length <= INLINE_MESSAGE_BYTES_MAX) {
      const at = link.begin(messages.PROPOSAL, length)
      return at === -1 ? -1 : link.end(writeProposal(link.bytes, at, listHash, draft))
    }
    const at = link.begin(messages.PROPOSAL, 0, length)
    if (at === -1) return -1
    const body = Buffer.allocUnsafeSlow(length)
    writeProposal(body, 0, listHash, draft)
    return link.endWith(at, body, 0, length)
  }

  askDigest(request: number, listHash: number, key: Uint8Array, start: number, end: number): number {
    return this.#ask(messages.DIGEST, request, listHash, key, start, end)
  }

  askRecord(request: number, listHash: number, key: Uint8Array, start: number, end: number): number {
    return this.#ask(messages.READ, request, listHash, key, start, end)
  }

  #ask(kind: number, request: number, listHash: number, key: Uint8Array, start: number, end: number): number {
    const head = messages.LOOKUP_HEAD_BYTES
    const { link } = this
    const at = link.begin(kind, head + end - start)
    if (at === -1) return -1
    messages.writeLookupHead(link.bytes, at, request, listHash)
    copyBytes(key, start, end, link.bytes, at + head)
    return link.end(at + head + end - start)
  }

  /** Has the peer run the operation's request; `mode` as in messages.ts. Answers the sequence, -1 as above. */
  sendCommand(operation: Operation, mode: number): number {
    const { offsets, argc } = operation
    let length = messages.COMMAND_HEAD_BYTES + 4 * argc
    for (let i = 0; i < argc; i++) length += offsets[2 * i + 1] - offsets[2 * i]
    const { link } = this
    if (length <= INLINE_MESSAGE_BYTES_MAX) {
      const at = link.begin(messages.COMMAND, length)
      return at === -1 ? -1 : link.end(writeCommand(link.bytes, at, operation, mode))
    }
    const at = link.begin(messages.COMMAND, 0, length)
    if (at === -1) return -1
    const body = Buffer.allocUnsafeSlow(length)
    writeCommand(body, 0, operation, mode)
    return link.endWith(at, body, 0, length)
  }

  // What the link tells.

  judge(hello: Hello): string | null {
    return this.#user.judge(hello)
  }

  onConnected(): void {
    assert(this.acks.isEmpty, 'what waited on the old connection was told that it is lost')
    this.#user.linkChanged(this, 'made')
    this.#user.peerChanged(this)
  }

  onUnreachable(): void {
    this.#user.linkChanged(this, 'unreachable')
  }

  onAnswer(_link: PeerLink, kind: number, bytes: Buffer, start: number, end: number): void {
    const length = end - start
    if (length < messages.ANSWER_HEAD_BYTES) return
    const request = messages.requestOf(bytes, start)
    const at = start + messages.ANSWER_HEAD_BYTES
    if (kind === messages.RECORD_IS) this.#user.recordIs(this, request, bytes, at, end)
    else if (kind === messages.EXCHANGE_IS) this.#user.exchangeIs(this, bytes, start, end)
    else if (kind === messages.REPLY_IS) this.#user.replyIs(this, request, bytes, at, end)
    else if (kind === messages.GOSSIP_IS) this.#user.gossipIs(this, request, bytes, at, end)
    else if (kind === messages.DIGEST_IS && length === messages.DIGEST_IS_BYTES) {
      const first = messages.digestFirst(bytes, start)
      this.#user.digestIs(this, request, first, messages.digestSecond(bytes, start))
    } else if (kind === messages.CANNOT && length === messages.CANNOT_BYTES) {
      this.#user.cannot(this, request, messages.cannotReason(bytes, start))
    }
  }

  onRefused(_link: PeerLink, sequence: number, reason: number): void {
    const operation = this.acks.refuse(sequence)
    if (operation !== null && reason === messages.REASON_FLUSHED) operation.isFlushed = true
    if (operation === null) this.others?.refused(sequence, reason)
    this.#user.refused(this, operation, reason)
  }

  onAcked(_link: PeerLink, watermark: number): void {
    const { acks } = this
    while (!acks.isEmpty && acks.frontLast <= watermark) {
      const bit = acks.frontBit
      this.#user.acked(acks.shift(), bit)
    }
    this.others?.acked(watermark)
  }

  onLost(_link: PeerLink, acked: number, handed: number): void {
    this.onAcked(this.link, acked)
    const { acks } = this
    while (!acks.isEmpty) {
      const mayHaveArrived = acks.frontFirst <= handed
      const bit = acks.frontBit
      this.#user.ackLost(acks.shift(), bit, mayHaveArrived)
    }
    this.others?.lost()
    this.#user.answersLost(this, handed)
    this.#user.peerChanged(this)
    this.#user.linkChanged(this, 'lost')
  }

  onState(_link: PeerLink, state: PeerState): void {
    this.#user.peerChanged(this)
    if (state === 'down') this.#user.answersOverdue(this)
  }

  onFitness(): void {
    this.#user.peerChanged(this)
  }
}

/** Answers where it ends. */
function writeProposal(into: Buffer, from: number, listHash: number, draft: RecordOverlay): number {
  messages.writeProposalHead(into, from, listHash, draft.count)
  let part = from + messages.PROPOSAL_HEAD_BYTES
  for (let i = 0; i < draft.count; i++) {
    const base = draft.base(i)
    const length = draft.length(i)
    messages.writeBaseCount(into, part, base.length / CONTEXT_ENTRY_BYTES)
    copyBytes(base, 0, base.length, into, messages.baseStart(part))
    const record = messages.partRecordStart(into, part)
    messages.writePartRecordLength(into, record, length)
    copyBytes(draft.bytes, draft.start(i), draft.start(i) + length, into, record)
    part = record + length
  }
  return part
}

/** Answers where it ends. */
function writeCommand(into: Buffer, from: number, operation: Operation, mode: number): number {
  const { id, protocol, readLevel, writeLevel, bytes, offsets, argc } = operation
  messages.writeCommandHead(into, from, id, mode, protocol, readLevel, writeLevel, argc)
  let at = from + messages.COMMAND_HEAD_BYTES
  for (let i = 0; i < argc; i++, at += 4) writeU32(into, at, offsets[2 * i + 1] - offsets[2 * i])
  for (let i = 0; i < argc; i++) {
    copyBytes(bytes, offsets[2 * i], offsets[2 * i + 1], into, at)
    at += offsets[2 * i + 1] - offsets[2 * i]
  }
  return at
}
