/** Bits of values: offsets from either end, in bytes or bits. */
import t from 'tap'
import { bothWays } from './scripts.js'
import { HandlerRunner } from './handler-runner.js'

const BAD_OFFSET = '-ERR bit offset is not an integer or out of range'
const BAD_BIT = '-ERR bit is not an integer or out of range'
const NOT_INTEGER = '-ERR value is not an integer or out of range'
const SYNTAX = '-ERR syntax error'

await bothWays(t, 'SETBIT answers the old bit and lengthens the value with zeros', (play, runner, t) =>
  play([
    ['setbit a 7 1', ':0'],
    ['expire a 100', ':1'],
    ['get a', '$1 \x01'],
    ['setbit a 7 0', ':1'],
    ['setbit a 23 0', ':0'],
    ['get a', '$3 \0\0\0'],
    ['ttl a', ':100'],
    ['getbit a 7', ':0'],
    ['getbit a 1000', ':0'],
    ['getbit b 0', ':0'],
  ]).then(async () => {
    const { writes } = runner.keyspace
    await play([['setbit a 7 0', ':0']])
    t.equal(runner.keyspace.writes, writes, 'a bit that is set already is not written again')
  }),
)

await bothWays(
  t,
  'an offset lies within proto-max-bulk-len, a bit is 0 or 1',
  (play) =>
    play([
      ['setbit a 79 1', ':0'],
      ['setbit a 80 1', BAD_OFFSET],
      ['getbit a 80', BAD_OFFSET],
      ['setbit a -1 1', BAD_OFFSET],
      ['setbit a x 1', BAD_OFFSET],
      ['getbit a 1.0', BAD_OFFSET],
      ['setbit a 9223372036854775808 1', BAD_OFFSET],
      ['setbit a 1 2', BAD_BIT],
      ['setbit a 1 -1', BAD_BIT],
      ['setbit a 1 x', BAD_BIT],
      ['setbit a x x', BAD_OFFSET],
    ]),
  { protoMaxBulkLenBytes: 10 },
)

await bothWays(t, 'BITCOUNT counts in a value or in a range of bytes or bits', (play) =>
  play([
    ['bitcount a', ':0'],
    ['bitcount a x y', ':0'],
    ['set a foobar', '+OK'],
    ['bitcount a', ':26'],
    ['bitcount a 0 0', ':4'],
    ['bitcount a 1 1 BYTE', ':6'],
    ['bitcount a 5 30 BIT', ':17'],
    ['bitcount a -9 -1 bit', ':5'],
    ['bitcount a 3 3 bit', ':0'],
    ['bitcount a 0 -1000', ':4'],
    ['bitcount a -1 -2', ':0'],
    ['bitcount a -1 -2 x', ':0'],
    ['bitcount a 9 20', ':0'],
    ['bitcount a 4 1', ':0'],
    ['bitcount a 0', SYNTAX],
    ['bitcount a 0 1 x', SYNTAX],
    ['bitcount a 0 1 bit x', SYNTAX],
    ['bitcount a 0 x', NOT_INTEGER],
    ['bitcount a -9223372036854775807 -9223372036854775808', ':0'],
    ['set e ""', '+OK'],
    ['bitcount e 0 -1', ':0'],
  ]),
)

await bothWays(t, 'BITPOS finds the first bit, and zeros behind a value without an end', (play) =>
  play([
    ['bitpos a 0', ':0'],
    ['bitpos a 1', ':-1'],
    ['bitpos a 1 x', ':-1'],
    ['bitpos a 2', '-ERR The bit argument must be 1 or 0.'],
    ['bitpos a x', NOT_INTEGER],
    ['setrange a 2 x', ':3'],
    ['bitpos a 1', ':17'],
    ['bitpos a 0 2', ':16'],
    ['bitpos a 1 0 1', ':-1'],
    ['bitpos a 1 2 -1', ':17'],
    ['bitpos a 1 18 23 BIT', ':18'],
    ['bitpos a 0 17 20 bit', ':-1'],
    ['bitpos a 0 9 20 byte', ':-1'],
    ['bitpos a 0 9', ':-1'],
    ['bitpos a 1 x', NOT_INTEGER],
    ['bitpos a 1 0 x', NOT_INTEGER],
    ['bitpos a 1 0 1 x', SYNTAX],
    ['bitpos a 1 0 1 bit x', SYNTAX],
    ['set e ""', '+OK'],
    ['bitpos e 0', ':-1'],
    ['bitpos e 1', ':-1'],
  ]),
)

t.test('BITPOS of a 0 in all ones is the bit behind them, unless the range has an end', async (t) => {
  const runner = new HandlerRunner()
  await runner.text('set', 'a', Buffer.from([0xff, 0xff, 0xff]))
  t.equal(await runner.text('bitpos', 'a', '0'), ':24\r\n')
  t.equal(await runner.text('bitpos', 'a', '0', '1'), ':24\r\n')
  t.equal(await runner.text('bitpos', 'a', '0', '0', '-1'), ':-1\r\n')
  t.equal(await runner.text('bitpos', 'a', '0', '0', '-1', 'BIT'), ':-1\r\n')
})

t.test('counts and positions agree with a bit by bit model on every range', async (t) => {
  const runner = new HandlerRunner()
  const bytes = Buffer.from([0x00, 0xff, 0x5a, 0x00, 0x81])
  const bits = [...bytes].flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((shift) => (byte >> shift) & 1))
  await runner.text('set', 'a', bytes)
  let wrong = 0
  for (let first = 0; first < bits.length; first++) {
    for (let last = first; last < bits.length; last++) {
      const range = bits.slice(first, last + 1)
      const ones = range.reduce((sum, bit) => sum + bit, 0)
      if ((await runner.text('bitcount', 'a', first, last, 'BIT')) !== `:${ones}\r\n`) wrong++
      for (const bit of [0, 1]) {
        const place = range.indexOf(bit)
        const expected = `:${place < 0 ? -1 : first + place}\r\n`
        if ((await runner.text('bitpos', 'a', bit, first, last, 'BIT')) !== expected) wrong++
      }
    }
  }
  t.equal(wrong, 0)
})
