import t from 'tap'
import { PrivateRedis } from '../../support/private-redis.js'
import { FakeNode } from './fake-node.js'
import { NodeClient } from './node-client.js'
import { differences } from './redis-comparison.js'

const redis = await PrivateRedis.start()
t.teardown(() => redis.stop())

t.test('commands about the node answer as redis-server in RESP2 and RESP3', async (t) => {
  const connection = await redis.open()
  const client = new NodeClient()
  const lines = [
    'time x',
    'lastsave x',
    'role',
    'role x',
    'flushall',
    'flushall ASYNC',
    'flushdb sync',
    'flushall nonsense',
    'flushdb sync async',
    'shutdown nonsense',
    'shutdown save nosave',
    'shutdown abort',
    'shutdown abort now',
    'shutdown nosave now nonsense',
    'wait',
    'wait 0 0',
    'wait -1 100',
    'wait x 0',
    'wait 0 x',
    'wait 0 -1',
    'debug',
    'debug sleep 0',
    'debug nonsense',
  ]
  for (const protocol of ['2', '3']) {
    await client.text('HELLO', protocol)
    await connection.text('HELLO', protocol)
    t.same(await differences(client, connection, lines), [], `RESP${protocol}`)
  }
  connection.close()
})

t.test('functions, access control and clusters answer as in a redis-server that has none', async (t) => {
  const connection = await redis.open()
  const client = new NodeClient()
  const lines = [
    'function flush',
    'function flush ASYNC',
    'function flush nonsense',
    'function flush sync async',
    'function list',
    'function list WITHCODE libraryname x',
    'function list libraryname',
    'function list withcode withcode',
    'function list "non\\nsense"',
    'function nonsense',
    'acl whoami',
    'acl users',
    'acl list',
    'acl cat',
    'acl cat transaction',
    'acl cat nonsense',
    'acl cat a b',
    'acl nonsense',
    'readonly',
    'readwrite',
    'asking',
    'cluster',
    'cluster slots',
    'cluster info x',
    'cluster keyslot',
    'cluster help',
    'cluster nonsense',
  ]
  for (const protocol of ['2', '3']) {
    await client.text('HELLO', protocol)
    await connection.text('HELLO', protocol)
    t.same(await differences(client, connection, lines, sortedNames), [], `RESP${protocol}`)
  }
  connection.close()
})

/** ACL CAT lists commands in the order of a hash table. */
function sortedNames(reply: string): string {
  return /\$\d+\r\n(multi|keyspace)\r\n/.test(reply) ? reply.split('\r\n').sort().join(' ') : reply
}

t.test('TIME and LASTSAVE tell the time of the node, LASTSAVE that of the last snapshot', async (t) => {
  const client = new NodeClient()
  client.node.clock.advance(1500)
  t.same(await client.value('TIME'), ['1800000001', '623000'])
  t.equal(await client.text('LASTSAVE'), ':1799999000\r\n')
})

t.test('FLUSHALL and FLUSHDB empty the keyspace before they answer', async (t) => {
  const client = new NodeClient()
  for (const command of ['FLUSHALL', 'FLUSHDB']) t.equal(await client.text(command), '+OK\r\n')
  t.equal(client.keyspace.flushes, 2)
  await client.text('FLUSHALL', 'nonsense')
  t.equal(client.keyspace.flushes, 2)
})

t.test('SHUTDOWN stops the node without an answer, whatever it is to save', async (t) => {
  for (const options of [[], ['NOSAVE'], ['save', 'now', 'FORCE']]) {
    const client = new NodeClient()
    t.equal(await client.text('SHUTDOWN', ...options), '')
    t.same([client.node.stopped, client.session.closing], [1, true])
  }
  const client = new NodeClient()
  await client.text('SHUTDOWN', 'ABORT')
  t.same([client.node.stopped, client.session.closing], [0, false])
})

t.test('WAIT answers 0 when its time is up, because there are no replicas to wait for', async (t) => {
  const client = new NodeClient()
  const { clock } = client.node
  let answer = ''
  const answered = client.text('WAIT', '1', '100').then((text) => (answer = text))
  clock.advance(99)
  await settled()
  t.equal(answer, '')
  clock.advance(1)
  await answered
  t.equal(answer, ':0\r\n')
})

t.test('WAIT without a timeout waits for ever, and holds no timer', async (t) => {
  const client = new NodeClient()
  let answered = false
  void client.text('WAIT', '1', '0').then(() => (answered = true))
  client.node.clock.advance(1e9)
  await settled()
  t.equal(answered, false)
  t.equal(client.node.clock.waiting, 0)
})

t.test('DEBUG SLEEP makes its own connection wait, where it is enabled', async (t) => {
  const client = new NodeClient(new FakeNode({ 'enable-debug-command': 'yes' }))
  let answer = ''
  const answered = client.text('DEBUG', 'SLEEP', '0.25').then((text) => (answer = text))
  client.node.clock.advance(249)
  await settled()
  t.equal(answer, '')
  client.node.clock.advance(1)
  await answered
  t.equal(answer, '+OK\r\n')
  for (const args of [['SLEEP'], ['SLEEP', '0', 'x'], ['nonsense']]) {
    const text = `-ERR unknown subcommand or wrong number of arguments for '${args[0]}'. Try DEBUG HELP.\r\n`
    t.equal(await client.text('DEBUG', ...args), text)
  }
  t.equal(await client.text('DEBUG', 'SLEEP', 'x'), '+OK\r\n')
})

t.test('with enable-debug-command local, DEBUG serves this machine only', async (t) => {
  for (const [address, served] of [
    ['127.0.0.1', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.0.0.9', false],
    ['1270.example', false],
  ] as const) {
    const client = new NodeClient(new FakeNode({ 'enable-debug-command': 'local' }), address)
    t.match(
      await client.text('DEBUG', 'SLEEP', '0'),
      served ? '+OK' : /^-ERR DEBUG command not allowed/,
      address,
    )
  }
})

/** All promises that can settle have settled. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
