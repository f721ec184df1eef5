/**
 * Renders replies into one growing buffer, in the protocol version of the connection it is writing for. The server
 * keeps a single writer and takes the rendered bytes away after every batch, so a reply costs no object.
 *
 * RESP3 types fall back to their RESP2 shapes exactly as Redis does: maps become flat arrays, sets arrays, doubles and
 * verbatim strings bulk strings, booleans integers, nulls `$-1` or `*-1`.
 */
import { assert } from '../util/assert.js'
import { copyBytes } from '../util/bytes.js'

const CR = 0x0d
const LF = 0x0a
const ZERO = 0x30
const MINUS = 0x2d
const FIRST_BYTES = 64 * 1024
/** ASCII text up to this length is written by loop: the call into Node costs as much as some sixty characters. */
const SHORT_TEXT = 64
const BILLION = 1_000_000_000
/** The line of a number: type, sign, 16 digits, CR LF. */
const NUMBER_BYTES_MAX = 20
/** What a bulk string takes beside its bytes: type, 10 digits, twice CR LF. */
const BULK_OVERHEAD_BYTES_MAX = 15

export class ReplyWriter {
  /** The rendered bytes are buffer[0, length). Both are the server's to take away, rewind and replace. */
  buffer: Buffer
  length = 0
  /** 2 or 3. */
  protocol = 2

  constructor(firstBytes = FIRST_BYTES) {
    this.buffer = Buffer.allocUnsafeSlow(firstBytes)
  }

  /** Makes room for `bytes` more; all methods below call it. */
  reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.length + bytes))
    this.buffer.copy(larger, 0, 0, this.length)
    this.buffer = larger
  }

  ok(): void {
    this.reserve(5)
    const b = this.buffer
    let at = this.length
    b[at++] = 0x2b
    b[at++] = 0x4f
    b[at++] = 0x4b
    b[at++] = CR
    b[at++] = LF
    this.length = at
  }

  /** A status reply; `text` is ours and has no CR or LF. */
  simple(text: string): void {
    this.#line(0x2b, text)
  }

  /** An error reply, code first: 'ERR syntax error'. CR and LF in it (they can come from a client) become spaces. */
  error(text: string): void {
    this.#line(0x2d, text)
  }

  /**
   * `-ERR` and the text of a RequestParser's error. Its characters are written as one byte each, as it may quote a byte
   * that came from the client.
   */
  protocolError(text: string): void {
    this.reserve(text.length + 7)
    this.length += this.buffer.write(`-ERR ${text.replace(/[\r\n]/g, ' ')}`, this.length, 'latin1')
    this.#crlf()
  }

  /** `value` is a safe integer; integerText takes larger ones. */
  integer(value: number): void {
    this.#number(0x3a, value)
  }

  /** An integer beyond 2^53, as decimal text. */
  integerText(text: string): void {
    this.#line(0x3a, text)
  }

  bulk(bytes: Buffer, start: number, end: number): void {
    const size = end - start
    this.reserve(size + BULK_OVERHEAD_BYTES_MAX)
    const b = this.buffer
    let at = this.length
    b[at++] = 0x24
    at = writeDigits(b, at, size, digitsOf(size))
    b[at++] = CR
    b[at++] = LF
    copyBytes(bytes, start, end, b, at)
    at += size
    b[at++] = CR
    b[at++] = LF
    this.length = at
  }

  /** A bulk string from text, encoded as UTF-8. */
  bulkText(text: string): void {
    const before = this.length
    if (text.length <= SHORT_TEXT) {
      this.#number(0x24, text.length)
      if (this.#plainLine(text)) return
      this.length = before
    }
    const size = Buffer.byteLength(text)
    this.#number(0x24, size)
    this.reserve(size + 2)
    this.length += this.buffer.write(text, this.length)
    this.#crlf()
  }

  /** The absent bulk string: `$-1`, or `_` in RESP3. */
  nil(): void {
    this.#nil(0x24)
  }

  /** The absent array: `*-1`, or `_` in RESP3. */
  nilArray(): void {
    this.#nil(0x2a)
  }

  array(items: number): void {
    this.#number(0x2a, items)
  }

  /** A map of `pairs`; each pair is then written as two replies. */
  map(pairs: number): void {
    if (this.protocol === 3) this.#number(0x25, pairs)
    else this.#number(0x2a, pairs * 2)
  }

  set(items: number): void {
    this.#number(this.protocol === 3 ? 0x7e : 0x2a, items)
  }

  push(items: number): void {
    this.#number(this.protocol === 3 ? 0x3e : 0x2a, items)
  }

  /** `text` is the number in Redis's formatting. */
  double(text: string): void {
    if (this.protocol === 3) this.#line(0x2c, text)
    else this.bulkText(text)
  }

  boolean(value: boolean): void {
    if (this.protocol === 3) this.#line(0x23, value ? 't' : 'f')
    else this.integer(value ? 1 : 0)
  }

  /** Text with a three-letter format ('txt', 'mkd'), as INFO and LATENCY answer it. */
  verbatim(format: string, text: string): void {
    if (this.protocol !== 3) return this.bulkText(text)
    const size = Buffer.byteLength(text) + 4
    this.#number(0x3d, size)
    this.reserve(size + 2)
    this.length += this.buffer.write(`${format}:${text}`, this.length)
    this.#crlf()
  }

  /** Bytes that are a rendered reply already. */
  rendered(bytes: Buffer, start: number, end: number): void {
    this.reserve(end - start)
    copyBytes(bytes, start, end, this.buffer, this.length)
    this.length += end - start
  }

  /** `_`, or `type` with the length -1. */
  #nil(type: number): void {
    this.reserve(5)
    const b = this.buffer
    let at = this.length
    if (this.protocol === 3) {
      b[at++] = 0x5f
    } else {
      b[at++] = type
      b[at++] = MINUS
      b[at++] = ZERO + 1
    }
    b[at++] = CR
    b[at++] = LF
    this.length = at
  }

  /** A reply of one line: CR and LF in `text` become spaces, as they would end it early. */
  #line(type: number, text: string): void {
    this.reserve(1)
    this.buffer[this.length++] = type
    if (text.length <= SHORT_TEXT && this.#plainLine(text)) return
    const line = /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, ' ') : text
    this.reserve(Buffer.byteLength(line) + 2)
    this.length += this.buffer.write(line, this.length)
    this.#crlf()
  }

  /** Writes short text and a line end by loop; false, and nothing written, unless it is ASCII without CR and LF. */
  #plainLine(text: string): boolean {
    this.reserve(text.length + 2)
    const b = this.buffer
    let at = this.length
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i)
      if (c > 0x7f || c === CR || c === LF) return false
      b[at++] = c
    }
    b[at++] = CR
    b[at++] = LF
    this.length = at
    return true
  }

  #number(type: number, value: number): void {
    this.reserve(NUMBER_BYTES_MAX)
    const b = this.buffer
    let at = this.length
    b[at++] = type
    let rest = value
    if (rest < 0) {
      b[at++] = MINUS
      rest = -rest
    }
    if (rest < BILLION) {
      at = writeDigits(b, at, rest | 0, digitsOf(rest | 0))
    } else {
      assert(Number.isSafeInteger(value), 'an integer reply is a safe integer')
      const billions = Math.floor(rest / BILLION)
      at = writeDigits(b, at, billions, digitsOf(billions))
      at = writeDigits(b, at, rest - billions * BILLION, 9)
    }
    b[at++] = CR
    b[at++] = LF
    this.length = at
  }

  #crlf(): void {
    this.buffer[this.length++] = CR
    this.buffer[this.length++] = LF
  }
}

/** Decimal digits of an integer in [0, 2^31). */
function digitsOf(value: number): number {
  if (value < 10_000) return value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4
  if (value < 100_000_000) return value < 1_000_000 ? (value < 100_000 ? 5 : 6) : value < 10_000_000 ? 7 : 8
  return value < BILLION ? 9 : 10
}

/** Writes the last `digits` digits of an integer in [0, 2^31); returns the position behind them. */
function writeDigits(bytes: Buffer, at: number, value: number, digits: number): number {
  let rest = value | 0
  for (let i = at + digits - 1; i >= at; i--) {
    const quotient = (rest / 10) | 0
    bytes[i] = ZERO + rest - Math.imul(quotient, 10)
    rest = quotient
  }
  return at + digits
}
