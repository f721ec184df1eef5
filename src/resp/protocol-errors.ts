/**
 * The texts of protocol errors, word for word as Redis 7.0 sends them behind `-ERR `, after which it closes the
 * connection. A test holds each of them against redis-server.
 */

export const INVALID_MULTIBULK_LENGTH = 'Protocol error: invalid multibulk length'
export const UNAUTHENTICATED_MULTIBULK_LENGTH = 'Protocol error: unauthenticated multibulk length'
export const INVALID_BULK_LENGTH = 'Protocol error: invalid bulk length'
export const UNAUTHENTICATED_BULK_LENGTH = 'Protocol error: unauthenticated bulk length'
export const TOO_BIG_MULTIBULK_COUNT = 'Protocol error: too big mbulk count string'
export const TOO_BIG_BULK_COUNT = 'Protocol error: too big bulk count string'
export const TOO_BIG_INLINE_REQUEST = 'Protocol error: too big inline request'
export const UNBALANCED_QUOTES = 'Protocol error: unbalanced quotes in request'

/** Ours: Redis's line search ends at a NUL byte, so that such a line waits for ever (until it is too big). */
export const NUL_IN_INLINE_REQUEST = 'Protocol error: NUL byte in inline request'

/** `byte` stands in the text as the character of that code, for ReplyWriter.protocolError to write as one byte. */
export function expectedBulk(byte: number): string {
  return `Protocol error: expected '$', got '${String.fromCharCode(byte)}'`
}
