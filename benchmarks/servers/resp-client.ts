/** A connection for the few commands that a benchmark sends to steer and watch a server; not for load. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { ReplyParser } from '../../src/resp/reply-parser.js'
import type { Reply } from '../../src/resp/reply-parser.js'

const PROBE_KEY = 'kindred-bench-probe'

export interface Address {
  readonly host: string
  readonly port: number
}

/** A port of this machine. */
export function onLoopback(port: number): Address {
  return { host: '127.0.0.1', port }
}

interface Waiter {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
}

export class RespClient {
  readonly #socket: Socket
  readonly #waiters: Waiter[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    const parser = new ReplyParser(
      (reply) => this.#waiters.shift()?.resolve(reply),
      (error) => this.#fail(error),
    )
    // The parser keeps unfinished chunks, which are the socket's own and never reused.
    socket.on('data', (bytes: Buffer) => parser.execute(bytes))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  /** `address`: a port alone is one of this machine. */
  static connect(address: number | Address): Promise<RespClient> {
    const { host, port } = typeof address === 'number' ? onLoopback(address) : address
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new RespClient(socket)))
    })
  }

  /** Error replies are answered, not thrown. */
  call(...words: readonly string[]): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
      this.#socket.write(`*${words.length}\r\n${parts.join('')}`)
    })
  }

  /** The fields of INFO, or of a section of it; missing ones are absent. */
  async info(...section: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const reply = await this.call('INFO', ...section)
    if (!Buffer.isBuffer(reply)) throw new Error(`INFO answered ${String(reply)}`)
    const lines = reply.toString().split('\r\n')
    return new Map(
      lines
        .filter((line) => line.includes(':'))
        .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
    )
  }

  close(): void {
    this.#socket.destroy()
  }

  #fail(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
  }
}

/** Throws unless the server at this address takes a write and, with `replicas`, that many have it. */
export async function probe(address: number | Address, replicas = 0): Promise<void> {
  const client = await RespClient.connect(address)
  try {
    const reply = await client.call('SET', PROBE_KEY, 'x')
    if (reply instanceof Error) throw reply
    if (replicas > 0) await client.call('WAIT', String(replicas), '0')
  } finally {
    client.close()
  }
}
