/**
 * Renders replies into one growing buffer, in the protocol version of the connection it is writing for. The server
 * keeps a single writer and takes the rendered bytes away after every batch, so a reply costs no object.
 *
 * RESP3 types fall back to their RESP2 shapes exactly as Redis does: maps become flat arrays, sets arrays, doubles and
 * verbatim strings bulk strings, booleans integers, nulls `$-1` or `*-1`.
 */
import { copyBytes } from '../util/bytes.js'

const CR = 0x0d
const LF = 0x0a
const FIRST_BYTES = 64 * 1024

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
    this.#line(0x2d, /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, ' ') : text)
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

  integer(value: number): void {
    this.#number(0x3a, value)
  }

  /** An integer beyond 2^53, as decimal text. */
  integerText(text: string): void {
    this.#line(0x3a, text)
  }

  bulk(bytes: Buffer, start: number, end: number): void {
    const size = end - start
    this.#number(0x24, size)
    this.reserve(size + 2)
    copyBytes(bytes, start, end, this.buffer, this.length)
    this.length += size
    this.#crlf()
  }

  /** A bulk string from text, encoded as UTF-8. */
  bulkText(text: string): void {
    const size = Buffer.byteLength(text)
    this.#number(0x24, size)
    this.reserve(size + 2)
    this.buffer.write(text, this.length)
    this.length += size
    this.#crlf()
  }

  /** The absent bulk string: `$-1`, or `_` in RESP3. */
  nil(): void {
    this.#raw(this.protocol === 3 ? '_\r\n' : '$-1\r\n')
  }

  /** The absent array: `*-1`, or `_` in RESP3. */
  nilArray(): void {
    this.#raw(this.protocol === 3 ? '_\r\n' : '*-1\r\n')
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
    if (this.protocol === 3) this.#raw(value ? '#t\r\n' : '#f\r\n')
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

  #raw(text: string): void {
    this.reserve(text.length)
    this.length += this.buffer.write(text, this.length, 'latin1')
  }

  #line(type: number, text: string): void {
    this.reserve(Buffer.byteLength(text) + 3)
    this.buffer[this.length++] = type
    this.length += this.buffer.write(text, this.length)
    this.#crlf()
  }

  #number(type: number, value: number): void {
    this.reserve(24)
    const b = this.buffer
    let at = this.length
    b[at++] = type
    if (value < 0 || value > 0x7fffffff) {
      at += b.write(String(value), at, 'latin1')
    } else if (value < 10) {
      b[at++] = 48 + value
    } else {
      let scale = 10
      while (scale * 10 <= value) scale *= 10
      for (let rest = value; scale >= 1; scale = (scale / 10) | 0) {
        const digit = (rest / scale) | 0
        b[at++] = 48 + digit
        rest -= digit * scale
      }
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
