/**
 * What the accepting side owes: a watermark (every message up to it has been dealt with) and the sequences among them that were
 * refused (RULES L2). However often both grow within a turn, one ACK frame says it. A refusal leaves no later than the
 * watermark that covers it.
 *
 *     ack body := watermark u48, zero u16, refusal*        refusal := sequence u48, reason u8, zero u8
 */
import { assert } from '../util/assert.js'
import { writeU16, writeU48 } from '../util/bytes.js'
import { ACK_HEADER_BYTES, REFUSAL_BYTES } from './frame-format.js'
import { REFUSALS_PER_ACK_MAX } from './limits.js'

const REASONS = 256

export class OutgoingAcks {
  #watermark = 0
  #sentWatermark = 0
  /** sequence x 256 + reason, in the order of refusing. */
  #refusals: number[] = []

  get watermark(): number {
    return this.#watermark
  }

  get isDue(): boolean {
    return this.#watermark > this.#sentWatermark || this.#refusals.length > 0
  }

  acknowledge(upTo: number): void {
    assert(upTo >= this.#watermark, 'a watermark never falls')
    this.#watermark = upTo
  }

  refuse(sequence: number, reason: number): void {
    assert(sequence > this.#watermark, 'what was acknowledged is not refused afterwards')
    assert(reason >= 0 && reason < REASONS, 'a reason is a byte')
    this.#refusals.push(sequence * REASONS + reason)
  }

  /** Writes the body of an ACK frame at `at`; answers its end. What does not fit stays due. */
  write(bytes: Buffer, at: number): number {
    const count = Math.min(this.#refusals.length, REFUSALS_PER_ACK_MAX)
    const isAll = count === this.#refusals.length
    if (isAll) this.#sentWatermark = this.#watermark
    writeU48(bytes, at, this.#sentWatermark)
    writeU16(bytes, at + 6, 0)
    let end = at + ACK_HEADER_BYTES
    for (let i = 0; i < count; i++) {
      const refusal = this.#refusals[i]
      writeU48(bytes, end, Math.floor(refusal / REASONS))
      bytes[end + 6] = refusal % REASONS
      bytes[end + 7] = 0
      end += REFUSAL_BYTES
    }
    if (isAll) this.#refusals.length = 0
    else this.#refusals = this.#refusals.slice(count)
    return end
  }
}
