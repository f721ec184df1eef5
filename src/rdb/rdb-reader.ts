/**
 * Reads a Redis dump (RDB) key by key, in memory bounded by its largest string. See README.md for the format and why this is
 * our own.
 */
import { hexOf } from './crc64.js'
import { RdbError } from './rdb-error.js'
import { RdbInput } from './rdb-input.js'
import type { ReadBytes } from './rdb-input.js'
import { skipModule, skipValue, STRING } from './skip-value.js'

export type RdbItem =
  | {
      readonly kind: 'string'
      readonly database: number
      readonly key: Uint8Array
      /** Valid until the next item is read. */
      readonly value: Uint8Array
      /** Unix time; 0 for none. */
      readonly expireAtMs: number
    }
  /** Something else: a value of another type, by the name of its type, or what belongs to no database. */
  | { readonly kind: 'other'; readonly database: number; readonly type: string }

const MAGIC = 'REDIS'
const HEADER_BYTES = 9
/** 12 is what Redis 7.4 writes. */
const FORMAT_MAX = 12
/** Older ones end without a checksum. */
const FORMAT_WITH_CHECKSUM = 5
const CHECKSUM_BYTES = 8
/** Written by a server with rdbchecksum no. */
const NO_CHECKSUM = '0'.repeat(16)

const SLOT_INFO = 244
const FUNCTION = 245
const MODULE_AUX = 247
const IDLE = 248
const FREQUENCY = 249
const AUX = 250
const RESIZE = 251
const EXPIRE_MS = 252
const EXPIRE_SECONDS = 253
const SELECT = 254
const END = 255

export class RdbReader {
  readonly format: number
  readonly #input: RdbInput
  #database = 0
  #redisVersion = ''
  #ended = false

  /** `sizeBytes` is that of the whole file. Throws RdbError, as next() does, at the first thing that cannot be read. */
  constructor(read: ReadBytes, sizeBytes: number) {
    this.#input = new RdbInput(read, sizeBytes)
    if (sizeBytes < HEADER_BYTES) throw new RdbError(0, NOT_A_DUMP)
    const header = this.#input.take(HEADER_BYTES).toString('latin1')
    if (!header.startsWith(MAGIC) || !/\d{4}$/.test(header)) throw new RdbError(0, NOT_A_DUMP)
    this.format = Number(header.slice(MAGIC.length))
    if (this.format < 1 || this.format > FORMAT_MAX) {
      throw new RdbError(MAGIC.length, `a dump of format ${this.format}, known are 1 to ${FORMAT_MAX}`)
    }
  }

  /** How many bytes have been read. */
  get offset(): number {
    return this.#input.offset
  }

  /** Of the server that wrote it; empty when the file has not said so yet. */
  get redisVersion(): string {
    return this.#redisVersion
  }

  /** The next item, or null at the end, when the checksum has been found right. */
  next(): RdbItem | null {
    const input = this.#input
    let expireAtMs = 0
    while (!this.#ended) {
      const { offset } = input
      const code = input.u8()
      if (code === EXPIRE_MS) expireAtMs = input.u64()
      else if (code === EXPIRE_SECONDS) expireAtMs = input.take(4).readUInt32LE() * 1000
      else if (code === SELECT) this.#database = input.length()
      else if (code === END) this.#end()
      else if (code === FUNCTION) {
        input.skipString()
        return this.#other('function library')
      } else if (code === MODULE_AUX) {
        skipModule(input)
        return this.#other("module's own data")
      } else if (!this.#passOver(code)) return this.#keyed(code, expireAtMs, offset)
    }
    return null
  }

  /** What says something about the keys that follow, none of which matters here; false when `code` is no such thing. */
  #passOver(code: number): boolean {
    const input = this.#input
    if (code === AUX) this.#aux()
    else if (code === FREQUENCY) input.u8()
    else if (code === IDLE) input.length()
    else if (code === RESIZE || code === SLOT_INFO) {
      for (let left = code === RESIZE ? 2 : 3; left > 0; left--) input.length()
    } else return false
    return true
  }

  #aux(): void {
    const name = Buffer.from(this.#input.string()).toString('latin1')
    const value = this.#input.string()
    if (name === 'redis-ver') this.#redisVersion = Buffer.from(value).toString('latin1')
  }

  #keyed(type: number, expireAtMs: number, offset: number): RdbItem {
    const input = this.#input
    const database = this.#database
    if (type !== STRING) {
      input.skipString()
      return this.#other(skipValue(input, type, offset))
    }
    const key = Buffer.from(input.string())
    return { kind: 'string', database, key, value: input.string(), expireAtMs }
  }

  #other(type: string): RdbItem {
    return { kind: 'other', database: this.#database, type }
  }

  #end(): void {
    this.#ended = true
    if (this.format < FORMAT_WITH_CHECKSUM) return
    const { checksum, offset } = this.#input
    const bytes = this.#input.take(CHECKSUM_BYTES)
    const stated = hexOf(bytes.readUInt32LE(4), bytes.readUInt32LE(0))
    if (stated === checksum || stated === NO_CHECKSUM) return
    throw new RdbError(offset, `the checksum says ${stated}, the bytes before it make ${checksum}`)
  }
}

const NOT_A_DUMP = 'not a Redis dump: it does not begin with REDIS and four digits'
