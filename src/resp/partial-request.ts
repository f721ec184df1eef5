/**
 * A request whose bytes have not all arrived: holds what there is in one growing buffer of its own, so that the shared
 * read buffer is free for other sockets, and remembers where scanning stopped, so that the work is linear in the bytes
 * however small the pieces are.
 *
 * Memory follows the bytes received and never a declared length: the buffer is at most twice as long as what has
 * arrived, plus 64 KB, and stops growing at the end of the bulk that is arriving. A large bulk is read by the socket
 * straight into place, but only after some of it has come the ordinary way: a client that declares 512 MB and stays
 * silent occupies no read buffer.
 */
import { assert } from '../util/assert.js'
import { copyBytes } from '../util/bytes.js'
import type { RequestLimits } from './limits.js'
import { COMPLETE, EMPTY, INVALID, OVERSIZED, type ParseResult } from './parse-result.js'
import type { RequestParser } from './request-parser.js'
import { RequestScanner } from './request-scanner.js'

const KB = 1024

/** Room for the next pieces in a new buffer. */
const FIRST_SPARE_BYTES = 512
/** Bulks from this declared length on are read in place (Redis: PROTO_MBULK_BIG_ARG). */
const LARGE_BULK_BYTES = 32 * KB
/** Reading in place starts when this much has arrived, and ends when less than this is missing. */
const DIRECT_READ_BYTES_MIN = 16 * KB
/** How far a buffer may grow ahead of the bytes at the least. */
const GROWTH_BYTES_MIN = 64 * KB
/** A buffer that is longer and less than a quarter full is given back by restart(). */
const KEPT_BYTES = 64 * KB

export class PartialRequest {
  /** The received bytes are bytes[0, length). Replaced when it grows: read it anew after each call. */
  bytes: Buffer
  length: number
  readonly #scanner = new RequestScanner()
  #directReadBytes = 0

  /** Copies bytes[at, end): everything received and not parsed, from the start of a request. */
  constructor(bytes: Buffer, at: number, end: number) {
    assert(at < end, 'a partial request starts with bytes')
    this.bytes = Buffer.allocUnsafeSlow(end - at + FIRST_SPARE_BYTES)
    this.length = end - at
    copyBytes(bytes, at, end, this.bytes, 0)
  }

  /** Bytes of memory that it holds. */
  get bytesHeld(): number {
    return this.bytes.length
  }

  /**
   * Where the socket's next read is to land: a piece of this request's own buffer that ends at the latest behind the
   * large bulk that is arriving; tell its outcome to filled(). Null: read into the shared buffer and append().
   * As of the last resume(): call it after that.
   */
  readTarget(): Buffer | null {
    const { bulkEnd, bulkBytes } = this.#scanner
    const missing = bulkEnd - this.length
    if (
      bulkBytes < LARGE_BULK_BYTES ||
      missing < DIRECT_READ_BYTES_MIN ||
      this.length < DIRECT_READ_BYTES_MIN
    ) {
      return null
    }
    if (this.bytes.length - this.length < Math.min(missing, DIRECT_READ_BYTES_MIN)) {
      this.#replace(Math.min(bulkEnd, this.length + Math.max(this.length, GROWTH_BYTES_MIN)))
    }
    const target = this.bytes.subarray(this.length, Math.min(this.bytes.length, bulkEnd))
    this.#directReadBytes = target.length
    return target
  }

  /** The first `length` bytes of the last readTarget() were read. */
  filled(length: number): void {
    assert(length <= this.#directReadBytes, 'a read stays inside its target')
    this.#directReadBytes = 0
    this.length += length
  }

  /** Takes in bytes[start, end), all of it. */
  append(bytes: Buffer, start: number, end: number): void {
    const needed = this.length + end - start
    if (needed > this.bytes.length) {
      const doubled = 2 * this.length
      const { bulkEnd } = this.#scanner
      this.#replace(Math.max(needed, bulkEnd >= needed ? Math.min(doubled, bulkEnd) : doubled))
    }
    copyBytes(bytes, start, end, this.bytes, this.length)
    this.length = needed
  }

  /**
   * Goes on where the last call stopped. COMPLETE and EMPTY leave the parser as parser.parse(this.bytes, 0, this.length)
   * would. What was pipelined behind the request is this.bytes[parser.end, this.length) (this.bytes, as parser.bytes may
   * be the parser's scratch): parse it with parser.parse, and restart() at the first request that is INCOMPLETE.
   */
  resume(parser: RequestParser, limits: RequestLimits): ParseResult {
    if (this.length > limits.queryBufferBytesMax) return OVERSIZED
    const scanner = this.#scanner
    const result = scanner.scan(this.bytes, this.length, limits)
    if (result === INVALID) parser.error = scanner.error
    if (result !== COMPLETE && result !== EMPTY) return result
    return parser.parse(this.bytes, 0, this.length, limits)
  }

  /** Drops bytes[0, at); the request that starts there is the one to wait for. */
  restart(at: number): void {
    const rest = this.length - at
    assert(rest > 0, 'a restarted request has bytes')
    if (this.bytes.length > KEPT_BYTES && rest * 4 < this.bytes.length) {
      const smaller = Buffer.allocUnsafeSlow(rest + FIRST_SPARE_BYTES)
      copyBytes(this.bytes, at, this.length, smaller, 0)
      this.bytes = smaller
    } else {
      this.bytes.copyWithin(0, at, this.length)
    }
    this.length = rest
    this.#scanner.reset(0)
  }

  #replace(capacity: number): void {
    assert(this.#directReadBytes === 0, 'the buffer stays in place while a read is under way')
    const larger = Buffer.allocUnsafeSlow(capacity)
    copyBytes(this.bytes, 0, this.length, larger, 0)
    this.bytes = larger
  }
}
