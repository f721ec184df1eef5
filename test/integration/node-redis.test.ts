/** node-redis 6 against a node: HELLO 3 or nothing, the commands of connect-redis and keyv, and RESP2 when asked. */
import { createClient, RESP_TYPES } from 'redis'
import type { RedisClientOptions } from 'redis'
import t from 'tap'
import type { Test } from 'tap'
import { KindredNode } from '../support/kindred-node.js'

const SCANNED_KEYS = 1_000

async function connect(
  t: Test,
  node: KindredNode,
  options: Omit<RedisClientOptions, 'RESP'> = {},
  protocol = 3,
) {
  // The types of replies follow the protocol; of the commands used here they are the same in both.
  const client = createClient({ url: `redis://127.0.0.1:${node.port}`, ...options, RESP: protocol as 3 })
  // A broken connection shows in what the commands answer.
  client.on('error', () => {})
  t.teardown(() => client.destroy())
  await client.connect()
  return client
}

for (const protocol of [3, 2]) {
  t.test(`node-redis in RESP${protocol}: values, binary values and transactions`, async (t) => {
    const node = await KindredNode.start(t)
    const client = await connect(t, node, { name: 'session-app' }, protocol)
    t.match(await client.clientInfo(), { name: 'session-app', resp: protocol, libName: /node-redis/ })
    t.equal(await client.set('key', 'value', { expiration: { type: 'EX', value: 100 } }), 'OK')
    t.equal(await client.get('key'), 'value')
    t.equal(await client.get('absent'), null)
    t.equal(await client.set('key', 'other', { condition: 'NX' }), null)
    t.equal(await client.set('key', 'other', { condition: 'XX', GET: true }), 'value')
    t.same(await client.mGet(['key', 'absent']), ['other', null])
    t.equal(await client.expire('key', 1000), 1)
    t.ok([999, 1000].includes(await client.ttl('key')))
    t.equal(await client.persist('key'), 1)
    t.equal(await client.incrBy('counter', 5), 5)
    t.equal(await client.incrByFloat('float', 1.5), '1.5')
    t.equal(await client.exists(['key', 'counter', 'absent']), 2)
    t.equal(await client.del(['key', 'absent']), 1)
    t.equal(await client.unlink('counter'), 1)
    t.equal(await client.type('float'), 'string')
    t.equal(await client.dbSize(), 1)
    t.same(await client.configGet('maxmemory-policy'), { 'maxmemory-policy': 'noeviction' })

    const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    await client.set('binary', binary)
    const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
    t.same(await buffers.get('binary'), binary)

    t.same(await client.multi().set('a', '1').incr('a').mGet(['a', 'b']).exec(), ['OK', 2, ['2', null]])
    await t.rejects(client.multi().set('a', '1').addCommand(['nonsense']).exec(), /unknown command|EXECABORT/)
    await t.rejects(client.sendCommand(['hgetall', 'a']), { message: /^ERR unknown command 'hgetall'/ })
    await t.rejects(client.watch('a'), { message: /^ERR WATCH is not supported/ })
    t.equal(await client.ping(), 'PONG')
  })
}

t.test('node-redis scans the keyspace', async (t) => {
  const node = await KindredNode.start(t)
  const client = await connect(t, node)
  const names = Array.from({ length: SCANNED_KEYS }, (_, i) => `cache:${i}`)
  await Promise.all(names.map((name) => client.set(name, 'x')))
  await client.set('another', 'x')
  const seen: string[] = []
  for await (const keys of client.scanIterator({ MATCH: 'cache:*', COUNT: 100, TYPE: 'string' }))
    seen.push(...keys)
  t.same(seen.toSorted(), names.toSorted(), 'each key once')
  t.equal(await client.del(seen), SCANNED_KEYS)
  t.same(await client.keys('*'), ['another'])
})

t.test('node-redis logs in, and does not connect with a wrong password', async (t) => {
  const node = await KindredNode.start(t, { flags: ['--requirepass', 'secret'] })
  const client = await connect(t, node, { password: 'secret' })
  t.equal(await client.ping(), 'PONG')
  const socket = { reconnectStrategy: false } as const
  await t.rejects(connect(t, node, { password: 'wrong', socket }), /WRONGPASS/)
})

t.test('node-redis comes back when the node was killed and started again', async (t) => {
  const node = await KindredNode.start(t)
  const client = await connect(t, node, { socket: { reconnectStrategy: 50 } })
  await client.set('before', '1')
  const lost = new Promise((resolve) => client.once('reconnecting', resolve))
  await node.kill9()
  await lost
  const answer = client.get('before')
  await node.startAgainOnItsPort()
  t.equal(await answer, '1', 'what was acknowledged is there')
})
