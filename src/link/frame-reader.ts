/**
 * Cuts a stream of bytes into frames, in place. A frame that is whole in the read buffer is handed out where it lies; only one
 * that was cut off is copied, into a buffer of the connection's own, and the next reads then go straight behind it.
 *
 * Nothing is allocated for a declared length: the header is judged as soon as it is there, and the buffer is never more than
 * twice what has arrived (4 KB at the least, one largest frame at the most). `release` gives it up when it is empty.
 */
import { assert } from '../util/assert.js'
import type { CloseReason } from './close-reason.js'
import {
  bodyLength,
  checksumFits,
  FRAME_HEADER_BYTES,
  frameHlc,
  frameSequence,
  frameType,
  headerIsSound,
} from './frame-format.js'
import { FRAME_BYTES_MAX } from './limits.js'

const FIRST_CARRY_BYTES = 4096

export interface FrameTarget {
  /**
   * A sound frame; its body is bytes[start, end), the target's until it returns. Answers what is wrong with it, null for
   * nothing; after an answer no further frame comes.
   */
  onFrame(
    type: number,
    bytes: Buffer,
    start: number,
    end: number,
    sequence: number,
    hlc: number,
  ): CloseReason | null
}

export class FrameReader {
  readonly #seed: number
  readonly #target: FrameTarget
  #carry: Buffer | null = null
  #carried = 0
  /** The next read lands in the carry itself. */
  #direct = false
  #stopped = false

  constructor(seed: number, target: FrameTarget) {
    this.#seed = seed
    this.#target = target
  }

  /** Bytes of a frame whose rest has not arrived. */
  get heldBytes(): number {
    return this.#carried
  }

  get capacityBytes(): number {
    return this.#carry?.length ?? 0
  }

  /** No further frame is handed out, not even of the bytes at hand. */
  stop(): void {
    this.#stopped = true
    this.#carry = null
    this.#carried = 0
  }

  /** Where the next read should land; null for the shared buffer. */
  nextBuffer(): Buffer | null {
    this.#direct = this.#carried > 0
    if (this.#carry === null || !this.#direct) return null
    return this.#carry.subarray(this.#carried)
  }

  /** Gives up the buffer of cut-off frames when there is nothing in it. */
  release(): void {
    if (this.#carried === 0) this.#carry = null
  }

  /** Takes bytes[start, end) of one read. Answers why the stream is unreadable, null while it is not. */
  receive(bytes: Buffer, start: number, end: number): CloseReason | null {
    if (this.#stopped) return null
    const carry = this.#carry
    if (carry === null || this.#carried === 0) return this.#take(bytes, start, end)
    if (this.#direct) {
      this.#carried += end - start
      return this.#take(carry, 0, this.#carried)
    }
    return this.#join(bytes, start, end)
  }

  /** The carry holds a part, and the rest came in another buffer: frame by frame, since it may be larger than the carry. */
  #join(bytes: Buffer, start: number, end: number): CloseReason | null {
    let at = start
    while (at < end && this.#carried > 0 && !this.#stopped) {
      this.#grow()
      const carry = this.#carry
      assert(carry !== null, 'what is held lies in the carry')
      const length = Math.min(end - at, carry.length - this.#carried)
      bytes.copy(carry, this.#carried, at, at + length)
      at += length
      this.#carried += length
      const wrong = this.#take(carry, 0, this.#carried)
      if (wrong !== null) return wrong
    }
    return at < end && !this.#stopped ? this.#take(bytes, at, end) : null
  }

  #take(bytes: Buffer, start: number, end: number): CloseReason | null {
    let at = start
    while (end - at >= FRAME_HEADER_BYTES) {
      const length = bodyLength(bytes, at)
      if (length > FRAME_BYTES_MAX - FRAME_HEADER_BYTES) return this.#wrong('oversized')
      if (!headerIsSound(bytes, at)) return this.#wrong('malformed')
      const frameEnd = at + FRAME_HEADER_BYTES + length
      if (frameEnd > end) break
      if (!checksumFits(bytes, at, frameEnd, this.#seed)) return this.#wrong('checksum')
      const wrong = this.#target.onFrame(
        frameType(bytes, at),
        bytes,
        at + FRAME_HEADER_BYTES,
        frameEnd,
        frameSequence(bytes, at),
        frameHlc(bytes, at),
      )
      if (wrong !== null) return this.#wrong(wrong)
      if (this.#stopped) return null
      at = frameEnd
    }
    this.#keep(bytes, at, end)
    return null
  }

  #wrong(reason: CloseReason): CloseReason {
    this.stop()
    return reason
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    this.#carried = end - start
    if (this.#carried === 0) return
    if (bytes === this.#carry) {
      if (start > 0) bytes.copyWithin(0, start, end)
    } else {
      if (this.#carry === null || this.#carry.length < this.#carried) this.#carry = freshCarry(this.#carried)
      bytes.copy(this.#carry, 0, start, end)
    }
    this.#grow()
  }

  /** Makes room for at least one more byte, in proportion to what has arrived. */
  #grow(): void {
    const carry = this.#carry
    if (carry === null || carry.length > this.#carried) return
    const larger = freshCarry(this.#carried)
    carry.copy(larger, 0, 0, this.#carried)
    this.#carry = larger
  }
}

function freshCarry(arrived: number): Buffer {
  assert(arrived < FRAME_BYTES_MAX, 'less than a frame is carried')
  return Buffer.allocUnsafeSlow(Math.min(FRAME_BYTES_MAX, Math.max(FIRST_CARRY_BYTES, 2 * arrived)))
}
