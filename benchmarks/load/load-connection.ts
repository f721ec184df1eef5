/**
 * One of the generator's sockets and the groups of requests that are under way on it, oldest first in a ring. A group is all
 * SETs or all GETs; SETs may be followed by WAIT, one for the group or one each, and then count as answered when the
 * WAIT that covers them has confirmed them, never with their own +OK.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { DUE_OK, DUE_REPLICAS, DUE_VALUE, ReplyReader } from './reply-reader.js'
import type { DueReply, ReplyTaker } from './reply-reader.js'
import type { Requests } from './requests.js'

export type WaitMode = 'none' | 'group' | 'each'

export interface ConnectionOptions {
  /** Its place among the generator's connections. */
  readonly index: number
  readonly port: number
  /** Requests of a group. */
  readonly groupSize: number
  readonly wait: WaitMode
  /** All connections read into it, one after the other. */
  readonly into: Buffer
  /** Sent first, if not empty: has to be answered +OK. */
  readonly prologue: readonly string[]
}

export interface ConnectionEvents {
  answered(isWrite: boolean, dueMs: number, nowMs: number, times: number): void
  /** Requests that were answered with an error. */
  refused(text: string, nowMs: number, times: number): void
  groupDone(connection: LoadConnection): void
  /** The connection is of no further use. */
  failed(error: Error): void
}

/** Groups that may be under way on one connection; more means that the server is hopelessly behind. */
const GROUPS_MAX = 1 << 14
const GROUPS_OF_OUTPUT = 4

export class LoadConnection implements ReplyTaker {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #requests: Requests
  readonly #events: ConnectionEvents
  readonly #reader: ReplyReader
  readonly #due = new Float64Array(GROUPS_MAX)
  readonly #isWrite = new Uint8Array(GROUPS_MAX)
  readonly #groupBytes: number
  readonly index: number
  #prepared: ((error: string | null) => void) | null = null
  #first = 0
  groups = 0
  /** Replies of the first group that have come. */
  #replies = 0
  /** Its SETs that were answered +OK and are still to be confirmed by a WAIT. */
  #unconfirmed = 0
  /** Its requests that are done and not yet reported: reported together, because that is cheaper. */
  #good = 0
  #nowMs = 0
  #out: Buffer
  #outEnd = 0
  #closed = false

  private constructor(options: ConnectionOptions, requests: Requests, events: ConnectionEvents) {
    this.index = options.index
    this.#options = options
    this.#requests = requests
    this.#events = events
    this.#reader = new ReplyReader(requests.getReplyBytes, this)
    this.#groupBytes = (requests.setBytes + requests.waitBytes) * options.groupSize
    this.#out = Buffer.allocUnsafeSlow(this.#groupBytes * GROUPS_OF_OUTPUT)
    const onread = {
      buffer: options.into,
      callback: (bytes: number, buffer: Uint8Array) => this.#read(buffer, bytes),
    }
    this.#socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true, onread })
    this.#socket.on('error', (error) => events.failed(error))
    this.#socket.on('close', () => {
      if (!this.#closed) events.failed(new Error(`the server on port ${options.port} closed a connection`))
    })
  }

  /** Resolves when the connection stands and the prologue was accepted. */
  static async open(
    options: ConnectionOptions,
    requests: Requests,
    events: ConnectionEvents,
  ): Promise<LoadConnection> {
    const connection = new LoadConnection(options, requests, events)
    await once(connection.#socket, 'connect')
    if (options.prologue.length > 0) await connection.#prepare(options.prologue)
    return connection
  }

  async #prepare(words: readonly string[]): Promise<void> {
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
    const error = await new Promise<string | null>((resolve) => {
      this.#prepared = resolve
      this.#socket.write(`*${words.length}\r\n${parts.join('')}`)
    })
    this.#prepared = null
    if (error !== null) throw new Error(`${words.join(' ')} was answered ${error}`)
  }

  /** Writes a group into the output; flush() sends it. */
  addGroup(isWrite: boolean, dueMs: number, nextKey: () => number): void {
    if (this.groups === GROUPS_MAX) return this.#events.failed(new Error('the server is far behind the pace'))
    const slot = (this.#first + this.groups++) % GROUPS_MAX
    this.#due[slot] = dueMs
    this.#isWrite[slot] = isWrite ? 1 : 0
    if (this.#outEnd + this.#groupBytes > this.#out.length) this.flush()
    const { groupSize } = this.#options
    for (let i = 0; i < groupSize; i++) this.#writeRequest(isWrite, nextKey(), i === groupSize - 1)
  }

  #writeRequest(isWrite: boolean, key: number, isLast: boolean): void {
    const requests = this.#requests
    if (!isWrite) {
      this.#outEnd = requests.writeGet(this.#out, this.#outEnd, key)
      return
    }
    this.#outEnd = requests.writeSet(this.#out, this.#outEnd, key)
    const { wait } = this.#options
    if (wait === 'each' || (wait === 'group' && isLast))
      this.#outEnd = requests.writeWait(this.#out, this.#outEnd)
  }

  flush(): void {
    if (this.#outEnd === 0) return
    this.#socket.write(this.#out.subarray(0, this.#outEnd))
    this.#outEnd = 0
    // What the kernel did not take at once still belongs to the socket.
    if (this.#socket.writableLength !== 0) this.#out = Buffer.allocUnsafeSlow(this.#out.length)
  }

  close(): void {
    this.#closed = true
    this.#socket.destroy()
  }

  #read(buffer: Uint8Array, length: number): boolean {
    this.#nowMs = performance.now()
    const garbled = this.#reader.read(buffer, length)
    this.#report()
    if (garbled === null) return true
    this.#events.failed(new Error(`not the reply that was due: ${JSON.stringify(garbled)}`))
    this.close()
    return false
  }

  dueReply(): DueReply | null {
    if (this.#prepared !== null) return DUE_OK
    if (this.groups === 0) return null
    if (this.#isWrite[this.#first] === 0) return DUE_VALUE
    const { wait, groupSize } = this.#options
    if (wait === 'none') return DUE_OK
    if (wait === 'group') return this.#replies < groupSize ? DUE_OK : DUE_REPLICAS
    return this.#replies % 2 === 0 ? DUE_OK : DUE_REPLICAS
  }

  onReply(error: string | null): void {
    if (this.#prepared !== null) return this.#prepared(error)
    const isWrite = this.#isWrite[this.#first] === 1
    const { wait, groupSize } = this.#options
    if (this.dueReply() === DUE_REPLICAS) this.#confirm(error)
    else if (error !== null) this.#events.refused(error, this.#nowMs, 1)
    else if (isWrite && wait !== 'none') this.#unconfirmed++
    else this.#good++
    this.#replies++
    const waits = !isWrite || wait === 'none' ? 0 : wait === 'group' ? 1 : groupSize
    if (this.#replies === groupSize + waits) this.#endGroup()
  }

  #confirm(error: string | null): void {
    if (error === null) this.#good += this.#unconfirmed
    else if (this.#unconfirmed > 0) this.#events.refused(error, this.#nowMs, this.#unconfirmed)
    this.#unconfirmed = 0
  }

  #endGroup(): void {
    this.#report()
    this.#first = (this.#first + 1) % GROUPS_MAX
    this.groups--
    this.#replies = 0
    this.#events.groupDone(this)
  }

  #report(): void {
    if (this.#good === 0) return
    this.#events.answered(this.#isWrite[this.#first] === 1, this.#due[this.#first], this.#nowMs, this.#good)
    this.#good = 0
  }
}
