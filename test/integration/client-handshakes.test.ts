/**
 * What clients send that are not installed here, as it was traced on the wire: each command has exactly one reply, in
 * order, of the kind the client needs to go on.
 */
import t from 'tap'
import { infoFields, KindredNode } from '../support/kindred-node.js'
import { pipeline } from '../support/wire-client.js'
import type { Argument, WireClient } from '../support/wire-client.js'

/** Sends all requests before the first reply is read, as handshakes do. */
async function replies(client: WireClient, ...commands: readonly (readonly Argument[])[]): Promise<string[]> {
  void client.send(pipeline(...commands))
  return (await client.replies(commands.length)).map((reply) => reply.toString('latin1'))
}

t.test('redis-py 8 connects: HELLO 3, maintenance notifications, name and library', async (t) => {
  const node = await KindredNode.start(t)
  const client = await node.open()
  const [hello, notifications, name, library, version, select] = await replies(
    client,
    ['HELLO', '3'],
    ['CLIENT', 'MAINT_NOTIFICATIONS', 'ON', 'moving-endpoint-type', 'internal-ip'],
    ['CLIENT', 'SETNAME', 'worker'],
    ['CLIENT', 'SETINFO', 'LIB-NAME', 'redis-py'],
    ['CLIENT', 'SETINFO', 'LIB-VER', '8.1.0'],
    ['SELECT', '0'],
  )
  t.match(hello, /^%7\r\n\$6\r\nserver\r\n\$5\r\nredis\r\n\$7\r\nversion\r\n/)
  t.match(hello, '$5\r\nproto\r\n:3\r\n', 'the client checks the protocol')
  for (const field of ['id', 'mode', 'role', 'modules']) t.match(hello, `\r\n${field}\r\n`)
  t.match(notifications, /^-/, 'one reply, which may be an error')
  t.same([name, library, version, select], ['+OK\r\n', '+OK\r\n', '+OK\r\n', '+OK\r\n'])
  t.match(await client.ask('CLIENT', 'INFO'), / name=worker .* resp=3 lib-name=redis-py lib-ver=8\.1\.0/)
  t.equal(await client.ask('GET', 'nothing'), '_\r\n', 'nil in RESP3')
})

t.test('a login in HELLO is one step', async (t) => {
  const node = await KindredNode.start(t, { flags: ['--requirepass', 'secret'] })
  const client = await node.open()
  const [refused, wrong, hello, pong] = await replies(
    client,
    ['HELLO', '3'],
    ['HELLO', '3', 'AUTH', 'default', 'wrong'],
    ['HELLO', '3', 'AUTH', 'default', 'secret', 'SETNAME', 'me'],
    ['PING'],
  )
  t.match(refused, /^-NOAUTH HELLO must be called with the client already authenticated/)
  t.match(wrong, /^-WRONGPASS/)
  t.match(hello, /^%7\r\n/)
  t.equal(pong, '+PONG\r\n')
  t.equal((await client.bulk('CLIENT', 'GETNAME'))?.toString(), 'me')
})

t.test('@keyv/redis: values with a time, many at once in a transaction, a scan by type', async (t) => {
  const node = await KindredNode.start(t)
  const client = await node.open()
  t.same(
    await replies(
      client,
      ['CLIENT', 'SETINFO', 'LIB-VER', '5.12.0'],
      ['CLIENT', 'SETINFO', 'LIB-NAME', 'node-redis'],
      ['SET', 'keyv::keyv:a', '{"value":1}', 'PX', '100000'],
      ['GET', 'keyv::keyv:a'],
      ['EXISTS', 'keyv::keyv:a'],
      ['MULTI'],
      ['SET', 'keyv::keyv:b', '2', 'PX', '100000'],
      ['SET', 'keyv::keyv:c', '3'],
      ['EXEC'],
      ['MGET', 'keyv::keyv:a', 'keyv::keyv:b', 'keyv::keyv:x'],
      ['UNLINK', 'keyv::keyv:a'],
    ),
    [
      '+OK\r\n',
      '+OK\r\n',
      '+OK\r\n',
      '$11\r\n{"value":1}\r\n',
      ':1\r\n',
      '+OK\r\n',
      '+QUEUED\r\n',
      '+QUEUED\r\n',
      '*2\r\n+OK\r\n+OK\r\n',
      '*3\r\n$11\r\n{"value":1}\r\n$1\r\n2\r\n$-1\r\n',
      ':1\r\n',
    ],
  )
  const scan = await client.ask('SCAN', '0', 'MATCH', 'keyv::*', 'COUNT', '1000', 'TYPE', 'string')
  t.match(scan, /^\*2\r\n\$1\r\n0\r\n\*2\r\n/)
  t.equal(await client.ask('FLUSHDB'), '+OK\r\n')
  t.equal(await client.ask('DBSIZE'), ':0\r\n')
})

t.test('INFO has what BullMQ, ioredis and Rails read', async (t) => {
  const node = await KindredNode.start(t)
  const client = await node.open()
  const info = infoFields(await client.ask('INFO'))
  t.equal(info.get('redis_version'), '7.0.15', 'BullMQ refuses below 5.0.0')
  t.equal(info.get('maxmemory_policy'), 'noeviction', 'BullMQ warns about others')
  t.equal(info.get('loading'), '0', 'ioredis waits while it is 1')
  t.notOk(info.has('dragonfly_version') || info.has('valkey_version'))
  t.equal(info.get('redis_mode'), 'standalone')
  t.equal(info.get('role'), 'master')
  t.equal(info.get('tcp_port'), String(node.port))
  const server = infoFields(await client.ask('INFO', 'server'))
  t.equal(server.get('redis_version'), '7.0.15')
  t.notOk(server.has('maxmemory_policy'), 'one section only')
})

t.test('sessions and locks of PHP, Django and Spring', async (t) => {
  const node = await KindredNode.start(t)
  const client = await node.open()
  t.same(
    await replies(
      client,
      ['SET', 'PHPREDIS_SESSION:1_LOCK', 'secret', 'NX', 'PX', '30000'],
      ['SET', 'PHPREDIS_SESSION:1_LOCK', 'other', 'NX', 'PX', '30000'],
      ['SETEX', 'PHPREDIS_SESSION:1', '1440', 'data'],
      ['DELIFEQ', 'PHPREDIS_SESSION:1_LOCK', 'other'],
      ['DELIFEQ', 'PHPREDIS_SESSION:1_LOCK', 'secret'],
      ['MULTI'],
      ['MSET', ':1:a', '1', ':1:b', '2'],
      ['EXPIRE', ':1:a', '300'],
      ['EXPIRE', ':1:b', '300'],
      ['EXEC'],
      ['RENAME', ':1:a', ':1:c'],
      ['EXISTS', ':1:a', ':1:c'],
      ['APPEND', ':1:b', ''],
      ['FUNCTION', 'FLUSH'],
    ),
    [
      '+OK\r\n',
      '$-1\r\n',
      '+OK\r\n',
      ':0\r\n',
      ':1\r\n',
      '+OK\r\n',
      '+QUEUED\r\n',
      '+QUEUED\r\n',
      '+QUEUED\r\n',
      '*3\r\n+OK\r\n:1\r\n:1\r\n',
      '+OK\r\n',
      ':1\r\n',
      ':1\r\n',
      '+OK\r\n',
    ],
  )
})
