/** Parts of values: APPEND, SETRANGE, GETRANGE. */
import t from 'tap'
import { bothWays } from './scripts.js'

const NOT_INTEGER = '-ERR value is not an integer or out of range'
const TOO_LONG = '-ERR string exceeds maximum allowed size (proto-max-bulk-len)'

await bothWays(t, 'APPEND creates, lengthens and keeps the time to live', (play, runner) => {
  runner.keyspace.now = 1_800_000_000_000
  return play([
    ['append a Hello', ':5'],
    ['append a ""', ':5'],
    ['expire a 100', ':1'],
    ['append a -World', ':11'],
    ['get a', '$11 Hello-World'],
    ['ttl a', ':100'],
    ['append b ""', ':0'],
    ['exists b', ':1'],
  ])
})

await bothWays(t, 'SETRANGE overwrites, fills gaps with zeros and keeps the time to live', (play) =>
  play([
    ['setrange a 5 ""', ':0'],
    ['exists a', ':0'],
    ['setrange a 3 abc', ':6'],
    ['get a', '$6 \0\0\0abc'],
    ['expire a 100', ':1'],
    ['setrange a 0 XY', ':6'],
    ['setrange a 4 LONGER', ':10'],
    ['get a', '$10 XY\0aLONGER'],
    ['setrange a 99 ""', ':10'],
    ['ttl a', ':100'],
    ['setrange a -1 x', '-ERR offset is out of range'],
    ['setrange a x x', NOT_INTEGER],
    ['setrange a 01 x', NOT_INTEGER],
  ]),
)

await bothWays(
  t,
  'no value grows over proto-max-bulk-len',
  (play) =>
    play([
      ['setrange a 1047 x', ':1048'],
      ['setrange a 1047 xy', TOO_LONG],
      ['setrange b 9223372036854775807 x', TOO_LONG],
      ['setrange b 9223372036854775807 ""', ':0'],
      ['append a x', TOO_LONG],
      ['append a ""', ':1048'],
      ['exists b', ':0'],
    ]),
  { protoMaxBulkLenBytes: 1048 },
)

await bothWays(t, 'GETRANGE and SUBSTR count from either end', (play) =>
  play([
    ['getrange a 0 -1', '$0 '],
    ['set a This-is', '+OK'],
    ['getrange a 0 3', '$4 This'],
    ['substr a -2 -1', '$2 is'],
    ['getrange a 0 -1', '$7 This-is'],
    ['getrange a 4 100', '$3 -is'],
    ['getrange a -100 1', '$2 Th'],
    ['getrange a 3 1', '$0 '],
    ['getrange a -1 -3', '$0 '],
    ['getrange a 7 9', '$0 '],
    ['getrange a 0 -100', '$1 T'],
    ['getrange a -9223372036854775808 9223372036854775807', '$7 This-is'],
    ['getrange a -9223372036854775807 -9223372036854775808', '$0 '],
    ['getrange a -9223372036854775808 -9223372036854775807', '$1 T'],
    ['getrange a x 1', NOT_INTEGER],
    ['getrange a 0 9223372036854775808', NOT_INTEGER],
    ['set e ""', '+OK'],
    ['getrange e 0 0', '$0 '],
  ]),
)
