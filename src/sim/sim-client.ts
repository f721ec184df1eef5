/**
 * A Redis client on the simulated network: sends requests, pipelined if it is not waited for replies in between, and collects the
 * replies in order. A connection that ends leaves what was still awaited as LOST, which is all that a real client knows, too.
 */
import type { Stream, StreamHandler } from '../env/network.js'
import { ReplyParser } from '../resp/reply-parser.js'
import type { Reply } from '../resp/reply-parser.js'
import type { SimHost } from './sim-network.js'

/** Status and bulk replies are texts, and so are errors, with their minus in front. */
export type SimReply = string | number | null | readonly SimReply[]

/** Instead of a reply: the connection ended, or was never made. */
export const LOST = '-LOST'

const CONNECT_TIMEOUT_MS = 5000

export class SimRequest {
  readonly args: readonly string[]
  /** Called once, at the instant of the reply. */
  onReply: ((reply: SimReply) => void) | undefined
  #reply: SimReply | undefined = undefined

  constructor(args: readonly string[]) {
    this.args = args
  }

  /** Undefined until it is there. */
  get reply(): SimReply | undefined {
    return this.#reply
  }

  answer(reply: SimReply): void {
    this.#reply = reply
    this.onReply?.(reply)
  }

  get isDone(): boolean {
    return this.#reply !== undefined
  }
}

export class SimClient implements StreamHandler {
  readonly #awaited: SimRequest[] = []
  readonly #parser: ReplyParser
  #unsent: Buffer[] = []
  #stream: Stream | null = null
  #isClosed = false

  constructor(host: SimHost, address: string, port: number) {
    this.#parser = new ReplyParser(
      (reply) => this.#answered(valueOf(reply)),
      () => this.close(),
    )
    host.dial(address, port, CONNECT_TIMEOUT_MS, {
      onConnected: (stream) => {
        this.#stream = stream
        for (const bytes of this.#unsent) stream.write(bytes, 0, bytes.length)
        this.#unsent = []
        return this
      },
      onFailed: () => this.onClose(),
    })
  }

  /** The connection is gone; every request is answered LOST. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  send(...args: readonly (string | number)[]): SimRequest {
    return this.pipeline([args])[0]
  }

  /** Requests that arrive together, as far as the network leaves them together. */
  pipeline(commands: readonly (readonly (string | number)[])[]): SimRequest[] {
    const requests = commands.map((args) => new SimRequest(args.map(String)))
    if (this.#isClosed) for (const request of requests) request.answer(LOST)
    else {
      this.#awaited.push(...requests)
      this.#write(Buffer.concat(requests.map(({ args }) => encoded(args))))
    }
    return requests
  }

  close(): void {
    this.#stream?.destroy()
    this.onClose()
  }

  onBytes(bytes: Buffer, length: number): void {
    this.#parser.execute(Buffer.from(bytes.subarray(0, length)))
  }

  nextBuffer(): null {
    return null
  }

  onDrain(): void {}

  onEnd(): void {
    this.close()
  }

  onClose(): void {
    this.#isClosed = true
    for (const request of this.#awaited.splice(0)) request.answer(LOST)
  }

  #answered(reply: SimReply): void {
    this.#awaited.shift()?.answer(reply)
  }

  #write(bytes: Buffer): void {
    if (this.#stream === null) this.#unsent.push(bytes)
    else this.#stream.write(bytes, 0, bytes.length)
  }
}

function encoded(args: readonly string[]): Buffer {
  const parts = args.map((arg) => `$${Buffer.byteLength(arg, 'latin1')}\r\n${arg}\r\n`)
  return Buffer.from(`*${args.length}\r\n${parts.join('')}`, 'latin1')
}

function valueOf(reply: Reply): SimReply {
  if (reply === null || typeof reply === 'number') return reply
  if (reply instanceof Error) return `-${reply.message}`
  return Buffer.isBuffer(reply) ? reply.toString('latin1') : reply.map(valueOf)
}
