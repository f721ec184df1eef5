import t from 'tap'
import { Crc64 } from '../../../src/rdb/crc64.js'
import { RdbError } from '../../../src/rdb/rdb-error.js'
import { dump, itemsOf, length, plain, readerOf } from './dump-builder.js'

const string = (key: string, value: Buffer) => Buffer.concat([Buffer.of(0), plain(key), value])
const keyed = (type: number, ...value: readonly Buffer[]) =>
  Buffer.concat([Buffer.of(type), plain('k'), ...value])
const AFTER = string('after', plain('x'))
const ID = Buffer.alloc(16, 0xee)
const TIME = Buffer.alloc(8, 0xdd)

t.test('the checksum is the one that Redis computes', (t) => {
  const crc = new Crc64()
  const bytes = Buffer.from('..123456789')
  crc.add(bytes, 2, 6)
  crc.add(bytes, 6, 11)
  t.equal(crc.hex, 'e9c6d914c4b8d9ca')
  t.end()
})

t.test('strings in all their encodings', (t) => {
  const reader = readerOf(
    dump([
      string('empty', plain('')),
      string('long', plain('y'.repeat(20_000))),
      string('i8', Buffer.of(0xc0, 0xf6)),
      string('i16', Buffer.of(0xc1, 0x18, 0xfc)),
      string('i32', Buffer.of(0xc2, 0x00, 0x00, 0x00, 0x80)),
      Buffer.concat([Buffer.of(0, 0xc0, 7), plain('a number is a key')]),
      string('64 bits', Buffer.concat([Buffer.of(0x81, 0, 0, 0, 0, 0, 0, 0, 3), Buffer.from('abc')])),
      string('lzf', compressed()),
    ]),
  )
  t.strictSame(itemsOf(reader), [
    [0, 'empty', '', 0],
    [0, 'long', 'y'.repeat(20_000), 0],
    [0, 'i8', '-10', 0],
    [0, 'i16', '-1000', 0],
    [0, 'i32', '-2147483648', 0],
    [0, '7', 'a number is a key', 0],
    [0, '64 bits', 'abc', 0],
    [0, 'lzf', 'ab'.repeat(20), 0],
  ])
  t.end()
})

/** "ab" twenty times: two literals, then 38 bytes from two before. */
function compressed(): Buffer {
  const bytes = Buffer.of(1, 0x61, 0x62, 0xe0, 29, 1)
  return Buffer.concat([Buffer.of(0xc3), length(bytes.length), length(40), bytes])
}

t.test('databases, times to live, and what is said about keys and the server', (t) => {
  const seconds = Buffer.of(253, 0x00, 0x94, 0x35, 0x77)
  const milliseconds = Buffer.of(252, 0xe8, 0x03, 0, 0, 1, 0, 0, 0)
  const reader = readerOf(
    dump([
      Buffer.concat([Buffer.of(250), plain('redis-ver'), plain('7.0.15')]),
      Buffer.concat([Buffer.of(250), plain('redis-bits'), Buffer.of(0xc0, 64)]),
      Buffer.concat([Buffer.of(245), plain('#!lua name=x')]),
      Buffer.concat([Buffer.of(247), length(99), length(2), length(1), length(5), plain('data'), length(0)]),
      Buffer.concat([Buffer.of(254), length(0), Buffer.of(251), length(3), length(1)]),
      Buffer.concat([seconds, string('s', plain('1'))]),
      Buffer.concat([milliseconds, Buffer.of(248), length(7), string('ms', plain('2'))]),
      Buffer.concat([Buffer.of(249, 200), string('never', plain('3'))]),
      Buffer.concat([Buffer.of(254), length(300), Buffer.of(244), length(1), length(2), length(3)]),
      string('elsewhere', plain('4')),
    ]),
  )
  t.strictSame(itemsOf(reader), [
    [0, 'function library'],
    [0, "module's own data"],
    [0, 's', '1', 2_000_000_000_000],
    [0, 'ms', '2', 2 ** 32 + 1000],
    [0, 'never', '3', 0],
    [300, 'elsewhere', '4', 0],
  ])
  t.equal(reader.redisVersion, '7.0.15')
  t.equal(reader.format, 10)
  t.end()
})

const pending = Buffer.concat([length(1), ID, TIME, length(3)])
const consumer = (times: Buffer) => Buffer.concat([length(1), plain('c'), times, length(2), ID, ID])
const packed = Buffer.concat([length(1), plain(ID), plain('listpack')])
const group = Buffer.concat([length(1), plain('group'), length(1), length(2)])
const score = (text: string) => Buffer.concat([plain(text), Buffer.of(text.length), Buffer.from(text)])

/** Every type but strings, as it would stand in a dump. */
const OTHERS: readonly (readonly [type: string, what: string, bytes: Buffer])[] = [
  ['list', 'of strings', keyed(1, length(2), plain('a'), Buffer.of(0xc0, 1))],
  ['set', 'of strings', keyed(2, length(1), compressed())],
  [
    'zset',
    'with scores in digits',
    keyed(3, length(3), score('1.5'), plain('b'), Buffer.of(254), plain('c'), Buffer.of(253)),
  ],
  ['hash', 'of strings', keyed(4, length(1), plain('f'), plain('v'))],
  ['zset', 'with binary scores', keyed(5, length(1), plain('a'), TIME)],
  [
    'module type',
    'of all parts',
    keyed(
      7,
      length(5),
      length(1),
      length(9),
      length(2),
      length(9),
      length(3),
      Buffer.alloc(4, 1),
      length(4),
      TIME,
      length(5),
      plain('s'),
      length(0),
    ),
  ],
  ...[
    ['hash', 9],
    ['list', 10],
    ['set', 11],
    ['zset', 12],
    ['hash', 13],
    ['hash', 16],
    ['zset', 17],
    ['set', 20],
  ].map(([type, code]) => [String(type), 'in one string', keyed(Number(code), plain('packed'))] as const),
  ['list', 'a quicklist', keyed(14, length(2), plain('ziplist'), compressed())],
  ['list', 'a quicklist 2', keyed(18, length(2), length(1), plain('large'), length(2), plain('listpack'))],
  ['stream', '1', keyed(15, packed, length(1), length(2), length(3), group, pending, consumer(TIME))],
  [
    'stream',
    '2',
    keyed(
      19,
      packed,
      length(1),
      ...[1, 2, 3, 4, 5, 6, 7].map(length),
      group,
      length(8),
      pending,
      consumer(TIME),
    ),
  ],
  [
    'stream',
    '3',
    keyed(
      21,
      packed,
      length(1),
      ...[1, 2, 3, 4, 5, 6, 7].map(length),
      group,
      length(8),
      pending,
      consumer(Buffer.concat([TIME, TIME])),
    ),
  ],
  ['hash', 'with times to live', keyed(24, TIME, length(1), length(77), plain('f'), plain('v'))],
  ['hash', 'packed, with times to live', keyed(25, TIME, plain('packed'))],
]

for (const [type, what, bytes] of OTHERS) {
  t.test(`passes over a ${type} ${what}, to the byte`, (t) => {
    t.strictSame(itemsOf(readerOf(dump([bytes, AFTER]))), [
      [0, type],
      [0, 'after', 'x', 0],
    ])
    t.end()
  })
}

t.test('the same in pieces of any size', (t) => {
  const file = dump([...OTHERS.map(([, , bytes]) => bytes), string('s', compressed())])
  const whole = itemsOf(readerOf(file))
  for (const pieceBytes of [1, 2, 7, 64]) t.strictSame(itemsOf(readerOf(file, pieceBytes)), whole)
  t.end()
})

t.test('a file that ends early, at whichever byte, is an error that names the place', (t) => {
  const file = dump([...OTHERS.map(([, , bytes]) => bytes), string('s', compressed()), AFTER])
  for (let bytes = 0; bytes < file.length; bytes++) {
    const error = failureOf(file.subarray(0, bytes))
    if (!(error instanceof RdbError) || error.offset > bytes) t.fail(`${bytes} bytes`, { error })
  }
  t.end()
})

t.test('any flipped bit is an error, at the latest by the checksum', (t) => {
  const file = dump([
    string('a', plain('value')),
    keyed(18, length(1), length(1), plain('x')),
    string('s', compressed()),
  ])
  for (let bit = 0; bit < file.length * 8; bit++) {
    const flipped = Buffer.from(file)
    flipped[bit >> 3] ^= 1 << (bit & 7)
    // In the header, 0010 may become a format without a checksum, or another one that is known.
    if (bit >> 3 >= 9 && !(failureOf(flipped) instanceof RdbError)) t.fail(`bit ${bit}`)
  }
  t.match(failureOf(corrupt(file, file.length - 1)), {
    offset: file.length - 8,
    message: /the checksum says/,
  })
  t.end()
})

function failureOf(file: Buffer): unknown {
  try {
    itemsOf(readerOf(file))
    return null
  } catch (error) {
    return error
  }
}

function corrupt(file: Buffer, at: number): Buffer {
  const copy = Buffer.from(file)
  copy[at] ^= 1
  return copy
}

t.test('dumps without a checksum: of formats up to 4, or from a server that computes none', (t) => {
  const file = dump([AFTER], '0004')
  t.equal(itemsOf(readerOf(file.subarray(0, -8))).length, 1)
  const unchecked = Buffer.concat([dump([AFTER]).subarray(0, -8), Buffer.alloc(8)])
  t.equal(itemsOf(readerOf(unchecked)).length, 1)
  t.end()
})

t.test('what is no dump, or not known, is refused by name', (t) => {
  t.match(failureOf(Buffer.from('REDI')), { offset: 0, message: /not a Redis dump/ })
  t.match(failureOf(Buffer.from('kindred-manifest 1')), { message: /not a Redis dump/ })
  t.match(failureOf(dump([], '0013')), { offset: 5, message: /format 13, known are 1 to 12/ })
  t.match(failureOf(dump([keyed(6, length(1))])), { offset: 9, message: /values of type 6 are not known/ })
  t.match(failureOf(dump([keyed(1, length(1), Buffer.of(0xc4))])), { message: /no string is encoded as 196/ })
  t.match(failureOf(dump([keyed(1, Buffer.of(0x82))])), { message: /no length starts with 130/ })
  t.match(failureOf(dump([keyed(1, Buffer.of(0xc0, 1))])), { message: /a number is expected/ })
  t.match(failureOf(dump([keyed(7, length(1), length(6))])), { message: /has the kind 6/ })
  t.end()
})

t.test('lengths that cannot be true take no memory', (t) => {
  const huge = Buffer.of(0x80, 0xff, 0xff, 0xff, 0xff)
  let windowBytes = 0
  const readAll = (part: Buffer) => itemsOf(readerOf(dump([part]), 4096, (bytes) => (windowBytes = bytes)))
  t.throws(() => readAll(string('a', huge)), /4294967295 bytes should follow, 9 do/)
  const expanding = Buffer.concat([Buffer.of(0xc3), length(1), huge, Buffer.of(0)])
  t.throws(() => readAll(string('a', expanding)), /a compressed string is damaged/)
  t.equal(windowBytes, 256 * 1024)
  t.end()
})

t.test('memory is bounded by the largest string, not by what is passed over', (t) => {
  const element = plain('z'.repeat(3_000_000))
  const file = dump([
    keyed(1, length(3), element, element, element),
    string('s', plain('v'.repeat(400_000))),
    AFTER,
  ])
  let windowBytes = 0
  const reader = readerOf(file, 65_536, (bytes) => (windowBytes = Math.max(windowBytes, bytes)))
  t.equal(itemsOf(reader).length, 3)
  t.equal(windowBytes, 400_000)
  t.end()
})
