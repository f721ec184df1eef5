/** Whole values: GET, SET with all its options, and the commands that SET has replaced. */
import t from 'tap'
import { dataHandlers } from '../../../src/commands/data-handlers.js'
import { KEY_BYTES_MAX } from '../../../src/resp/limits.js'
import { StoreError } from '../../../src/storage/store-error.js'
import { HandlerRunner } from './handler-runner.js'
import { bothWays } from './scripts.js'

const SYNTAX = '-ERR syntax error'
const NOT_INTEGER = '-ERR value is not an integer or out of range'
const badTime = (command: string) => `-ERR invalid expire time in '${command}' command`

await bothWays(t, 'SET replaces a value and its time to live', (play) =>
  play([
    ['get a', '$-1'],
    ['set a 1 EX 100', '+OK'],
    ['set a ""', '+OK'],
    ['get a', '$0 '],
    ['ttl a', ':-1'],
  ]),
)

await bothWays(t, 'SET NX and XX write only what is absent or present', (play) =>
  play([
    ['set a 1 xx', '$-1'],
    ['set a 1 nx', '+OK'],
    ['set a 2 NX', '$-1'],
    ['set a 3 Xx', '+OK'],
    ['get a', '$1 3'],
  ]),
)

await bothWays(t, 'SET GET answers the old value, whether or not it writes', (play) =>
  play([
    ['set a 1 GET', '$-1'],
    ['set a 2 get', '$1 1'],
    ['set a 3 NX GET', '$1 2'],
    ['get a', '$1 2'],
    ['set b 1 XX GET', '$-1'],
    ['set b 1 NX GET', '$-1'],
    ['get b', '$1 1'],
  ]),
)

await bothWays(t, 'SET IFEQ writes only over the value it names', (play) =>
  play([
    ['set a new IFEQ old', '$-1'],
    ['exists a', ':0'],
    ['set a old', '+OK'],
    ['set a new ifeq olD', '$-1'],
    ['set a new ifeq ol', '$-1'],
    ['set a new ifeq old', '+OK'],
    ['set a newer IFEQ old GET', '$3 new'],
    ['set a newer IFEQ new GET', '$3 new'],
    ['get a', '$5 newer'],
    ['set a x IFEQ newer NX', SYNTAX],
    ['set a x XX IFEQ newer', SYNTAX],
    ['set a x IFEQ', SYNTAX],
  ]),
)

await bothWays(t, 'SET takes one kind of time to live', (play, runner) => {
  runner.keyspace.now = 1_800_000_000_000
  return play([
    ['set a 1 EX 10', '+OK'],
    ['pexpiretime a', ':1800000010000'],
    ['set a 1 px 10', '+OK'],
    ['pexpiretime a', ':1800000000010'],
    ['set a 1 exat 1800000100', '+OK'],
    ['pexpiretime a', ':1800000100000'],
    ['set a 1 pxat 1800000100001', '+OK'],
    ['pexpiretime a', ':1800000100001'],
    ['set a 2 keepttl', '+OK'],
    ['pexpiretime a', ':1800000100001'],
    ['set b 2 KEEPTTL', '+OK'],
    ['ttl b', ':-1'],
    ['set a 1 EX 10 EX 20', '+OK'],
    ['ttl a', ':20'],
    ['set a 1 EX 10 PX 20', SYNTAX],
    ['set a 1 EX 10 KEEPTTL', SYNTAX],
    ['set a 1 KEEPTTL PXAT 10', SYNTAX],
    ['set a 1 PERSIST', SYNTAX],
    ['set a 1 EX', SYNTAX],
    ['set a 1 EX NX', NOT_INTEGER],
    ['set a 1 NX XX', SYNTAX],
    ['set a 1 NOX', SYNTAX],
    ['set a 1 nx nx', '$-1'],
  ])
})

await bothWays(t, 'a time to live has to be a positive integer that a record holds', (play) =>
  play([
    ['set a 1 EX 0', badTime('set')],
    ['set a 1 PX -1', badTime('set')],
    ['set a 1 EX 1.5', NOT_INTEGER],
    ['set a 1 EX 9223372036854775807', badTime('set')],
    ['set a 1 EX 9223372036854775808', NOT_INTEGER],
    ['set a 1 EXAT 281474976711', badTime('set')],
    ['set a 1 PXAT 281474976710656', badTime('set')],
    ['set a 1 PXAT 281474976710655', '+OK'],
    ['set a 1 NX EX 0', badTime('set')],
    ['setex a 0 1', badTime('setex')],
    ['psetex a x 1', NOT_INTEGER],
    ['psetex a -5 1', badTime('psetex')],
    ['getex a EX 0', badTime('getex')],
  ]),
)

await bothWays(t, 'SET with a time that has passed leaves no key', (play, runner) => {
  runner.keyspace.now = 1_800_000_000_000
  return play([
    ['set a 1', '+OK'],
    ['set a 2 PXAT 1800000000000', '+OK'],
    ['get a', '$-1'],
    ['exists a', ':0'],
    ['dbsize', ':0'],
  ])
})

await bothWays(t, 'SETEX, PSETEX and SETNX are SET with one option', (play, runner) => {
  runner.keyspace.now = 1_800_000_000_000
  return play([
    ['setex a 7 v', '+OK'],
    ['pttl a', ':7000'],
    ['psetex a 7 w', '+OK'],
    ['pttl a', ':7'],
    ['get a', '$1 w'],
    ['setnx a x', ':0'],
    ['setnx b x', ':1'],
    ['get b', '$1 x'],
    ['ttl b', ':-1'],
  ])
})

await bothWays(t, 'GETSET and GETDEL answer what they take away', (play) =>
  play([
    ['getset a 1', '$-1'],
    ['expire a 100', ':1'],
    ['getset a 2', '$1 1'],
    ['ttl a', ':-1'],
    ['getdel a', '$1 2'],
    ['getdel a', '$-1'],
  ]),
)

await bothWays(t, 'GETEX changes the time to live and nothing else', (play, runner) => {
  runner.keyspace.now = 1_800_000_000_000
  return play([
    ['getex a EX 10', '$-1'],
    ['getex a EX 0', '$-1'],
    ['set a v', '+OK'],
    ['getex a', '$1 v'],
    ['ttl a', ':-1'],
    ['getex a px 5000', '$1 v'],
    ['pttl a', ':5000'],
    ['getex a', '$1 v'],
    ['pttl a', ':5000'],
    ['getex a PERSIST', '$1 v'],
    ['ttl a', ':-1'],
    ['getex a PERSIST', '$1 v'],
    ['getex a EXAT 1800000009', '$1 v'],
    ['expiretime a', ':1800000009'],
    ['getex a PERSIST EX 10', SYNTAX],
    ['getex a KEEPTTL', SYNTAX],
    ['getex a NX', SYNTAX],
    ['getex a EX', SYNTAX],
    ['getex a PXAT 1800000000000', '$1 v'],
    ['exists a', ':0'],
  ])
})

await bothWays(t, 'MGET and MSET take several keys', (play) =>
  play([
    ['mset a 1 b "" a 2', '+OK'],
    ['mget a b c a', '*4 $1 2 $0  $-1 $1 2'],
    ['mset a', "-ERR wrong number of arguments for 'mset' command"],
    ['mset a 1 b', "-ERR wrong number of arguments for 'mset' command"],
    ['msetnx a 1 b', "-ERR wrong number of arguments for 'msetnx' command"],
  ]),
)

await bothWays(
  t,
  'an MGET reply is bounded',
  (play) =>
    play([
      [`set a ${'x'.repeat(90)}`, '+OK'],
      ['mget a b', `*2 $90 ${'x'.repeat(90)} $-1`],
      ['mget a a a', '-ERR MGET would answer more than twice proto-max-bulk-len, ask for fewer keys'],
    ]),
  { protoMaxBulkLenBytes: 100 },
)

await bothWays(t, 'MSETNX writes all or nothing', (play, runner, t) =>
  play([
    ['msetnx a 1 b 2 a 3', ':1'],
    ['mget a b', '*2 $1 3 $1 2'],
    ['msetnx c 1 b 3', ':0'],
    ['mget b c', '*2 $1 2 $-1'],
  ]).then(() => void t.equal(runner.keyspace.reservations, 1, 'its writes were reserved as one unit')),
)

t.test('absent values are RESP3 nulls after HELLO 3', async (t) => {
  const runner = new HandlerRunner({ protocol: 3 })
  t.equal(await runner.text('get', 'a'), '_\r\n')
  t.equal(await runner.text('mget', 'a', 'b'), '*2\r\n_\r\n_\r\n')
  t.equal(await runner.text('set', 'a', '1', 'XX'), '_\r\n')
})

t.test('values and keys are any bytes', async (t) => {
  const runner = new HandlerRunner()
  const value = Buffer.from('\r\n\x00\xff$-1\r\n', 'latin1')
  const key = Buffer.from('\x00\r\n', 'latin1')
  t.equal(await runner.text('set', key, value), '+OK\r\n')
  t.equal(await runner.text('get', key), '$9\r\n\r\n\x00\xff$-1\r\n\r\n')
  t.equal(await runner.text('strlen', key), ':9\r\n')
})

t.test('no command creates a key over the limit, and all say which limit', async (t) => {
  const runner = new HandlerRunner()
  const long = 'k'.repeat(KEY_BYTES_MAX + 1)
  const error = '-ERR key is too long: at most 65536 bytes are allowed\r\n'
  for (const command of ['set', 'setnx', 'getset', 'append', 'incrby', 'incrbyfloat'])
    t.equal(await runner.text(command, long, '1'), error, command)
  t.equal(await runner.text('set', long, '1', 'NX', 'EX', '10', 'GET'), error)
  t.equal(await runner.text('setex', long, '10', '1'), error)
  t.equal(await runner.text('psetex', long, '10', '1'), error)
  t.equal(await runner.text('mset', 'a', '1', long, '1'), error)
  t.equal(await runner.text('msetnx', 'a', '1', long, '1'), error)
  t.equal(await runner.text('setrange', long, '1', 'x'), error)
  t.equal(await runner.text('setbit', long, '1', '0'), error)
  t.equal(await runner.text('incr', long), error)
  t.equal(await runner.text('decr', long), error)
  t.equal(await runner.text('incrby', long, '9223372036854775807'), error)
  t.equal(runner.keyspace.count(), 0)
  await runner.text('set', 'a', '1')
  t.equal(await runner.text('rename', 'a', long), error)
  t.equal(await runner.text('copy', 'a', long), error)
  t.equal(await runner.text('get', long), '$-1\r\n', 'such a key is merely absent for readers')
  t.equal(await runner.text('del', long), ':0\r\n')
  t.equal(await runner.text('set', long.slice(1), '1'), '+OK\r\n')
})

t.test('a write that the store refuses is thrown before the reply', async (t) => {
  for (const line of [
    'set a 2',
    'set a 2 GET',
    'getset a 2',
    'getdel a',
    'append a 2',
    'incr a',
    'mset a 1 b 2',
    'expire a 9',
  ]) {
    const runner = new HandlerRunner()
    await runner.text('set', 'a', '1')
    runner.keyspace.full = true
    await t.rejects(runner.text(...line.split(' ')), StoreError, line)
    runner.keyspace.full = false
    t.equal(await runner.text('get', 'a'), '$1\r\n1\r\n')
  }
})

t.test('commands that read what they write count a hit or a miss, once', async (t) => {
  for (const cold of [false, true]) {
    const runner = new HandlerRunner({ cold })
    const { stats } = runner.node
    await runner.text('set', 'a', '1')
    await runner.text('set', 'a', '1', 'NX')
    await runner.text('append', 'a', '1')
    t.same([stats.keyspaceHits, stats.keyspaceMisses], [0, 0], 'other writes do not')
    for (const key of ['a', 'b']) {
      await runner.text('getex', key)
      await runner.text('set', key, '1', 'XX', 'GET')
      await runner.text('getdel', key)
      await runner.text('getset', key, '1')
    }
    t.same([stats.keyspaceHits, stats.keyspaceMisses], [3, 5])
  }
})

t.test('every handler is a function under a lower-case name', (t) => {
  for (const [name, handler] of Object.entries(dataHandlers)) {
    t.match(name, /^[a-z|]+$/)
    t.type(handler, 'function')
  }
  t.end()
})
