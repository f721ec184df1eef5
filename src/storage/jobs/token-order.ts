/**
 * Sorts the entries of a segment by (token, key). Tokens are 53 bits and arrive in hash order, a radix sort of five
 * passes of 11 bits does 350,000 of them in about 15 ms whatever their distribution is: keys that share a hash tag share a
 * slot, and a sort that counts on well-spread slots (one bucket per slot, then small sorts) would be as slow as a client
 * likes. Equal tokens are rare, or an attacker's doing; such runs are sorted by key bytes with the engine's sort.
 */
import { compareBytes } from '../../util/bytes.js'
import { keyLength, keyStart } from '../../record/layout.js'
import { KeyHash } from '../../ring/token.js'

const DIGIT_BITS = 11
const DIGITS = 1 << DIGIT_BITS
const DIGIT_MASK = DIGITS - 1
const TWO_32 = 0x1_0000_0000

export class TokenOrder {
  readonly count: number
  readonly #bytes: Buffer
  readonly #records: Uint32Array
  /** Hashes of the keys, by place in #records. */
  readonly #first: Int32Array
  readonly #second: Int32Array
  readonly #tokenHigh: Uint32Array
  readonly #tokenLow: Uint32Array
  /** Places in #records, in order. */
  #order: Uint32Array<ArrayBuffer>

  /** `records`: where the records lie in `bytes`, in any order, one per key. */
  constructor(bytes: Buffer, records: Uint32Array) {
    const count = records.length
    this.count = count
    this.#bytes = bytes
    this.#records = records
    this.#first = new Int32Array(count)
    this.#second = new Int32Array(count)
    this.#tokenHigh = new Uint32Array(count)
    this.#tokenLow = new Uint32Array(count)
    this.#order = new Uint32Array(count)
    this.#hash()
    this.#sortByToken()
    this.#sortEqualTokens()
  }

  /** Offset of the i-th record in order. */
  record(i: number): number {
    return this.#records[this.#order[i]]
  }

  token(i: number): number {
    const place = this.#order[i]
    return this.#tokenHigh[place] * TWO_32 + this.#tokenLow[place]
  }

  first(i: number): number {
    return this.#first[this.#order[i]]
  }

  second(i: number): number {
    return this.#second[this.#order[i]]
  }

  #hash(): void {
    const bytes = this.#bytes
    const hash = new KeyHash()
    for (let i = 0; i < this.count; i++) {
      const start = keyStart(this.#records[i])
      hash.of(bytes, start, start + keyLength(bytes, this.#records[i]))
      this.#first[i] = hash.first
      this.#second[i] = hash.second
      this.#tokenHigh[i] = hash.token / TWO_32
      this.#tokenLow[i] = hash.token
      this.#order[i] = i
    }
  }

  #sortByToken(): void {
    let from = this.#order
    let into = new Uint32Array(this.count)
    for (const [words, shift] of this.#digits()) {
      if (!sortByDigit(from, into, words, shift)) continue
      const sorted = into
      into = from
      from = sorted
    }
    this.#order = from
  }

  /** The tokens' digits, least first: 11 + 11 + 10 bits of the low word, 11 + 10 of the high one. */
  #digits(): readonly (readonly [Uint32Array, number])[] {
    const low = this.#tokenLow
    const high = this.#tokenHigh
    return [
      [low, 0],
      [low, DIGIT_BITS],
      [low, 2 * DIGIT_BITS],
      [high, 0],
      [high, DIGIT_BITS],
    ]
  }

  #sortEqualTokens(): void {
    for (let start = 0; start < this.count;) {
      let end = start + 1
      while (end < this.count && this.#haveEqualTokens(start, end)) end++
      if (end - start > 1) this.#order.subarray(start, end).sort((a, b) => this.#compareKeys(a, b))
      start = end
    }
  }

  #haveEqualTokens(i: number, j: number): boolean {
    const a = this.#order[i]
    const b = this.#order[j]
    return this.#tokenLow[a] === this.#tokenLow[b] && this.#tokenHigh[a] === this.#tokenHigh[b]
  }

  #compareKeys(a: number, b: number): number {
    const bytes = this.#bytes
    const aStart = keyStart(this.#records[a])
    const bStart = keyStart(this.#records[b])
    const aEnd = aStart + keyLength(bytes, this.#records[a])
    return compareBytes(bytes, aStart, aEnd, bytes, bStart, bStart + keyLength(bytes, this.#records[b]))
  }
}

/** One stable pass; false, and nothing done, when all have the same digit. */
function sortByDigit(from: Uint32Array, into: Uint32Array, words: Uint32Array, shift: number): boolean {
  const starts = new Uint32Array(DIGITS)
  for (let i = 0; i < from.length; i++) starts[(words[i] >>> shift) & DIGIT_MASK]++
  let sum = 0
  for (let digit = 0; digit < DIGITS; digit++) {
    const count = starts[digit]
    if (count === from.length) return false
    starts[digit] = sum
    sum += count
  }
  for (let i = 0; i < from.length; i++) {
    const place = from[i]
    into[starts[(words[place] >>> shift) & DIGIT_MASK]++] = place
  }
  return true
}
