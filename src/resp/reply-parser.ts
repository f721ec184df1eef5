/**
 * Reads RESP2 replies, for tests and tools that speak to a server: the one place that knows the package redis-parser.
 * It is not for requests (no inline commands, no limits) and not for RESP3.
 *
 * The package hands out pieces of its own pool and of the bytes it was given, which change later; here every bulk string
 * is copied, so replies may be kept.
 */
import RedisParser from 'redis-parser'

/** Status and bulk replies are Buffers, error replies are Errors whose message is the reply's text. */
export type Reply = Buffer | number | null | Error | readonly Reply[]

export class ReplyParser {
  readonly #parser: RedisParser

  /** `onFatal` gets what is not RESP2; the parser is then of no further use. */
  constructor(onReply: (reply: Reply) => void, onFatal: (error: Error) => void) {
    this.#parser = new RedisParser({
      returnReply: (reply) => onReply(kept(reply)),
      returnError: onReply,
      returnFatalError: onFatal,
      returnBuffers: true,
    })
  }

  /**
   * Takes the next bytes of the stream; calls back for each reply that they complete. The parser keeps `bytes` as long
   * as a reply in them is incomplete: do not overwrite them.
   */
  execute(bytes: Buffer): void {
    this.#parser.execute(bytes)
  }
}

function kept(reply: unknown): Reply {
  if (Buffer.isBuffer(reply)) return Buffer.from(reply)
  if (Array.isArray(reply)) return reply.map(kept)
  if (typeof reply === 'number' || reply === null || reply instanceof Error) return reply
  throw new TypeError(`not a RESP2 reply: ${typeof reply}`)
}
