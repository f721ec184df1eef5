/** ioredis 6 against a node: it connects in RESP3, checks INFO, and comes back by itself when the node does. */
import { once } from 'node:events'
import { Redis } from 'ioredis'
import type { RedisOptions } from 'ioredis'
import t from 'tap'
import type { Test } from 'tap'
import { KindredNode } from '../support/kindred-node.js'
import { until } from '../support/until.js'

const SCANNED_KEYS = 1_000

function connect(t: Test, node: KindredNode, options: RedisOptions = {}): Redis {
  const redis = new Redis({ port: node.port, host: '127.0.0.1', ...options })
  // Connections break on purpose here; what matters is what the commands answer.
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  return redis
}

for (const protocol of [3, 2] as const) {
  t.test(`ioredis in RESP${protocol}: values, binary values, pipelines and transactions`, async (t) => {
    const node = await KindredNode.start(t)
    const redis = connect(t, node, { protocol, connectionName: 'session-app' })
    await once(redis, 'ready')
    t.match(
      await redis.client('INFO'),
      new RegExp(`name=session-app .*resp=${protocol} lib-name=ioredis lib-ver=6`),
    )

    t.equal(await redis.set('key', 'value', 'EX', 100), 'OK')
    t.equal(await redis.get('key'), 'value')
    t.equal(await redis.set('key', 'other', 'NX'), null)
    t.equal(await redis.get('absent'), null)
    t.same(await redis.mget('key', 'absent'), ['value', null])
    t.equal(await redis.del('key', 'absent'), 1)
    t.equal(await redis.incr('counter'), 1)
    t.equal(await redis.incrbyfloat('float', 0.1), '0.1')

    const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    t.equal(await redis.set(Buffer.from([0, 13, 10, 255]), binary), 'OK')
    t.same(await redis.getBuffer(Buffer.from([0, 13, 10, 255])), binary)

    const replies = await redis.pipeline().set('a', 1).incr('a').hget('a', 'field').get('a').exec()
    t.match(replies, [
      [null, 'OK'],
      [null, 2],
      [{ message: "ERR unknown command 'hget', with args beginning with: 'a' 'field' " }],
      [null, '2'],
    ])
    t.same(await redis.multi().set('b', 1).incr('b').mget('a', 'b').exec(), [
      [null, 'OK'],
      [null, 2],
      [null, ['2', '2']],
    ])
    await t.rejects(redis.multi().set('b', 1).call('get').exec(), /EXECABORT/)
    await redis.multi({ pipeline: false })
    t.equal(await redis.set('c', 1), 'QUEUED')
    t.same(await redis.exec(), [[null, 'OK']])
    await t.rejects(redis.call('nonsense', 'x'), {
      message: "ERR unknown command 'nonsense', with args beginning with: 'x' ",
    })
  })
}

t.test('ioredis streams the keyspace', async (t) => {
  const node = await KindredNode.start(t)
  const redis = connect(t, node, { enableAutoPipelining: true })
  const names = Array.from({ length: SCANNED_KEYS }, (_, i) => `session:${i}`)
  await Promise.all(names.map((name) => redis.set(name, 'x')))
  await redis.set('another', 'x')
  const seen: string[] = []
  for await (const keys of redis.scanStream({ match: 'session:*', count: 50, type: 'string' }))
    seen.push(...(keys as string[]))
  t.same(seen.toSorted(), names.toSorted(), 'each key once')
})

t.test('ioredis comes back when the node was killed and started again', async (t) => {
  const node = await KindredNode.start(t)
  const redis = connect(t, node, { retryStrategy: () => 50, maxRetriesPerRequest: null })
  t.equal(await redis.set('before', '1'), 'OK')
  const closed = once(redis, 'close')
  await node.kill9()
  await closed
  // Asked while nobody listens: ioredis keeps it until it is connected again.
  const answer = redis.get('before')
  await node.startAgainOnItsPort()
  t.equal(await answer, '1', 'what was acknowledged is there')
  t.equal(await redis.set('after', '2'), 'OK')
  t.match(await node.stop(), { code: 0 })
  await node.startAgainOnItsPort()
  t.equal(await until('the node to answer again', () => redis.get('after').catch(() => null)), '2')
})

t.test('ioredis logs in, and is told when the password is wrong', async (t) => {
  const node = await KindredNode.start(t, { flags: ['--requirepass', 'secret'] })
  const withPassword = connect(t, node, { password: 'secret' })
  t.equal(await withPassword.ping(), 'PONG')
  const withUser = connect(t, node, { username: 'default', password: 'secret' })
  t.equal(await withUser.ping(), 'PONG')
  const once = { retryStrategy: () => null, maxRetriesPerRequest: 0 }
  const wrong = connect(t, node, { password: 'wrong', ...once })
  await t.rejects(wrong.get('x'), /WRONGPASS|NOAUTH/)
  const none = connect(t, node, once)
  await t.rejects(none.get('x'), /NOAUTH/)
})
