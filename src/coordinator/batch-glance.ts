/**
 * Has the CPU fetch what the requests of a peer's batch will look up, before the first of them is dealt with: lookups one after
 * the other would wait for one cache miss after the other, and a replica does little else (see Store.prefetchPlace). It looks
 * at bodies that nobody has checked yet, so it believes no length in them.
 */
import { MESSAGE_HEADER_BYTES } from '../link/frame-format.js'
import { MESSAGES_ANNOUNCED } from '../link/limits.js'
import { HEADER_BYTES, keyLength, keyStart } from '../record/layout.js'
import { keyHashOf } from '../ring/token.js'
import type { Store } from '../storage/store.js'
import { readU24, readU32 } from '../util/bytes.js'
import {
  COMMAND,
  COMMAND_HEAD_BYTES,
  DIGEST,
  HINT,
  LOOKUP_HEAD_BYTES,
  READ,
  RECORD,
  RECORD_HEAD_BYTES,
} from './messages.js'

/** Longer keys are not worth it. */
const KEY_BYTES_MAX = 256
const NO_KEY = -1

export class BatchGlance {
  readonly #store: Store
  readonly #hashes = new Int32Array(MESSAGES_ANNOUNCED)
  /** Takes what was read, which would not be read if nobody took it. */
  readonly #seen = new Int32Array(1)
  #keyEnd = 0

  constructor(store: Store) {
    this.#store = store
  }

  /** Looks at the first MESSAGES_ANNOUNCED messages of bytes[start, end), each with its header. */
  at(bytes: Buffer, start: number, end: number): void {
    const store = this.#store
    const hashes = this.#hashes
    let keys = 0
    let messages = 0
    for (let at = start; messages < MESSAGES_ANNOUNCED && at + MESSAGE_HEADER_BYTES <= end; messages++) {
      const from = at + MESSAGE_HEADER_BYTES
      const to = from + readU24(bytes, at + 1)
      if (to > end) break
      const key = this.#keyOf(bytes, bytes[at], from, to)
      if (key !== NO_KEY && this.#keyEnd - key <= KEY_BYTES_MAX) {
        hashes[keys++] = keyHashOf(bytes, key, this.#keyEnd)
      }
      at = to
    }
    if (keys < 2) return
    let seen = 0
    for (let i = 0; i < keys; i++) seen ^= store.prefetchPlace(hashes[i])
    for (let i = 0; i < keys; i++) seen ^= store.prefetchRecord(hashes[i])
    this.#seen[0] = seen
  }

  /** Where the key of a request begins, NO_KEY where none can be seen; #keyEnd is its end then. */
  #keyOf(bytes: Buffer, kind: number, from: number, to: number): number {
    let key = NO_KEY
    let keyEnd = to
    if (kind === RECORD || kind === HINT) {
      const record = from + RECORD_HEAD_BYTES
      if (record + HEADER_BYTES > to) return NO_KEY
      key = keyStart(record)
      keyEnd = key + keyLength(bytes, record)
    } else if (kind === DIGEST || kind === READ) {
      key = from + LOOKUP_HEAD_BYTES
    } else if (kind === COMMAND) {
      const lengths = from + COMMAND_HEAD_BYTES
      if (lengths + 8 > to) return NO_KEY
      key = lengths + 4 * readU32(bytes, lengths - 4) + readU32(bytes, lengths)
      keyEnd = key + readU32(bytes, lengths + 4)
    }
    if (key === NO_KEY || key > keyEnd || keyEnd > to) return NO_KEY
    this.#keyEnd = keyEnd
    return key
  }
}
