/**
 * Integers as Redis reads and writes them: decimal text of a signed 64-bit number in its one canonical form. No leading
 * zero, plus sign, space or "-0", so that text that counts as an integer survives the way there and back unchanged.
 *
 * A JS number holds what is below 2^53, which is nearly every counter there is. Beyond it the parser answers the nearest
 * double, enough to compare and to refuse; whoever computes with such a value asks for the exact one as a BigInt.
 */

/** Longest text of a 64-bit integer: a sign and 19 digits. */
export const INTEGER_TEXT_BYTES_MAX = 20

export const INT64_MAX = 2n ** 63n - 1n
export const INT64_MIN = -(2n ** 63n)

const ZERO = 0x30
const NINE = 0x39
const MINUS = 0x2d

/** The largest 64-bit integer, cut in two that a JS number holds: 9223372036 x 10^9 + 854775807. */
const MAX_HIGH = 9_223_372_036
const MAX_LOW = 854_775_807
const LOW_DIGITS = 9

/**
 * The integer that bytes[start, end) spells, NaN when it spells none or one outside 64 bits. Exact when
 * Number.isSafeInteger says so, otherwise the nearest double.
 */
export function parseInteger(bytes: Buffer, start: number, end: number): number {
  let at = start
  const negative = at < end && bytes[at] === MINUS
  if (negative) at++
  const digits = end - at
  if (digits < 1 || digits > 19) return NaN
  if (bytes[at] === ZERO) return digits === 1 && !negative ? 0 : NaN
  if (digits > 15) return parseLongInteger(bytes, at, end, negative)
  let value = 0
  for (; at < end; at++) {
    const digit = bytes[at] - ZERO
    if (digit < 0 || digit > 9) return NaN
    value = value * 10 + digit
  }
  return negative ? -value : value
}

function parseLongInteger(bytes: Buffer, start: number, end: number, negative: boolean): number {
  let high = 0
  let low = 0
  for (let at = start; at < end; at++) {
    if (bytes[at] < ZERO || bytes[at] > NINE) return NaN
    if (end - at > LOW_DIGITS) high = high * 10 + bytes[at] - ZERO
    else low = low * 10 + bytes[at] - ZERO
  }
  const lowMax = negative ? MAX_LOW + 1 : MAX_LOW
  if (high > MAX_HIGH || (high === MAX_HIGH && low > lowMax)) return NaN
  const value = high * 1e9 + low
  // Beyond 2^53 the sum has been rounded twice; the text is rounded once, so order is kept.
  const nearest = Number.isSafeInteger(value) ? value : Number(bytes.toString('latin1', start, end))
  return negative ? -nearest : nearest
}

/** The exact value of text that parseInteger() has accepted. */
export function parseBigInteger(bytes: Buffer, start: number, end: number): bigint {
  return BigInt(bytes.toString('latin1', start, end))
}

/** Writes a safe integer as decimal text at bytes[at…] and answers where it ends; 17 bytes suffice. */
export function writeInteger(bytes: Uint8Array, at: number, value: number): number {
  let rest = value
  if (rest < 0) {
    bytes[at++] = MINUS
    rest = -rest
  }
  let end = at + 1
  for (let scale = 10; scale <= rest; scale *= 10) end++
  for (let digitAt = end - 1; digitAt >= at; digitAt--) {
    const next = Math.floor(rest / 10)
    bytes[digitAt] = ZERO + (rest - next * 10)
    rest = next
  }
  return end
}
