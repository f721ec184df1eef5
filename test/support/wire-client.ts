/**
 * A client that decides over every byte: sends what it is told in the pieces it is told, closes its sending side alone,
 * or does not read at all. Replies are handed out as they came, one Buffer each.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { encodeCommand, frameEnd } from './resp-frames.js'
import { within } from './until.js'

const CRLF = '\r\n'
const ARRAY = 0x2a
const REPLY_DEADLINE_MS = 30_000

export type Argument = string | number | Buffer

/** Requests in RESP, one behind the other. */
export function pipeline(...commands: readonly (readonly Argument[])[]): Buffer {
  return Buffer.concat(commands.map((args) => encodeCommand(args.map(toBuffer)).bytes))
}

function toBuffer(argument: Argument): Buffer {
  return Buffer.isBuffer(argument) ? argument : Buffer.from(String(argument))
}

export interface WireOptions {
  readonly host?: string
  /** Never reads: what the server sends stays in the buffers of the system. */
  readonly deaf?: boolean
}

export class WireClient {
  readonly socket: Socket
  /** The peer has closed, or the connection broke. */
  readonly closed: Promise<void>
  #received = Buffer.allocUnsafe(64 * 1024)
  #at = 0
  #end = 0
  #ended = false
  #wake: () => void = () => {}

  private constructor(socket: Socket, deaf: boolean) {
    this.socket = socket
    socket.setNoDelay(true)
    if (!deaf) socket.on('data', (chunk) => this.#take(chunk))
    socket.on('end', () => this.#finished())
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#finished()
        resolve()
      })
    })
  }

  /** `address` is a port of this machine, or the path of a Unix socket. */
  static async open(address: number | string, options: WireOptions = {}): Promise<WireClient> {
    const { host = '127.0.0.1' } = options
    const target = typeof address === 'number' ? { port: address, host } : { path: address }
    const socket = connect({ ...target, allowHalfOpen: true })
    await within('a connection', once(socket, 'connect'))
    return new WireClient(socket, options.deaf ?? false)
  }

  /** Resolves once the kernel has the bytes, or the connection is gone. */
  async send(bytes: Buffer | string): Promise<void> {
    if (this.socket.destroyed) return
    await new Promise<void>((resolve) => this.socket.write(bytes, () => resolve()))
  }

  /** Nothing more will be sent; replies can still come. */
  finishSending(): void {
    this.socket.end()
  }

  /** The next `count` replies. Rejects when the connection ends before the last of them, or at the deadline. */
  async replies(count: number, deadlineMs = REPLY_DEADLINE_MS): Promise<Buffer[]> {
    const replies: Buffer[] = []
    const what = `${count} replies`
    while (replies.length < count) {
      const reply = await within(what, this.#reply(), deadlineMs)
      if (reply === null) throw new Error(`the connection ended after ${replies.length} of ${what}`)
      replies.push(reply)
    }
    return replies
  }

  /** The reply to one command, as latin1 text. */
  async ask(...args: readonly Argument[]): Promise<string> {
    void this.send(pipeline(args))
    const [reply] = await this.replies(1)
    return reply.toString('latin1')
  }

  /** The bytes of a bulk string reply to one command; null for nil. Rejects for another reply. */
  async bulk(...args: readonly Argument[]): Promise<Buffer | null> {
    void this.send(pipeline(args))
    const [reply] = await this.replies(1)
    const head = reply.toString('latin1', 0, reply.indexOf(CRLF))
    return bulkOf(reply, head)
  }

  /** The same for an array of them. */
  async bulks(...args: readonly Argument[]): Promise<(Buffer | null)[]> {
    void this.send(pipeline(args))
    const [reply] = await this.replies(1)
    if (reply[0] !== ARRAY) throw new Error(`not an array: ${reply.toString('latin1', 0, 200)}`)
    const values: (Buffer | null)[] = []
    for (let at = reply.indexOf(CRLF) + CRLF.length; at < reply.length;) {
      const end = frameEnd(reply, at)
      const item = reply.subarray(at, end)
      values.push(bulkOf(item, item.toString('latin1', 0, item.indexOf(CRLF))))
      at = end
    }
    return values
  }

  /** The next reply; null when the connection ends first. */
  replyOrEnd(): Promise<Buffer | null> {
    return within('a reply', this.#reply(), REPLY_DEADLINE_MS)
  }

  /** Everything that still comes until the server closes. */
  async rest(deadlineMs = REPLY_DEADLINE_MS): Promise<string> {
    await within('the server to close', this.#untilEnd(), deadlineMs)
    const rest = this.#received.toString('latin1', this.#at, this.#end)
    this.#at = this.#end
    return rest
  }

  /** Bytes that have come and were not asked for. */
  get unread(): number {
    return this.#end - this.#at
  }

  close(): void {
    this.socket.destroy()
  }

  async #reply(): Promise<Buffer | null> {
    for (;;) {
      const end = this.#at === this.#end ? -1 : frameEnd(this.#received.subarray(0, this.#end), this.#at)
      if (end >= 0) {
        const reply = Buffer.from(this.#received.subarray(this.#at, end))
        this.#at = end
        return reply
      }
      if (this.#ended) return null
      await this.#more()
    }
  }

  async #untilEnd(): Promise<void> {
    while (!this.#ended) await this.#more()
  }

  #more(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve))
  }

  #take(chunk: Buffer): void {
    const kept = this.#end - this.#at
    if (this.#end + chunk.length > this.#received.length) {
      const enough = kept + chunk.length <= this.#received.length / 2
      const target = enough ? this.#received : Buffer.allocUnsafe(2 * (this.#received.length + chunk.length))
      this.#received.copy(target, 0, this.#at, this.#end)
      this.#received = target
      this.#at = 0
      this.#end = kept
    }
    chunk.copy(this.#received, this.#end)
    this.#end += chunk.length
    this.#wake()
  }

  #finished(): void {
    this.#ended = true
    this.#wake()
  }
}

function bulkOf(reply: Buffer, head: string): Buffer | null {
  if (head === '$-1' || head === '_') return null
  if (!head.startsWith('$')) throw new Error(`not a bulk string: ${head}`)
  return reply.subarray(head.length + CRLF.length, -CRLF.length)
}
