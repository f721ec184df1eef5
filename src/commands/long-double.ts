/**
 * Numbers as INCRBYFLOAT computes them in Redis on x86-64: the processor's 80-bit extended format, read by strtold, added
 * with one rounding, printed by "%.17Lf" without trailing zeros. A JS double has 53 of its 64 mantissa bits: with it
 * 0.1 + 0.2 printed 0.30000000000000004 where Redis says 0.3. So the format is built here from BigInts, exactly; a
 * counter costs a few microseconds that way, and no reply differs.
 *
 * A value is mantissa x 2^exponent with |mantissa| < 2^64; every operation computes the exact result and rounds it once,
 * half to even. Sizes are bounded by what strtold is given: TEXT_BYTES_MAX, and exponents within the format's range.
 */
export interface LongDouble {
  readonly mantissa: bigint
  readonly exponent: number
}

/** Only good for refusing what is computed with it. */
export type Infinite = 'infinite'

const PRECISION_BITS = 64
/** All finite values are below 2^16384. */
const EXPONENT_END = 16384
/** The smallest positive value is 2^-16445. */
const EXPONENT_MIN = -16445
/** Powers of ten beyond which every value overflows, or is nothing. */
const DECIMAL_EXPONENT_MAX = 4933
const DECIMAL_EXPONENT_MIN = -4952
/** MAX_LONG_DOUBLE_CHARS of Redis: longer text is no number. */
const TEXT_BYTES_MAX = 5 * 1024 - 1
const FRACTION_DIGITS = 17

export const LONG_DOUBLE_ZERO: LongDouble = { mantissa: 0n, exponent: 0 }

const DECIMAL = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:e([+-]?\d+))?$/i
const HEXADECIMAL = /^([+-]?)0x(?:([\da-f]+)(?:\.([\da-f]*))?|\.([\da-f]+))(?:p([+-]?\d+))?$/i
const INFINITY = /^[+-]?inf(?:inity)?$/i

/** The number that bytes[start, end) spells, null when Redis would say that it is not a valid float. */
export function parseLongDouble(bytes: Buffer, start: number, end: number): LongDouble | Infinite | null {
  if (end - start > TEXT_BYTES_MAX) return null
  const text = bytes.toString('latin1', start, end)
  const decimal = DECIMAL.exec(text)
  if (decimal !== null) return fromDecimal(decimal)
  const hexadecimal = HEXADECIMAL.exec(text)
  if (hexadecimal !== null) return fromHexadecimal(hexadecimal)
  return INFINITY.test(text) ? 'infinite' : null
}

/** The sum, rounded; null when it is infinite or not a number. */
export function addLongDoubles(a: LongDouble | Infinite, b: LongDouble | Infinite): LongDouble | null {
  if (a === 'infinite' || b === 'infinite') return null
  const exponent = Math.min(a.exponent, b.exponent)
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent))
  return rounded(sum, exponent)
}

/** Plain decimal text with at most 17 digits after the point and no zeros at its end. */
export function formatLongDouble(value: LongDouble): string {
  if (value.exponent >= 0) return String(value.mantissa << BigInt(value.exponent))
  const negative = value.mantissa < 0n
  const scaled = (negative ? -value.mantissa : value.mantissa) * 10n ** BigInt(FRACTION_DIGITS)
  const digits = String(shiftHalfEven(scaled, -value.exponent)).padStart(FRACTION_DIGITS + 1, '0')
  const whole = digits.slice(0, -FRACTION_DIGITS)
  const fraction = digits.slice(-FRACTION_DIGITS).replace(/0+$/, '')
  const text = fraction === '' ? whole : `${whole}.${fraction}`
  return negative && text !== '0' ? `-${text}` : text
}

function fromDecimal(match: RegExpExecArray): LongDouble | null {
  const [, sign, whole = '', fraction = match[4] ?? '', , exponentText = '0'] = match
  const digits = BigInt(whole + fraction)
  if (digits === 0n) return LONG_DOUBLE_ZERO
  const exponent = Number(exponentText) - fraction.length
  const magnitude = String(digits).length + exponent
  if (magnitude > DECIMAL_EXPONENT_MAX || magnitude < DECIMAL_EXPONENT_MIN) return null
  const power = 10n ** BigInt(Math.abs(exponent))
  const value = exponent >= 0 ? rounded(digits * power, 0) : roundedRatio(digits, power)
  return value === null || value.mantissa === 0n ? null : signed(value, sign)
}

function fromHexadecimal(match: RegExpExecArray): LongDouble | null {
  const [, sign, whole = '', fraction = match[4] ?? '', , exponentText = '0'] = match
  const digits = BigInt(`0x${whole}${fraction}`)
  if (digits === 0n) return LONG_DOUBLE_ZERO
  const value = rounded(digits, Number(exponentText) - 4 * fraction.length)
  return value === null || value.mantissa === 0n ? null : signed(value, sign)
}

function signed(value: LongDouble, sign: string): LongDouble {
  return sign === '-' ? { mantissa: -value.mantissa, exponent: value.exponent } : value
}

/** numerator / denominator, both positive: enough bits of the quotient, and one more that says whether any followed. */
function roundedRatio(numerator: bigint, denominator: bigint): LongDouble | null {
  const shift = Math.max(0, PRECISION_BITS + 2 - bitLength(numerator) + bitLength(denominator))
  const shifted = numerator << BigInt(shift)
  const quotient = shifted / denominator
  const inexact = quotient * denominator === shifted ? 0n : 1n
  return rounded((quotient << 1n) | inexact, -shift - 1)
}

/** mantissa x 2^exponent in the format; null when it overflows. */
function rounded(mantissa: bigint, exponent: number): LongDouble | null {
  const negative = mantissa < 0n
  const magnitude = negative ? -mantissa : mantissa
  const bits = bitLength(magnitude)
  if (magnitude === 0n || bits + exponent < EXPONENT_MIN) return LONG_DOUBLE_ZERO
  if (bits + exponent > EXPONENT_END) return null
  const dropped = Math.max(0, bits - PRECISION_BITS, EXPONENT_MIN - exponent)
  const kept = shiftHalfEven(magnitude, dropped)
  if (bitLength(kept) + exponent + dropped > EXPONENT_END) return null
  return { mantissa: negative ? -kept : kept, exponent: exponent + dropped }
}

/** value / 2^bits, rounded to the nearest integer, ties to the even one. */
function shiftHalfEven(value: bigint, bits: number): bigint {
  if (bits === 0) return value
  const shift = BigInt(bits)
  const quotient = value >> shift
  const rest = value - (quotient << shift)
  const half = 1n << (shift - 1n)
  return rest > half || (rest === half && (quotient & 1n) === 1n) ? quotient + 1n : quotient
}

function bitLength(value: bigint): number {
  if (value === 0n) return 0
  const text = value.toString(16)
  return (text.length - 1) * 4 + (32 - Math.clz32(parseInt(text[0], 16)))
}
