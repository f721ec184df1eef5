/**
 * Redis's glob patterns over bytes, for KEYS and SCAN MATCH: `*`, `?`, `[abc]`, `[a-c]`, `[^abc]` and `\` before a byte
 * to take it literally. Redis's matcher (stringmatchlen in its util.c) is followed in its corners too: a class that is
 * not closed ends with the pattern, a range may be written backwards and compares signed bytes, an empty string matches
 * the empty pattern only.
 *
 * Redis recurses at each `*`, which has been exponential once (CVE-2022-36021) and deep enough to end a process
 * (CVE-2024-31228). Here nothing recurses. Every element but `*` takes exactly one byte, so when an element fails it is
 * enough to let the latest `*` take one byte more: an earlier `*` could only reach the same places later. That bounds a
 * match by (elements after the latest `*`) x (bytes of the string), and a string shorter than the pattern's elements is
 * refused at once. The elements behind the last `*` are compared with the string's end first, which settles the usual
 * worst case (`*aaa…ab` over `aaa…a`) without any search.
 */
/** Longest string that a pattern is held against; one that asks for more bytes matches nothing and is not kept. */
export const GLOB_STRING_BYTES_MAX = 64 * 1024

const STAR = 0x2a
const QUESTION = 0x3f
const OPEN = 0x5b
const CLOSE = 0x5d
const BACKSLASH = 0x5c
const CARET = 0x5e
const DASH = 0x2d

/** Kinds of an element; a literal is its byte, a class CLASS_BASE + its index. */
const ANY_RUN = -1
const ANY_BYTE = -2
const CLASS_BASE = 256
const CLASS_BYTES = 32

export class Glob {
  /** Elements compared so far: what a match costs, for callers that share their time out. */
  steps = 0
  readonly #elements: Int32Array
  /** One bit per byte value, CLASS_BYTES per class. */
  readonly #classes: Uint8Array
  /** Bytes that a matching string has at least. */
  readonly #minBytes: number
  /** Elements before the first `*` and behind the last; all of them are in #headEnd when there is none. */
  readonly #headEnd: number
  readonly #tailStart: number
  readonly #matchesAll: boolean

  /** Takes the pattern pattern[start, end) apart; keeps nothing of the buffer. */
  constructor(pattern: Uint8Array, start = 0, end = pattern.length) {
    const { elements, classes } = compile(pattern, start, end)
    this.#elements = elements
    this.#classes = classes
    const firstRun = elements.indexOf(ANY_RUN)
    this.#headEnd = firstRun === -1 ? elements.length : firstRun
    this.#tailStart = firstRun === -1 ? elements.length : elements.lastIndexOf(ANY_RUN) + 1
    let runs = 0
    for (const element of elements) if (element === ANY_RUN) runs++
    this.#minBytes = elements.length - runs
    this.#matchesAll = elements.length === 1 && runs === 1
  }

  /** Whether the whole of bytes[start, end) matches. */
  matches(bytes: Uint8Array, start: number, end: number): boolean {
    if (start === end) return this.#elements.length === 0
    if (this.#matchesAll) return true
    if (end - start < this.#minBytes || end - start > GLOB_STRING_BYTES_MAX) return false
    const headEnd = this.#headEnd
    if (headEnd === this.#elements.length && end - start !== headEnd) return false
    if (!this.#run(0, headEnd, bytes, start)) return false
    if (headEnd === this.#elements.length) return true
    const tailBytes = this.#elements.length - this.#tailStart
    if (!this.#run(this.#tailStart, this.#elements.length, bytes, end - tailBytes)) return false
    return this.#search(bytes, start + headEnd, end - tailBytes)
  }

  /** Whether elements [from, to) match the bytes at `at`, one by one. */
  #run(from: number, to: number, bytes: Uint8Array, at: number): boolean {
    for (let element = from; element < to; element++, at++) {
      this.steps++
      if (!this.#takes(this.#elements[element], bytes[at])) return false
    }
    return true
  }

  /** Whether the elements from the first `*` to the last match bytes[start, end), where any bytes may be left over. */
  #search(bytes: Uint8Array, start: number, end: number): boolean {
    const elements = this.#elements
    const last = this.#tailStart - 1
    let element = this.#headEnd
    let at = start
    let runElement = element
    let runAt = at
    while (element < last) {
      if (elements[element] === ANY_RUN) {
        runElement = ++element
        runAt = at
        continue
      }
      if (at >= end) return false
      this.steps++
      if (this.#takes(elements[element], bytes[at])) {
        element++
        at++
      } else {
        element = runElement
        at = ++runAt
      }
    }
    return true
  }

  #takes(element: number, byte: number): boolean {
    if (element === byte || element === ANY_BYTE) return true
    if (element < CLASS_BASE) return false
    const bit = (element - CLASS_BASE) * CLASS_BYTES * 8 + byte
    return (this.#classes[bit >> 3] & (1 << (bit & 7))) !== 0
  }
}

function compile(pattern: Uint8Array, start: number, end: number) {
  const elements: number[] = []
  const classes: number[] = []
  let minBytes = 0
  for (let at = start; at < end && minBytes <= GLOB_STRING_BYTES_MAX; at++) {
    if (pattern[at] !== STAR) minBytes++
    switch (pattern[at]) {
      case STAR:
        if (elements.at(-1) !== ANY_RUN) elements.push(ANY_RUN)
        break
      case QUESTION:
        elements.push(ANY_BYTE)
        break
      case OPEN:
        elements.push(CLASS_BASE + classes.length / CLASS_BYTES)
        at = compileClass(pattern, at + 1, end, classes)
        break
      case BACKSLASH:
        if (at + 1 < end) at++
        elements.push(pattern[at])
        break
      default:
        elements.push(pattern[at])
    }
  }
  return { elements: Int32Array.from(elements), classes: Uint8Array.from(classes) }
}

/** Appends the class whose content starts at `at`; answers where its last byte is. */
function compileClass(pattern: Uint8Array, at: number, end: number, classes: number[]): number {
  const bits = new Uint8Array(CLASS_BYTES)
  const negated = at < end && pattern[at] === CARET
  if (negated) at++
  while (at < end && pattern[at] !== CLOSE) {
    if (pattern[at] === BACKSLASH && at + 1 < end) {
      add(bits, pattern[at + 1], pattern[at + 1])
      at += 2
    } else if (at + 2 < end && pattern[at + 1] === DASH) {
      add(bits, pattern[at], pattern[at + 2])
      at += 3
    } else {
      add(bits, pattern[at], pattern[at])
      at++
    }
  }
  for (const byte of bits) classes.push(negated ? ~byte & 0xff : byte)
  return Math.min(at, end - 1)
}

/** Adds the bytes between two, in whichever order; as signed bytes, so that 0x7f to 0x80 is everything. */
function add(bits: Uint8Array, one: number, other: number): void {
  const from = Math.min(signed(one), signed(other))
  const to = Math.max(signed(one), signed(other))
  for (let value = from; value <= to; value++) bits[(value & 0xff) >> 3] |= 1 << (value & 7)
}

function signed(byte: number): number {
  return (byte << 24) >> 24
}
