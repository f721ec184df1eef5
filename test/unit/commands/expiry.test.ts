/** Times to live: when they are accepted, what they replace, how they are told. */
import t from 'tap'
import { bothWays } from './scripts.js'

const NOW_MS = 1_800_000_000_000
const NOT_INTEGER = '-ERR value is not an integer or out of range'
const badTime = (command: string) => `-ERR invalid expire time in '${command}' command`

await bothWays(t, 'EXPIRE and its kin set the time of death in their unit', (play, runner) => {
  runner.keyspace.now = NOW_MS
  return play([
    ['expire a 10', ':0'],
    ['set a v', '+OK'],
    ['expire a 10', ':1'],
    ['pexpiretime a', `:${NOW_MS + 10_000}`],
    ['pexpire a 10', ':1'],
    ['pexpiretime a', `:${NOW_MS + 10}`],
    ['expireat a 1800000100', ':1'],
    ['pexpiretime a', ':1800000100000'],
    ['pexpireat a 1800000100001', ':1'],
    ['pexpiretime a', ':1800000100001'],
    ['get a', '$1 v'],
  ])
})

await bothWays(t, 'a time that has come deletes the key and counts as done', (play, runner) => {
  runner.keyspace.now = NOW_MS
  return play([
    ['mset a 1 b 1 c 1 d 1 e 1', '+OK'],
    ['expire a 0', ':1'],
    ['pexpire b -1', ':1'],
    ['expireat c 1800000000', ':1'],
    ['pexpireat d 1', ':1'],
    ['expire e -9223372036854775', ':1'],
    ['exists a b c d e', ':0'],
    ['expire a 0', ':0'],
  ])
})

await bothWays(t, 'a key is gone from the millisecond on in which it dies', async (play, runner) => {
  runner.keyspace.now = NOW_MS
  await play([['set a v PX 10', '+OK']])
  runner.keyspace.now = NOW_MS + 9
  await play([
    ['pttl a', ':1'],
    ['ttl a', ':0'],
    ['get a', '$1 v'],
  ])
  runner.keyspace.now = NOW_MS + 10
  await play([
    ['get a', '$-1'],
    ['pttl a', ':-2'],
    ['persist a', ':0'],
    ['dbsize', ':0'],
    ['incr a', ':1'],
    ['ttl a', ':-1'],
  ])
})

await bothWays(t, 'NX, XX, GT and LT decide by the time there is; none counts as never', (play, runner) => {
  runner.keyspace.now = NOW_MS
  return play([
    ['set a v', '+OK'],
    ['expire a 100 XX', ':0'],
    ['expire a 100 GT', ':0'],
    ['expire a 100 lt', ':1'],
    ['persist a', ':1'],
    ['expire a 100 nx', ':1'],
    ['expire a 200 NX', ':0'],
    ['expire a 100 GT', ':0'],
    ['expire a 200 GT', ':1'],
    ['expire a 200 LT', ':0'],
    ['expire a 300 XX LT', ':0'],
    ['expire a 300 XX GT', ':1'],
    ['ttl a', ':300'],
    ['expire a -1 GT', ':0'],
    ['expire a -1 LT', ':1'],
    ['exists a', ':0'],
  ])
})

await bothWays(t, 'conditions that exclude each other are refused before the time is read', (play) => {
  const withNx = '-ERR NX and XX, GT or LT options at the same time are not compatible'
  return play([
    ['expire a x NX XX', withNx],
    ['expire a x GT NX', withNx],
    ['expire a x NX LT', withNx],
    ['expire a x GT LT', '-ERR GT and LT options at the same time are not compatible'],
    ['expire a x nX nx', NOT_INTEGER],
    ['expire a x soon', '-ERR Unsupported option soon'],
  ])
})

await bothWays(
  t,
  'a time that 64 bits of milliseconds do not hold is refused, with or without the key',
  (play) =>
    play([
      ['expire a 9223372036854775807', badTime('expire')],
      ['expire a -9223372036854775808', badTime('expire')],
      ['expire a 9223372036854775', badTime('expire')],
      ['expireat a 9223372036854775', ':0'],
      ['expireat a 9223372036854776', badTime('expireat')],
      ['expireat a -9223372036854776', badTime('expireat')],
      ['pexpire a 9223372036854775807', badTime('pexpire')],
      ['pexpireat a 9223372036854775807', ':0'],
      ['pexpireat a 9223372036854775808', NOT_INTEGER],
      ['pexpire a -9223372036854775808', ':0'],
      ['expire a 1.5', NOT_INTEGER],
    ]),
)

await bothWays(t, 'a time that records do not hold is refused when it would be stored', (play) =>
  play([
    ['set a v', '+OK'],
    ['pexpireat a 281474976710656', badTime('pexpireat')],
    ['pexpireat a 281474976710656 XX', ':0'],
    ['pexpireat a 281474976710655', ':1'],
    ['pexpiretime a', ':281474976710655'],
    ['expireat a 9223372036854775', badTime('expireat')],
    ['expire a 281474976711', badTime('expire')],
  ]),
)

await bothWays(
  t,
  'TTL rounds to the nearest second, -1 without a time, -2 without the key',
  (play, runner) => {
    runner.keyspace.now = NOW_MS
    return play([
      ['ttl a', ':-2'],
      ['pttl a', ':-2'],
      ['expiretime a', ':-2'],
      ['pexpiretime a', ':-2'],
      ['set a v', '+OK'],
      ['ttl a', ':-1'],
      ['pttl a', ':-1'],
      ['expiretime a', ':-1'],
      ['pexpiretime a', ':-1'],
      ['pexpire a 1499', ':1'],
      ['ttl a', ':1'],
      ['expiretime a', ':1800000001'],
      ['pexpire a 1500', ':1'],
      ['ttl a', ':2'],
      ['expiretime a', ':1800000002'],
      ['pttl a', ':1500'],
    ])
  },
)

await bothWays(t, 'PERSIST takes the time away', (play) =>
  play([
    ['persist a', ':0'],
    ['set a v EX 10', '+OK'],
    ['persist a', ':1'],
    ['persist a', ':0'],
    ['ttl a', ':-1'],
    ['get a', '$1 v'],
  ]),
)
