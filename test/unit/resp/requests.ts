/** Makes requests, and reads them back the way a connection does: piece by piece, with a shared read buffer. */
import { authenticatedLimits, type RequestLimits } from '../../../src/resp/limits.js'
import * as result from '../../../src/resp/parse-result.js'
import { PartialRequest } from '../../../src/resp/partial-request.js'
import { RequestParser } from '../../../src/resp/request-parser.js'
import type { Seeded } from '../../support/seeded.js'

const SHARED_BYTES = 256 * 1024

/** `args` as a multibulk request. */
export function multibulk(...args: (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const arg of args) {
    const bytes = Buffer.from(arg as string)
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

export function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** The parser's current request, arguments as latin1 text. */
export function argumentsOf(parser: RequestParser): string[] {
  const args: string[] = []
  for (let i = 0; i < parser.argc; i++) {
    args.push(parser.bytes.toString('latin1', parser.offsets[2 * i], parser.offsets[2 * i + 1]))
  }
  return args
}

/** What a connection would do: run a request, skip, answer an error and close, or just close. */
export type Event = { request: string[] } | 'empty' | { error: string } | 'closed' | 'oversized'

/** A connection without socket and commands. Set `limits` between requests as AUTH would: see `onRequest`. */
export class Feeder {
  readonly parser: RequestParser
  limits: RequestLimits
  readonly events: Event[] = []
  partial: PartialRequest | null = null
  closed = false
  /** Bytes that were read into a partial request's own buffer. */
  directBytes = 0
  onRequest: (request: string[]) => void = () => {}
  readonly #shared = Buffer.alloc(SHARED_BYTES)

  constructor(limits: RequestLimits = authenticatedLimits(), parser = new RequestParser()) {
    this.limits = limits
    this.parser = parser
  }

  /** One or several socket reads that together take `piece`. */
  feed(piece: Buffer): void {
    let taken = 0
    while (taken < piece.length && !this.closed) {
      const target = this.partial?.readTarget() ?? null
      const into = target ?? this.#shared
      const length = Math.min(piece.length - taken, into.length)
      piece.copy(into, 0, taken, taken + length)
      taken += length
      if (this.partial === null) {
        this.#parseFrom(this.#shared, 0, length)
      } else {
        if (target === null) this.partial.append(this.#shared, 0, length)
        else {
          this.partial.filled(length)
          this.directBytes += length
        }
        this.#resume(this.partial)
      }
    }
  }

  #resume(partial: PartialRequest): void {
    const outcome = partial.resume(this.parser, this.limits)
    if (!this.#act(outcome)) return
    this.partial = null
    this.#parseFrom(partial.bytes, this.parser.end, partial.length, partial)
  }

  #parseFrom(bytes: Buffer, at: number, end: number, reusable: PartialRequest | null = null): void {
    while (at < end) {
      const outcome = this.parser.parse(bytes, at, end, this.limits)
      if (outcome === result.INCOMPLETE) {
        if (reusable === null) this.partial = new PartialRequest(bytes, at, end)
        else {
          this.partial = reusable
          reusable.restart(at)
        }
        const again = this.partial.resume(this.parser, this.limits)
        if (again !== result.INCOMPLETE) this.#act(again)
        return
      }
      if (!this.#act(outcome)) return
      at = this.parser.end
    }
  }

  /** True when the connection goes on with the next request. */
  #act(outcome: result.ParseResult): boolean {
    switch (outcome) {
      case result.COMPLETE: {
        const request = argumentsOf(this.parser)
        this.events.push({ request })
        this.onRequest(request)
        return true
      }
      case result.EMPTY:
        this.events.push('empty')
        return true
      case result.INCOMPLETE:
        return false
      case result.INVALID:
        this.events.push({ error: this.parser.error })
        break
      case result.CROSS_PROTOCOL:
        this.events.push('closed')
        break
      case result.OVERSIZED:
        this.events.push('oversized')
    }
    this.closed = true
    return false
  }
}

/** The events that the whole input gives when it arrives at once. */
export function eventsOf(input: Buffer, limits?: RequestLimits): Event[] {
  const feeder = new Feeder(limits)
  feeder.feed(input)
  return feeder.events
}

/** Arguments of all lengths that matter, of all bytes, CR and LF more often than others. */
export function randomArguments(random: Seeded): Buffer[] {
  const args: Buffer[] = []
  const count = random.chance(10) ? 1 + random.below(200) : 1 + random.below(5)
  for (let i = 0; i < count; i++) {
    const length = random.chance(20) ? random.below(2000) : random.below(12)
    const bytes = random.bytes(length)
    for (let j = 0; j < length; j++) if (random.chance(4)) bytes[j] = random.pick([13, 10, 36, 42, 48])
    args.push(bytes)
  }
  return args
}

const WORD_PIECES = [
  'a',
  'set',
  '\\',
  "\\'",
  '\\"',
  '\\x41',
  '\\xfG',
  '\\n',
  '\\r\\t\\b\\a',
  '\\q',
  '\x0b',
  'é',
  '$1',
]

/** A line whose quotes are balanced as Redis sees it: words plain, in '…' and in "…". */
export function randomInlineLine(random: Seeded): Buffer {
  const words: string[] = []
  const count = random.below(6)
  for (let i = 0; i < count; i++) {
    let word = ''
    for (let pieces = 1 + random.below(4); pieces > 0; pieces--) word += random.pick(WORD_PIECES)
    const form = random.below(3)
    if (form === 0) words.push(`"${word.replace(/^"|(?<!\\)"/g, '')}x"`)
    else if (form === 1) words.push(`'${word.replace(/'/g, "\\'").replace(/\\\\'/g, "\\'")}x'`)
    else words.push(`w${word.replace(/["']/g, '')}`)
  }
  const blank = random.pick([' ', '  ', '\t', ' \t '])
  return latin1(
    random.pick(['', blank]) + words.join(blank) + random.pick(['', blank]) + random.pick(['\n', '\r\n']),
  )
}
