/** A request whose bytes have not all arrived. */
import type { RequestLimits } from './limits.js'
import type { ParseResult, RequestParser } from './request-parser.js'
import { INCOMPLETE } from './request-parser.js'

export class PartialRequest {
  /** The received bytes are bytes[0, length). Replaced when it grows. Go on parsing pipelined requests from here. */
  bytes: Buffer
  length: number

  /** Copies bytes[at, end): everything received and not parsed yet, from the start of a request. */
  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = Buffer.from(bytes.subarray(at, end))
    this.length = end - at
  }

  /** Bytes of memory that it holds (at most twice the bytes received, plus 64 KB). */
  get bytesHeld(): number {
    return this.bytes.length
  }

  /**
   * Where the socket's next read shall land: a piece of this request's own buffer that ends at the latest with the
   * line end of the large bulk that is arriving; tell its outcome to `filled`. Null: read into the shared buffer and
   * `append`.
   */
  readTarget(): Buffer | null {
    return null
  }

  /** Takes in bytes[start, end), all of it. */
  append(bytes: Buffer, start: number, end: number): void {
    void [bytes, start, end]
  }

  /** The first `length` bytes of the last readTarget were read. */
  filled(length: number): void {
    void length
  }

  /**
   * Goes on where the last call stopped. COMPLETE and EMPTY: as parser.parse(this.bytes, 0, this.length) would have
   * left the parser; pipelined requests follow in this.bytes[parser.end, this.length) (this.bytes, as parser.bytes may
   * be the scratch). Parse those with parser.parse, and call `restart` if one of them is INCOMPLETE.
   */
  resume(parser: RequestParser, limits: RequestLimits): ParseResult {
    void [parser, limits]
    return INCOMPLETE
  }

  /** Drops bytes[0, at): the request that starts at `at` becomes the one that is waited for. */
  restart(at: number): void {
    void at
  }
}
