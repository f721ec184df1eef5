/**
 * Records that stand before the store for the length of one run of a command: those that a conditional write proposes
 * (they are not appended before enough replicas have taken them, RULES V10), and those that a quorum read has merged.
 * find() looks here first, so a command sees what it has itself written, and a repaired read answers from exactly the
 * record that the quorum holds, whatever else has arrived since.
 *
 * A handful of records at most, in one growing buffer that is used again and again; looked up by hash, then by key.
 */
import { CONTEXT_ENTRY_BYTES, contextCount, contextStart, keyLength, keyStart } from '../record/layout.js'
import { equalBytes } from '../util/bytes.js'

const FIRST_BYTES = 4096
/** A buffer that one large value has blown up beyond this is not kept. */
const KEPT_BYTES_MAX = 1024 * 1024
const NO_CONTEXT = Buffer.alloc(0)

export class RecordOverlay {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES)
  count = 0
  #used = 0
  readonly #starts: number[] = []
  readonly #lengths: number[] = []
  readonly #hashes: number[] = []
  readonly #tokens: number[] = []
  /** Entries of the context that the first record put under a key was based on, as they are encoded. */
  readonly #bases: Buffer[] = []

  clear(): void {
    this.count = 0
    this.#used = 0
    if (this.bytes.length > KEPT_BYTES_MAX) this.bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  }

  /** Where the record of a key begins in `bytes`; -1 when there is none. */
  find(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const index = this.#indexOf(hash, bytes, start, end)
    return index === -1 ? -1 : this.#starts[index]
  }

  #indexOf(hash: number, bytes: Uint8Array, start: number, end: number): number {
    for (let i = 0; i < this.count; i++) {
      if (this.#hashes[i] !== hash) continue
      const record = this.#starts[i]
      const length = keyLength(this.bytes, record)
      if (length === end - start && equalBytes(this.bytes, keyStart(record), bytes, start, length)) return i
    }
    return -1
  }

  /**
   * Room for a record of `length` bytes under the key bytes[start, end); answers where it has to be written. `based` holds
   * the record that it replaces, null for none; of several records put under one key the last counts, over the first's base.
   */
  put(
    hash: number,
    token: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    length: number,
    based: Uint8Array | null,
    basedAt: number,
  ): number {
    let index = this.#indexOf(hash, bytes, start, end)
    if (index === -1) {
      index = this.count++
      this.#hashes[index] = hash
      this.#tokens[index] = token
      this.#bases[index] = based === null ? NO_CONTEXT : contextOf(based, basedAt)
    }
    const at = this.#used
    this.#reserve(length)
    this.#used += length
    this.#starts[index] = at
    this.#lengths[index] = length
    return at
  }

  /** Puts a whole encoded record here. */
  putRecord(hash: number, token: number, record: Uint8Array): void {
    const start = keyStart(0)
    const at = this.put(hash, token, record, start, start + keyLength(record, 0), record.length, null, 0)
    this.bytes.set(record, at)
  }

  start(index: number): number {
    return this.#starts[index]
  }

  length(index: number): number {
    return this.#lengths[index]
  }

  hash(index: number): number {
    return this.#hashes[index]
  }

  token(index: number): number {
    return this.#tokens[index]
  }

  /** Context entries as they stand in a record. */
  base(index: number): Buffer {
    return this.#bases[index]
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, this.#used + length))
    this.bytes.copy(larger, 0, 0, this.#used)
    this.bytes = larger
  }
}

function contextOf(bytes: Uint8Array, record: number): Buffer {
  const start = contextStart(bytes, record)
  return Buffer.from(bytes.subarray(start, start + contextCount(bytes, record) * CONTEXT_ENTRY_BYTES))
}
