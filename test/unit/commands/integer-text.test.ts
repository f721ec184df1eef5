/** Canonical 64-bit integers as text. */
import t from 'tap'
import fc from 'fast-check'
import {
  INT64_MAX,
  INT64_MIN,
  parseBigInteger,
  parseInteger,
  writeInteger,
} from '../../../src/commands/integer-text.js'
import { holds } from '../util/holds.js'

function parse(text: string): number {
  const bytes = Buffer.from(`9${text}9`)
  return parseInteger(bytes, 1, bytes.length - 1)
}

t.test('every 64-bit integer in canonical form is read', (t) => {
  holds(
    t,
    fc.property(fc.bigInt({ min: INT64_MIN, max: INT64_MAX }), (value) => {
      const text = String(value)
      return parse(text) === Number(value) && parseBigInteger(Buffer.from(text), 0, text.length) === value
    }),
  )
  for (const value of [0n, 1n, -1n, INT64_MAX, INT64_MIN, 2n ** 53n, -(2n ** 53n)])
    t.equal(parse(String(value)), Number(value))
  t.end()
})

t.test('nothing outside 64 bits is read', (t) => {
  holds(
    t,
    fc.property(fc.bigInt({ min: INT64_MAX + 1n, max: 2n ** 80n }), (value) =>
      Number.isNaN(parse(String(value))),
    ),
  )
  for (const value of [INT64_MAX + 1n, INT64_MIN - 1n, 10n ** 19n, -(10n ** 19n)])
    t.ok(Number.isNaN(parse(String(value))), String(value))
  t.end()
})

t.test('no other text is read', (t) => {
  const canonical = /^(0|-?[1-9]\d*)$/
  for (const text of [
    '',
    '-',
    '-0',
    '+1',
    '00',
    '01',
    '-01',
    ' 1',
    '1 ',
    '1.',
    '1e3',
    '0x1',
    '١',
    '--1',
    '1-',
  ]) {
    t.notMatch(text, canonical)
    t.ok(Number.isNaN(parse(text)), JSON.stringify(text))
  }
  holds(
    t,
    fc.property(
      fc.stringMatching(/^[-+0-9 ex.]{0,21}$/),
      (text) => canonical.test(text) || Number.isNaN(parse(text)),
    ),
  )
  t.end()
})

t.test('every safe integer is written as it is printed', (t) => {
  holds(
    t,
    fc.property(fc.maxSafeInteger(), (value) => {
      const bytes = Buffer.alloc(20)
      return bytes.toString('latin1', 1, writeInteger(bytes, 1, value)) === String(value)
    }),
  )
  const bytes = Buffer.alloc(20)
  for (const value of [
    0,
    9,
    10,
    99,
    100,
    -1,
    -10,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    1e15,
    999999999999999,
  ])
    t.equal(bytes.toString('latin1', 0, writeInteger(bytes, 0, value)), String(value))
  t.end()
})
