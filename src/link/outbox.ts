/**
 * What a connection has to say, from the writer's hand to the socket. Messages are written straight into a pooled buffer, one
 * behind the other, and become one BATCH frame and one write at the end of the event-loop turn. No object, buffer or closure
 * is made per message.
 *
 *     begin(kind, room)   where the message's bytes go, in `bytes`
 *     end(at)             the message ends there; answers its sequence
 *     endWith(at, …)      the same, with further bytes behind it: copied when few, sent in pieces by reference when many
 *
 * The socket is given one buffer at a time: while the kernel has not taken it, everything else waits here, so that a ping or
 * an ack, which go first, wait for no more than that buffer. What waits is bounded by the link (begin is not called beyond it).
 * A large message keeps its place in the order; only the link's own frames go between its pieces.
 */
import type { Clock } from '../env/clock.js'
import type { Stream } from '../env/network.js'
import { assert } from '../util/assert.js'
import { copyBytes, writeU24 } from '../util/bytes.js'
import {
  BATCH,
  FRAME_HEADER_BYTES,
  MESSAGE_HEADER_BYTES,
  PIECE,
  PIECE_HEADER_BYTES,
  sealFrame,
} from './frame-format.js'
import { writePieceHeader } from './large-message.js'
import { FRAME_BYTES_MAX, INLINE_MESSAGE_BYTES_MAX, PIECE_BYTES_MAX } from './limits.js'
import type { OutgoingBuffers } from './outgoing-buffers.js'

/** The connection that the outbox belongs to. */
export interface OutboxOwner {
  /** The HLC for the next frame. */
  stamp(): number
  /** Writes the link's own frames that are due behind `at`, where there is room to the buffer's end; answers where they end. */
  writeControl(bytes: Buffer, at: number): number
  /** A frame was made whose last message has this sequence; `bytes` counts all messages' bytes up to it. */
  onSealed(sequence: number, bytes: number): void
}

/** A full buffer of frames, or a message that travels in pieces. */
interface Waiting {
  readonly buffer: Buffer | null
  readonly end: number
  readonly large: LargeOut | null
  readonly lastSequence: number
}

interface LargeOut {
  readonly kind: number
  /** What was written before the referenced bytes. */
  readonly head: Buffer
  readonly bytes: Uint8Array
  readonly start: number
  readonly total: number
  sent: number
}

export class Outbox {
  /** Where begin() puts messages. Changes with every begin(). */
  bytes: Buffer
  /** Sequence of the last message that was ended. */
  sequence = 0
  /** Sequence of the last message of which any byte was handed to the socket. */
  handedSequence = 0
  /** How often the kernel did not take a buffer at once. */
  lendings = 0
  /** Bytes of all messages that were ended, headers included. */
  messageBytes = 0
  readonly #stream: Stream
  readonly #clock: Clock
  readonly #buffers: OutgoingBuffers
  readonly #owner: OutboxOwner
  readonly #seed: number
  readonly #waiting: Waiting[] = []
  #waitingBytes = 0
  #hasBuffer = false
  /** End of what stands in `bytes`. */
  #used = 0
  /** Where the open BATCH frame begins; -1 for none. */
  #frameAt = -1
  #firstSequence = 0
  /** Where the open message begins; -1 for none. */
  #messageAt = -1
  /** The buffer that the socket still reads from. */
  #lent: Buffer | null = null
  #isFlushDue = false
  #isClosed = false
  readonly #flushTask = (): void => {
    this.#isFlushDue = false
    this.flush()
  }

  constructor(options: {
    stream: Stream
    clock: Clock
    buffers: OutgoingBuffers
    owner: OutboxOwner
    seed: number
  }) {
    this.#stream = options.stream
    this.#clock = options.clock
    this.#buffers = options.buffers
    this.#owner = options.owner
    this.#seed = options.seed
    this.bytes = NO_BYTES
  }

  /** Bytes of messages and frames that the kernel has not taken. */
  get unsentBytes(): number {
    return this.#waitingBytes + this.#used + this.#stream.unsentBytes()
  }

  /** The kernel has not taken what it was given last. */
  get isBlocked(): boolean {
    return this.#lent !== null
  }

  /** Room for a message of up to `room` bytes (INLINE_MESSAGE_BYTES_MAX at most): answers where in `bytes` it begins. */
  begin(kind: number, room: number): number {
    assert(this.#messageAt === -1, 'one message at a time')
    assert(room <= INLINE_MESSAGE_BYTES_MAX, 'larger messages are given by reference')
    if (this.#used + FRAME_HEADER_BYTES + MESSAGE_HEADER_BYTES + room > FRAME_BYTES_MAX) this.#turnOver()
    this.#needBuffer()
    if (this.#frameAt === -1) {
      this.#frameAt = this.#used
      this.#firstSequence = this.sequence + 1
      this.#used += FRAME_HEADER_BYTES
    }
    this.#messageAt = this.#used
    this.bytes[this.#used] = kind
    return this.#used + MESSAGE_HEADER_BYTES
  }

  /** The message begun ends at `at`. Answers its sequence. */
  end(at: number): number {
    const start = this.#messageAt
    assert(start !== -1 && at >= start + MESSAGE_HEADER_BYTES, 'a message was begun')
    assert(at <= FRAME_BYTES_MAX, 'a message keeps to its room')
    writeU24(this.bytes, start + 1, at - start - MESSAGE_HEADER_BYTES)
    this.#messageAt = -1
    this.#used = at
    this.messageBytes += at - start
    this.scheduleFlush()
    return ++this.sequence
  }

  /**
   * The message begun goes on behind `at` with bytes[start, end), which must not change until it has been sent (a record in a
   * log's arena does not). Answers its sequence.
   */
  endWith(at: number, bytes: Uint8Array, start: number, end: number): number {
    const headAt = this.#messageAt + MESSAGE_HEADER_BYTES
    assert(this.#messageAt !== -1 && at >= headAt, 'a message was begun')
    const total = at - headAt + (end - start)
    if (total <= INLINE_MESSAGE_BYTES_MAX) {
      if (at + (end - start) <= FRAME_BYTES_MAX) {
        copyBytes(bytes, start, end, this.bytes, at)
        return this.end(at + (end - start))
      }
      return this.#moveAndEnd(headAt, at, bytes, start, end)
    }
    const kind = this.bytes[this.#messageAt]
    const head = Buffer.from(this.bytes.subarray(headAt, at))
    this.#used = this.#messageAt
    this.#messageAt = -1
    this.#turnOver()
    const lastSequence = ++this.sequence
    this.messageBytes += MESSAGE_HEADER_BYTES + total
    this.#waitingBytes += total
    const large = { kind, head, bytes, start, total, sent: 0 }
    this.#waiting.push({ buffer: null, end: total, large, lastSequence })
    this.#owner.onSealed(lastSequence, this.messageBytes)
    this.scheduleFlush()
    return lastSequence
  }

  /** Has everything leave at the end of the turn. */
  scheduleFlush(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#clock.endOfTurn(this.#flushTask)
  }

  /** Hands over what there is, as far as the socket takes it. */
  flush(): void {
    if (this.#isClosed || this.#lent !== null || this.#messageAt !== -1) return
    if (this.#waiting.length > 0) this.#pump()
    if (this.#lent !== null) return
    if (this.#used === 0) this.#needBuffer()
    this.#seal()
    this.#used = this.#owner.writeControl(this.bytes, this.#used)
    if (this.#used === 0) return
    const used = this.#used
    this.#used = 0
    this.handedSequence = this.sequence
    this.#write(this.bytes, used)
  }

  /** The socket has sent what it was lent. */
  drained(): void {
    this.#giveBack()
    this.flush()
  }

  /** Gives the buffer back when there is nothing in it: for links that fell silent. */
  release(): void {
    if (!this.#hasBuffer || this.#used > 0 || this.#messageAt !== -1) return
    this.#hasBuffer = false
    this.#buffers.give(this.bytes)
    this.bytes = NO_BYTES
  }

  /** Nothing leaves any more. A lent buffer is the socket's for good. */
  close(): void {
    this.#isClosed = true
    this.#lent = null
    this.#messageAt = -1
    this.#used = 0
    this.#frameAt = -1
    this.release()
    for (const { buffer } of this.#waiting) if (buffer !== null) this.#buffers.give(buffer)
    this.#waiting.length = 0
    this.#waitingBytes = 0
  }

  #needBuffer(): void {
    if (this.#hasBuffer) return
    this.bytes = this.#buffers.take()
    this.#hasBuffer = true
  }

  /** Makes the open batch a frame. One without a message disappears. */
  #seal(): void {
    const at = this.#frameAt
    if (at === -1) return
    this.#frameAt = -1
    if (this.#used === at + FRAME_HEADER_BYTES) {
      this.#used = at
      return
    }
    sealFrame(this.bytes, at, this.#used, BATCH, this.#firstSequence, this.#owner.stamp(), this.#seed)
    this.#owner.onSealed(this.sequence, this.messageBytes)
  }

  /** The buffer is full, or something has to come behind it: it queues up, or leaves at once where it can. */
  #turnOver(): void {
    this.#seal()
    if (this.#used === 0) return
    this.#waiting.push({ buffer: this.bytes, end: this.#used, large: null, lastSequence: this.sequence })
    this.#waitingBytes += this.#used
    this.#used = 0
    this.#hasBuffer = false
    this.bytes = NO_BYTES
    if (!this.#isClosed && this.#lent === null) this.#pump()
  }

  /** A short message that does not fit behind the others any more: it moves to the next buffer. */
  #moveAndEnd(headAt: number, at: number, bytes: Uint8Array, start: number, end: number): number {
    const kind = this.bytes[this.#messageAt]
    const head = Buffer.from(this.bytes.subarray(headAt, at))
    this.#used = this.#messageAt
    this.#messageAt = -1
    let into = this.begin(kind, head.length + (end - start))
    copyBytes(head, 0, head.length, this.bytes, into)
    into += head.length
    copyBytes(bytes, start, end, this.bytes, into)
    return this.end(into + (end - start))
  }

  #pump(): void {
    while (this.#lent === null && this.#waiting.length > 0) {
      if (this.#writeControlFirst()) continue
      const first = this.#waiting[0]
      this.handedSequence = first.lastSequence
      if (first.large !== null) this.#writePiece(first.large, first.lastSequence)
      else if (first.buffer !== null) {
        this.#waiting.shift()
        this.#waitingBytes -= first.end
        if (this.#write(first.buffer, first.end)) this.#buffers.give(first.buffer)
      }
    }
  }

  /** True when the link's own frames were due. */
  #writeControlFirst(): boolean {
    const buffer = this.#buffers.take()
    const end = this.#owner.writeControl(buffer, 0)
    if (end === 0 || this.#write(buffer, end)) this.#buffers.give(buffer)
    return end > 0
  }

  #writePiece(large: LargeOut, sequence: number): void {
    const buffer = this.#buffers.take()
    const length = Math.min(PIECE_BYTES_MAX, large.total - large.sent)
    const dataAt = FRAME_HEADER_BYTES + PIECE_HEADER_BYTES
    writePieceHeader(buffer, FRAME_HEADER_BYTES, large.kind, large.total, large.sent)
    copyPart(large, large.sent, large.sent + length, buffer, dataAt)
    sealFrame(buffer, 0, dataAt + length, PIECE, sequence, this.#owner.stamp(), this.#seed)
    large.sent += length
    this.#waitingBytes -= length
    if (large.sent === large.total) this.#waiting.shift()
    if (this.#write(buffer, dataAt + length)) this.#buffers.give(buffer)
  }

  /** True when the socket took all of it; otherwise the buffer is lent to it. */
  #write(buffer: Buffer, end: number): boolean {
    if (this.#stream.write(buffer, 0, end)) return true
    this.#lent = buffer
    this.lendings++
    if (buffer === this.bytes) {
      this.#hasBuffer = false
      this.bytes = NO_BYTES
    }
    return false
  }

  #giveBack(): void {
    if (this.#lent === null) return
    this.#buffers.give(this.#lent)
    this.#lent = null
  }
}

/** Copies bytes [from, to) of the message, head and referenced bytes together. */
function copyPart(large: LargeOut, from: number, to: number, into: Buffer, at: number): void {
  const { head, bytes, start } = large
  if (from < head.length) {
    const end = Math.min(to, head.length)
    copyBytes(head, from, end, into, at)
    at += end - from
    from = end
  }
  copyBytes(bytes, start + from - head.length, start + to - head.length, into, at)
}

const NO_BYTES = Buffer.alloc(0)
