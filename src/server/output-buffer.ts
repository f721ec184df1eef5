/**
 * Where replies wait between being rendered and being taken by the kernel. All connections of a turn render into one
 * buffer, one behind the other; a connection whose replies have to wait for the log holds a range of it. The buffer is used
 * again from its start once nobody holds a range and the kernel took everything; if a socket had to keep a reference,
 * the buffer is left to it and another one takes over. So a reply costs no allocation while clients keep up.
 */
import type { ReplyWriter } from '../resp/reply-writer.js'

/** A buffer that a huge reply has blown up beyond this is not kept. */
const KEPT_BYTES_MAX = 1024 * 1024
/** A new one takes over when ranges of the current one are held and it is filled so far. */
const CROWDED_BYTES = 192 * 1024
const FRESH_BYTES = 256 * 1024
const FREE_MAX = 8

export class OutputBuffer {
  bytes: Buffer
  /** Ranges that connections wait with. */
  holds = 0
  /** A socket reads from it at a time we do not know. */
  isPinned = false

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }
}

export class OutputBuffers {
  readonly #writer: ReplyWriter
  readonly #free: OutputBuffer[] = []
  #current: OutputBuffer

  constructor(writer: ReplyWriter) {
    this.#writer = writer
    this.#current = this.#fresh()
    this.#use(this.#current)
  }

  /** The buffer that the writer renders into. A reply that outgrew it has moved what it renders to a new one. */
  current(): OutputBuffer {
    if (this.#writer.buffer !== this.#current.bytes) this.#current = new OutputBuffer(this.#writer.buffer)
    return this.#current
  }

  /** Called between two batches: leaves a crowded buffer to those who hold parts of it. */
  makeRoom(): void {
    const current = this.current()
    if (this.#writer.length >= CROWDED_BYTES && current.holds > 0) this.#use(this.#fresh())
  }

  /** A buffer of a connection's own, which never comes back for reuse. */
  privateBuffer(bytes: Buffer): OutputBuffer {
    const buffer = new OutputBuffer(bytes)
    buffer.isPinned = true
    return buffer
  }

  /** A range of `buffer` is no longer needed, or was handed to a socket, which kept a reference unless `taken`. */
  done(buffer: OutputBuffer, taken: boolean): void {
    if (!taken) buffer.isPinned = true
    if (buffer.holds > 0) return
    if (buffer === this.current()) this.#reuse(buffer)
    else if (!buffer.isPinned && buffer.bytes.length === FRESH_BYTES && this.#free.length < FREE_MAX) {
      this.#free.push(buffer)
    }
  }

  #reuse(buffer: OutputBuffer): void {
    if (buffer.isPinned || buffer.bytes.length > KEPT_BYTES_MAX) this.#use(this.#fresh())
    else this.#writer.length = 0
  }

  #use(buffer: OutputBuffer): void {
    this.#current = buffer
    this.#writer.buffer = buffer.bytes
    this.#writer.length = 0
  }

  #fresh(): OutputBuffer {
    return this.#free.pop() ?? new OutputBuffer(Buffer.allocUnsafeSlow(FRESH_BYTES))
  }
}
