/**
 * Brings the live keys of snapshots back into a running node or cluster, whose FLUSHALL hides the old records for ever: each is written
 * anew, by SET key value NX PXAT, through any plain port. So it gets a stamp above the mark (RULES P4), goes the way of all writes, and what
 * was written since is kept. Of several siblings the newest comes back.
 *
 * One page of commands is under way at a time, and the next is made when all of it is answered.
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { winnerIsLive } from '../record/death.js'
import { decodeRecord, winner } from '../record/record.js'
import type { SnapshotRecords } from '../repair/snapshot-records.js'
import { ReplyParser } from '../resp/reply-parser.js'
import type { Reply } from '../resp/reply-parser.js'
import { keyText } from '../storage/describe-entry.js'
import type { Address } from './resp-client.js'
import { loginCommands } from './snapshot-command.js'

const PAGE_KEYS = 500
const PAGE_BYTES = 1024 * 1024

export interface BringBackEvents {
  onKeys(keys: number): void
  onSiblings(key: string, values: number): void
  onError(key: string, error: string): void
}

export interface BroughtBack {
  readonly written: number
  /** Were there already. */
  readonly kept: number
  readonly failed: number
  /** Of keys and values that were sent. */
  readonly bytes: number
}

/** Rejects when the connection fails or the password is refused; what was written until then stays. */
export async function bringBack(
  address: Address,
  records: SnapshotRecords,
  nowMs: number,
  events: BringBackEvents,
): Promise<BroughtBack> {
  const client = await Pipeline.open(address)
  const result = { written: 0, kept: 0, failed: 0, bytes: 0 }
  let page = new Page()
  const send = async (): Promise<void> => {
    const replies = await client.ask(page.commands, page.keys.length)
    replies.forEach((reply, i) => {
      if (reply instanceof Error) {
        result.failed++
        events.onError(page.keys[i], reply.message)
      } else if (reply === null) result.kept++
      else result.written++
    })
    result.bytes += page.bytes
    events.onKeys(replies.length)
    page = new Page()
  }
  try {
    for (const { bytes, record } of records.living(nowMs)) {
      if (!winnerIsLive(bytes, record, nowMs, 0)) continue
      const value = decodeRecord(bytes, record)
      const newest = winner(value)
      if (newest === null) continue
      const key = keyText(Buffer.from(value.key), 0, value.key.length)
      if (value.siblings.length > 1) events.onSiblings(key, value.siblings.length)
      const expiry = newest.expireAtMs === 0 ? [] : ['PXAT', String(newest.expireAtMs)]
      page.add(key, ['SET', value.key, newest.value, 'NX', ...expiry])
      if (page.isFull) await send()
    }
    if (page.keys.length > 0) await send()
    return result
  } finally {
    client.close()
  }
}

class Page {
  readonly keys: string[] = []
  readonly commands: Buffer[] = []
  bytes = 0

  get isFull(): boolean {
    return this.keys.length === PAGE_KEYS || this.bytes >= PAGE_BYTES
  }

  /** The bytes are copied. */
  add(key: string, words: readonly (string | Uint8Array)[]): void {
    this.keys.push(key)
    this.commands.push(encode(words))
    this.bytes += this.commands[this.commands.length - 1].length
  }
}

function encode(words: readonly (string | Uint8Array)[]): Buffer {
  const parts: (Buffer | Uint8Array)[] = [Buffer.from(`*${words.length}\r\n`)]
  for (const word of words) {
    const bytes = typeof word === 'string' ? Buffer.from(word) : word
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

/** One connection with any number of questions under way. */
class Pipeline {
  readonly #socket: Socket
  #replies: Reply[] = []
  #wanted = 0
  #resolve: (replies: Reply[]) => void = () => {}
  #reject: (error: Error) => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    const fail = (error: Error): void => this.#reject(error)
    const parser = new ReplyParser((reply) => this.#take(reply), fail)
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('the connection was closed before the answer')))
    socket.on('data', (bytes) => parser.execute(bytes))
  }

  static async open({ host, port }: Address): Promise<Pipeline> {
    const client = new Pipeline(connect({ host, port }))
    const login = loginCommands()
    const [answer] = await client.ask([...login, ['PING']].map(encode), login.length + 1)
    if (answer instanceof Error) throw answer
    return client
  }

  /** Rejects when the connection ends before `count` replies have come. */
  ask(commands: readonly Buffer[], count: number): Promise<Reply[]> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#wanted = count
      this.#socket.write(Buffer.concat(commands))
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(reply: Reply): void {
    this.#replies.push(reply)
    if (this.#replies.length < this.#wanted) return
    this.#resolve(this.#replies)
    this.#replies = []
  }
}
