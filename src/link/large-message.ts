/**
 * Puts a large message together from its pieces. The declared total is only compared with: the buffer grows with what has
 * arrived (at most twice that), and a message that was assembled is handed out from it once and then forgotten.
 */
import { copyBytes, readU24, readU32, writeU24, writeU32 } from '../util/bytes.js'
import { PIECE_HEADER_BYTES } from './frame-format.js'
import { INLINE_MESSAGE_BYTES_MAX } from './limits.js'

/** Writes the header of a piece: which kind of message, of how many bytes, and where in it the piece begins. */
export function writePieceHeader(
  bytes: Uint8Array,
  at: number,
  kind: number,
  total: number,
  offset: number,
): void {
  bytes[at] = kind
  writeU24(bytes, at + 1, 0)
  writeU32(bytes, at + 4, total)
  writeU32(bytes, at + 8, offset)
}

export class LargeMessage {
  kind = 0
  /** All of it once `isComplete`, in bytes[0, total). */
  bytes: Buffer = Buffer.alloc(0)
  total = 0
  #length = 0
  readonly #bytesMax: number

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Between the first piece and the last. */
  get isOpen(): boolean {
    return this.#length > 0
  }

  get isComplete(): boolean {
    return this.#length > 0 && this.#length === this.total
  }

  get capacityBytes(): number {
    return this.bytes.length
  }

  /** Takes the body of a PIECE frame; false when it is none that can come now. */
  add(body: Buffer, start: number, end: number): boolean {
    if (end - start <= PIECE_HEADER_BYTES || readU24(body, start + 1) !== 0) return false
    const kind = body[start]
    const total = readU32(body, start + 4)
    const offset = readU32(body, start + 8)
    const length = end - start - PIECE_HEADER_BYTES
    if (offset !== this.#length || offset + length > total) return false
    if (offset === 0) {
      if (total <= INLINE_MESSAGE_BYTES_MAX || total > this.#bytesMax) return false
      this.kind = kind
      this.total = total
    } else if (kind !== this.kind || total !== this.total) {
      return false
    }
    this.#makeRoom(offset + length)
    copyBytes(body, start + PIECE_HEADER_BYTES, end, this.bytes, offset)
    this.#length = offset + length
    return true
  }

  clear(): void {
    this.bytes = Buffer.alloc(0)
    this.total = 0
    this.#length = 0
  }

  #makeRoom(length: number): void {
    if (this.bytes.length >= length) return
    const larger = Buffer.allocUnsafeSlow(Math.min(this.total, 2 * length))
    this.bytes.copy(larger, 0, 0, this.#length)
    this.bytes = larger
  }
}
