import t from 'tap'
import { PrivateRedis } from '../../support/private-redis.js'
import { NodeClient } from './node-client.js'
import { differences } from './redis-comparison.js'

const redis = await PrivateRedis.start()
t.teardown(() => redis.stop())

t.test('SLOWLOG and LATENCY answer as redis-server in RESP2 and RESP3', async (t) => {
  const connection = await redis.open()
  const client = new NodeClient()
  const lines = [
    'slowlog get',
    'slowlog get -1',
    'slowlog get -2',
    'slowlog get x',
    'slowlog get 99999999999999999999',
    'slowlog get 1 2',
    'slowlog len',
    'slowlog len x',
    'slowlog reset',
    'slowlog nonsense',
    'latency latest',
    'latency history',
    'latency history command',
    'latency reset',
    'latency reset command fork',
    'latency histogram nonsense',
    'latency doctor x',
    'latency nonsense',
  ]
  for (const protocol of ['2', '3']) {
    await client.text('HELLO', protocol)
    await connection.text('HELLO', protocol)
    t.same(await differences(client, connection, lines), [], `RESP${protocol}`)
  }
  connection.close()
})

t.test('an entry of the slow log has the shape that redis-server gives it', async (t) => {
  const connection = await redis.open()
  await connection.text('SLOWLOG', 'RESET')
  await connection.text('CLIENT', 'SETNAME', 'me')
  await connection.text('CONFIG', 'SET', 'slowlog-log-slower-than', '0')
  await connection.text('GET', 'k')
  const client = new NodeClient()
  const shared = { microseconds: 7, clientAddress: '1.2.3.4:5', clientName: 'me' }
  client.node.slowlog.list = [
    { id: 1, atUnixSeconds: 1_700_000_000, args: [Buffer.from('GET'), Buffer.from('k')], ...shared },
    { id: 0, atUnixSeconds: 1_700_000_000, args: [Buffer.from('SET')], ...shared },
  ]
  const shape = (reply: string) =>
    reply.replace(/:\d{10}\r\n:\d+/, ':at:us').replace(/\$\d+\r\n[\w./:-]+:\d+\r\n/, 'address')
  t.equal(
    shape(await client.text('SLOWLOG', 'GET', '1')),
    shape(await connection.text('SLOWLOG', 'GET', '1')),
  )
  await connection.text('CONFIG', 'SET', 'slowlog-log-slower-than', '10000')
  t.same(await client.value('SLOWLOG', 'GET'), [
    [1, 1_700_000_000, 7, ['GET', 'k'], '1.2.3.4:5', 'me'],
    [0, 1_700_000_000, 7, ['SET'], '1.2.3.4:5', 'me'],
  ])
  t.equal(((await client.value('SLOWLOG', 'GET', '-1')) as readonly unknown[]).length, 2)
  t.equal(await client.text('SLOWLOG', 'LEN'), ':2\r\n')
  await client.text('SLOWLOG', 'RESET')
  t.equal(await client.text('SLOWLOG', 'LEN'), ':0\r\n')
  connection.close()
})

t.test('LATENCY HISTOGRAM shows the commands that were called, or those asked for', async (t) => {
  const client = new NodeClient()
  const { stats } = client.node
  for (const microseconds of [1, 3, 3, 100]) stats.count('get', microseconds)
  stats.count('client|id', 2)
  stats.count('client|list', 2)
  const one = ['calls', 1, 'histogram_usec', [2, 1]]
  const get = ['get', ['calls', 4, 'histogram_usec', [1, 1, 4, 3, 128, 4]]]
  const container = ['client|id', one, 'client|list', one]
  t.same(await client.value('LATENCY', 'HISTOGRAM'), [...get, ...container])
  t.same(await client.value('LATENCY', 'HISTOGRAM', 'GET', 'nonsense', 'client|id'), [
    ...get,
    'client|id',
    one,
  ])
  t.same(await client.value('LATENCY', 'HISTOGRAM', 'client'), container)
  await client.text('HELLO', '3')
  t.match(await client.text('LATENCY', 'HISTOGRAM', 'client|id'), /^%1\r\n\$9\r\nclient\|id\r\n%2\r\n/)
})

t.test('LATENCY DOCTOR says where to look', async (t) => {
  t.match(await new NodeClient().value('LATENCY', 'DOCTOR'), /SLOWLOG GET/)
})
