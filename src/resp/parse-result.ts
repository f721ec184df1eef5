/** What became of an attempt to read one request. Plain numbers: the server compares one per request. */

/** A request with at least one argument; the parser's bytes, offsets, argc and end are set. */
export const COMPLETE = 0
/** More bytes are needed: make a PartialRequest of what there is. */
export const INCOMPLETE = 1
/** A blank inline line, `*0` or `*-1`: neither request nor reply; go on at `end`. */
export const EMPTY = 2
/** `error` has the text: answer it with ReplyWriter.protocolError and close. */
export const INVALID = 3
/** Something that speaks HTTP or TLS: close without a reply. */
export const CROSS_PROTOCOL = 4
/** The query buffer limit is passed (only from PartialRequest): close without a reply, as Redis does. */
export const OVERSIZED = 5

export type ParseResult =
  | typeof COMPLETE
  | typeof INCOMPLETE
  | typeof EMPTY
  | typeof INVALID
  | typeof CROSS_PROTOCOL
  | typeof OVERSIZED
