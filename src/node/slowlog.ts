/**
 * The commands that took longest to run, as SLOWLOG shows them: a ring of the most recent ones above a threshold. What
 * is kept of each is bounded as in Redis (32 arguments of 128 bytes), so the whole log is bounded by its length.
 *
 * The server times every command anyway and asks `isSlow` first; only a slow one pays for copies. Passwords are
 * replaced before anything is kept.
 */
import { assert } from '../util/assert.js'
import type { Slowlog, SlowlogEntry } from '../commands/node-services.js'

export const SLOWLOG_ARGUMENTS_MAX = 32
export const SLOWLOG_ARGUMENT_BYTES_MAX = 128

/** The two settings that govern it, read anew for every command. */
export interface SlowlogSettings {
  readonly current: { readonly slowlogSlowerThanMicroseconds: number; readonly slowlogMaxLength: number }
}

/** One command that has run: argument i is bytes[offsets[2i], offsets[2i+1]). */
export interface TimedCommand {
  readonly bytes: Buffer
  readonly offsets: Int32Array
  readonly argc: number
  readonly microseconds: number
  readonly atUnixSeconds: number
  /** As CLIENT LIST prints it: '127.0.0.1:50312'. */
  readonly clientAddress: string
  readonly clientName: string
}

export class SlowlogRing implements Slowlog {
  readonly #settings: SlowlogSettings
  /** Oldest first, starting at #first; the slots before it are empty. */
  #entries: SlowlogEntry[] = []
  #first = 0
  #nextId = 0

  constructor(settings: SlowlogSettings) {
    this.#settings = settings
  }

  get length(): number {
    return this.#entries.length - this.#first
  }

  /** From how many milliseconds on a command is slow; Infinity when none is. */
  get slowerThanMs(): number {
    const threshold = this.#settings.current.slowlogSlowerThanMicroseconds
    return threshold >= 0 ? threshold / 1000 : Infinity
  }

  /** Whether a command of this duration is to be recorded. */
  isSlow(microseconds: number): boolean {
    const threshold = this.#settings.current.slowlogSlowerThanMicroseconds
    return threshold >= 0 && microseconds >= threshold
  }

  record(command: TimedCommand): void {
    const { microseconds, atUnixSeconds, clientAddress, clientName } = command
    this.#entries.push({
      id: this.#nextId++,
      atUnixSeconds,
      microseconds,
      args: keptArguments(command),
      clientAddress,
      clientName,
    })
    this.#trim()
  }

  entries(count: number): readonly SlowlogEntry[] {
    const newestFirst = this.#entries.slice(this.#first).reverse()
    return count < 0 ? newestFirst : newestFirst.slice(0, count)
  }

  reset(): void {
    this.#entries = []
    this.#first = 0
  }

  /** Forgets the oldest above the limit; the array is moved together once half of it is forgotten. */
  #trim(): void {
    const excess = this.length - this.#settings.current.slowlogMaxLength
    if (excess > 0) this.#first += excess
    assert(this.#first <= this.#entries.length, 'the slow log forgets no more than it has')
    if (this.#first * 2 <= this.#entries.length) return
    this.#entries = this.#entries.slice(this.#first)
    this.#first = 0
  }
}

const REDACTED = Buffer.from('(redacted)')

function keptArguments(command: TimedCommand): Buffer[] {
  const { argc } = command
  const kept = Math.min(
    argc,
    argc > SLOWLOG_ARGUMENTS_MAX ? SLOWLOG_ARGUMENTS_MAX - 1 : SLOWLOG_ARGUMENTS_MAX,
  )
  const secret = secretArguments(command)
  const args: Buffer[] = []
  for (let i = 0; i < kept; i++) args.push(secret(i) ? REDACTED : keptArgument(command, i))
  if (kept < argc) args.push(Buffer.from(`... (${argc - kept} more arguments)`))
  return args
}

/** A private copy, because the request's buffer is the connection's. */
function keptArgument({ bytes, offsets }: TimedCommand, i: number): Buffer {
  const start = offsets[2 * i]
  const end = offsets[2 * i + 1]
  const size = end - start
  if (size <= SLOWLOG_ARGUMENT_BYTES_MAX) return Buffer.from(bytes.subarray(start, end))
  const head = bytes.subarray(start, start + SLOWLOG_ARGUMENT_BYTES_MAX)
  return Buffer.concat([head, Buffer.from(`... (${size - SLOWLOG_ARGUMENT_BYTES_MAX} more bytes)`)])
}

/** Which arguments carry a password: all of AUTH's, the two after HELLO's AUTH, CONFIG SET's value of requirepass. */
function secretArguments(command: TimedCommand): (i: number) => boolean {
  const word = (i: number) =>
    i < command.argc ? keptArgument(command, i).toString('latin1').toLowerCase() : ''
  const name = word(0)
  if (name === 'auth') return (i) => i > 0
  if (name === 'hello') return (i) => i >= 3 && (word(i - 1) === 'auth' || word(i - 2) === 'auth')
  if (name === 'config' && word(1) === 'set')
    return (i) => i >= 3 && i % 2 === 1 && word(i - 1) === 'requirepass'
  return () => false
}
