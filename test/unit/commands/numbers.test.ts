/** Counters, in Redis's 64 bits and in its extended precision. */
import t from 'tap'
import { bothWays } from './scripts.js'

const NOT_INTEGER = '-ERR value is not an integer or out of range'
const NOT_FLOAT = '-ERR value is not a valid float'
const OVERFLOW = '-ERR increment or decrement would overflow'
const NOT_FINITE = '-ERR increment would produce NaN or Infinity'

await bothWays(t, 'INCR, DECR, INCRBY and DECRBY count from 0 and keep the time to live', (play) =>
  play([
    ['incr a', ':1'],
    ['expire a 100', ':1'],
    ['incrby a 41', ':42'],
    ['decr a', ':41'],
    ['decrby a 50', ':-9'],
    ['decrby a -9', ':0'],
    ['get a', '$1 0'],
    ['ttl a', ':100'],
    ['decr b', ':-1'],
    ['incrby c 1234567890123', ':1234567890123'],
    ['get c', '$13 1234567890123'],
  ]),
)

await bothWays(t, 'only canonical integers are counted on', (play, runner, t) =>
  (async () => {
    for (const text of [
      '',
      ' 1',
      '1 ',
      '01',
      '+1',
      '-0',
      '1.0',
      'x',
      '-',
      '9223372036854775808',
      '-9223372036854775809',
    ]) {
      await runner.text('set', 'a', text)
      t.equal(await runner.text('incr', 'a'), `${NOT_INTEGER}\r\n`, `value "${text}"`)
      t.equal(await runner.text('incrby', 'b', text), `${NOT_INTEGER}\r\n`, `increment "${text}"`)
      t.equal(await runner.text('decrby', 'b', text), `${NOT_INTEGER}\r\n`, `decrement "${text}"`)
    }
    await play([
      ['exists b', ':0'],
      ['incrby a 9223372036854775807', NOT_INTEGER],
    ])
  })(),
)

await bothWays(t, 'counters are exact beyond 2^53 and end at 64 bits', (play) =>
  play([
    ['set a 9007199254740991', '+OK'],
    ['incr a', ':9007199254740992'],
    ['incr a', ':9007199254740993'],
    ['decrby a 2', ':9007199254740991'],
    ['set a 9223372036854775806', '+OK'],
    ['incr a', ':9223372036854775807'],
    ['incr a', OVERFLOW],
    ['get a', '$19 9223372036854775807'],
    ['decrby a 9223372036854775807', ':0'],
    ['incrby a -9223372036854775808', ':-9223372036854775808'],
    ['decr a', OVERFLOW],
    ['incrby a -1', OVERFLOW],
    ['decrby a -9223372036854775808', '-ERR decrement would overflow'],
    ['incrby a 9223372036854775807', ':-1'],
    ['incrby b 9223372036854775807', ':9223372036854775807'],
    ['incrby b 9223372036854775807', OVERFLOW],
  ]),
)

await bothWays(t, 'INCRBYFLOAT prints what was typed', (play) =>
  play([
    ['incrbyfloat a 0.1', '$3 0.1'],
    ['expire a 100', ':1'],
    ['incrbyfloat a 0.2', '$3 0.3'],
    ['incrbyfloat a -0.3', '$1 0'],
    ['incrbyfloat a 5.0e3', '$4 5000'],
    ['incrbyfloat a 1e-17', '$4 5000'],
    ['incrbyfloat a 200.5', '$6 5200.5'],
    ['get a', '$6 5200.5'],
    ['ttl a', ':100'],
    ['set b 10.50', '+OK'],
    ['incrbyfloat b 0.1', '$4 10.6'],
    ['incrbyfloat b -5', '$3 5.6'],
    ['incrbyfloat c -1e-20', '$1 0'],
    ['set d 3', '+OK'],
    ['incrbyfloat d 0x1p-1', '$3 3.5'],
  ]),
)

await bothWays(t, 'INCRBYFLOAT refuses what is no finite number', (play) =>
  play([
    ['set a x', '+OK'],
    ['incrbyfloat a 1', NOT_FLOAT],
    ['incrbyfloat b ""', NOT_FLOAT],
    ['incrbyfloat b nan', NOT_FLOAT],
    ['incrbyfloat b 1e5000', NOT_FLOAT],
    ['incrbyfloat b inf', NOT_FINITE],
    ['incrbyfloat b -Infinity', NOT_FINITE],
    ['exists b', ':0'],
    ['set b inf', '+OK'],
    ['incrbyfloat b 1', NOT_FINITE],
    ['set b 1.1e4932', '+OK'],
    ['incrbyfloat b 1.1e4932', NOT_FINITE],
  ]),
)
