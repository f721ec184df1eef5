/**
 * What a node does with its peers' requests of the kinds RECORD, PROPOSAL, DIGEST and READ (messages.ts): it checks that it
 * should deal with them at all, merges what they bring, answers what they ask, and acknowledges what is durable.
 *
 *     refused    not a replica, or other lists (RULES L3); all but records in a range that is stale here (P2); stamped too far ahead (C2); flushed (P4); a proposal whose base does
 *                not cover what is held, or for a key that this node holds for one of its own (V10); no room; malformed
 *     waits      for a block of the older record, for memory, for earlier requests of its key: waiting-requests.ts
 *     applied    and acknowledged once the watermark of its link gets there (L1): ack-tracker.ts
 *
 * A refusal means that nothing was applied, so what a failed log may or may not hold is neither refused nor acknowledged:
 * the link is closed, and its peer knows that it does not know.
 */
import type { Clock, Timer } from '../env/clock.js'
import type { IncomingLink } from '../link/incoming-link.js'
import { keyLength, keyStart } from '../record/layout.js'
import { KeyHash } from '../ring/token.js'
import { CorruptionError } from '../storage/corruption-error.js'
import type { Store } from '../storage/store.js'
import { assert } from '../util/assert.js'
import { AckTracker, UNSETTLED } from './ack-tracker.js'
import type { AnsweringLink } from './answers.js'
import type { BlockLoad } from './block-load.js'
import { LateAnswers } from './late-answers.js'
import * as messages from './messages.js'
import {
  BEHIND_OTHERS,
  IS_COLD,
  NEEDS_ROOM,
  PeerRequests,
  REFUSED,
  isLookup,
  refused,
} from './peer-requests.js'
import type { ReplicaNode } from './peer-requests.js'
import type { RecordMerger } from './record-merger.js'
import { KeyQueues, WaitingRequest } from './waiting-requests.js'

/** Copies of waiting requests that a link may have before it is no longer read. */
export const WAITING_BYTES_MAX = 4 * 1024 * 1024
/** A write that finds no room for so long is refused. */
export const ROOM_MS_MAX = 10_000

/** What is used of a link. */
export type ReplicaLink = AnsweringLink &
  Pick<IncomingLink, 'acknowledge' | 'refuse' | 'pause' | 'resume' | 'close'>

class LinkState {
  readonly link: ReplicaLink
  readonly acks = new AckTracker()
  readonly late = new LateAnswers()
  readonly waiting = new Set<WaitingRequest<LinkState>>()
  waitingBytes = 0
  isPaused = false

  constructor(link: ReplicaLink) {
    this.link = link
  }
}

export class Replica {
  readonly #store: Store
  readonly #merger: RecordMerger
  readonly #clock: Clock
  readonly #links = new Map<ReplicaLink, LinkState>()
  /** Of the link that brought the last request: they come in batches. */
  #latest: LinkState | null = null
  readonly #requests: PeerRequests
  readonly #queues = new KeyQueues<LinkState>()
  readonly #hash = new KeyHash()
  /** Waiting for room, in the order in which they came. */
  #roomless: WaitingRequest<LinkState>[] = []
  /** Whose turn has come. */
  readonly #ready: WaitingRequest<LinkState>[] = []
  #isRoomCheckDue = false
  #roomTimer: Timer | null = null

  constructor(store: Store, merger: RecordMerger, clock: Clock, node: ReplicaNode) {
    this.#store = store
    this.#merger = merger
    this.#clock = clock
    this.#requests = new PeerRequests(store, merger, node, (token) => this.#queues.has(token))
  }

  /** How many requests were refused, by reason (messages.ts). */
  get refusals(): Float64Array {
    return this.#requests.refusals
  }

  /** Requests that wait, of all links. */
  get waitingCount(): number {
    let count = 0
    for (const { waiting } of this.#links.values()) count += waiting.size
    return count
  }

  /** A request of one of these kinds; as IncomingLinkUser.onRequest. `bytes` are copied where they have to stay. */
  onRequest(
    link: ReplicaLink,
    kind: number,
    bytes: Buffer,
    start: number,
    end: number,
    sequence: number,
  ): void {
    const state = this.#stateOf(link)
    const outcome = this.#requests.serve(state, kind, bytes, start, end, false)
    if (isLookup(kind)) {
      // The answer decides, so it is acknowledged now.
      state.acks.add(sequence, 0)
      if (outcome === IS_COLD) this.#wait(state, kind, bytes, start, end, sequence, outcome)
    } else if (outcome >= 0) {
      state.acks.add(sequence, outcome)
    } else {
      state.acks.add(sequence, UNSETTLED)
      if (outcome <= REFUSED) this.#settle(state, sequence, outcome)
      else this.#wait(state, kind, bytes, start, end, sequence, outcome)
    }
    this.#advance(state)
  }

  /** A request of another kind came, which takes its time elsewhere: the watermark waits for it. */
  begun(link: ReplicaLink, sequence: number): void {
    this.#stateOf(link).acks.add(sequence, UNSETTLED)
  }

  /** It was dealt with: refused for a reason, or 0. The link may be gone by now. */
  ended(link: ReplicaLink, sequence: number, reason: number): void {
    const state = this.#links.get(link)
    if (state === undefined) return
    this.#settle(state, sequence, reason === 0 ? 0 : refused(reason))
    this.#advance(state)
  }

  /** A request of another kind came, which is answered elsewhere: the watermark goes over it. */
  passed(link: ReplicaLink, sequence: number): void {
    const state = this.#stateOf(link)
    state.acks.add(sequence, 0)
    this.#advance(state)
  }

  /** The store's onDurable. */
  durableAdvanced(): void {
    const { durableSequence } = this.#store
    for (const state of this.#links.values()) {
      this.#advance(state)
      if (!state.late.isEmpty) state.late.send(state.link, durableSequence)
    }
  }

  /** The store's onRoom: what waits for room tries again at the end of the turn. */
  roomChanged(): void {
    if (this.#isRoomCheckDue || this.#roomless.length === 0) return
    this.#isRoomCheckDue = true
    this.#clock.endOfTurn(() => {
      this.#isRoomCheckDue = false
      this.#ready.push(...this.#roomless)
      this.#roomless = []
      this.#runReady()
    })
  }

  /** The store's onLogFailed: nobody knows what became of the entries that are not durable, so neither shall their senders. */
  logFailed(): void {
    const { durableSequence } = this.#store
    for (const { link, acks, late } of [...this.#links.values()]) {
      if (!late.isEmpty || acks.needsMoreThan(durableSequence)) link.close('lost', 'the log failed')
    }
    this.roomChanged()
  }

  /** RULES V6: what a closed link had brought and was not yet applied is discarded. */
  linkClosed(link: ReplicaLink): void {
    const state = this.#links.get(link)
    if (state === undefined) return
    this.#links.delete(link)
    this.#latest = null
    for (const request of state.waiting) {
      request.isGone = true
      request.load?.release()
    }
    this.#roomless = this.#roomless.filter(({ isGone }) => !isGone)
    for (const request of state.waiting) this.#queues.remove(request, this.#ready)
    this.#runReady()
  }

  #stateOf(link: ReplicaLink): LinkState {
    if (this.#latest?.link === link) return this.#latest
    let state = this.#links.get(link)
    if (state === undefined) {
      state = new LinkState(link)
      this.#links.set(link, state)
    }
    this.#latest = state
    return state
  }

  #advance({ link, acks }: LinkState): void {
    const before = acks.watermark
    const watermark = acks.advance(this.#store.durableSequence)
    if (watermark > before) link.acknowledge(watermark)
  }

  #settle({ link, acks }: LinkState, sequence: number, outcome: number): void {
    if (outcome >= 0) return acks.settle(sequence, outcome)
    const reason = REFUSED - outcome
    this.#requests.refusals[reason]++
    link.refuse(sequence, reason)
    acks.settle(sequence, 0)
  }

  // Requests that wait.

  #wait(
    state: LinkState,
    kind: number,
    bytes: Buffer,
    start: number,
    end: number,
    sequence: number,
    outcome: number,
  ): void {
    const copy = Buffer.from(bytes.subarray(start, end))
    const request = new WaitingRequest(state, kind, sequence, copy, this.#tokensOf(kind, copy))
    state.waiting.add(request)
    state.waitingBytes += copy.length
    if (state.waitingBytes > WAITING_BYTES_MAX && !state.isPaused) {
      state.isPaused = true
      state.link.pause()
    }
    this.#queues.add(request)
    this.#park(request, outcome)
  }

  #tokensOf(kind: number, bytes: Buffer): number[] {
    const tokens: number[] = []
    const add = (record: number): void => {
      const key = keyStart(record)
      this.#hash.of(bytes, key, key + keyLength(bytes, record))
      if (!tokens.includes(this.#hash.token)) tokens.push(this.#hash.token)
    }
    if (kind === messages.RECORD || kind === messages.HINT) add(messages.RECORD_HEAD_BYTES)
    if (kind !== messages.PROPOSAL) return tokens
    let part = messages.PROPOSAL_HEAD_BYTES
    for (; part < bytes.length; part = messages.partEnd(bytes, part)) {
      add(messages.partRecordStart(bytes, part))
    }
    return tokens
  }

  #park(request: WaitingRequest<LinkState>, outcome: number): void {
    if (outcome === IS_COLD) {
      request.waitsFor = 'blocks'
      request.load = this.#merger.startLoads((load) => this.#loaded(request, load), request.load)
    } else if (outcome === NEEDS_ROOM) {
      request.waitsFor = 'room'
      if (request.sinceMs === 0) request.sinceMs = this.#clock.monotonicMs()
      this.#roomless.push(request)
      this.#armRoomTimer()
    } else {
      assert(outcome === BEHIND_OTHERS, 'an outcome to wait for')
      request.waitsFor = 'turn'
    }
  }

  #loaded(request: WaitingRequest<LinkState>, load: BlockLoad): void {
    if (request.isGone) return
    if (load.error === null || this.#isGapNow(request, load.error)) this.#ready.push(request)
    else this.#finish(request, this.#unreadable(request, load.error))
    this.#runReady()
  }

  /**
   * What could not be read is damaged, and has become a gap: the key's range is stale, and what is appended now is merged into
   * nothing below the gap's floor, so nothing of it has to be read (RULES P2).
   */
  #isGapNow({ kind, tokens }: WaitingRequest<LinkState>, error: Error): boolean {
    if (isLookup(kind) || !(error instanceof CorruptionError)) return false
    return tokens.every((token) => !this.#requests.isServed(token))
  }

  /** The older record cannot be read, so nothing can be said about the key: "absent" least of all. */
  #unreadable({ owner, kind, bytes }: WaitingRequest<LinkState>, error: Error): number {
    const reason = error instanceof CorruptionError ? messages.REASON_DAMAGED : messages.REASON_NO_ROOM
    if (!isLookup(kind)) return refused(reason)
    return this.#requests.cannot(owner, messages.requestOf(bytes, 0), reason)
  }

  #runReady(): void {
    for (let request = this.#ready.shift(); request !== undefined; request = this.#ready.shift()) {
      if (request.isGone) continue
      const { owner, kind, bytes } = request
      request.waitsFor = 'running'
      const outcome = this.#requests.serve(owner, kind, bytes, 0, bytes.length, true)
      if (outcome >= 0 || outcome <= REFUSED) this.#finish(request, outcome)
      else this.#park(request, outcome)
    }
  }

  #finish(request: WaitingRequest<LinkState>, outcome: number): void {
    const { owner, kind, sequence, bytes } = request
    request.load?.release()
    owner.waiting.delete(request)
    owner.waitingBytes -= bytes.length
    if (owner.isPaused && owner.waitingBytes <= WAITING_BYTES_MAX / 2) {
      owner.isPaused = false
      owner.link.resume()
    }
    this.#queues.remove(request, this.#ready)
    if (isLookup(kind)) return
    this.#settle(owner, sequence, outcome)
    this.#advance(owner)
  }

  #armRoomTimer(): void {
    if (this.#roomTimer !== null || this.#roomless.length === 0) return
    const dueMs = Math.min(...this.#roomless.map(({ sinceMs }) => sinceMs)) + ROOM_MS_MAX
    this.#roomTimer = this.#clock.after(Math.max(1, Math.ceil(dueMs - this.#clock.monotonicMs())), () => {
      this.#roomTimer = null
      this.#refuseRoomless()
      this.#armRoomTimer()
    })
  }

  #refuseRoomless(): void {
    const sinceMs = this.#clock.monotonicMs() - ROOM_MS_MAX
    const late = this.#roomless.filter((request) => request.sinceMs <= sinceMs)
    this.#roomless = this.#roomless.filter((request) => request.sinceMs > sinceMs)
    for (const request of late) this.#finish(request, refused(messages.REASON_NO_ROOM))
    this.#runReady()
  }
}
