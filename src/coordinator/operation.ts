/**
 * One request that has to wait for other nodes: its own copy of what was asked, the reply as far as it is rendered, and
 * how far the waiting has come. Operations are pooled and keep their buffers, so that a request which waits costs no
 * garbage; they lie in one list in the order in which they began, which is what timeouts and speculation walk.
 *
 * An operation is named by its `id` in messages (an index and a generation), so that an answer which comes after the
 * operation was given back finds nothing. It is given back when it has settled *and* no queue of acknowledgements
 * refers to it any more (`references`).
 */
import { assert } from '../util/assert.js'
import { copyBytes } from '../util/bytes.js'
import { QUORUM } from './consistency.js'
import type { Level } from './consistency.js'
import type { AgreedRecord, ReadRepair } from './read-repair.js'
import type { RecordOverlay } from './record-overlay.js'

/** In the pool. */
export const FREE = 0
/** Waits for blocks, for room in the log, or for a key that a proposal holds; it has not been run yet. */
export const QUEUED = 1
/** Appended here; waits for the watermarks of replicas. */
export const WRITING = 2
/** Run here; waits for the digests of replicas. */
export const CONFIRMING = 3
/** Replicas differ: waits for whole records, then for those that are written back. */
export const REPAIRING = 4
/** Proposed to replicas (RULES V10). */
export const PROPOSING = 5
/** Sent to the key's home. */
export const FORWARDED = 6
/** The reply is final. */
export const SETTLED = 7
/** Its sink had no room for the reply, which was let go: the request waits, without a time limit, to be run once more. */
export const SET_ASIDE = 8
export type OperationState =
  | typeof FREE
  | typeof QUEUED
  | typeof WRITING
  | typeof CONFIRMING
  | typeof REPAIRING
  | typeof PROPOSING
  | typeof FORWARDED
  | typeof SETTLED
  | typeof SET_ASIDE

/** Where the reply of an operation goes. */
export interface ReplySink {
  /** The reply is final. The sink gives the operation back with OperationTable.release() once it has taken the reply. */
  settled(operation: Operation): void
  /** Its operations hold so many bytes of replies more, or less. */
  holds(bytes: number): void
  /**
   * Whether it has room for a large reply of so many bytes that another node has sent. If not, the operation, a read, is set aside;
   * the sink has it run again (OperationTable.takeBack) when it has room, or lets it go (abandon).
   */
  takes(operation: Operation, bytes: number): boolean
}

/** Replies up to this size are taken without a question: all that a connection may await come to no more than 8 MB. */
export const SMALL_REPLY_BYTES = 8 * 1024

/** A buffer of an operation that has become larger than this is not kept. */
const KEPT_BYTES_MAX = 4096
const REQUEST_BYTES = 256
const REPLY_BYTES = 64
const OFFSETS = 16

export class Operation {
  /** Index in the table in the low bits, generation above. */
  id: number
  state: OperationState = FREE
  sink!: ReplySink
  /** The sink's own: which part of a split request, which request of a peer. */
  tag = 0
  /** Queues of acknowledgements that still refer to this. */
  references = 0
  startedAtMs = 0
  /** Neighbours in the list of all that are under way. */
  before: Operation | null = null
  after: Operation | null = null
  /** The next reply of the same connection. */
  next: Operation | null = null

  /** The request: argument i is bytes[offsets[2i], offsets[2i+1]). */
  bytes: Buffer = Buffer.allocUnsafeSlow(REQUEST_BYTES)
  offsets = new Int32Array(OFFSETS)
  argc = 0
  protocol = 2
  /** Levels of the request (consistency.ts); 0 for those of the key or the node. */
  readLevel = 0
  writeLevel = 0
  /** Whether running it may change anything. */
  isWrite = false
  /** It writes whatever its keys hold, and its reply does not depend on it. */
  isBlind = false
  /** Another node has sent it here: it runs here, or nowhere. */
  isFromPeer = false
  /** Of one from a peer, settled: why it was not run here; 0 when it has a reply. */
  cannotReason = 0
  /** It asks `target` about that node's own data (cluster-calls.ts): it goes there, or nowhere. */
  isCall = false
  /** Its keys are those of other operations, its parts. */
  isSplit = false
  /** Arguments that are keys: keyFirst, keyFirst + keyStep, … up to keyLast. All of one slot. */
  keyFirst = 0
  keyLast = 0
  keyStep = 1
  /** The first half of the first key's hash, and the slot. */
  keyHash = 0
  slot = 0

  /** The reply is reply[0, replyLength). */
  reply: Buffer = Buffer.allocUnsafeSlow(REPLY_BYTES)
  replyLength = 0
  /** The client does not want it. */
  isSuppressed = false
  /** Own log entries up to this sequence have to be durable before the reply leaves. */
  needSequence = 0

  /** What is awaited is that of this round: acknowledgements of earlier ones do not count. */
  round = 0
  /** Replicas beside this node whose agreement is needed, and how many of them have agreed. */
  needed = 0
  agreed = 0
  /**
   * Members, as bits by their place in the preference list, holders of fallback copies behind them: asked; of these, those that have
   * answered in any way.
   */
  asked = 0
  answered = 0
  refused = 0
  /** The link was lost before it answered. */
  lost = 0
  /** One of them lies behind a flush mark that has not come here yet (RULES P4). */
  isFlushed = false
  /** Own log entries of what it has written, first to last; 0 for none. */
  ownFirst = 0
  ownLast = 0
  /** Expected digest. */
  digestFirst = 0
  digestSecond = 0
  level: Level = QUORUM
  /** Of a forwarded request: the member it went to, and its sequence on that link. */
  target = -1
  linkSequence = 0
  /** How often it was begun anew. */
  attempts = 0
  speculated = false
  /** Queued, and holds its key until its blocks are there. */
  awaitsBlocks = false
  /** Its keys have been read by a quorum since it last began. */
  isPrepared = false
  repair: ReadRepair | null = null
  /** Of a proposal: the records proposed. */
  draft: ProposedRecords | null = null
  /** Of a repaired read: what it is answered from. */
  agreedRecords: readonly AgreedRecord[] | null = null
  /** What its sink keeps free for the reply; it is known once a reply had to be let go. */
  reservedBytes = 0

  constructor(id: number) {
    this.id = id
  }

  get requestBytes(): number {
    return this.argc === 0 ? 0 : this.offsets[2 * this.argc - 1]
  }

  /** Keeps a copy of a request's arguments. */
  keepRequest(bytes: Buffer, offsets: Int32Array, argc: number): void {
    if (bytes === this.bytes) return
    const first = offsets[0]
    const length = offsets[2 * argc - 1] - first
    if (length > this.bytes.length) this.bytes = Buffer.allocUnsafeSlow(length)
    if (2 * argc > this.offsets.length) this.offsets = new Int32Array(2 * argc)
    copyBytes(bytes, first, first + length, this.bytes, 0)
    for (let i = 0; i < 2 * argc; i++) this.offsets[i] = offsets[i] - first
    this.argc = argc
  }

  /** Keeps a request of these arguments. */
  keepWords(args: readonly Buffer[]): void {
    const offsets = new Int32Array(2 * args.length)
    let at = 0
    args.forEach(({ length }, i) => {
      offsets[2 * i] = at
      at += length
      offsets[2 * i + 1] = at
    })
    this.keepRequest(Buffer.concat(args), offsets, args.length)
  }

  /** Keeps copies of arguments that lie apart from each other. */
  keepArguments(bytes: Buffer, offsets: Int32Array, argc: number): void {
    let length = 0
    for (let i = 0; i < argc; i++) length += offsets[2 * i + 1] - offsets[2 * i]
    if (length > this.bytes.length) this.bytes = Buffer.allocUnsafeSlow(length)
    if (2 * argc > this.offsets.length) this.offsets = new Int32Array(2 * argc)
    let at = 0
    for (let i = 0; i < argc; i++) {
      const start = offsets[2 * i]
      const end = offsets[2 * i + 1]
      copyBytes(bytes, start, end, this.bytes, at)
      this.offsets[2 * i] = at
      at += end - start
      this.offsets[2 * i + 1] = at
    }
    this.argc = argc
  }

  /** Takes bytes[start, end) as the reply so far. */
  keepReply(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (length > this.reply.length) this.reply = Buffer.allocUnsafeSlow(length)
    copyBytes(bytes, start, end, this.reply, 0)
    this.sink.holds(length - this.replyLength)
    this.replyLength = length
  }

  /** The reply is an error: `text` begins with its code. */
  keepError(text: string): void {
    const line = Buffer.from(`-${text}\r\n`)
    this.keepReply(line, 0, line.length)
    this.needSequence = 0
  }

  reset(): void {
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = Buffer.allocUnsafeSlow(REQUEST_BYTES)
    if (this.reply.length > KEPT_BYTES_MAX) this.reply = Buffer.allocUnsafeSlow(REPLY_BYTES)
    if (this.offsets.length > KEPT_BYTES_MAX) this.offsets = new Int32Array(OFFSETS)
    this.replyLength = 0
    this.needSequence = 0
    this.argc = 0
    this.clearRound()
    this.ownFirst = 0
    this.ownLast = 0
    this.target = -1
    this.attempts = 0
    this.tag = 0
    this.isBlind = false
    this.isFromPeer = false
    this.cannotReason = 0
    this.isPrepared = false
    this.awaitsBlocks = false
    this.isCall = false
    this.isSplit = false
    this.isSuppressed = false
    this.agreedRecords = null
    this.reservedBytes = 0
    this.next = null
  }

  /** Replicas are asked for something new: nothing is awaited of what they were asked before. */
  beginRound(): void {
    this.round = (this.round + 1) | 0
    this.needed = 0
    this.agreed = 0
    this.asked = 0
    this.answered = 0
    this.refused = 0
    this.lost = 0
    this.isFlushed = false
  }

  /** Forgets how far the waiting has come: the request begins anew. */
  clearRound(): void {
    this.beginRound()
    this.speculated = false
    this.repair = null
    this.draft = null
  }
}

/** The records of a proposal, one behind the other in `bytes`: record i is [starts[i], starts[i+1]). */
export interface ProposedRecords {
  readonly bytes: Buffer
  readonly starts: readonly number[]
  /** First 32 bits of the keys' hashes. */
  readonly keyHashes: readonly number[]
}

/** A copy of what the overlay holds. */
export function proposedRecords(overlay: RecordOverlay): ProposedRecords {
  const starts = [0]
  const keyHashes: number[] = []
  const records: Buffer[] = []
  for (let i = 0; i < overlay.count; i++) {
    records.push(overlay.bytes.subarray(overlay.start(i), overlay.start(i) + overlay.length(i)))
    starts.push(starts[i] + overlay.length(i))
    keyHashes.push(overlay.hash(i))
  }
  return { bytes: Buffer.concat(records), starts, keyHashes }
}

const INDEX_BITS = 18
/** Requests that may wait at a time, on all connections together. */
export const OPERATIONS_MAX = 1 << INDEX_BITS
const GENERATION_MAX = 1 << (32 - INDEX_BITS)

/** All operations of a node. */
export class OperationTable {
  readonly #all: Operation[] = []
  readonly #free: Operation[] = []
  #oldest: Operation | null = null
  #newest: Operation | null = null
  #underWay = 0

  /** Operations that are not settled. */
  get underWay(): number {
    return this.#underWay
  }

  /** Whether so many more can be taken. */
  hasRoom(operations: number): boolean {
    return operations <= this.#free.length + OPERATIONS_MAX - this.#all.length
  }

  /** The one that has waited longest, settled ones not among them; go on with `after`. */
  get oldest(): Operation | null {
    return this.#oldest
  }

  /** An operation for a request that has to wait. Not to be called when the table is full. */
  take(sink: ReplySink, state: OperationState, nowMs: number): Operation {
    let operation = this.#free.pop()
    if (operation === undefined) {
      assert(this.#all.length < OPERATIONS_MAX, 'the caller has looked whether there is room')
      operation = new Operation(this.#all.length)
      this.#all.push(operation)
    }
    operation.sink = sink
    operation.state = state
    operation.startedAtMs = nowMs
    this.#append(operation)
    return operation
  }

  /** The operation that a message names, null when it has been given back or has settled. */
  find(id: number): Operation | null {
    const index = id & (OPERATIONS_MAX - 1)
    if (index >= this.#all.length) return null
    const operation = this.#all[index]
    return operation.id === id && operation.state !== SETTLED && operation.state !== FREE ? operation : null
  }

  /** Answers to what was asked so far find nothing any more. */
  rename(operation: Operation): void {
    const index = operation.id & (OPERATIONS_MAX - 1)
    const generation = ((operation.id >>> INDEX_BITS) + 1) % GENERATION_MAX
    operation.id = (generation * OPERATIONS_MAX + index) >>> 0
  }

  /** The reply is final: nothing more is awaited, and the sink is told. */
  settle(operation: Operation): void {
    assert(operation.state !== SETTLED && operation.state !== FREE, 'an operation settles once')
    operation.state = SETTLED
    this.#remove(operation)
    operation.sink.settled(operation)
  }

  /** An operation whose reply is there from the start: it only keeps its place among the replies. */
  takeSettled(sink: ReplySink, nowMs: number): Operation {
    const operation = this.take(sink, QUEUED, nowMs)
    operation.state = SETTLED
    this.#remove(operation)
    return operation
  }

  /** There is no room for the reply: the request no longer counts as one under way. */
  setAside(operation: Operation): void {
    this.#remove(operation)
    operation.state = SET_ASIDE
  }

  /** What was set aside is under way again, from now on. */
  takeBack(operation: Operation, nowMs: number): void {
    assert(operation.state === SET_ASIDE, 'only what was set aside is taken back')
    operation.state = QUEUED
    operation.startedAtMs = nowMs
    this.#append(operation)
  }

  /** Nobody wants what was set aside. */
  abandon(operation: Operation): void {
    assert(operation.state === SET_ASIDE, 'only what was set aside is abandoned')
    operation.state = SETTLED
    this.release(operation)
  }

  /** The sink has taken the reply. */
  release(operation: Operation): void {
    assert(operation.state === SETTLED, 'only what has settled is given back')
    operation.state = FREE
    if (operation.references === 0) this.#recycle(operation)
  }

  /** A queue of acknowledgements lets go of it. */
  unreference(operation: Operation): void {
    operation.references--
    if (operation.references === 0 && operation.state === FREE) this.#recycle(operation)
  }

  #recycle(operation: Operation): void {
    this.rename(operation)
    operation.reset()
    this.#free.push(operation)
  }

  #append(operation: Operation): void {
    this.#underWay++
    operation.before = this.#newest
    operation.after = null
    if (this.#newest === null) this.#oldest = operation
    else this.#newest.after = operation
    this.#newest = operation
  }

  #remove(operation: Operation): void {
    this.#underWay--
    const { before, after } = operation
    if (before === null) this.#oldest = after
    else before.after = after
    if (after === null) this.#newest = before
    else after.before = before
    operation.before = null
    operation.after = null
  }
}
