/**
 * Parses requests in place: no Buffer, no string and no object per request, only positions in an Int32Array that is
 * used again and again. One instance serves all connections of a node.
 *
 * parse() is one pass over a request that lies whole in the buffer, with digit loops by hand; it is the hottest
 * function of the protocol and longer than house style likes for that reason. Numbers stay inside 32 bits (Math.imul,
 * at most nine digits), so that no hostile length can turn its arithmetic into slower floating point. Whatever is not
 * an ordinary multibulk request is left to RequestScanner and InlineSplitter; README.md says what is accepted.
 *
 * Rejected: an incremental state machine for everything (state loads and stores on each byte), and RegExp or indexOf
 * for line ends (calls cost more than the few digits between them).
 */
import { InlineSplitter } from './inline-request.js'
import type { RequestLimits } from './limits.js'
import { COMPLETE, CROSS_PROTOCOL, EMPTY, INCOMPLETE, INVALID, type ParseResult } from './parse-result.js'
import { UNBALANCED_QUOTES } from './protocol-errors.js'
import { RequestScanner } from './request-scanner.js'
import { assert } from '../util/assert.js'

export {
  COMPLETE,
  CROSS_PROTOCOL,
  EMPTY,
  INCOMPLETE,
  INVALID,
  OVERSIZED,
  type ParseResult,
} from './parse-result.js'

const CR = 0x0d
const STAR = 0x2a
const DOLLAR = 0x24
/** A byte b is a decimal digit exactly when (b ^ ZERO) <= 9. */
const ZERO = 0x30
const CR_XOR_ZERO = CR ^ ZERO
/** More digits may leave 32 bits; such a number is above every limit. */
const DIGITS_MAX = 9
/** `$0`, CR LF, CR LF. */
const ARGUMENT_BYTES_MIN = 6

const NOTHING = Buffer.alloc(0)
const FIRST_ARGUMENTS = 64

export class RequestParser {
  /** Where the arguments stand: the buffer that was parsed, or a scratch buffer for an inline request with quotes. */
  bytes: Buffer = NOTHING
  /** Argument i is bytes[offsets[2i], offsets[2i+1]). Replaced when it grows: read it anew after each parse. */
  offsets = new Int32Array(2 * FIRST_ARGUMENTS)
  argc = 0
  /** Position after the request in the buffer that was parsed (never in the scratch). */
  end = 0
  /** After INVALID: Redis's text, 'Protocol error: …', for ReplyWriter.protocolError. */
  error = ''
  readonly #scanner = new RequestScanner()
  readonly #inline = new InlineSplitter()

  /** Parses the request that starts at bytes[at]; bytes[end…) does not belong to the input. Never OVERSIZED. */
  parse(bytes: Buffer, at: number, end: number, limits: RequestLimits): ParseResult {
    if (at >= end) return INCOMPLETE
    if (bytes[at] !== STAR) return this.#parseUnusual(bytes, at, end, limits)
    let p = at + 1
    let count = 0
    let c = 0
    while (p < end && (c = bytes[p] ^ ZERO) <= 9) {
      count = (Math.imul(count, 10) + c) | 0
      p++
    }
    const countDigits = p - at - 1
    p += 2
    if (
      countDigits > DIGITS_MAX ||
      c !== CR_XOR_ZERO ||
      p > end ||
      bytes[at + 1] === ZERO ||
      count === 0 ||
      count > limits.argumentsMax ||
      Math.imul(count, ARGUMENT_BYTES_MIN) > end - p
    ) {
      return this.#parseUnusual(bytes, at, end, limits)
    }
    if (2 * count > this.offsets.length) this.#growOffsets(count)
    const offsets = this.offsets
    const bulkBytesMax = limits.bulkBytesMax
    const last = 2 * count
    for (let i = 0; i < last; i += 2) {
      if (p >= end) return INCOMPLETE
      const lineStart = p
      let length = 0
      p++
      while (p < end && (c = bytes[p] ^ ZERO) <= 9) {
        length = (Math.imul(length, 10) + c) | 0
        p++
      }
      const digits = p - lineStart - 1
      p += 2
      if (
        bytes[lineStart] !== DOLLAR ||
        digits === 0 ||
        digits > DIGITS_MAX ||
        c !== CR_XOR_ZERO ||
        p > end ||
        (digits > 1 && bytes[lineStart + 1] === ZERO) ||
        length > bulkBytesMax
      ) {
        return this.#parseUnusual(bytes, at, end, limits)
      }
      offsets[i] = p
      p += length
      offsets[i + 1] = p
      p += 2
      if (p > end) return INCOMPLETE
    }
    this.bytes = bytes
    this.argc = count
    this.end = p
    const nameBytes = offsets[1] - offsets[0]
    if ((nameBytes === 4 || nameBytes === 5) && isHttp(bytes, offsets[0], nameBytes)) return CROSS_PROTOCOL
    return COMPLETE
  }

  /** Everything but a whole multibulk request with arguments. */
  #parseUnusual(bytes: Buffer, at: number, end: number, limits: RequestLimits): ParseResult {
    const scanner = this.#scanner
    scanner.reset(at)
    const result = scanner.scan(bytes, end, limits)
    if (result === COMPLETE) {
      assert(bytes[at] !== STAR, 'a whole multibulk request takes the fast path')
      this.end = scanner.position
      return this.#parseInline(bytes, at)
    }
    if (result === EMPTY) this.end = scanner.position
    if (result === INVALID) this.error = scanner.error
    return result
  }

  /** The line lies between `at` and the LF before this.end. */
  #parseInline(bytes: Buffer, at: number): ParseResult {
    const lf = this.end - 1
    const lineEnd = lf > at && bytes[lf - 1] === CR ? lf - 1 : lf
    const inline = this.#inline
    if (!inline.split(bytes, at, lineEnd)) {
      this.error = UNBALANCED_QUOTES
      return INVALID
    }
    if (inline.argc === 0) return EMPTY
    if (inline.argc * 2 > this.offsets.length) this.#growOffsets(inline.argc)
    for (let i = 0; i < inline.argc * 2; i++) this.offsets[i] = inline.offsets[i]
    this.bytes = inline.bytes
    this.argc = inline.argc
    return isHttp(this.bytes, this.offsets[0], this.offsets[1] - this.offsets[0]) ? CROSS_PROTOCOL : COMPLETE
  }

  /** Callers have seen that the bytes received can hold that many arguments, so what is claimed alone costs nothing. */
  #growOffsets(count: number): void {
    this.offsets = new Int32Array(Math.max(2 * count, 2 * this.offsets.length))
  }
}

/** `POST` or `Host:` as the command's name, in any case: a browser or a forged HTTP request, as Redis recognises them. */
function isHttp(bytes: Buffer, start: number, length: number): boolean {
  if (length === 4) {
    return isLetter(bytes[start], 0x70) &&
      isLetter(bytes[start + 1], 0x6f) &&
      isLetter(bytes[start + 2], 0x73)
      ? isLetter(bytes[start + 3], 0x74)
      : false
  }
  return (
    length === 5 &&
    isLetter(bytes[start], 0x68) &&
    isLetter(bytes[start + 1], 0x6f) &&
    isLetter(bytes[start + 2], 0x73) &&
    isLetter(bytes[start + 3], 0x74) &&
    bytes[start + 4] === 0x3a
  )
}

function isLetter(byte: number, lowerCase: number): boolean {
  return (byte | 0x20) === lowerCase
}
