/**
 * The bytes of a dump, and the numbers and strings in them. A window over the file moves on as bytes are taken; it grows only
 * for a string that has to be in one piece, so memory is bounded by the largest string that is kept. Everything that has
 * been taken goes into the checksum. Reads are synchronous: a dump is read by a program that has nothing else to do, and a
 * decoder that can stop at any byte would be three times the code.
 *
 * No length is believed before it is known that the file has so many bytes left.
 *
 *     length := 00xxxxxx | 01xxxxxx u8 | 10000000 u32 | 10000001 u64       big-endian
 *     string := length, bytes | 110000tt number | 11000011 length length, LZF
 *     number := tt = 0: i8, 1: i16, 2: i32, little-endian: stands for its decimal digits
 */
import { Crc64 } from './crc64.js'
import { canExpandTo, expandLzf } from './lzf.js'
import { RdbError } from './rdb-error.js'

/** Reads from where it stopped the last time; how many bytes it has put to `from` and on, 0 at the end of the file. */
export type ReadBytes = (into: Uint8Array, from: number) => number

const WINDOW_BYTES = 256 * 1024
const LENGTH_32 = 0x80
const LENGTH_64 = 0x81
const ENCODED = 0xc0
const LZF = 0xc3
const EMPTY = new Uint8Array(0)

export class RdbInput {
  readonly #read: ReadBytes
  readonly #sizeBytes: number
  readonly #crc = new Crc64()
  #window: Buffer<ArrayBuffer> = Buffer.allocUnsafe(WINDOW_BYTES)
  /** Where in the file the window starts. */
  #windowOffset = 0
  #position = 0
  #end = 0
  /** The window up to here is in the checksum. */
  #summed = 0

  constructor(read: ReadBytes, sizeBytes: number) {
    this.#read = read
    this.#sizeBytes = sizeBytes
  }

  /** The next byte's place in the file. */
  get offset(): number {
    return this.#windowOffset + this.#position
  }

  /** The checksum of everything taken so far, as 16 hexadecimal digits. */
  get checksum(): string {
    this.#sum()
    return this.#crc.hex
  }

  /** The next `bytes` bytes; valid until anything else is taken. */
  take(bytes: number): Buffer {
    this.#need(bytes)
    const start = this.#position
    this.#position += bytes
    return this.#window.subarray(start, this.#position)
  }

  skip(bytes: number): void {
    this.#checkRemaining(bytes)
    for (let left = bytes; left > 0;) {
      if (this.#position === this.#end) this.#need(1)
      const piece = Math.min(left, this.#end - this.#position)
      this.#position += piece
      left -= piece
    }
  }

  u8(): number {
    if (this.#position === this.#end) this.#need(1)
    return this.#window[this.#position++]
  }

  /** A little-endian time of 64 bits; an absurd one may lose its lowest digits. */
  u64(): number {
    const bytes = this.take(8)
    return bytes.readUInt32LE(4) * 2 ** 32 + bytes.readUInt32LE(0)
  }

  /** A count, or the length of something. */
  length(): number {
    const { offset } = this
    const first = this.u8()
    if (first >= ENCODED) throw new RdbError(offset, 'a string stands where a number is expected')
    return this.#lengthFrom(first, offset)
  }

  /** A string as bytes, valid until anything else is taken. */
  string(): Uint8Array {
    const { offset } = this
    const first = this.u8()
    if (first < ENCODED) {
      const bytes = this.#lengthFrom(first, offset)
      return bytes === 0 ? EMPTY : this.take(bytes)
    }
    if (first !== LZF) return Buffer.from(String(this.#integer(first, offset)))
    const compressed = this.length()
    const bytes = this.length()
    this.#checkRemaining(compressed)
    if (!canExpandTo(compressed, bytes)) throw new RdbError(offset, COMPRESSION)
    const output = Buffer.allocUnsafe(bytes)
    if (!expandLzf(this.take(compressed), output)) throw new RdbError(offset, COMPRESSION)
    return output
  }

  skipString(): void {
    const { offset } = this
    const first = this.u8()
    if (first < ENCODED) this.skip(this.#lengthFrom(first, offset))
    else if (first !== LZF) this.#integer(first, offset)
    else {
      const compressed = this.length()
      this.length()
      this.skip(compressed)
    }
  }

  #integer(first: number, offset: number): number {
    if (first === ENCODED) return this.take(1).readInt8()
    if (first === ENCODED + 1) return this.take(2).readInt16LE()
    if (first === ENCODED + 2) return this.take(4).readInt32LE()
    throw new RdbError(offset, `no string is encoded as ${first}`)
  }

  #lengthFrom(first: number, offset: number): number {
    if (first < 0x40) return first
    if (first < 0x80) return ((first & 0x3f) << 8) | this.u8()
    if (first === LENGTH_32) return this.take(4).readUInt32BE()
    if (first !== LENGTH_64) throw new RdbError(offset, `no length starts with ${first}`)
    const bytes = this.take(8)
    return bytes.readUInt32BE(0) * 2 ** 32 + bytes.readUInt32BE(4)
  }

  /** Sees to it that the next `bytes` bytes are in the window. */
  #need(bytes: number): void {
    if (this.#end - this.#position >= bytes) return
    this.#checkRemaining(bytes)
    this.#sum()
    const left = this.#end - this.#position
    const kept = this.#window
    const wanted = Math.max(bytes, WINDOW_BYTES)
    if (kept.length !== wanted) this.#window = Buffer.allocUnsafe(wanted)
    kept.copy(this.#window, 0, this.#position, this.#end)
    this.#windowOffset += this.#position
    this.#position = this.#summed = 0
    this.#end = left
    while (this.#end < bytes) {
      const read = this.#read(this.#window, this.#end)
      if (read === 0) throw new RdbError(this.#windowOffset + this.#end, CUT_OFF)
      this.#end += read
    }
  }

  #checkRemaining(bytes: number): void {
    const { offset } = this
    if (bytes <= this.#sizeBytes - offset) return
    throw new RdbError(offset, `${CUT_OFF}: ${bytes} bytes should follow, ${this.#sizeBytes - offset} do`)
  }

  #sum(): void {
    this.#crc.add(this.#window, this.#summed, this.#position)
    this.#summed = this.#position
  }
}

const CUT_OFF = 'the file is cut off or damaged'
const COMPRESSION = 'a compressed string is damaged'
