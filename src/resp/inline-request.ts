/**
 * Splits an inline request ("SET name 'two words'") into arguments by the rules of Redis's sdssplitargs: blanks
 * separate; "…" knows \xHH \n \r \t \b \a and \ before any other byte; '…' knows only \'; a closing quote must be
 * followed by a blank or the end; quotes may open in the middle of a word.
 *
 * Words of a line without quotes are taken where they stand. A line with quotes is rebuilt in a scratch buffer, as
 * unescaping makes words shorter; the scratch is overwritten by the next such line.
 */
import { assert } from '../util/assert.js'
import { INLINE_BYTES_MAX } from './limits.js'

const DOUBLE_QUOTE = 0x22
const SINGLE_QUOTE = 0x27
const BACKSLASH = 0x5c
const LETTER_X = 0x78

const NOTHING = Buffer.alloc(0)
const FIRST_OFFSETS = 32

export class InlineSplitter {
  /** Where the arguments stand after split(): the line's own buffer or the scratch. */
  bytes: Buffer = NOTHING
  /** Argument i is bytes[offsets[2i], offsets[2i+1]). */
  offsets = new Int32Array(2 * FIRST_OFFSETS)
  argc = 0
  #scratch = NOTHING

  /** Splits the line bytes[start, end), which is without line end and NUL; false when its quotes are unbalanced. */
  split(bytes: Buffer, start: number, end: number): boolean {
    this.argc = 0
    this.bytes = bytes
    if (!hasQuotes(bytes, start, end)) {
      this.#splitPlain(bytes, start, end)
      return true
    }
    assert(end - start <= INLINE_BYTES_MAX, 'an inline request fits the scratch')
    if (this.#scratch.length === 0) this.#scratch = Buffer.allocUnsafeSlow(INLINE_BYTES_MAX)
    this.bytes = this.#scratch
    return this.#splitQuoted(bytes, start, end)
  }

  #splitPlain(bytes: Buffer, start: number, end: number): void {
    let p = start
    for (;;) {
      while (p < end && isSpace(bytes[p])) p++
      if (p === end) return
      const wordStart = p
      while (p < end && !endsWord(bytes[p])) p++
      this.#add(wordStart, p)
    }
  }

  #splitQuoted(bytes: Buffer, start: number, end: number): boolean {
    const scratch = this.#scratch
    let out = 0
    let p = start
    for (;;) {
      while (p < end && isSpace(bytes[p])) p++
      if (p === end) return true
      const wordStart = out
      let quote = 0
      for (; ; p++) {
        const c = p < end ? bytes[p] : 0
        if (quote === 0) {
          if (p === end || endsWord(c)) break
          if (c === DOUBLE_QUOTE || c === SINGLE_QUOTE) quote = c
          else scratch[out++] = c
        } else if (p === end) {
          return false
        } else if (c === quote) {
          p++
          if (p < end && !isSpace(bytes[p])) return false
          break
        } else if (c === BACKSLASH && quote === DOUBLE_QUOTE && p + 1 < end) {
          if (bytes[p + 1] === LETTER_X && p + 3 < end && isHex(bytes[p + 2]) && isHex(bytes[p + 3])) {
            scratch[out++] = hexValue(bytes[p + 2]) * 16 + hexValue(bytes[p + 3])
            p += 3
          } else {
            scratch[out++] = unescaped(bytes[++p])
          }
        } else if (
          c === BACKSLASH &&
          quote === SINGLE_QUOTE &&
          p + 1 < end &&
          bytes[p + 1] === SINGLE_QUOTE
        ) {
          scratch[out++] = SINGLE_QUOTE
          p++
        } else {
          scratch[out++] = c
        }
      }
      this.#add(wordStart, out)
    }
  }

  #add(start: number, end: number): void {
    const at = 2 * this.argc++
    if (at === this.offsets.length) {
      const larger = new Int32Array(at * 2)
      larger.set(this.offsets)
      this.offsets = larger
    }
    this.offsets[at] = start
    this.offsets[at + 1] = end
  }
}

function hasQuotes(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === DOUBLE_QUOTE || bytes[i] === SINGLE_QUOTE) return true
  return false
}

/** isspace() of the C locale: blank, \t, \n, \v, \f, \r. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)
}

/** Outside quotes \v and \f are part of a word, though they are skipped before one: so it is in Redis. */
function endsWord(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}

function isHex(byte: number): boolean {
  const lower = byte | 0x20
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x66)
}

function hexValue(byte: number): number {
  return byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57
}

function unescaped(byte: number): number {
  switch (byte) {
    case 0x6e:
      return 0x0a
    case 0x72:
      return 0x0d
    case 0x74:
      return 0x09
    case 0x62:
      return 0x08
    case 0x61:
      return 0x07
    default:
      return byte
  }
}
