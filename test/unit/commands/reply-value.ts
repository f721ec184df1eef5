/**
 * Reply bytes as values, RESP2 and RESP3: arrays and sets as arrays, maps as Maps, status replies and errors as texts
 * with their sign in front ('+OK', '-ERR …'), verbatim strings without their format, nulls as null.
 */
export type ReplyValue =
  string | number | boolean | null | readonly ReplyValue[] | ReadonlyMap<ReplyValue, ReplyValue>

export function parseReply(bytes: Buffer | string): ReplyValue {
  const cursor = new Cursor(typeof bytes === 'string' ? bytes : bytes.toString('latin1'))
  const value = cursor.next()
  cursor.expectEnd()
  return value
}

class Cursor {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  expectEnd(): void {
    if (this.#at < this.#text.length) throw new Error(`more than a reply: ${JSON.stringify(this.#text)}`)
  }

  next(): ReplyValue {
    const line = this.#line()
    const rest = line.slice(1)
    switch (line[0]) {
      case '+':
      case '-':
        return line
      case ':':
        return Number(rest)
      case '_':
        return null
      case '#':
        return rest === 't'
      case '$':
        return rest === '-1' ? null : this.#bulk(Number(rest))
      case '=':
        return this.#bulk(Number(rest)).slice(4)
      case '*':
      case '~':
      case '>':
        return rest === '-1' ? null : Array.from({ length: Number(rest) }, () => this.next())
      case '%':
        return new Map(Array.from({ length: Number(rest) }, () => [this.next(), this.next()] as const))
      default:
        throw new Error(`not a reply: ${JSON.stringify(line)}`)
    }
  }

  #line(): string {
    const end = this.#text.indexOf('\r\n', this.#at)
    if (end < 0) throw new Error(`incomplete reply: ${JSON.stringify(this.#text)}`)
    const line = this.#text.slice(this.#at, end)
    this.#at = end + 2
    return line
  }

  #bulk(length: number): string {
    const text = this.#text.slice(this.#at, this.#at + length)
    this.#at += length + 2
    return text
  }
}
