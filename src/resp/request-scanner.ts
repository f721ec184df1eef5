/**
 * Finds out whether the bytes of a request are all there, and what is wrong with it if anything is, and can stop and go
 * on at any byte. The parser's fast path handles whole, ordinary requests; everything else (cut off, empty, malformed,
 * over a limit) comes here, and a PartialRequest keeps a scanner of its own while its bytes arrive. The scanner
 * collects no arguments: when it says that a request is whole, the parser runs over it once more, which costs less than
 * an array of offsets for each waiting connection and keeps the total work linear.
 *
 * What is accepted is what Redis 7.0 accepts, tried out against it:
 *
 *     request   := multibulk | inline
 *     multibulk := '*' count CR any { '$' length CR any, length bytes, any any }      count times; count <= 0 is empty
 *     inline    := line LF | line CR LF                                               see inline-request.ts
 *     number    := '0' | ['-'] ('1'..'9') {'0'..'9'}                                  within 64 bits; no '+', no '-0'
 *
 * `any` is one byte that is skipped without a look (it should be LF, and CR LF after a bulk). A line is judged only
 * once its end is there. Between two calls the bytes before `end` stay where they are, relative to each other.
 */
import { COMPLETE, CROSS_PROTOCOL, EMPTY, INCOMPLETE, INVALID, type ParseResult } from './parse-result.js'
import { ARGUMENTS_MAX_FOR_WORDING, BULK_BYTES_MAX_DEFAULT, type RequestLimits } from './limits.js'
import {
  expectedBulk,
  INVALID_BULK_LENGTH,
  INVALID_MULTIBULK_LENGTH,
  NUL_IN_INLINE_REQUEST,
  TOO_BIG_BULK_COUNT,
  TOO_BIG_INLINE_REQUEST,
  TOO_BIG_MULTIBULK_COUNT,
  UNAUTHENTICATED_BULK_LENGTH,
  UNAUTHENTICATED_MULTIBULK_LENGTH,
} from './protocol-errors.js'

const CR = 0x0d
const LF = 0x0a
const STAR = 0x2a
const DOLLAR = 0x24
const TLS_HANDSHAKE = 0x16
const TLS_MAJOR_VERSION = 0x03

const COUNT_UNKNOWN = -1
const NO_BULK = -1
/** Outcomes of #findCr that are not positions. */
const NOT_YET = -1
const TOO_FAR = -2

const NUMBER = /^(?:0|-?[1-9][0-9]{0,18})$/
const NUMBER_BYTES_MAX = 20

export class RequestScanner {
  /** Where the line or bulk that is awaited starts; after COMPLETE and EMPTY the position after the request. */
  position = 0
  /** Position after the bulk (and its line end) that is arriving; -1 while a line is awaited. */
  bulkEnd = NO_BULK
  /** Declared length of that bulk. */
  bulkBytes = 0
  /** After INVALID. */
  error = ''
  /** No line end stands in [position, #searched). */
  #searched = 0
  #argumentsLeft = COUNT_UNKNOWN

  /** Starts over with a request whose first byte is at `at`. */
  reset(at: number): void {
    this.position = at
    this.bulkEnd = NO_BULK
    this.#searched = at
    this.#argumentsLeft = COUNT_UNKNOWN
  }

  /** Goes on where the last call (or reset) left off; `end` is the position after the last byte received. */
  scan(bytes: Buffer, end: number, limits: RequestLimits): ParseResult {
    if (this.position >= end) return INCOMPLETE
    if (this.#argumentsLeft === COUNT_UNKNOWN) {
      if (bytes[this.position] !== STAR) return this.#scanInline(bytes, end, limits)
      const result = this.#scanCount(bytes, end, limits)
      if (result !== COMPLETE) return result
    }
    while (this.#argumentsLeft > 0) {
      if (this.bulkEnd === NO_BULK) {
        const result = this.#scanLength(bytes, end, limits)
        if (result !== COMPLETE) return result
      }
      if (this.bulkEnd > end) return INCOMPLETE
      this.position = this.bulkEnd
      this.#searched = this.position
      this.bulkEnd = NO_BULK
      this.#argumentsLeft--
    }
    return COMPLETE
  }

  #scanCount(bytes: Buffer, end: number, limits: RequestLimits): ParseResult {
    const cr = this.#findCr(bytes, end, limits.inlineBytesMax)
    if (cr === TOO_FAR) return this.#invalid(TOO_BIG_MULTIBULK_COUNT)
    if (cr === NOT_YET) return INCOMPLETE
    const count = readNumber(bytes, this.position + 1, cr)
    if (!(count <= limits.argumentsMax)) {
      const tooMany = !limits.authenticated && count <= ARGUMENTS_MAX_FOR_WORDING
      return this.#invalid(tooMany ? UNAUTHENTICATED_MULTIBULK_LENGTH : INVALID_MULTIBULK_LENGTH)
    }
    this.position = cr + 2
    this.#searched = this.position
    if (count <= 0) return EMPTY
    this.#argumentsLeft = count
    return COMPLETE
  }

  #scanLength(bytes: Buffer, end: number, limits: RequestLimits): ParseResult {
    const cr = this.#findCr(bytes, end, limits.inlineBytesMax)
    if (cr === TOO_FAR) return this.#invalid(TOO_BIG_BULK_COUNT)
    if (cr === NOT_YET) return INCOMPLETE
    const first = bytes[this.position]
    if (first !== DOLLAR) return this.#invalid(expectedBulk(first))
    const length = readNumber(bytes, this.position + 1, cr)
    if (!(length >= 0 && length <= limits.bulkBytesMax)) {
      const tooLong = !limits.authenticated && length > 0 && length <= BULK_BYTES_MAX_DEFAULT
      return this.#invalid(tooLong ? UNAUTHENTICATED_BULK_LENGTH : INVALID_BULK_LENGTH)
    }
    this.bulkBytes = length
    this.bulkEnd = cr + 2 + length + 2
    return COMPLETE
  }

  /** Position of the CR that ends the line at `position`, once the byte after it is there too. */
  #findCr(bytes: Buffer, end: number, lineBytesMax: number): number {
    const farthest = this.position + lineBytesMax
    for (let i = this.#searched; i < end; i++) {
      if (bytes[i] === CR) {
        this.#searched = i
        return i + 2 <= end ? i : NOT_YET
      }
      if (i >= farthest) return TOO_FAR
    }
    this.#searched = end
    return NOT_YET
  }

  #scanInline(bytes: Buffer, end: number, limits: RequestLimits): ParseResult {
    const start = this.position
    if (bytes[start] === TLS_HANDSHAKE) {
      if (end - start < 2) return INCOMPLETE
      if (bytes[start + 1] === TLS_MAJOR_VERSION) return CROSS_PROTOCOL
    }
    const farthest = start + limits.inlineBytesMax
    for (let i = this.#searched; i < end; i++) {
      const c = bytes[i]
      if (c === LF) {
        this.position = i + 1
        return COMPLETE
      }
      if (i >= farthest) return this.#invalid(TOO_BIG_INLINE_REQUEST)
      if (c === 0) return this.#invalid(NUL_IN_INLINE_REQUEST)
    }
    this.#searched = end
    return INCOMPLETE
  }

  #invalid(error: string): ParseResult {
    this.error = error
    return INVALID
  }
}

/** The number in bytes[start, end), or NaN when it is none by Redis's string2ll. */
function readNumber(bytes: Buffer, start: number, end: number): number {
  const digits = end - start
  if (digits === 0 || digits > NUMBER_BYTES_MAX) return NaN
  const first = bytes[start] ^ 0x30
  if (digits <= 9 && first <= 9 && (first > 0 || digits === 1)) {
    let value = first
    let p = start + 1
    for (; p < end; p++) {
      const digit = bytes[p] ^ 0x30
      if (digit > 9) break
      value = value * 10 + digit
    }
    return p === end ? value : NaN
  }
  const text = bytes.toString('latin1', start, end)
  if (!NUMBER.test(text)) return NaN
  const value = BigInt(text)
  return BigInt.asIntN(64, value) === value ? Number(value) : NaN
}
