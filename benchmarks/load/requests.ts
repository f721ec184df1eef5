/**
 * Writes SET, GET and WAIT requests, with keys as redis-benchmark names them (`key:` and twelve digits) and values of one size,
 * straight into a buffer: a template is copied and the digits and a window of noise are put in. Replies have known
 * lengths then, so a generator needs no parser.
 */

const KEY_DIGITS = 12
const KEY_PREFIX = 'key:'
export const KEY_BYTES = KEY_PREFIX.length + KEY_DIGITS
/** One replica, however long it takes. */
const WAIT = Buffer.from('*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n')
const DIGIT_ZERO = 48
const NOISE_BYTES = 1 << 16

export class Requests {
  readonly setBytes: number
  readonly getBytes: number
  readonly waitBytes = WAIT.length
  readonly getReplyBytes: number
  readonly #set: Buffer
  readonly #get: Buffer
  readonly #valueBytes: number
  readonly #setKeyEnd: number
  readonly #getKeyEnd: number
  readonly #noise: Buffer
  #noiseAt = 0

  /** Values are printable noise: nothing compresses them to nothing. */
  constructor(valueBytes: number, random: () => number) {
    const key = `$${KEY_BYTES}\r\n${KEY_PREFIX}${'0'.repeat(KEY_DIGITS)}\r\n`
    const setHead = `*3\r\n$3\r\nSET\r\n${key}`
    const getHead = `*2\r\n$3\r\nGET\r\n${key}`
    this.#set = Buffer.from(`${setHead}$${valueBytes}\r\n${' '.repeat(valueBytes)}\r\n`)
    this.#get = Buffer.from(getHead)
    this.#setKeyEnd = setHead.length - 2
    this.#getKeyEnd = getHead.length - 2
    this.#valueBytes = valueBytes
    this.setBytes = this.#set.length
    this.getBytes = this.#get.length
    this.getReplyBytes = `$${valueBytes}\r\n`.length + valueBytes + 2
    this.#noise = Buffer.from(
      Array.from({ length: NOISE_BYTES + valueBytes }, () => (33 + random() * 94) | 0),
    )
  }

  /** Answers the offset behind the request. */
  writeSet(into: Buffer, at: number, key: number): number {
    this.#set.copy(into, at)
    putDigits(into, at + this.#setKeyEnd, key)
    this.#noiseAt = (this.#noiseAt + 97) % NOISE_BYTES
    const valueAt = at + this.setBytes - 2 - this.#valueBytes
    this.#noise.copy(into, valueAt, this.#noiseAt, this.#noiseAt + this.#valueBytes)
    return at + this.setBytes
  }

  writeGet(into: Buffer, at: number, key: number): number {
    this.#get.copy(into, at)
    putDigits(into, at + this.#getKeyEnd, key)
    return at + this.getBytes
  }

  writeWait(into: Buffer, at: number): number {
    WAIT.copy(into, at)
    return at + WAIT.length
  }
}

/** The key alone, KEY_BYTES long. */
export function writeKey(into: Buffer, at: number, key: number): void {
  into.write(KEY_PREFIX, at, 'latin1')
  into.fill(DIGIT_ZERO, at + KEY_PREFIX.length, at + KEY_BYTES)
  putDigits(into, at + KEY_BYTES, key)
}

function putDigits(into: Buffer, end: number, number: number): void {
  let left = number
  for (let at = end - 1; left > 0; at--) {
    into[at] = DIGIT_ZERO + (left % 10)
    left = Math.floor(left / 10)
  }
}

/** A small generator of uniform numbers in [0, 1): mulberry32, so that both servers get the same requests. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
