/**
 * Writes keys into a running node as fast as it takes them: SETs in one pipeline over one connection, in batches of bounded
 * size, of which so many are on their way at a time. What a reply that is an error was about is found in the batch, which is
 * kept until all its replies have come; no key is copied for it.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { ReplyParser } from '../resp/reply-parser.js'
import type { Reply } from '../resp/reply-parser.js'
import { assert } from '../util/assert.js'
import type { Address } from './resp-client.js'

export interface InsertOptions {
  /** How long the node may be silent while it owes a reply. */
  readonly timeoutMs: number
  /** A SET that the node has refused, with its words. */
  readonly onRefused: (key: Buffer, error: string) => void
}

/** A request that is larger has a batch of its own. */
const BATCH_BYTES = 128 * 1024
/** Bytes of requests that may be without a reply before the sender waits. */
const UNANSWERED_BYTES_MAX = 2 * 1024 * 1024
/** The words of a SET around its key and value, with the longest lengths and time. */
const SET_BYTES = 128

interface Batch {
  readonly bytes: Buffer
  /** Where each request's key begins and ends, two numbers a request. */
  readonly keys: number[]
  length: number
  answered: number
}

export class MassInsert {
  readonly #socket: Socket
  readonly #options: InsertOptions
  readonly #sent: Batch[] = []
  #filling = emptyBatch(BATCH_BYTES)
  #unansweredBytes = 0
  #writtenKeys = 0
  #failure: Error | null = null
  #wake: () => void = () => {}
  /** Takes replies that are not to SETs. */
  #onAnswer: ((reply: Reply) => void) | null = null

  private constructor(socket: Socket, options: InsertOptions) {
    this.#socket = socket
    this.#options = options
    const parser = new ReplyParser(
      (reply) => this.#replied(reply),
      (error) => this.#fail(error),
    )
    socket.on('data', (bytes) => parser.execute(bytes))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the node closed the connection')))
    socket.setTimeout(options.timeoutMs, () => {
      if (this.#unansweredBytes === 0 && this.#onAnswer === null) return
      this.#fail(new Error(`the node was silent for ${options.timeoutMs / 1000} s`))
    })
  }

  /** Connects; rejects when that fails. */
  static async open(address: Address, options: InsertOptions): Promise<MassInsert> {
    const socket = connect({ host: address.host, port: address.port, noDelay: true })
    await once(socket, 'connect')
    return new MassInsert(socket, options)
  }

  /** How many SETs have been answered with OK. */
  get writtenKeys(): number {
    return this.#writtenKeys
  }

  /** The reply to one command; only before the first set(). */
  async ask(...words: readonly string[]): Promise<Reply> {
    assert(this.#unansweredBytes === 0, 'questions come before keys')
    let answer: { reply: Reply } | null = null
    this.#onAnswer = (reply) => (answer = { reply })
    this.#socket.write(`*${words.length}\r\n${words.map(bulk).join('')}`)
    const answered = (): { reply: Reply } | null => answer
    await this.#until(() => answered() !== null)
    this.#onAnswer = null
    return answered()?.reply ?? null
  }

  /** Takes one key, copying it; `expireAtMs` 0 is none. Wait for room() whenever hasRoom is false. */
  set(key: Uint8Array, value: Uint8Array, expireAtMs: number): void {
    const bytes = SET_BYTES + key.length + value.length
    if (this.#filling.length + bytes > this.#filling.bytes.length) {
      this.#send()
      if (bytes > BATCH_BYTES) this.#filling = emptyBatch(bytes)
    }
    appendSet(this.#filling, key, value, expireAtMs)
  }

  get hasRoom(): boolean {
    return this.#unansweredBytes <= UNANSWERED_BYTES_MAX && this.#failure === null
  }

  /** Resolves when there is room for more; rejects when the connection has failed. */
  room(): Promise<void> {
    return this.#until(() => this.hasRoom)
  }

  /** Sends what is left, and resolves when every reply has come and the connection is closed. */
  async finish(): Promise<void> {
    this.#send()
    await this.#until(() => this.#sent.length === 0)
    this.#socket.destroy()
  }

  /** Ends the connection, whatever is on its way. */
  close(): void {
    this.#socket.destroy()
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.#failure !== null) throw this.#failure
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  #send(): void {
    const batch = this.#filling
    if (batch.length === 0) return
    this.#sent.push(batch)
    this.#unansweredBytes += batch.length
    this.#socket.write(batch.bytes.subarray(0, batch.length))
    this.#filling = emptyBatch(BATCH_BYTES)
  }

  #replied(reply: Reply): void {
    if (this.#onAnswer !== null) this.#onAnswer(reply)
    else this.#answeredSet(reply)
    this.#wake()
  }

  #answeredSet(reply: Reply): void {
    const batch = this.#sent.at(0)
    if (batch === undefined) {
      this.#fail(new Error('the node has sent a reply to nothing'))
      return
    }
    const at = 2 * batch.answered++
    if (reply instanceof Error) {
      this.#options.onRefused(batch.bytes.subarray(batch.keys[at], batch.keys[at + 1]), reply.message)
    } else this.#writtenKeys++
    if (2 * batch.answered < batch.keys.length) return
    this.#sent.shift()
    this.#unansweredBytes -= batch.length
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#socket.destroy()
    this.#wake()
  }
}

function emptyBatch(bytes: number): Batch {
  return { bytes: Buffer.allocUnsafe(bytes), keys: [], length: 0, answered: 0 }
}

function appendSet(batch: Batch, key: Uint8Array, value: Uint8Array, expireAtMs: number): void {
  const { bytes } = batch
  const words = expireAtMs === 0 ? 3 : 5
  let to = batch.length
  to += bytes.write(`*${words}\r\n$3\r\nSET\r\n$${key.length}\r\n`, to, 'latin1')
  batch.keys.push(to, to + key.length)
  bytes.set(key, to)
  to += key.length
  to += bytes.write(`\r\n$${value.length}\r\n`, to, 'latin1')
  bytes.set(value, to)
  to += value.length
  const end = expireAtMs === 0 ? '\r\n' : `\r\n${bulk('PXAT')}${bulk(String(expireAtMs))}`
  batch.length = to + bytes.write(end, to, 'latin1')
}

function bulk(word: string): string {
  return `$${Buffer.byteLength(word)}\r\n${word}\r\n`
}
