/**
 * What a member answers about its own data when another one calls (cluster-calls.ts), in RESP. It never asks anybody else, a page
 * is bounded work, and nothing leaves before the log has what it shows (RULES R2); other requests go on meanwhile.
 *
 *     COUNT ringVersion ranges     live keys in these ranges of the ring ('0,5,7'), an integer         (RULES R5)
 *     PAGE start end count         a page (scan-page.ts) of the tokens from start to end, a bulk string       (R4)
 *     STAMP                        the highest stamp issued or seen, an integer                                   (P4)
 *     FLUSH mark                   OK once everything at or below the mark is gone for good                      (P4)
 */
import type { Clock } from '../env/clock.js'
import { ReplyWriter } from '../resp/reply-writer.js'
import { StoreError } from '../storage/store-error.js'
import type { Store } from '../storage/store.js'
import type { LoadedBlocks } from './keyspace.js'
import type { LocalKeyspace } from './local-keyspace.js'
import type { Topology } from './topology.js'

/** Calls that are being answered at a time; further ones are told that it is busy. */
export const ANSWERS_MAX = 256
const REPLY_BYTES_FIRST = 64

export class OwnAnswers {
  readonly #clock: Clock
  readonly #store: Store
  readonly #keyspace: LocalKeyspace
  readonly #topology: Topology
  readonly #takeMark: (mark: number) => string | null
  #underWay = 0

  /** `takeMark`: see FlushMarks; appends it, and answers why it cannot. */
  constructor(options: {
    clock: Clock
    store: Store
    keyspace: LocalKeyspace
    topology: Topology
    takeMark: (mark: number) => string | null
  }) {
    this.#clock = options.clock
    this.#store = options.store
    this.#keyspace = options.keyspace
    this.#topology = options.topology
    this.#takeMark = options.takeMark
  }

  /** Never rejects: what goes wrong is an error reply. */
  async answer(args: readonly Buffer[]): Promise<Buffer> {
    const reply = new ReplyWriter(REPLY_BYTES_FIRST)
    if (this.#underWay >= ANSWERS_MAX) {
      reply.error('ERR too many calls at a time')
      return reply.buffer.subarray(0, reply.length)
    }
    this.#underWay++
    try {
      await this.#answer(args, reply)
    } catch (error) {
      reply.length = 0
      const code = error instanceof StoreError ? error.code : 'internal error'
      reply.error(`ERR ${code}: ${error instanceof Error ? error.message : String(error)}`)
    }
    this.#underWay--
    return reply.buffer.subarray(0, reply.length)
  }

  async #answer(args: readonly Buffer[], reply: ReplyWriter): Promise<void> {
    const [name, ...rest] = args.map((arg) => arg.toString('latin1'))
    switch (name) {
      case 'COUNT':
        return this.#count(rest[0], rest[1], reply)
      case 'PAGE':
        return this.#page(Number(rest[0]), Number(rest[1]), Number(rest[2]), reply)
      case 'STAMP':
        return reply.integer(this.#keyspace.stamp)
      case 'FLUSH':
        return this.#flush(Number(rest[0]), reply)
      default:
        reply.error(`ERR unknown call '${name}'`)
    }
  }

  async #count(version: string, ranges: string, reply: ReplyWriter): Promise<void> {
    const { ring } = this.#topology
    if (version !== ring.version) return reply.error('ERR another ring')
    const nowMs = this.#store.expiryMs(this.#clock.wallMs())
    let total = 0
    for (const range of ranges.split(',').map(Number)) {
      if (!(range >= 0 && range < ring.rangeCount)) return reply.error('ERR no such range')
      total += this.#store.counts.total(nowMs, range)
    }
    await this.#durable(this.#store.sequence)
    reply.integer(total)
  }

  async #page(start: number, end: number, count: number, reply: ReplyWriter): Promise<void> {
    if (!(start >= 0 && start < end && end <= 2 ** 53 && count >= 1))
      return reply.error('ERR no such stretch')
    const keyspace = this.#keyspace
    let held: LoadedBlocks | null = null
    for (;;) {
      // What a page needs is its own matter, not that of the requests that run in the same turn.
      const needBefore = keyspace.needSequence
      keyspace.needSequence = 0
      let page: Buffer | null
      let need: number
      try {
        page = keyspace.scanPage({ start, end }, count)
        need = keyspace.needSequence
      } catch (error) {
        held?.release()
        throw error
      } finally {
        keyspace.needSequence = needBefore
      }
      if (page !== null) {
        held?.release()
        await this.#durable(need)
        return reply.bulk(page, 0, page.length)
      }
      held = await keyspace.whenLoaded(held)
    }
  }

  async #flush(mark: number, reply: ReplyWriter): Promise<void> {
    if (!(Number.isSafeInteger(mark) && mark > 0)) return reply.error('ERR no flush mark')
    const refusal = this.#takeMark(mark)
    if (refusal !== null) return reply.error(`ERR ${refusal}`)
    await this.#durable(this.#store.flushMarkSequence)
    reply.ok()
  }

  /** Rejects when the log has failed before it came so far. */
  async #durable(sequence: number): Promise<void> {
    if (sequence <= this.#store.durableSequence) return
    const failure = this.#store.logFailure
    if (failure !== null) throw new StoreError('log-failed', failure.message, { cause: failure })
    await this.#keyspace.whenDurable(sequence)
  }
}
