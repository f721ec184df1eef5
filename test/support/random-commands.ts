/**
 * Random streams of data commands, for comparing two servers reply by reply.
 *
 *     for (const args of randomCommands(seed, 10_000)) …            args: Buffer[], the command's name first
 *
 * A stream depends on the seed alone. It works on a small set of keys, so that commands meet what others left; its
 * arguments are valid, borderline and invalid, its arity sometimes wrong, its words in any case. Every command of the
 * data families appears, apart from those that Redis 7.0 lacks: they come with `newer`.
 *
 * What makes replies comparable:
 * - Start both servers empty, with `proto-max-bulk-len` at BULK_BYTES_MAX and one database.
 * - Times to live never depend on the millisecond. Relative ones are all different, at least 100 s apart, and outlast
 *   any test; absolute ones lie in the past or after 2099. Compare the replies of commands that tell a time with
 *   sameReply() of reply-comparison.ts, which allows for the time between the two runs.
 * - A SET with a time that has passed is followed by a read of the key: Redis counts it in DBSIZE until then.
 * - Keys named `plain:…` are only ever written whole, because OBJECT ENCODING is asked of them (Redis remembers how a
 *   value came about).
 * - SCAN always starts at 0 and asks for more keys than there are: cursors differ.
 */
import { Seeded } from './seeded.js'

/** Smallest proto-max-bulk-len that Redis accepts: streams go to it and beyond. */
export const BULK_BYTES_MAX = 1024 * 1024

export interface RandomCommandOptions {
  /** Also commands and options that came after Redis 7.0: DELEX, DELIFEQ, SET … IFEQ. */
  readonly newer?: boolean
}

type Argument = string | Buffer
type Maker = (stream: CommandStream) => Argument[]

/** `count` commands (a few more, where one has to be followed by another). */
export function* randomCommands(
  seed: number,
  count: number,
  options: RandomCommandOptions = {},
): Generator<Buffer[]> {
  const stream = new CommandStream(seed)
  const makers = options.newer === true ? [...MAKERS, ...NEWER_MAKERS] : MAKERS
  const weights = makers.map(([weight]) => weight)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  for (let made = 0; made < count; made++) {
    let at = stream.below(total)
    const index = weights.findIndex((weight) => (at -= weight) < 0)
    const command = stream.distort(makers[index][1](stream))
    yield command
    if (stream.setsPastTime(command)) yield [Buffer.from('EXISTS'), command[1]]
  }
}

const KEYS: readonly Argument[] = [
  'a',
  'b',
  'c',
  'counter',
  'float',
  'key:1',
  '{t}x',
  '',
  Buffer.from('\xff\x00k', 'latin1'),
]
const PLAIN_KEYS = ['plain:1', 'plain:2', 'plain:3'] as const
const BIG_KEY = 'big'

const INTEGERS = ['0', '1', '2', '3', '-1', '-2', '7', '10', '-10', '100', '1000000', '2147483648'] as const
const EDGE_INTEGERS = [
  '9007199254740991',
  '9007199254740992',
  '-9007199254740993',
  '9223372036854775806',
  '9223372036854775807',
  '-9223372036854775807',
  '-9223372036854775808',
] as const
const NO_INTEGERS = [
  '9223372036854775808',
  '-9223372036854775809',
  '99999999999999999999999',
  '',
  'abc',
  '1.5',
  '+1',
  '01',
  '-0',
  '-',
  ' 1',
  '1 ',
  '0x1',
] as const
const FLOATS = [
  '0.1',
  '0.2',
  '-0.3',
  '1.5',
  '3.0e3',
  '1e-5',
  '1e-17',
  '4e-18',
  '5e-18',
  '123456789.123456789',
  '98765432101234567890.5',
  '1e25',
  '-1e25',
  '1e300',
  '1e4932',
  '-1e4932',
  '0x1.8p3',
  '.5',
  '5.',
  '-0',
  'inf',
  '-Infinity',
] as const
const NO_FLOATS = ['', 'abc', '1e5000', '1e-5000', 'nan', ' 1', '1 ', '1e', '--1', '0x', '.', '1,5'] as const
const TEXTS: readonly Argument[] = [
  '',
  'x',
  'ohmytext',
  'mynewtext',
  'hello world',
  'foobar',
  'a'.repeat(44),
  'b'.repeat(45),
  '007',
  '-0',
  '3.0e3',
  '10 ',
  Buffer.from([0xff, 0xf0, 0x00]),
  Buffer.from([0x00, 0x00, 0x01, 0xff, 0xff]),
]
const PATTERNS: readonly Argument[] = [
  '*',
  '**',
  '',
  'a',
  '?',
  '??*',
  '[a-c]',
  '[c-a]',
  '[^a]',
  '[^a-b]*',
  '[',
  '[a',
  '[^',
  'key:[0-9]',
  '*:*',
  '*a*i*',
  '\\a',
  'a\\',
  '{t}?',
  Buffer.from('\xff*', 'latin1'),
  Buffer.from('[\x80-\xff]*', 'latin1'),
]
/** Seconds since 1970: all after every relative time of a stream. */
const FUTURE_SECONDS = ['4102444800', '4133980800', '253402300799'] as const
const PAST_SECONDS = ['1', '1000000000', '-5', '0'] as const

/** Relative times: each its own, in steps that no run takes. */
const RELATIVE_SECONDS_FIRST = 100_000
const RELATIVE_SECONDS_STEP = 100

class CommandStream extends Seeded {
  #times = 0

  key(): Argument {
    return this.chance(8) ? this.pick(PLAIN_KEYS) : this.pick(KEYS)
  }

  /** A key for commands that change a part of its value, or take it elsewhere. */
  loose(): Argument {
    return this.pick(KEYS)
  }

  integer(): string {
    if (this.chance(12)) return this.pick(NO_INTEGERS)
    return this.chance(8) ? this.pick(EDGE_INTEGERS) : this.pick(INTEGERS)
  }

  float(): string {
    if (this.chance(10)) return this.pick(NO_FLOATS)
    return this.chance(4) ? this.pick(INTEGERS) : this.pick(FLOATS)
  }

  value(): Argument {
    const kind = this.below(10)
    if (kind < 3) return this.pick(INTEGERS)
    if (kind < 4) return this.pick(EDGE_INTEGERS)
    if (kind < 5) return this.float()
    if (kind < 6) return this.bytes(this.below(80))
    return this.pick(TEXTS)
  }

  /** An index into a value, or something that is none. */
  index(): string {
    return this.chance(3) ? this.integer() : String(this.below(30) - 15)
  }

  /** The place of a bit, mostly one that may be set. */
  bitPlace(): string {
    return this.chance(8) ? this.index() : String(this.below(200))
  }

  secondsFromNow(): number {
    return RELATIVE_SECONDS_FIRST + RELATIVE_SECONDS_STEP * ++this.#times
  }

  /** A time for an option that refuses times up to 0. */
  fromNow(inSeconds: boolean): string {
    if (this.chance(10)) return this.pick(['0', '-1', '9223372036854775807', 'abc', ''])
    return String(this.secondsFromNow() * (inSeconds ? 1 : 1000))
  }

  at(inSeconds: boolean): string {
    if (this.chance(20)) return this.pick(['9223372036854775808', 'abc', ''])
    const seconds = this.chance(5) ? this.pick(PAST_SECONDS) : this.pick(FUTURE_SECONDS)
    return inSeconds ? seconds : String(Number(seconds) * 1000)
  }

  /** EX, PX, EXAT or PXAT with a time. */
  timeOption(): string[] {
    return this.pick([
      () => [this.word('EX'), this.fromNow(true)],
      () => [this.word('PX'), this.fromNow(false)],
      () => [this.word('EXAT'), this.at(true)],
      () => [this.word('PXAT'), this.at(false)],
    ])()
  }

  word(text: string): string {
    return this.chance(2) ? text : this.chance(2) ? text.toLowerCase() : text[0] + text.slice(1).toLowerCase()
  }

  /** Some of `choices`, in any order, sometimes twice. */
  some(choices: readonly (() => Argument[])[]): Argument[] {
    const chosen: Argument[] = []
    while (this.chance(2)) chosen.push(...this.pick(choices)())
    return chosen
  }

  many(most: number, make: () => Argument[]): Argument[] {
    return Array.from({ length: 1 + this.below(most) }, make).flat()
  }

  /** Into Buffers, the name in any case, now and then with an argument too few or too many. */
  distort(args: readonly Argument[]): Buffer[] {
    const command = [this.word(String(args[0])), ...args.slice(1)].map((arg) =>
      Buffer.isBuffer(arg) ? arg : Buffer.from(arg),
    )
    if (this.chance(60) && command.length > 1) command.pop()
    else if (this.chance(80)) command.push(Buffer.from('extra'))
    return command
  }

  setsPastTime(command: readonly Buffer[]): boolean {
    if (!/^set$/i.test(command[0].toString()) || command.length < 5) return false
    return command.slice(3).some((arg) => /^(ex|px)at$/i.test(arg.toString()))
  }
}

const setOptions: Maker = (s) =>
  s.some([
    () => [s.word('NX')],
    () => [s.word('XX')],
    () => [s.word('GET')],
    () => [s.word('KEEPTTL')],
    () => s.timeOption(),
    () => s.timeOption(),
  ])

const expireConditions: Maker = (s) =>
  s.some(['NX', 'XX', 'GT', 'LT', 'XX', 'GT', 'LT'].map((word) => () => [s.word(word)]))

/** A time for EXPIRE and PEXPIRE: also in the past, or absurd. */
function anyFromNow(s: CommandStream, inSeconds: boolean): string {
  if (!s.chance(6)) return String(s.secondsFromNow() * (inSeconds ? 1 : 1000))
  return s.pick(['0', '-1', '-1000000', '9223372036854775807', '-9223372036854775808', 'abc', '1.5'])
}

function anyAt(s: CommandStream, inSeconds: boolean): string {
  return s.chance(10) ? s.pick(['-9223372036854775808', '-9223372036854775', 'abc']) : s.at(inSeconds)
}

/** Makers with their weights. */
const MAKERS: readonly (readonly [number, Maker])[] = [
  [8, (s) => ['GET', s.key()]],
  [6, (s) => ['SET', s.key(), s.value()]],
  [10, (s) => ['SET', s.key(), s.value(), ...setOptions(s)]],
  [1, (s) => ['SETEX', s.key(), s.fromNow(true), s.value()]],
  [1, (s) => ['PSETEX', s.key(), s.fromNow(false), s.value()]],
  [2, (s) => ['SETNX', s.key(), s.value()]],
  [2, (s) => ['GETSET', s.key(), s.value()]],
  [2, (s) => ['GETDEL', s.key()]],
  [2, (s) => ['GETEX', s.key()]],
  [2, (s) => ['GETEX', s.key(), ...s.some([() => s.timeOption(), () => [s.word('PERSIST')]])]],
  [2, (s) => ['MGET', ...s.many(5, () => [s.key()])]],
  [2, (s) => ['MSET', ...s.many(4, () => [s.key(), s.value()])]],
  [2, (s) => ['MSETNX', ...s.many(3, () => [s.key(), s.value()])]],
  [3, (s) => ['APPEND', s.loose(), s.value()]],
  [2, (s) => ['STRLEN', s.key()]],
  [3, (s) => [s.pick(['GETRANGE', 'SUBSTR']), s.key(), s.index(), s.index()]],
  [2, (s) => ['SETRANGE', s.loose(), s.index(), s.value()]],
  [4, (s) => [s.pick(['INCR', 'DECR']), s.pick([s.key(), 'counter', 'counter'])]],
  [4, (s) => [s.pick(['INCRBY', 'DECRBY']), s.pick([s.key(), 'counter', 'counter']), s.integer()]],
  [5, (s) => ['INCRBYFLOAT', s.pick([s.loose(), 'float', 'float']), s.float()]],
  [2, (s) => ['SETBIT', s.loose(), s.bitPlace(), s.pick(['0', '1', '1', '1', '2', 'x', '-1'])]],
  [2, (s) => ['GETBIT', s.key(), s.bitPlace()]],
  [2, (s) => ['BITCOUNT', s.key()]],
  [3, (s) => ['BITCOUNT', s.key(), s.index(), s.index(), ...s.some(bitUnits(s))]],
  [2, (s) => ['BITPOS', s.key(), s.pick(['0', '1', '0', '1', '2', 'x'])]],
  [2, (s) => ['BITPOS', s.key(), s.pick(['0', '1']), s.index()]],
  [3, (s) => ['BITPOS', s.key(), s.pick(['0', '1']), s.index(), s.index(), ...s.some(bitUnits(s))]],
  [3, (s) => ['LCS', s.key(), s.key(), ...s.some(lcsOptions(s))]],
  [2, (s) => [s.pick(['DEL', 'UNLINK']), ...s.many(3, () => [s.key()])]],
  [2, (s) => [s.pick(['EXISTS', 'TOUCH']), ...s.many(4, () => [s.key()])]],
  [1, (s) => ['TYPE', s.key()]],
  [3, (s) => ['EXPIRE', s.key(), anyFromNow(s, true), ...expireConditions(s)]],
  [2, (s) => ['PEXPIRE', s.key(), anyFromNow(s, false), ...expireConditions(s)]],
  [2, (s) => ['EXPIREAT', s.key(), anyAt(s, true), ...expireConditions(s)]],
  [2, (s) => ['PEXPIREAT', s.key(), anyAt(s, false), ...expireConditions(s)]],
  [4, (s) => [s.pick(['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME']), s.key()]],
  [2, (s) => ['PERSIST', s.key()]],
  [3, (s) => [s.pick(['RENAME', 'RENAMENX']), s.loose(), s.loose()]],
  [3, (s) => ['COPY', s.loose(), s.loose(), ...s.some(copyOptions(s))]],
  [2, (s) => ['KEYS', s.pick(PATTERNS)]],
  [1, () => ['RANDOMKEY']],
  [6, (s) => ['SCAN', '0', ...s.some(scanOptions(s)), s.word('COUNT'), '1000']],
  [1, (s) => ['SCAN', s.pick(['abc', ' 0', '0x', '18446744073709551616', '1.0']), ...s.some(scanOptions(s))]],
  [1, (s) => ['SCAN', '0', 'COUNT', '1000', s.pick(['COUNT', 'MATCH', 'TYPE', 'x'])]],
  [1, (s) => ['SCAN', '0', 'COUNT', s.pick(['0', '-1', 'abc', '', '9223372036854775808'])]],
  [2, (s) => ['OBJECT', s.word('ENCODING'), s.pick(PLAIN_KEYS)]],
  [1, (s) => ['OBJECT', s.word(s.pick(['FREQ', 'IDLETIME', 'REFCOUNT'])), s.key()]],
  [1, (s) => ['MEMORY', s.word('USAGE'), s.key(), ...s.some(memoryOptions(s))]],
  [1, () => ['DBSIZE']],
  [2, bigCommand],
]

const NEWER_MAKERS: readonly (readonly [number, Maker])[] = [
  [4, (s) => ['SET', s.key(), s.value(), s.word('IFEQ'), s.value(), ...setOptions(s)]],
  [2, (s) => ['DELEX', s.key()]],
  [3, (s) => ['DELEX', s.key(), s.word('IFEQ'), s.value()]],
  [1, (s) => ['DELEX', s.key(), 'IFXX', s.value()]],
  [3, (s) => ['DELIFEQ', s.key(), s.value()]],
]

function bitUnits(s: CommandStream): (() => Argument[])[] {
  return [() => [s.word('BIT')], () => [s.word('BYTE')], () => ['x']]
}

function lcsOptions(s: CommandStream): (() => Argument[])[] {
  return [
    () => [s.word('LEN')],
    () => [s.word('IDX')],
    () => [s.word('IDX')],
    () => [s.word('WITHMATCHLEN')],
    () => [s.word('MINMATCHLEN'), s.pick(['0', '1', '2', '4', '-1', 'x'])],
    () => ['x'],
  ]
}

function copyOptions(s: CommandStream): (() => Argument[])[] {
  const databases = ['0', '0', '0', '1', '-1', 'x', '99999999999', '9223372036854775808']
  return [() => [s.word('REPLACE')], () => [s.word('DB'), s.pick(databases)], () => ['x']]
}

function scanOptions(s: CommandStream): (() => Argument[])[] {
  return [
    () => [s.word('MATCH'), s.pick(PATTERNS)],
    () => [s.word('TYPE'), s.pick(['string', 'STRING', 'hash', 'x'])],
    () => [s.word('COUNT'), s.pick(['1000', '9223372036854775807'])],
  ]
}

function memoryOptions(s: CommandStream): (() => Argument[])[] {
  return [() => [s.word('SAMPLES'), s.pick(['0', '5', '-1', 'x'])], () => ['x']]
}

/** One key is long, up to the limit: commands on it whose replies are not. */
function bigCommand(s: CommandStream): Argument[] {
  const end = BULK_BYTES_MAX
  return s.pick<() => Argument[]>([
    () => ['SETRANGE', BIG_KEY, String(end - s.below(4)), s.pick(['x', 'xyz', ''])],
    () => ['SETRANGE', BIG_KEY, s.integer(), 'xyz'],
    () => ['SETBIT', BIG_KEY, String(end * 8 - 1 + s.below(2)), '1'],
    () => ['APPEND', BIG_KEY, s.value()],
    () => ['STRLEN', BIG_KEY],
    () => ['GETRANGE', BIG_KEY, String(end - 20), '-1'],
    () => ['GETBIT', BIG_KEY, String(end * 8 - s.below(3))],
    () => ['BITCOUNT', BIG_KEY],
    () => ['BITPOS', BIG_KEY, s.pick(['0', '1'])],
    () => ['BITPOS', BIG_KEY, s.pick(['0', '1']), '-3', '-1', s.pick(['BIT', 'BYTE'])],
    () => ['LCS', BIG_KEY, s.key()],
    () => ['DEL', BIG_KEY],
  ])()
}
