/** The package has no types of its own. */
declare module 'redis-parser' {
  interface ParserOptions {
    returnReply(reply: unknown): void
    returnError(error: Error): void
    returnFatalError?(error: Error): void
    returnBuffers?: boolean
    stringNumbers?: boolean
  }
  class RedisParser {
    constructor(options: ParserOptions)
    execute(bytes: Buffer): void
    reset(): void
  }
  export default RedisParser
}
