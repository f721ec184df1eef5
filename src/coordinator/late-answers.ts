/**
 * Answers of one link that show entries which are not durable yet, and so have to wait (RULES R2). They leave in the order in
 * which they were made: each needs at least what the one before it needed, which costs next to nothing, because one
 * commit of the log makes everything durable that is in it by then. Digests lie in a ring of numbers; records, which are asked
 * for only where replicas differ, are copies.
 */
import { sendAnswer, sendDigest } from './answers.js'
import type { AnsweringLink } from './answers.js'
import { RECORD_IS } from './messages.js'

const FIRST_CAPACITY = 16
const FIELDS = 4
/** Instead of a digest's first half: the answer is the next of the records. */
const IS_RECORD = -1

export class LateAnswers {
  /** need, request, first, second. Capacity is a power of two of such entries. */
  #ring = new Float64Array(FIELDS * FIRST_CAPACITY)
  #first = 0
  #count = 0
  #records: Buffer[] = []

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** A digest that may leave once the log is durable up to `need`. */
  addDigest(need: number, request: number, first: number, second: number): void {
    if (FIELDS * this.#count === this.#ring.length) this.#grow()
    const before = this.#count === 0 ? 0 : this.#ring[this.#at(this.#count - 1)]
    const at = this.#at(this.#count++)
    this.#ring[at] = Math.max(need, before)
    this.#ring[at + 1] = request
    this.#ring[at + 2] = first
    this.#ring[at + 3] = second
  }

  /** A record, which is kept, that may leave once the log is durable up to `need`. */
  addRecord(need: number, request: number, record: Buffer): void {
    this.addDigest(need, request, IS_RECORD, 0)
    this.#records.push(record)
  }

  /** Sends what the log, durable up to `durable`, suffices for. */
  send(link: AnsweringLink, durable: number): void {
    while (this.#count > 0) {
      const at = this.#at(0)
      if (this.#ring[at] > durable) return
      const request = this.#ring[at + 1]
      const first = this.#ring[at + 2]
      const second = this.#ring[at + 3]
      this.#first = (this.#first + 1) % (this.#ring.length / FIELDS)
      this.#count--
      if (first === IS_RECORD) this.#sendRecord(link, request)
      else sendDigest(link, request, first, second)
    }
  }

  #sendRecord(link: AnsweringLink, request: number): void {
    const record = this.#records.shift()
    if (record !== undefined) sendAnswer(link, RECORD_IS, request, record, 0, record.length)
  }

  #at(nth: number): number {
    return FIELDS * ((this.#first + nth) % (this.#ring.length / FIELDS))
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#ring.length)
    for (let i = 0; i < this.#count; i++) {
      const from = this.#at(i)
      larger.set(this.#ring.subarray(from, from + FIELDS), FIELDS * i)
    }
    this.#ring = larger
    this.#first = 0
  }
}
