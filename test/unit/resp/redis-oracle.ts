/** A private redis-server, asked what it answers to given bytes. */
import { connect } from 'node:net'
import { PrivateRedis } from '../../support/private-redis.js'

export class RedisOracle {
  readonly #redis: PrivateRedis

  private constructor(redis: PrivateRedis) {
    this.#redis = redis
  }

  /** Starts redis-server with further settings, e.g. '--requirepass', 'x'; rejects when it is not installed. */
  static async start(...settings: string[]): Promise<RedisOracle> {
    return new RedisOracle(await PrivateRedis.start(...settings))
  }

  /** All that it answers, as latin1 text, to a client that sends `input`, closes its side and reads to the end. */
  ask(input: Buffer): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect({ path: this.#redis.socketPath, allowHalfOpen: true })
      let output = ''
      socket.setEncoding('latin1')
      socket.on('data', (text: string) => (output += text))
      socket.on('end', () => socket.destroy())
      // It resets a connection whose bytes it has not all read; what it sent before that has been read then.
      socket.on('error', () => socket.destroy())
      socket.on('close', () => resolve(output))
      socket.end(input)
    })
  }

  stop(): Promise<void> {
    return this.#redis.stop()
  }
}
