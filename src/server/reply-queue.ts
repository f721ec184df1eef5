/**
 * The replies of one connection that are not there yet, in the order of their requests. A reply leaves when it and all
 * before it are final; the dispatcher takes those from the front, once a turn, in one write.
 *
 * While a request is under way the queue also knows its key, so that a later request for the same key goes the same way, or
 * waits (RULES R3).
 *
 * How large a reply will be is known when it comes. A large one to a forwarded read that finds no room here is let go, and the
 * request is sent once more when there is: so a connection holds no more than REPLY_BYTES_MAX and the reply in front, however
 * large the values are that it asks for at once.
 */
import type { Operation, OperationTable, ReplySink } from '../coordinator/operation.js'
import { OUTPUT_PAUSE_BYTES } from '../resp/limits.js'
import { FORWARDED, SETTLED, SET_ASIDE, WRITING } from '../coordinator/operation.js'

/** Nothing of the connection is under way for the key. */
export const FREE_KEY = -1
/** A further request for the key has to wait for one that is under way. */
export const BUSY_KEY = -2

/** Large replies of other nodes that a connection holds, those included that its client has not taken yet. */
export const REPLY_BYTES_MAX = 8 * OUTPUT_PAUSE_BYTES

export class ReplyQueue implements ReplySink {
  count = 0
  /** What its replies hold in memory. */
  bytes = 0
  /** What its requests hold. */
  requestBytes = 0
  readonly #table: OperationTable
  readonly #onSettled: (operation: Operation) => void
  readonly #unsentBytes: () => number
  /** Kept free for the replies of what was set aside and is under way again. */
  #reserved = 0
  #setAside = 0
  #front: Operation | null = null
  #back: Operation | null = null
  #isDropped = false

  /** `unsentBytes`: replies that have left the queue and not this process. */
  constructor(table: OperationTable, onSettled: (operation: Operation) => void, unsentBytes: () => number) {
    this.#table = table
    this.#onSettled = onSettled
    this.#unsentBytes = unsentBytes
  }

  push(operation: Operation): void {
    operation.next = null
    if (this.#back === null) this.#front = operation
    else this.#back.next = operation
    this.#back = operation
    this.count++
    this.requestBytes += operation.requestBytes
  }

  /** The reply in front when it is final. */
  get ready(): Operation | null {
    const front = this.#front
    return front !== null && front.state === SETTLED ? front : null
  }

  /** The client does not want the last reply. */
  suppressLast(): void {
    if (this.#back !== null) this.#back.isSuppressed = true
  }

  /** Takes the reply in front off and gives its operation back. */
  shift(): void {
    const front = this.#front
    if (front === null) return
    this.#front = front.next
    if (this.#front === null) this.#back = null
    this.count--
    this.bytes -= front.replyLength
    this.requestBytes -= front.requestBytes
    this.#table.release(front)
  }

  /**
   * Where a further request for this key may go although others are under way: FREE_KEY where it likes, the member that all
   * others were forwarded to, or BUSY_KEY. Reads do not mind reads at their level; a write that was appended here is seen by whatever comes
   * next. Of what was forwarded only blind writes follow each other by themselves, because the home appends them as they come:
   * a read may be answered from what a later write has left, and a proposal that is refused comes again later.
   */
  whereIs(keyHash: number, isWrite: boolean, isBlind: boolean, readLevel: number): number {
    let where = FREE_KEY
    for (let operation = this.#front; operation !== null; operation = operation.next) {
      const { state } = operation
      if (state === SETTLED || state === WRITING || !minds(operation, isWrite, readLevel)) continue
      const hasOneKey = !operation.isSplit && operation.keyFirst === operation.keyLast
      if (hasOneKey && operation.keyHash !== keyHash) continue
      if (state !== FORWARDED || !isBlind || !operation.isBlind) return BUSY_KEY
      if (where !== FREE_KEY && where !== operation.target) return BUSY_KEY
      where = operation.target
    }
    return where
  }

  /** Whether a request on any keys has to wait for one that is under way. */
  mustWait(isWrite: boolean, readLevel: number): boolean {
    for (let operation = this.#front; operation !== null; operation = operation.next) {
      const { state } = operation
      if (state !== SETTLED && state !== WRITING && minds(operation, isWrite, readLevel)) return true
    }
    return false
  }

  takes(operation: Operation, bytes: number): boolean {
    if (this.#isDropped) return true
    this.#freeReserved(operation)
    const unsent = this.#unsentBytes()
    // The others leave behind the first.
    if (operation === this.#front ? unsent < OUTPUT_PAUSE_BYTES : this.#hasRoom(bytes, unsent)) return true
    operation.reservedBytes = bytes
    this.#setAside++
    return false
  }

  /** Has those run again, in their order, whose replies there is room for by now. */
  runSetAside(run: (operation: Operation) => void): void {
    if (this.#setAside === 0) return
    const unsent = this.#unsentBytes()
    if (unsent >= OUTPUT_PAUSE_BYTES) return
    const again: Operation[] = []
    for (let operation = this.#front; operation !== null; operation = operation.next) {
      if (operation.state !== SET_ASIDE) continue
      if (operation !== this.#front && !this.#hasRoom(operation.reservedBytes, unsent)) break
      this.#reserved += operation.reservedBytes
      again.push(operation)
    }
    this.#setAside -= again.length
    for (const operation of again) run(operation)
  }

  #hasRoom(bytes: number, unsent: number): boolean {
    return this.bytes + this.#reserved + unsent + bytes <= REPLY_BYTES_MAX
  }

  #freeReserved(operation: Operation): void {
    this.#reserved -= operation.reservedBytes
    operation.reservedBytes = 0
  }

  settled(operation: Operation): void {
    if (operation.reservedBytes > 0) this.#freeReserved(operation)
    if (this.#isDropped) this.#table.release(operation)
    else this.#onSettled(operation)
  }

  holds(bytes: number): void {
    this.bytes += bytes
  }

  /** The connection is gone: what is under way comes to its end for nobody. */
  drop(): void {
    this.#isDropped = true
    let operation = this.#front
    while (operation !== null) {
      const { next } = operation
      if (operation.state === SETTLED) this.#table.release(operation)
      else if (operation.state === SET_ASIDE) this.#table.abandon(operation)
      operation = next
    }
    this.#front = null
    this.#back = null
    this.#setAside = 0
    this.count = 0
  }
}

/**
 * Whether it matters in which order the operation and a request behind it are looked up. Two reads at one level ask the same
 * replicas; of two at different levels the later one may have been answered by some replica before the earlier one was.
 */
function minds(operation: Operation, isWrite: boolean, readLevel: number): boolean {
  return isWrite || operation.isWrite || operation.readLevel !== readLevel
}
