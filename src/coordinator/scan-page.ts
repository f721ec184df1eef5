/**
 * What one replica says about a stretch of the keyspace: every key that it knows there, the dead ones too, with its
 * winner's dot, in the order of (token, key bytes). Pages of several replicas are merged (scan-merge.ts) into one that
 * misses no acknowledged key and shows no key whose deletion was acknowledged (RULES R4), hence the dead: a replica
 * that has seen a deletion has to outvote one that has not.
 *
 * A page is read and merged in the bytes in which it comes, so that nothing is allocated for a key. Little-endian:
 *
 *     page  := next u64, flushMark u64, entryCount u32, entry {entryCount}
 *     entry := token u53 (7 bytes), live u8      1 when the winner is a value, 0 when it is a deletion or has expired
 *              hlc u53, zero u8                  of the winner; where a record has no sibling, of the newest it has seen
 *              actor u64
 *              keyLength u32, key
 *
 * `next` is the token from which the replica's next page goes on: all entries lie below it, and the page has every
 * key of the replica from the token that was asked for up to there. So equal tokens are never split over two pages.
 * `flushMark` is FLUSHALL's: what it has hidden may be gone from this page and still stand in another one.
 *
 * Bound: a page is at most PAGE_BYTES_MAX long, except that keys of one token go together; mostly that is a single
 * long key.
 */
import { TOKEN_END } from '../ring/token.js'
import { compareBytes, copyBytes, readU32, readU53, writeU32, writeU53 } from '../util/bytes.js'

export const PAGE_BYTES_MAX = 64 * 1024

const PAGE_HEADER_BYTES = 20
const ENTRY_HEADER_BYTES = 28
const FIRST_BYTES = 4096

/** Writes one page, key by key. */
export class ScanPageWriter {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  #length = PAGE_HEADER_BYTES
  #count = 0
  /** Of the last entry; where the entries of its token begin, and how many stand before them. */
  #token = -1
  #tokenAt = PAGE_HEADER_BYTES
  #tokenCount = 0
  /** Token of the first key that the page has no room for; -1 while it has room. */
  #cut = -1

  /** Whether further keys would be left out. */
  get isFull(): boolean {
    return this.#cut !== -1
  }

  /** Adds the key bytes[start, end), which must follow those before it; leaves it out when the page is full. */
  add(
    token: number,
    bytes: Buffer,
    start: number,
    end: number,
    isLive: boolean,
    hlc: number,
    actor: number,
  ): void {
    if (this.isFull) return
    const length = this.#length + ENTRY_HEADER_BYTES + end - start
    if (length > PAGE_BYTES_MAX && this.#cutBefore(token)) return
    this.#reserve(length)
    const page = this.#bytes
    const at = this.#length
    writeU53(page, at, token)
    page[at + 7] = isLive ? 1 : 0
    writeU53(page, at + 8, hlc)
    page[at + 15] = 0
    writeU53(page, at + 16, actor)
    page[at + 23] = 0
    writeU32(page, at + 24, end - start)
    copyBytes(bytes, start, end, page, at + ENTRY_HEADER_BYTES)
    if (token !== this.#token) {
      this.#token = token
      this.#tokenAt = at
      this.#tokenCount = this.#count
    }
    this.#length = length
    this.#count++
  }

  /** Ends the page before `token`, without what it has of it; false when that would leave nothing. */
  #cutBefore(token: number): boolean {
    if (token === this.#token) {
      if (this.#tokenCount === 0) return false
      this.#length = this.#tokenAt
      this.#count = this.#tokenCount
    } else if (this.#count === 0) return false
    this.#cut = token
    return true
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#bytes.length))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }

  /** The page, which goes on from `next` when nothing had to be left out. No other call may follow. */
  finish(next: number, flushMark: number): Buffer {
    const page = this.#bytes
    writeU53(page, 0, this.isFull ? this.#cut : next)
    page[7] = 0
    writeU53(page, 8, flushMark)
    page[15] = 0
    writeU32(page, 16, this.#count)
    return page.subarray(0, this.#length)
  }
}

/** A page that came from a replica, and a place in it: before the first entry, until advance() is called. */
export class ScanPage {
  readonly bytes: Buffer
  readonly next: number
  readonly flushMark: number
  readonly entryCount: number
  /** The current entry; its key is bytes[keyStart, keyEnd). */
  token = -1
  isLive = false
  hlc = 0
  actor = 0
  keyStart = 0
  keyEnd = PAGE_HEADER_BYTES
  #left: number

  private constructor(bytes: Buffer) {
    this.bytes = bytes
    this.next = readU53(bytes, 0)
    this.flushMark = readU53(bytes, 8)
    this.entryCount = readU32(bytes, 16)
    this.#left = this.entryCount
  }

  /** Null when the bytes are not a page; its entries are checked too. The page keeps pointing into them. */
  static decode(bytes: Buffer): ScanPage | null {
    if (bytes.length < PAGE_HEADER_BYTES) return null
    const page = new ScanPage(bytes)
    return page.#isSound() ? new ScanPage(bytes) : null
  }

  #isSound(): boolean {
    const { bytes } = this
    let left = this.entryCount
    if (this.next > TOKEN_END) return false
    for (; left > 0 && this.#hasEntryAt(this.keyEnd); left--) {
      const { token, keyStart, keyEnd } = this
      this.advance()
      if (this.token < token || this.token >= this.next) return false
      if (bytes[this.keyStart - ENTRY_HEADER_BYTES + 7] > 1) return false
      const isRepeated = compareBytes(bytes, keyStart, keyEnd, bytes, this.keyStart, this.keyEnd) >= 0
      if (this.token === token && isRepeated) return false
    }
    return left === 0 && this.keyEnd === bytes.length
  }

  #hasEntryAt(at: number): boolean {
    const { length } = this.bytes
    return (
      at + ENTRY_HEADER_BYTES <= length && readU32(this.bytes, at + 24) <= length - at - ENTRY_HEADER_BYTES
    )
  }

  /** Goes to the next entry; false when there is none, and then the last one stays. */
  advance(): boolean {
    if (this.#left === 0) return false
    this.#left--
    const { bytes } = this
    const at = this.keyEnd
    this.token = readU53(bytes, at)
    this.isLive = bytes[at + 7] === 1
    this.hlc = readU53(bytes, at + 8)
    this.actor = readU53(bytes, at + 16)
    this.keyStart = at + ENTRY_HEADER_BYTES
    this.keyEnd = this.keyStart + readU32(bytes, at + 24)
    return true
  }
}
