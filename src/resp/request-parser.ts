/** Parses requests in place. */
import type { RequestLimits } from './limits.js'

/** A request: bytes, offsets, argc and end are set; argc is at least 1. */
export const COMPLETE = 0
/** More bytes are needed; nothing but a PartialRequest may be made of it. */
export const INCOMPLETE = 1
/** A blank inline line, `*0` or `*-1`: no request and no reply; go on at `end`. */
export const EMPTY = 2
/** `error` has the text: answer `-ERR ${error}` and close. */
export const INVALID = 3
/** Something that speaks HTTP or TLS: close without a reply. */
export const CROSS_PROTOCOL = 4
/** The query buffer limit is passed (only from PartialRequest.resume): close without a reply, as Redis does. */
export const OVERSIZED = 5
export type ParseResult =
  | typeof COMPLETE
  | typeof INCOMPLETE
  | typeof EMPTY
  | typeof INVALID
  | typeof CROSS_PROTOCOL
  | typeof OVERSIZED

const NOTHING = Buffer.alloc(0)

export class RequestParser {
  /** Where the arguments stand: the buffer that was parsed, or the parser's scratch for an inline request with quotes. */
  bytes: Buffer = NOTHING
  /** Argument i is bytes[offsets[2i], offsets[2i+1]). Replaced when it grows: read it anew after each parse. */
  offsets = new Int32Array(128)
  argc = 0
  /** Position after the request in the buffer that was parsed (never in the scratch). */
  end = 0
  /** After INVALID: Redis's text, 'Protocol error: …', to be sent behind '-ERR '. */
  error = ''

  /** Parses the request that starts at bytes[at]; bytes[end…) does not belong to the input. */
  parse(bytes: Buffer, at: number, end: number, limits: RequestLimits): ParseResult {
    void [bytes, at, end, limits]
    return INCOMPLETE
  }
}
