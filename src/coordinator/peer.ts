/**
 * Another member as the coordinator talks to it: writes requests onto its link, and knows which operations wait for which
 * of them. All bodies are written in place (messages.ts); only what is too large for one frame is copied once.
 */
import type { Hello } from '../link/hello.js'
import { INLINE_MESSAGE_BYTES_MAX } from '../link/limits.js'
import type { PeerLink, PeerLinkUser, PeerState } from '../link/peer-link.js'
import { assert } from '../util/assert.js'
import { copyBytes, readU32, writeU16, writeU32 } from '../util/bytes.js'
import { AwaitedAcks } from './awaited-acks.js'
import {
  CANNOT,
  COMMAND,
  DIGEST,
  DIGEST_IS,
  PROPOSAL,
  READ,
  REASON_FLUSHED,
  RECORD,
  RECORD_IS,
  REPLY_IS,
} from './messages.js'
import type { Operation } from './operation.js'
import type { RecordOverlay } from './record-overlay.js'

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
  refused(reason: number): void
}

const LIST_HASH_BYTES = 4
const ASK_BYTES = 8
const COMMAND_BYTES = 12
const PROPOSAL_HEAD_BYTES = 6
const CONTEXT_ENTRY_BYTES = 16

export class Peer implements PeerLinkUser {
  /** Index in the ring. */
  readonly member: number
  readonly acks = new AwaitedAcks()
  link!: PeerLink
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

  /** Sends the record bytes[start, end); answers its sequence, -1 when the link takes nothing. */
  sendRecord(listHash: number, bytes: Uint8Array, start: number, end: number): number {
    const length = end - start
    const { link } = this
    if (length + LIST_HASH_BYTES <= INLINE_MESSAGE_BYTES_MAX) {
      const at = link.begin(RECORD, length + LIST_HASH_BYTES)
      if (at === -1) return -1
      const into = link.bytes
      writeU32(into, at, listHash)
      copyBytes(bytes, start, end, into, at + LIST_HASH_BYTES)
      return link.end(at + LIST_HASH_BYTES + length)
    }
    const at = link.begin(RECORD, LIST_HASH_BYTES, length)
    if (at === -1) return -1
    writeU32(link.bytes, at, listHash)
    // A copy: the log's memory may be used again before a slow link has read it.
    return link.endWith(at + LIST_HASH_BYTES, Buffer.from(bytes.subarray(start, end)), 0, length)
  }

  /** Proposes the records of `draft`, each with the context it is based on; answers the sequence, -1 as above. */
  sendProposal(listHash: number, draft: RecordOverlay): number {
    let length = PROPOSAL_HEAD_BYTES
    for (let i = 0; i < draft.count; i++) length += 2 + draft.base(i).length + 4 + draft.length(i)
    const { link } = this
    const isInline = length <= INLINE_MESSAGE_BYTES_MAX
    const at = isInline ? link.begin(PROPOSAL, length) : link.begin(PROPOSAL, 0, length)
    if (at === -1) return -1
    if (isInline) return link.end(writeProposal(link.bytes, at, listHash, draft))
    const body = Buffer.allocUnsafeSlow(length)
    writeProposal(body, 0, listHash, draft)
    return link.endWith(at, body, 0, length)
  }

  askDigest(request: number, listHash: number, key: Uint8Array, start: number, end: number): number {
    return this.#ask(DIGEST, request, listHash, key, start, end)
  }

  askRecord(request: number, listHash: number, key: Uint8Array, start: number, end: number): number {
    return this.#ask(READ, request, listHash, key, start, end)
  }

  #ask(kind: number, request: number, listHash: number, key: Uint8Array, start: number, end: number): number {
    const { link } = this
    const at = link.begin(kind, ASK_BYTES + end - start)
    if (at === -1) return -1
    const into = link.bytes
    writeU32(into, at, request)
    writeU32(into, at + 4, listHash)
    copyBytes(key, start, end, into, at + ASK_BYTES)
    return link.end(at + ASK_BYTES + end - start)
  }

  /** Has the peer run the operation's request; `mode` as in messages.ts. Answers the sequence, -1 as above. */
  sendCommand(operation: Operation, mode: number): number {
    const { bytes, offsets, argc } = operation
    let length = COMMAND_BYTES + 4 * argc
    for (let i = 0; i < argc; i++) length += offsets[2 * i + 1] - offsets[2 * i]
    const { link } = this
    const isInline = length <= INLINE_MESSAGE_BYTES_MAX
    const at = isInline ? link.begin(COMMAND, length) : link.begin(COMMAND, 0, length)
    if (at === -1) return -1
    if (isInline) return link.end(writeCommand(link.bytes, at, operation, mode, bytes, offsets, argc))
    const body = Buffer.allocUnsafeSlow(length)
    writeCommand(body, 0, operation, mode, bytes, offsets, argc)
    return link.endWith(at, body, 0, length)
  }

  // What the link tells.

  judge(hello: Hello): string | null {
    return this.#user.judge(hello)
  }

  onConnected(): void {
    assert(this.acks.isEmpty, 'what waited on the old connection was told that it is lost')
    this.#user.peerChanged(this)
  }

  onAnswer(_link: PeerLink, kind: number, bytes: Buffer, start: number, end: number): void {
    if (end - start < 4) return
    const request = readU32(bytes, start)
    const at = start + 4
    if (kind === DIGEST_IS && end - at === 8) {
      this.#user.digestIs(this, request, readU32(bytes, at), readU32(bytes, at + 4))
    } else if (kind === RECORD_IS) this.#user.recordIs(this, request, bytes, at, end)
    else if (kind === REPLY_IS) this.#user.replyIs(this, request, bytes, at, end)
    else if (kind === CANNOT && end - at === 1) this.#user.cannot(this, request, bytes[at])
  }

  onRefused(_link: PeerLink, sequence: number, reason: number): void {
    const operation = this.acks.refuse(sequence)
    if (operation !== null && reason === REASON_FLUSHED) operation.isFlushed = true
    this.#user.refused(reason)
  }

  onAcked(_link: PeerLink, watermark: number): void {
    const { acks } = this
    while (!acks.isEmpty && acks.frontLast <= watermark) {
      const bit = acks.frontBit
      this.#user.acked(acks.shift(), bit)
    }
  }

  onLost(_link: PeerLink, acked: number, handed: number): void {
    this.onAcked(this.link, acked)
    const { acks } = this
    while (!acks.isEmpty) {
      const mayHaveArrived = acks.frontFirst <= handed
      const bit = acks.frontBit
      this.#user.ackLost(acks.shift(), bit, mayHaveArrived)
    }
    this.#user.answersLost(this, handed)
    this.#user.peerChanged(this)
  }

  onState(_link: PeerLink, state: PeerState): void {
    this.#user.peerChanged(this)
    if (state === 'down') this.#user.answersOverdue(this)
  }

  onFitness(): void {
    this.#user.peerChanged(this)
  }
}

function writeProposal(into: Buffer, from: number, listHash: number, draft: RecordOverlay): number {
  let at = from
  writeU32(into, at, listHash)
  writeU16(into, at + 4, draft.count)
  at += PROPOSAL_HEAD_BYTES
  for (let i = 0; i < draft.count; i++) {
    const base = draft.base(i)
    const length = draft.length(i)
    writeU16(into, at, base.length / CONTEXT_ENTRY_BYTES)
    copyBytes(base, 0, base.length, into, at + 2)
    at += 2 + base.length
    writeU32(into, at, length)
    copyBytes(draft.bytes, draft.start(i), draft.start(i) + length, into, at + 4)
    at += 4 + length
  }
  return at
}

function writeCommand(
  into: Buffer,
  from: number,
  { id, protocol, readLevel, writeLevel }: Operation,
  mode: number,
  bytes: Uint8Array,
  offsets: Int32Array,
  argc: number,
): number {
  writeU32(into, from, id)
  into[from + 4] = mode
  into[from + 5] = protocol
  into[from + 6] = readLevel
  into[from + 7] = writeLevel
  writeU32(into, from + 8, argc)
  let at = from + COMMAND_BYTES
  for (let i = 0; i < argc; i++, at += 4) writeU32(into, at, offsets[2 * i + 1] - offsets[2 * i])
  for (let i = 0; i < argc; i++) {
    copyBytes(bytes, offsets[2 * i], offsets[2 * i + 1], into, at)
    at += offsets[2 * i + 1] - offsets[2 * i]
  }
  return at
}
