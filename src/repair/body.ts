/**
 * Bodies of repair messages, written and read field by field. A reader never throws: what is not there reads as 0 and makes the
 * whole body unsound, which is asked once, at the end.
 */
import { copyBytes, readU16, readU32, readU53, writeU16, writeU32, writeU53 } from '../util/bytes.js'

const FIRST_BYTES = 256
const U53_BYTES = 8

export class BodyWriter {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What was written so far; good until the next write. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  u8(value: number): this {
    const at = this.#room(1)
    this.#bytes[at] = value
    return this
  }

  u16(value: number): this {
    const at = this.#room(2)
    writeU16(this.#bytes, at, value)
    return this
  }

  u32(value: number): this {
    const at = this.#room(4)
    writeU32(this.#bytes, at, value)
    return this
  }

  /** In eight bytes, the last of them zero. */
  u53(value: number): this {
    const at = this.#room(U53_BYTES)
    writeU53(this.#bytes, at, value)
    this.#bytes[at + 7] = 0
    return this
  }

  /** A length in four bytes, then bytes[start, end). */
  sized(bytes: Uint8Array, start = 0, end = bytes.length): this {
    this.u32(end - start)
    const at = this.#room(end - start)
    copyBytes(bytes, start, end, this.#bytes, at)
    return this
  }

  text(value: string): this {
    return this.sized(Buffer.from(value, 'utf8'))
  }

  /** May move all bytes: to be asked for before they are. */
  #room(bytes: number): number {
    const at = this.#length
    this.#length += bytes
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length))
      this.#bytes.copy(larger, 0, 0, at)
      this.#bytes = larger
    }
    return at
  }
}

export class BodyReader {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number
  #isShort = false

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  /** Whether everything that was read was there, and nothing is left. */
  get isSound(): boolean {
    return !this.#isShort && this.#at === this.#end
  }

  /** Whether all that was read so far was there: to be asked before a count is believed. */
  get hasAll(): boolean {
    return !this.#isShort
  }

  get left(): number {
    return this.#end - this.#at
  }

  u8(): number {
    const at = this.#take(1)
    return at === -1 ? 0 : this.#bytes[at]
  }

  u16(): number {
    const at = this.#take(2)
    return at === -1 ? 0 : readU16(this.#bytes, at)
  }

  u32(): number {
    const at = this.#take(4)
    return at === -1 ? 0 : readU32(this.#bytes, at)
  }

  u53(): number {
    const at = this.#take(U53_BYTES)
    if (at === -1) return 0
    if (this.#bytes[at + 6] >= 0x20 || this.#bytes[at + 7] !== 0) {
      this.#isShort = true
      return 0
    }
    return readU53(this.#bytes, at)
  }

  /** A part of the body, in place. */
  sized(): Buffer {
    const length = this.u32()
    const at = this.#take(length)
    return at === -1 ? this.#bytes.subarray(0, 0) : this.#bytes.subarray(at, at + length)
  }

  text(): string {
    return this.sized().toString('utf8')
  }

  /** All that is left, in place. */
  rest(): Buffer {
    const at = this.#take(this.left)
    return at === -1 ? this.#bytes.subarray(0, 0) : this.#bytes.subarray(at, this.#end)
  }

  #take(bytes: number): number {
    const at = this.#at
    if (this.#isShort || at + bytes > this.#end) {
      this.#isShort = true
      return -1
    }
    this.#at += bytes
    return at
  }
}
