/**
 * Counts replies instead of parsing them. Requests of the generator have replies of known length (+OK, a value of the size
 * that all values have, the number that WAIT answers), so a good reply is told by its first byte or two and the rest is
 * skipped. What else a server may say is an error line, a null, or a WAIT that no replica confirmed: those are replies as
 * well, but not good ones. Bytes that are none of these are garbled: the connection is of no further use.
 */
export const DUE_OK = 0
export const DUE_VALUE = 1
/** What WAIT answers: how many replicas have confirmed; good from 1 on. */
export const DUE_REPLICAS = 2
export type DueReply = typeof DUE_OK | typeof DUE_VALUE | typeof DUE_REPLICAS

export interface ReplyTaker {
  /** What the next reply should be; null when no request is under way. */
  dueReply(): DueReply | null
  /** A reply is complete: `error` is null when it is as it should be, else its text. */
  onReply(error: string | null): void
}

const START = 0
const SKIPPING = 1
const VALUE_LENGTH = 2
const REPLICA_COUNT = 3
const ERROR_LINE = 4

const PLUS = 43
const MINUS = 45
const DOLLAR = 36
const COLON = 58
const ZERO = 48
const LINE_FEED = 10

const OK_BYTES = '+OK\r\n'.length
const NULL_BYTES = '$-1\r\n'.length
const REPLICAS_BYTES = ':1\r\n'.length
const ERROR_BYTES_MAX = 200
const GARBLED_BYTES_MAX = 80

export class ReplyReader {
  readonly #valueReplyBytes: number
  readonly #taker: ReplyTaker
  #state = START
  /** Bytes of the present reply to pass over. */
  #skip = 0
  #error: string | null = null
  #line = ''

  /** `valueReplyBytes`: length of a whole bulk reply, `$100\r\n` and the last `\r\n` included. */
  constructor(valueReplyBytes: number, taker: ReplyTaker) {
    this.#valueReplyBytes = valueReplyBytes
    this.#taker = taker
  }

  /** Takes bytes[0, length). Answers null, or the garbled text that follows the last reply. */
  read(bytes: Uint8Array, length: number): string | null {
    let at = 0
    while (at < length) {
      if (this.#state === SKIPPING) at = this.#skipFrom(at, length)
      else if (this.#state === ERROR_LINE) at = this.#lineFrom(bytes, at, length)
      else if (this.#takeByte(bytes[at])) at++
      else return latin1(bytes, at, Math.min(length, at + GARBLED_BYTES_MAX))
    }
    return null
  }

  #skipFrom(at: number, length: number): number {
    const step = Math.min(this.#skip, length - at)
    this.#skip -= step
    if (this.#skip === 0) this.#end(this.#error)
    return at + step
  }

  #lineFrom(bytes: Uint8Array, at: number, length: number): number {
    const feed = bytes.subarray(0, length).indexOf(LINE_FEED, at)
    const end = feed === -1 ? length : feed + 1
    const room = ERROR_BYTES_MAX - this.#line.length
    if (room > 0) this.#line += latin1(bytes, at, Math.min(end, at + room))
    if (feed !== -1) this.#end(this.#line.trimEnd())
    return end
  }

  #end(error: string | null): void {
    this.#state = START
    this.#error = null
    this.#taker.onReply(error)
  }

  /** The bytes that decide what a reply is. False when it is none that could be due. */
  #takeByte(byte: number): boolean {
    switch (this.#state) {
      case VALUE_LENGTH:
        if (byte === MINUS) return this.#pass(NULL_BYTES - 2, 'a null: the key is missing')
        return this.#pass(this.#valueReplyBytes - 2, null)
      case REPLICA_COUNT:
        return this.#pass(REPLICAS_BYTES - 2, byte === ZERO ? 'WAIT: no replica confirmed' : null)
      default:
        return this.#begin(byte)
    }
  }

  #begin(byte: number): boolean {
    const due = this.#taker.dueReply()
    if (due === null) return false
    if (byte === MINUS) {
      this.#line = ''
      this.#state = ERROR_LINE
      return true
    }
    if (due === DUE_OK) return byte === PLUS && this.#pass(OK_BYTES - 1, null)
    if (byte !== (due === DUE_VALUE ? DOLLAR : COLON)) return false
    this.#state = due === DUE_VALUE ? VALUE_LENGTH : REPLICA_COUNT
    return true
  }

  #pass(bytes: number, error: string | null): true {
    this.#skip = bytes
    this.#error = error
    this.#state = SKIPPING
    return true
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}
