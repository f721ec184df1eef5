/**
 * The reply of a request on several keys that was split into one request per key: collects the parts' replies, in whatever
 * order they come, and puts them together when the last one is there.
 */
import { PartsReply } from '../commands/parts-reply.js'
import type { Split } from '../commands/table/command-row.js'
import type { Operation, OperationTable, ReplySink } from '../coordinator/operation.js'
import { ReplyWriter } from '../resp/reply-writer.js'

const TOO_LONG = Buffer.from('-ERR the reply would be too long, ask for fewer keys\r\n')
const WRITER_BYTES = 1024

export class SplitReply implements ReplySink {
  readonly #table: OperationTable
  readonly #whole: Operation
  readonly #split: Split
  readonly #bytesMax: number
  readonly #replies: Buffer[]
  #left: number
  #bytes = 0
  #needSequence = 0

  /** `bytesMax`: what the parts' replies may come to. */
  constructor(table: OperationTable, whole: Operation, parts: number, split: Split, bytesMax: number) {
    this.#table = table
    this.#whole = whole
    this.#split = split
    this.#bytesMax = bytesMax
    this.#replies = new Array<Buffer>(parts).fill(TOO_LONG)
    this.#left = parts
  }

  settled(part: Operation): void {
    const { tag, reply, replyLength, needSequence } = part
    this.#bytes += replyLength
    if (this.#bytes <= this.#bytesMax) this.#replies[tag] = Buffer.from(reply.subarray(0, replyLength))
    this.#needSequence = Math.max(this.#needSequence, needSequence)
    this.#table.release(part)
    if (--this.#left === 0) this.#combine()
  }

  holds(): void {}

  takes(): boolean {
    return true
  }

  #combine(): void {
    const whole = this.#whole
    const writer = new ReplyWriter(WRITER_BYTES)
    writer.protocol = whole.protocol
    const combined = new PartsReply()
    combined.begin(writer, this.#split, whole.isWrite, this.#replies.length)
    for (const reply of this.#replies) combined.add(reply, 0, reply.length)
    combined.end()
    whole.keepReply(writer.buffer, 0, writer.length)
    whole.needSequence = this.#needSequence
    this.#table.settle(whole)
  }
}
