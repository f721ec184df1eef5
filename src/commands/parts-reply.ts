/**
 * One reply from those of a request's parts, in their order. When parts fail, the error of the whole has to be true of
 * the whole: "nothing was applied" may only be said when no part was, so a write of which some parts were applied is
 * UNCERTAIN whatever the others say.
 */
import type { ReplyWriter } from '../resp/reply-writer.js'
import { assert } from '../util/assert.js'
import type { Split } from './table/command-row.js'

const MINUS = 0x2d
const ZERO = 0x30
const COLON = 0x3a
const UNCERTAIN = 'UNCERTAIN'

export class PartsReply {
  #writer: ReplyWriter | null = null
  #split: Split = 'array'
  #isWrite = false
  #mark = 0
  /** Of the parts that answered a number: for a DEL, keys that were deleted. */
  #sum = 0
  /** Parts that answered OK. */
  #succeeded = 0
  /** The first error, without its sign; an UNCERTAIN one takes its place. */
  #error = ''

  /** Begins a reply of `parts` parts behind what `writer` holds. */
  begin(writer: ReplyWriter, split: Split, isWrite: boolean, parts: number): void {
    assert(split === 'array' || split === 'sum' || split === 'ok', 'replies that can be put together')
    this.#writer = writer
    this.#split = split
    this.#isWrite = isWrite
    this.#mark = writer.length
    this.#sum = 0
    this.#succeeded = 0
    this.#error = ''
    if (split === 'array') writer.array(parts)
  }

  /** Adds the reply of the next part: bytes[start, end). */
  add(bytes: Buffer, start: number, end: number): void {
    const writer = this.#writer
    assert(writer !== null, 'a reply was begun')
    if (bytes[start] === MINUS) return this.#addError(bytes.toString('utf8', start + 1, end - 2))
    if (this.#split === 'ok') this.#succeeded++
    else if (this.#split === 'array') writer.rendered(bytes, start, end)
    else this.#sum += integerIn(bytes, start, end)
  }

  #addError(text: string): void {
    const isFirst = this.#error === ''
    if (isFirst || (text.startsWith(UNCERTAIN) && !this.#error.startsWith(UNCERTAIN))) this.#error = text
  }

  /** Renders the reply of the whole. */
  end(): void {
    const writer = this.#writer
    assert(writer !== null, 'a reply was begun')
    this.#writer = null
    if (this.#error !== '') {
      writer.length = this.#mark
      writer.error(this.#errorOfWhole())
    } else if (this.#split === 'sum') writer.integer(this.#sum)
    else if (this.#split === 'ok') writer.ok()
  }

  #errorOfWhole(): string {
    const applied = this.#split === 'ok' ? this.#succeeded : this.#sum
    if (!this.#isWrite || applied === 0 || this.#error.startsWith(UNCERTAIN)) return this.#error
    return `${UNCERTAIN} some of the keys were written, others not: ${this.#error}`
  }
}

/** The number in ':12\r\n'. */
function integerIn(bytes: Buffer, start: number, end: number): number {
  assert(bytes[start] === COLON, 'a part of a sum answers an integer')
  let value = 0
  for (let at = start + 1; at < end - 2; at++) value = value * 10 + bytes[at] - ZERO
  return value
}
