/**
 * What a single request of a peer comes to, here and now: it is refused, applied, answered, or cannot be dealt with yet. Who may
 * have it, by which stamps, over which base: the checks of RULES L3, C2, P4 and V10 are here. Waiting and acknowledging are
 * replica.ts's.
 */
import type { IncomingLink } from '../link/incoming-link.js'
import { entriesCover } from '../record/containment.js'
import { maxHlc } from '../record/death.js'
import { Digest } from '../record/digest.js'
import { hlcToWallMs } from '../record/hlc.js'
import {
  CONTEXT_ENTRY_BYTES,
  contextCount,
  contextStart,
  keyLength,
  keyStart,
  recordLength,
} from '../record/layout.js'
import { verifyRecord } from '../record/record.js'
import type { Ring } from '../ring/ring.js'
import { slotOf } from '../ring/slot.js'
import { KeyHash, slotOfToken } from '../ring/token.js'
import { EntryRef } from '../storage/entry.js'
import { NoRoomYet, StoreError } from '../storage/store-error.js'
import { WRITE_LATER } from '../storage/store.js'
import type { Store } from '../storage/store.js'
import { assert } from '../util/assert.js'
import { readU53 } from '../util/bytes.js'
import { sendAnswer, sendCannot, sendDigest } from './answers.js'
import type { AnsweringLink } from './answers.js'
import type { LateAnswers } from './late-answers.js'
import * as messages from './messages.js'
import { MERGE_COLD } from './record-merger.js'
import type { RecordMerger } from './record-merger.js'

/** What a replica asks of its node. */
export interface ReplicaNode {
  ring(): Ring
  /** This node's index among the ring's members. */
  ownIndex(): number
  /** Records with a higher stamp are refused (RULES C2). */
  stampLimit(): number
  /** Whether this node answers for the slot, of which it is a replica (RULES P2). */
  isServed(slot: number): boolean
  /** How far the slot's range is known to be purged, in milliseconds since 1970 (RULES P1); 0 for not at all. */
  purgeHorizonMs(slot: number): number
  /** Whether the home here holds the key of this KeyHash.first for a proposal of its own (RULES V10). */
  isHeld(first: number): boolean
}

/** Whose request it is. */
export interface Asker {
  readonly link: AnsweringLink & Pick<IncomingLink, 'close'>
  readonly late: LateAnswers
}

/** What became of a request: the own sequence that it needs, or one of these, or REFUSED less a reason. */
export const IS_COLD = MERGE_COLD
export const NEEDS_ROOM = -2
export const BEHIND_OTHERS = -3
export const REFUSED = -100

/** What a record may take beside its own bytes when it is merged, or framed. */
const ENTRY_ROOM_BYTES = 512

export class PeerRequests {
  /** How many requests were refused, by reason (messages.ts). */
  readonly refusals = new Float64Array(256)
  readonly #store: Store
  readonly #merger: RecordMerger
  readonly #node: ReplicaNode
  readonly #isAwaited: (token: number) => boolean
  readonly #hash = new KeyHash()
  readonly #digest = new Digest()
  readonly #entry = new EntryRef()

  /** `isAwaited`: whether an earlier request waits for a key of this token. */
  constructor(store: Store, merger: RecordMerger, node: ReplicaNode, isAwaited: (token: number) => boolean) {
    this.#store = store
    this.#merger = merger
    this.#node = node
    this.#isAwaited = isAwaited
  }

  /** Whether this node answers for the token, of which it is a replica. */
  isServed(token: number): boolean {
    return this.#node.isServed(slotOfToken(token))
  }

  /** Deals with a request, if that is possible now. `isFirst`: it is the first of its keys' queues. */
  serve(asker: Asker, kind: number, bytes: Buffer, start: number, end: number, isFirst: boolean): number {
    switch (kind) {
      case messages.RECORD:
        return this.#serveRecord(bytes, start, end, isFirst, false)
      case messages.HINT:
        return this.#serveRecord(bytes, start, end, isFirst, true)
      case messages.PROPOSAL:
        return this.#serveProposal(bytes, start, end, isFirst)
      default:
        assert(isLookup(kind), 'a kind that replicas deal with')
        return this.#serveLookup(asker, kind, bytes, start, end)
    }
  }

  #serveRecord(bytes: Buffer, start: number, end: number, isFirst: boolean, isHint: boolean): number {
    if (end - start < messages.RECORD_HEAD_BYTES) return refused(messages.REASON_MALFORMED)
    const record = start + messages.RECORD_HEAD_BYTES
    const reason = this.#faultOf(bytes, record, end, messages.listHashOf(bytes, start))
    if (reason !== 0) return refused(reason)
    if (isHint) {
      // Before it has been judged what others have purged may not be known (RULES P2, L4).
      if (!this.#node.isServed(slotOfToken(this.#hash.token))) return refused(messages.REASON_STALE)
      if (this.#isPurged(bytes, record)) return refused(messages.REASON_PURGED)
    }
    if (!isFirst && this.#isAwaited(this.#hash.token)) return BEHIND_OTHERS
    try {
      if (this.#store.admit(end - record + ENTRY_ROOM_BYTES) === WRITE_LATER) return NEEDS_ROOM
      return this.#merger.mergeHashed(this.#hash, bytes, record, end)
    } catch (error) {
      return outcomeOf(error)
    }
  }

  /** Why the record bytes[record, end) is refused, or 0; #hash is its key's then. */
  #faultOf(bytes: Buffer, record: number, end: number, listHash: number): number {
    if (verifyRecord(bytes, record, end - record) !== null || recordLength(bytes, record) !== end - record) {
      return messages.REASON_MALFORMED
    }
    const key = keyStart(record)
    this.#hash.of(bytes, key, key + keyLength(bytes, record))
    if (!this.#isPlacedHere(slotOfToken(this.#hash.token), listHash)) return messages.REASON_PLACEMENT
    const newest = maxHlc(bytes, record)
    if (newest > this.#node.stampLimit()) return messages.REASON_STAMPED_AHEAD
    return newest <= this.#store.flushMark ? messages.REASON_FLUSHED : 0
  }

  /** RULES L4: what hides the record in #hash's range may have been purged. */
  #isPurged(bytes: Buffer, record: number): boolean {
    const horizonMs = this.#node.purgeHorizonMs(slotOfToken(this.#hash.token))
    return horizonMs > 0 && hlcToWallMs(maxHlc(bytes, record)) < horizonMs
  }

  #isPlacedHere(slot: number, listHash: number): boolean {
    const ring = this.#node.ring()
    return ring.listHash(slot) === listHash && ring.placeOf(slot, this.#node.ownIndex()) >= 0
  }

  /** RULES V10: all records of a proposal are taken, in one batch of the log, or none. */
  #serveProposal(bytes: Buffer, start: number, end: number, isFirst: boolean): number {
    if (!messages.partsAddUp(bytes, start, end)) return refused(messages.REASON_MALFORMED)
    const listHash = messages.listHashOf(bytes, start)
    let isBehind = false
    let isHeld = false
    for (let part = start + messages.PROPOSAL_HEAD_BYTES; part < end; part = messages.partEnd(bytes, part)) {
      if (!baseIsSound(bytes, part)) return refused(messages.REASON_MALFORMED)
      const record = messages.partRecordStart(bytes, part)
      const reason = this.#faultOf(bytes, record, messages.partEnd(bytes, part), listHash)
      if (reason !== 0) return refused(reason)
      if (!baseIsSeen(bytes, part, record)) return refused(messages.REASON_MALFORMED)
      if (!this.#node.isServed(slotOfToken(this.#hash.token))) return refused(messages.REASON_STALE)
      isHeld ||= this.#node.isHeld(this.#hash.first)
      isBehind ||= !isFirst && this.#isAwaited(this.#hash.token)
    }
    if (isHeld) return refused(messages.REASON_NOT_COVERED)
    return isBehind ? BEHIND_OTHERS : this.#takeProposal(bytes, start, end)
  }

  #takeProposal(bytes: Buffer, start: number, end: number): number {
    const entry = this.#entry
    let heldBytes = 0
    for (let part = start + messages.PROPOSAL_HEAD_BYTES; part < end; part = messages.partEnd(bytes, part)) {
      const record = messages.partRecordStart(bytes, part)
      const key = keyStart(record)
      const held = this.#merger.find(bytes, key, key + keyLength(bytes, record), entry)
      if (held === MERGE_COLD) return IS_COLD
      if (entry.record === 0) continue
      if (!this.#baseCovers(bytes, part)) return refused(messages.REASON_NOT_COVERED)
      heldBytes += contextCount(entry.bytes, entry.record) * CONTEXT_ENTRY_BYTES
    }
    try {
      const payloadBytes = end - start + heldBytes
      if (this.#store.admit(payloadBytes + ENTRY_ROOM_BYTES) === WRITE_LATER) return NEEDS_ROOM
      this.#store.reserve(messages.partCount(bytes, start), payloadBytes)
    } catch (error) {
      return outcomeOf(error)
    }
    return this.#mergeParts(bytes, start, end)
  }

  /** Everything is in memory, and there is room for all of it. */
  #mergeParts(bytes: Buffer, start: number, end: number): number {
    let need = 0
    for (let part = start + messages.PROPOSAL_HEAD_BYTES; part < end; part = messages.partEnd(bytes, part)) {
      const record = messages.partRecordStart(bytes, part)
      const sequence = this.#merger.merge(bytes, record, messages.partEnd(bytes, part))
      assert(sequence !== MERGE_COLD, 'what was found in this step is in memory')
      need = Math.max(need, sequence)
    }
    return need
  }

  /** Whether the part's base covers every entry, and so every dot, of #entry that lies above the flush mark. */
  #baseCovers(bytes: Buffer, part: number): boolean {
    const { bytes: held, record } = this.#entry
    return entriesCover(
      bytes,
      messages.baseStart(part),
      messages.baseCount(bytes, part),
      held,
      contextStart(held, record),
      contextCount(held, record),
      this.#store.flushMark,
    )
  }

  #serveLookup(asker: Asker, kind: number, bytes: Buffer, start: number, end: number): number {
    if (end - start < messages.LOOKUP_HEAD_BYTES) {
      this.refusals[messages.REASON_MALFORMED]++
      asker.link.close('malformed', 'a lookup without its head')
      return 0
    }
    const key = start + messages.LOOKUP_HEAD_BYTES
    const listHash = messages.lookupListHash(bytes, start)
    const request = messages.requestOf(bytes, start)
    const slot = slotOf(bytes, key, end)
    if (!this.#isPlacedHere(slot, listHash)) return this.cannot(asker, request, messages.REASON_PLACEMENT)
    if (!this.#node.isServed(slot)) return this.cannot(asker, request, messages.REASON_STALE)
    const isDigest = kind === messages.DIGEST
    const need = isDigest
      ? this.#merger.digestOf(bytes, key, end, this.#digest)
      : this.#merger.find(bytes, key, end, this.#entry)
    if (need === MERGE_COLD) return IS_COLD
    const isDurable = need <= this.#store.durableSequence
    if (!isDurable && this.#store.logFailure !== null) {
      return this.cannot(asker, request, messages.REASON_NO_ROOM)
    }
    if (isDigest) this.#answerDigest(asker, request, isDurable ? 0 : need)
    else this.#answerRecord(asker, request, isDurable ? 0 : need)
    return 0
  }

  /** Answers a DIGEST or READ with the reason why it cannot be. */
  cannot({ link }: Asker, request: number, reason: number): number {
    this.refusals[reason]++
    sendCannot(link, request, reason)
    return 0
  }

  /** `need` is 0 when the answer may leave at once (RULES R2). */
  #answerDigest({ link, late }: Asker, request: number, need: number): void {
    const { first, second } = this.#digest
    if (need === 0) sendDigest(link, request, first, second)
    else late.addDigest(need, request, first, second)
  }

  #answerRecord({ link, late }: Asker, request: number, need: number): void {
    const { bytes, record } = this.#entry
    const end = record === 0 ? 0 : record + recordLength(bytes, record)
    if (need === 0) sendAnswer(link, messages.RECORD_IS, request, bytes, record, end)
    else late.addRecord(need, request, Buffer.from(bytes.subarray(record, end)))
  }
}

/** Whether the kind is one that only asks. */
export function isLookup(kind: number): boolean {
  return kind === messages.DIGEST || kind === messages.READ
}

/** The outcome that is a refusal for this reason. */
export function refused(reason: number): number {
  return REFUSED - reason
}

/** What a store's refusal comes to. */
function outcomeOf(error: unknown): number {
  if (error instanceof NoRoomYet) return NEEDS_ROOM
  if (!(error instanceof StoreError)) throw error
  return refused(error.code === 'closed' ? messages.REASON_STOPPING : messages.REASON_NO_ROOM)
}

/** Whether a part's base is a version vector: ascending by actor, of numbers below 2^53. */
function baseIsSound(bytes: Buffer, part: number): boolean {
  let previous = -1
  let at = messages.baseStart(part)
  for (let left = messages.baseCount(bytes, part); left > 0; left--, at += CONTEXT_ENTRY_BYTES) {
    const actor = readU53(bytes, at)
    if (actor <= previous || bytes[at + 6] >= 0x20 || bytes[at + 14] >= 0x20) return false
    if (bytes[at + 7] !== 0 || bytes[at + 15] !== 0) return false
    previous = actor
  }
  return true
}

/** Whether the part's record has seen its base. */
function baseIsSeen(bytes: Buffer, part: number, record: number): boolean {
  return entriesCover(
    bytes,
    contextStart(bytes, record),
    contextCount(bytes, record),
    bytes,
    messages.baseStart(part),
    messages.baseCount(bytes, part),
    -1,
  )
}
