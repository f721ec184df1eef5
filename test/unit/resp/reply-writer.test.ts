import t from 'tap'
import { type Reply, ReplyParser } from '../../../src/resp/reply-parser.js'
import { ReplyWriter } from '../../../src/resp/reply-writer.js'
import { AssertionError } from '../../../src/util/assert.js'
import { Seeded } from '../../support/seeded.js'

function written(protocol: number, write: (writer: ReplyWriter) => void): string {
  const writer = new ReplyWriter()
  writer.protocol = protocol
  write(writer)
  return writer.buffer.toString('latin1', 0, writer.length)
}

function decoded(bytes: Buffer): Reply[] {
  const replies: Reply[] = []
  const parser = new ReplyParser(
    (reply) => replies.push(reply),
    (error) => {
      throw error
    },
  )
  parser.execute(bytes)
  return replies
}

t.test('each reply has its shape in RESP2 and in RESP3', async (t) => {
  const shapes: [string, (writer: ReplyWriter) => void, string, string][] = [
    ['ok', (w) => w.ok(), '+OK\r\n', '+OK\r\n'],
    ['simple', (w) => w.simple('PONG'), '+PONG\r\n', '+PONG\r\n'],
    ['error', (w) => w.error('ERR no'), '-ERR no\r\n', '-ERR no\r\n'],
    [
      'protocolError',
      (w) => w.protocolError('Protocol error: x'),
      '-ERR Protocol error: x\r\n',
      '-ERR Protocol error: x\r\n',
    ],
    ['integer', (w) => w.integer(42), ':42\r\n', ':42\r\n'],
    [
      'integerText',
      (w) => w.integerText('-9223372036854775808'),
      ':-9223372036854775808\r\n',
      ':-9223372036854775808\r\n',
    ],
    ['bulk', (w) => w.bulk(Buffer.from('xab\0\r\nx'), 1, 6), '$5\r\nab\0\r\n\r\n', '$5\r\nab\0\r\n\r\n'],
    ['empty bulk', (w) => w.bulk(Buffer.from('x'), 1, 1), '$0\r\n\r\n', '$0\r\n\r\n'],
    ['bulkText', (w) => w.bulkText('a\r\nb'), '$4\r\na\r\nb\r\n', '$4\r\na\r\nb\r\n'],
    ['nil', (w) => w.nil(), '$-1\r\n', '_\r\n'],
    ['nilArray', (w) => w.nilArray(), '*-1\r\n', '_\r\n'],
    ['array', (w) => w.array(0), '*0\r\n', '*0\r\n'],
    ['map', (w) => w.map(7), '*14\r\n', '%7\r\n'],
    ['set', (w) => w.set(3), '*3\r\n', '~3\r\n'],
    ['push', (w) => w.push(2), '*2\r\n', '>2\r\n'],
    ['double', (w) => w.double('3.5'), '$3\r\n3.5\r\n', ',3.5\r\n'],
    ['infinite double', (w) => w.double('-inf'), '$4\r\n-inf\r\n', ',-inf\r\n'],
    ['true', (w) => w.boolean(true), ':1\r\n', '#t\r\n'],
    ['false', (w) => w.boolean(false), ':0\r\n', '#f\r\n'],
    ['verbatim', (w) => w.verbatim('txt', 'é\n'), '$3\r\n\xc3\xa9\n\r\n', '=7\r\ntxt:\xc3\xa9\n\r\n'],
    ['rendered', (w) => w.rendered(Buffer.from('?+OK\r\n?'), 1, 6), '+OK\r\n', '+OK\r\n'],
  ]
  for (const [name, write, resp2, resp3] of shapes) {
    t.equal(written(2, write), resp2, `${name} in RESP2`)
    t.equal(written(3, write), resp3, `${name} in RESP3`)
  }
})

t.test('integers are decimal from the smallest to the largest safe one', async (t) => {
  const values = [
    0,
    -0,
    1,
    -1,
    2 ** 31 - 1,
    2 ** 31,
    -(2 ** 31),
    -(2 ** 31) - 1,
    2 ** 32,
    Number.MAX_SAFE_INTEGER,
  ]
  for (let power = 1; power <= 15; power++) values.push(10 ** power - 1, 10 ** power, 10 ** power + 1)
  const random = new Seeded(1)
  for (let i = 0; i < 1000; i++)
    values.push(Math.floor(2 ** random.below(53) * (1 + random.below(1000) / 1000)))
  for (const value of values.flatMap((value) => [value, -value])) {
    const text = written(2, (writer) => writer.integer(value))
    if (text !== `:${value}\r\n`) t.equal(text, `:${value}\r\n`)
  }
  t.equal(
    written(2, (writer) => writer.integer(-(2 ** 53 - 1))),
    ':-9007199254740991\r\n',
  )
  for (const value of [NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 60)]) {
    t.throws(() => written(2, (writer) => writer.integer(value)), AssertionError, `${value} is a bug`)
  }
})

t.test('CR and LF in the text of an error or status cannot start another reply', async (t) => {
  const injected = "ERR unknown command 'a\r\n+OK\r\n:1\r', é"
  const long = injected + '.'.repeat(100) + '\n'
  for (const text of [injected, long, '\r', '\n', '\r\n']) {
    const line = '-' + Buffer.from(text.replace(/[\r\n]/g, ' ')).toString('latin1') + '\r\n'
    t.equal(
      written(2, (writer) => writer.error(text)),
      line,
    )
    t.equal(
      written(2, (writer) => writer.simple(text)),
      '+' + line.slice(1),
    )
    t.equal(
      written(3, (writer) => writer.double(text)),
      ',' + line.slice(1),
    )
  }
  t.equal(
    written(2, (writer) => writer.protocolError("got '\r'\n")),
    "-ERR got ' ' \r\n",
  )
})

t.test('a protocol error repeats a byte of the client as that byte, other text is UTF-8', async (t) => {
  t.equal(
    written(2, (writer) => writer.protocolError("got '\xe9'")),
    "-ERR got '\xe9'\r\n",
  )
  t.equal(
    written(2, (writer) => writer.error('ERR é')),
    '-ERR \xc3\xa9\r\n',
  )
  t.equal(
    written(2, (writer) => writer.bulkText('é€😀')),
    '$9\r\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\r\n',
  )
})

t.test('text of every length around the short path keeps its length', async (t) => {
  for (let length = 0; length < 140; length++) {
    const ascii = 'x'.repeat(length)
    t.equal(
      written(2, (writer) => writer.bulkText(ascii)),
      `$${length}\r\n${ascii}\r\n`,
    )
    const mixed = ascii + 'é'
    const bytes = Buffer.from(mixed)
    t.equal(
      written(2, (writer) => writer.bulkText(mixed)),
      `$${bytes.length}\r\n${bytes.toString('latin1')}\r\n`,
    )
  }
})

t.test('a writer that starts with no room at all grows to hold anything', async (t) => {
  const writes: ((writer: ReplyWriter) => void)[] = [
    (w) => w.ok(),
    (w) => w.simple('PONG'),
    (w) => w.error('ERR é'),
    (w) => w.protocolError('Protocol error: x'),
    (w) => w.integer(-9007199254740991),
    (w) => w.bulk(Buffer.alloc(300, 'v'), 0, 300),
    (w) => w.bulkText('text'),
    (w) => w.bulkText('é'.repeat(100)),
    (w) => w.nil(),
    (w) => w.map(1_000_000),
    (w) => w.boolean(true),
    (w) => w.verbatim('txt', 'é'.repeat(50)),
    (w) => w.rendered(Buffer.from(':1\r\n'), 0, 4),
  ]
  for (const protocol of [2, 3]) {
    for (const write of writes) {
      for (let room = 0; room < 30; room++) {
        const writer = new ReplyWriter(room)
        writer.protocol = protocol
        write(writer)
        write(writer)
        const text = writer.buffer.toString('latin1', 0, writer.length)
        t.equal(text, written(protocol, write).repeat(2))
      }
    }
  }
})

t.test('redis-parser reads back what was written in RESP2', async (t) => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = new Seeded(seed)
    const writer = new ReplyWriter(16)
    const expected: unknown[] = []
    for (let count = 1 + random.below(10); count > 0; count--) expected.push(writeRandom(writer, random, 3))
    const bytes = Buffer.from(writer.buffer.subarray(0, writer.length))
    const replies = decoded(bytes).map(plain)
    if (JSON.stringify(replies) !== JSON.stringify(expected)) t.same(replies, expected, `seed ${seed}`)
  }
  t.pass('500 streams of replies')
})

/** Writes any reply; returns what reading it gives. */
function writeRandom(writer: ReplyWriter, random: Seeded, depth: number): unknown {
  switch (random.below(depth > 0 ? 8 : 6)) {
    case 0: {
      const bytes = random.bytes(random.below(300))
      writer.bulk(bytes, 0, bytes.length)
      return bytes.toString('latin1')
    }
    case 1: {
      const value = (random.below(2 ** 31) - 2 ** 30) * (random.chance(3) ? 100_000 : 1)
      writer.integer(value)
      return value
    }
    case 2:
      writer.nil()
      return null
    case 3:
      writer.error('ERR syntax\r\nerror')
      return { error: 'ERR syntax  error' }
    case 4:
      writer.simple('QUEUED')
      return 'QUEUED'
    case 5:
      writer.nilArray()
      return null
    case 6: {
      const items = random.below(4)
      writer.array(items)
      return Array.from({ length: items }, () => writeRandom(writer, random, depth - 1))
    }
    default: {
      const pairs = random.below(3)
      writer.map(pairs)
      return Array.from({ length: 2 * pairs }, () => writeRandom(writer, random, depth - 1))
    }
  }
}

function plain(reply: Reply): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString('latin1')
  if (reply instanceof Error) return { error: reply.message }
  if (typeof reply === 'object' && reply !== null) return reply.map(plain)
  return reply
}
