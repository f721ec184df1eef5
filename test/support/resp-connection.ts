/** A client connection for tests that compare bytes: sends requests, answers each reply's bytes as they came. */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { NetConnectOpts, Socket } from 'node:net'
import { encodeCommand, frameEnd } from './resp-frames.js'

/** Requests in flight: enough to keep a server busy, too few to fill the buffers of both sides for ever. */
const PIPELINE = 256

export class RespConnection {
  readonly #socket: Socket
  readonly #chunks: AsyncIterator<Buffer>
  #received: Buffer = Buffer.alloc(0)
  #at = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#chunks = socket[Symbol.asyncIterator]()
  }

  static async open(address: NetConnectOpts): Promise<RespConnection> {
    const socket = connect(address)
    await once(socket, 'connect')
    return new RespConnection(socket)
  }

  /** The replies to `commands`, in order. Rejects when the connection ends before the last of them. */
  async run(commands: readonly (readonly Buffer[])[]): Promise<Buffer[]> {
    const replies: Buffer[] = []
    for (let first = 0; first < commands.length; first += PIPELINE) {
      const batch = commands.slice(first, first + PIPELINE)
      this.#socket.write(Buffer.concat(batch.map((args) => encodeCommand(args).bytes)))
      for (const _ of batch) replies.push(await this.#reply())
    }
    return replies
  }

  /** The reply to one command of text, as latin1. */
  async text(...args: readonly string[]): Promise<string> {
    const [reply] = await this.run([args.map((arg) => Buffer.from(arg))])
    return reply.toString('latin1')
  }

  close(): void {
    this.#socket.destroy()
  }

  async #reply(): Promise<Buffer> {
    let end = frameEnd(this.#received, this.#at)
    while (end < 0) {
      const chunk = await this.#chunks.next()
      if (chunk.done === true) throw new Error('the connection ended before the reply')
      this.#received = Buffer.concat([this.#received.subarray(this.#at), chunk.value])
      this.#at = 0
      end = frameEnd(this.#received, 0)
    }
    const reply = this.#received.subarray(this.#at, end)
    this.#at = end
    return reply
  }
}
