/**
 * CRC-64 as Redis ends its dumps with it: the "Jones" polynomial 0xad93d23594c935a9, reflected, from 0, without a final
 * inversion; "123456789" gives e9c6d914c4b8d9ca. In two halves of 32 bits, because a BigInt per byte is fifty times as slow.
 */
const POLYNOMIAL_HIGH = 0x95ac9329
const POLYNOMIAL_LOW = 0xac4bc9b5

const TABLE_HIGH = new Int32Array(256)
const TABLE_LOW = new Int32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let high = 0
  let low = byte
  for (let bit = 0; bit < 8; bit++) {
    const odd = low & 1
    low = (low >>> 1) | (high << 31)
    high >>>= 1
    if (odd === 0) continue
    high ^= POLYNOMIAL_HIGH
    low ^= POLYNOMIAL_LOW
  }
  TABLE_HIGH[byte] = high
  TABLE_LOW[byte] = low
}

export class Crc64 {
  #high = 0
  #low = 0

  /** Takes the bytes from `from` up to `to`. */
  add(bytes: Uint8Array, from: number, to: number): void {
    let high = this.#high
    let low = this.#low
    for (let at = from; at < to; at++) {
      const entry = (low ^ bytes[at]) & 0xff
      low = ((low >>> 8) | (high << 24)) ^ TABLE_LOW[entry]
      high = (high >>> 8) ^ TABLE_HIGH[entry]
    }
    this.#high = high
    this.#low = low
  }

  /** Sixteen hexadecimal digits. */
  get hex(): string {
    return hexOf(this.#high, this.#low)
  }
}

/** Sixteen hexadecimal digits of a number in two halves. */
export function hexOf(high: number, low: number): string {
  return (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0')
}
