/**
 * The other side of an exchange as this node talks to it: questions with numbers, answers by number. An answer that does not come,
 * because the link is lost or nothing comes for too long, ends its question with an error; nothing is asked again here.
 */
import type { Clock, Timer } from '../env/clock.js'
import { INLINE_MESSAGE_BYTES_MAX } from '../link/limits.js'
import type { PeerLink } from '../link/peer-link.js'
import { copyBytes, readU32, writeU32 } from '../util/bytes.js'
import { BodyReader } from './body.js'
import { EXCHANGE } from '../coordinator/messages.js'
import { DONE, EXCHANGE_HEAD_BYTES } from './exchange-messages.js'

/** Merging a full PUSH onto a slow disk takes its time. */
const ANSWER_MS_MAX = 30_000
/** Status of a question that the link took for none of that time: a record beyond what it holds waits until it is idle. */
export const LINK_FULL = -2
/** How often a link that has its fill is tried again. */
const FULL_EVERY_MS = 20

/** What the exchange of a range ends with when it could not be finished; it is begun again later. */
export class ExchangeError extends Error {
  /** Status of the answer; -1 when none came, LINK_FULL when the question was not sent. */
  readonly status: number

  constructor(message: string, status = -1) {
    super(message)
    this.status = status
  }
}

interface Waiting {
  readonly resolve: (body: BodyReader) => void
  readonly reject: (error: ExchangeError) => void
  readonly timer: Timer
}

/** Asks one question; rejects with ExchangeError unless the answer is DONE. */
export type Asking = (what: number, body: Buffer) => Promise<BodyReader>

export class ExchangePeer {
  /** Of bodies, in both directions, since the start. */
  bytes = 0
  questions = 0
  readonly #clock: Clock
  readonly #link: () => PeerLink
  readonly #waiting = new Map<number, Waiting>()
  #request = 0

  constructor(clock: Clock, link: () => PeerLink) {
    this.#clock = clock
    this.#link = link
  }

  /** The body of the answer. Rejects with ExchangeError. */
  async ask(what: number, body: Buffer): Promise<BodyReader> {
    const request = (this.#request = (this.#request + 1) >>> 0)
    const link = this.#link()
    const sinceMs = this.#clock.monotonicMs()
    while (!this.#send(request, what, body)) {
      if (!link.isOpen) throw new ExchangeError('there is no link')
      if (this.#clock.monotonicMs() - sinceMs >= ANSWER_MS_MAX)
        throw new ExchangeError('the link has no room for it', LINK_FULL)
      await new Promise<void>((resolve) => this.#clock.after(FULL_EVERY_MS, resolve))
    }
    this.questions++
    this.bytes += body.length
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(ANSWER_MS_MAX, () => {
        this.#waiting.delete(request)
        reject(new ExchangeError('no answer came'))
      })
      this.#waiting.set(request, { resolve, reject, timer })
    })
  }

  #send(request: number, what: number, body: Buffer): boolean {
    const link = this.#link()
    const head = EXCHANGE_HEAD_BYTES
    const isInline = head + body.length <= INLINE_MESSAGE_BYTES_MAX
    const at = isInline ? link.begin(EXCHANGE, head + body.length) : link.begin(EXCHANGE, head, body.length)
    if (at === -1) return false
    writeU32(link.bytes, at, request)
    link.bytes[at + 4] = what
    if (!isInline) {
      link.endWith(at + head, body, 0, body.length)
      return true
    }
    copyBytes(body, 0, body.length, link.bytes, at + head)
    link.end(at + head + body.length)
    return true
  }

  /** An EXCHANGE_IS of the peer; `bytes` are copied. */
  answered(bytes: Buffer, start: number, end: number): void {
    if (end - start < EXCHANGE_HEAD_BYTES) return
    const waiting = this.#take(readU32(bytes, start))
    if (waiting === null) return
    const status = bytes[start + 4]
    const body = Buffer.from(bytes.subarray(start + EXCHANGE_HEAD_BYTES, end))
    this.bytes += body.length
    if (status === DONE) waiting.resolve(new BodyReader(body))
    else waiting.reject(new ExchangeError('the other side cannot', status))
  }

  /** The link is lost: nothing that was asked is answered any more. */
  lost(): void {
    for (const request of [...this.#waiting.keys()]) {
      this.#take(request)?.reject(new ExchangeError('the link was lost'))
    }
  }

  #take(request: number): Waiting | null {
    const waiting = this.#waiting.get(request)
    if (waiting === undefined) return null
    this.#waiting.delete(request)
    waiting.timer.cancel()
    return waiting
  }
}
