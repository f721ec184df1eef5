/** Clients of Redis Cluster, given any address of a cluster of three, and clients that know nothing of clusters. */
import { once } from 'node:events'
import { Cluster, Redis } from 'ioredis'
import { createCluster } from 'redis'
import t from 'tap'
import type { Test } from 'tap'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { runProgram } from '../support/run-program.js'
import { SessionApplication } from '../support/session-application.js'
import { until, within } from '../support/until.js'
import { pipeline, WireClient } from '../support/wire-client.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(300_000)

const KEYS = 300
/** Longer than clients need to look for the slots again. */
const ANSWER_MS = 15_000

const cluster = await KindredCluster.start(t)
const [one, two, three] = cluster.nodes

function names(prefix: string): string[] {
  return Array.from({ length: KEYS }, (_, i) => `${prefix}:${i}`)
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

/** How often clients were sent elsewhere, by all nodes that are there. */
async function redirections(): Promise<number> {
  const all = await Promise.all(cluster.nodes.map((node) => node.info()))
  return sum(all.map((info) => Number(/^count=(\d+)$/.exec(info.get('errorstat_MOVED') ?? '')?.[1] ?? 0)))
}

function ioredisCluster(t: Test, ports: readonly number[]): Cluster {
  const client = new Cluster(
    ports.map((port) => ({ host: '127.0.0.1', port })),
    { redisOptions: { maxRetriesPerRequest: null }, clusterRetryStrategy: () => 100 },
  )
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  return client
}

function plain(t: Test, node: ClusterNode): Redis {
  const redis = new Redis({ port: node.port, host: '127.0.0.1' })
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  return redis
}

function smartPorts(): string[] {
  return cluster.nodes.map(({ smartPort }) => String(smartPort)).toSorted()
}

for (const [kind, portsOf] of [
  ['plain', () => cluster.nodes.map(({ port }) => port)],
  ['smart', () => cluster.nodes.map(({ smartPort }) => smartPort)],
] as const) {
  t.test(`ioredis Cluster, given ${kind} addresses, talks to the homes of its keys`, async (t) => {
    const client = ioredisCluster(t, portsOf())
    await once(client, 'ready')
    const masters = client.nodes('master')
    t.same(masters.map(({ options }) => String(options.port)).toSorted(), smartPorts())
    const before = await cluster.total('cluster_requests_forwarded')
    const keys = names(`ioredis-${kind}`)
    await Promise.all(keys.map((key) => client.set(key, key)))
    t.same(await Promise.all(keys.map((key) => client.get(key))), keys)
    t.same(
      await Promise.all(keys.map((key) => client.incr(`${key}:count`))),
      keys.map(() => 1),
    )
    t.equal(await cluster.total('cluster_requests_forwarded'), before, 'no node had to forward anything')
    await t.rejects(client.mget(keys[0], keys[1], keys[2], keys[3]), /CROSSSLOT|same slot/)
    t.equal(await client.mset('{tag}1', '1', '{tag}2', '2'), 'OK')
    t.same(await client.mget('{tag}2', '{tag}1'), ['2', '1'])
    t.same(await client.multi().incr('{tag}1').get('{tag}2').exec(), [
      [null, 2],
      [null, '2'],
    ])
  })

  t.test(`node-redis cluster, given ${kind} addresses, talks to the homes of its keys`, async (t) => {
    const client = createCluster({
      rootNodes: portsOf().map((port) => ({ url: `redis://127.0.0.1:${port}` })),
    })
    client.on('error', () => {})
    await client.connect()
    t.teardown(() => client.destroy())
    t.same(client.masters.map(({ port }) => String(port)).toSorted(), smartPorts())
    const before = await cluster.total('cluster_requests_forwarded')
    const keys = names(`node-redis-${kind}`)
    await Promise.all(keys.map((key) => client.set(key, key)))
    t.same(await Promise.all(keys.map((key) => client.get(key))), keys)
    t.equal(await cluster.total('cluster_requests_forwarded'), before, 'no node had to forward anything')
    t.same(await client.mGet(['{tag}a', '{tag}b']), [null, null])
    t.same(await client.multi().set('{tag}a', '1').incr('{tag}a').exec(), ['OK', 2])
    t.equal(await client.del('{tag}a'), 1)
  })
}

t.test('the masters that a cluster client counts have all keys between them, each once', async (t) => {
  const client = ioredisCluster(t, [three.port])
  await once(client, 'ready')
  const other = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${one.smartPort}` }] })
  await other.connect()
  t.teardown(() => other.destroy())
  const keys = names('counted')
  await plain(t, two).flushall()
  await Promise.all(keys.map((key) => client.set(key, key)))
  const counts = await Promise.all(client.nodes('master').map((node) => node.dbsize()))
  t.equal(counts.length, 3)
  t.ok(counts.every((count) => count > 0 && count < KEYS))
  t.equal(sum(counts), KEYS)
  const others = await Promise.all(
    other.masters.map(async (master) => (await other.nodeClient(master)).dbSize()),
  )
  t.equal(sum(others), KEYS)
  for (const node of cluster.nodes) t.equal(await plain(t, node).dbsize(), KEYS)
  const seen: string[] = []
  for (const node of client.nodes('master')) {
    for await (const part of node.scanStream({ count: 50 })) seen.push(...(part as string[]))
  }
  t.same(seen.toSorted(), keys.toSorted(), 'and a scan of each lists them')
})

t.test('redis-cli -c follows redirections, and is sent to smart ports only', async (t) => {
  for (const { smartPort } of cluster.nodes) {
    const script = names('redis-cli')
      .slice(0, 20)
      .map((key) => `set ${key} ${smartPort}\nget ${key}\n`)
    const { code, out } = await runProgram('redis-cli', ['-c', '-p', String(smartPort)], {
      input: script.join(''),
    })
    t.equal(code, 0)
    const answers = out.split('\n').filter((line) => line !== '' && !line.startsWith('-> Redirected'))
    t.same(
      answers,
      script.flatMap(() => ['OK', String(smartPort)]),
    )
    const redirected = [...out.matchAll(/-> Redirected to slot \[\d+\] located at 127\.0\.0\.1:(\d+)/g)]
    t.ok(redirected.length > 0)
    t.ok(redirected.every(([, port]) => smartPorts().includes(port)))
  }
})

t.test('redis-cli --cluster check, info and call find three masters that agree', async (t) => {
  for (const node of cluster.nodes) {
    for (const port of [node.port, node.smartPort]) {
      const address = `127.0.0.1:${port}`
      const check = await runProgram('redis-cli', ['--cluster', 'check', address])
      t.equal(check.code, 0, check.out)
      t.match(check.out, '[OK] All nodes agree about slots configuration.')
      t.match(check.out, '[OK] All 16384 slots covered.')
      const info = await runProgram('redis-cli', ['--cluster', 'info', address])
      t.match(info, { code: 0, out: /\[OK\] \d+ keys in 3 masters\./ })
      const call = await runProgram('redis-cli', ['--cluster', 'call', address, 'ping'])
      t.equal(call.out.match(/: PONG$/gm)?.length, 3, call.out)
    }
  }
})

t.test('redis-benchmark runs against any port, and as a cluster client', async (t) => {
  for (const [port, ...flags] of [
    [one.port],
    [two.smartPort, '--cluster'],
    [three.port, '--cluster'],
    [three.port, '-P', '16', '-3'],
  ]) {
    const tests = 'ping_inline,ping_mbulk,set,get,incr,mset'
    const tags = flags.includes('--cluster') ? tests.replace(',mset', '') : tests
    const args = ['-p', String(port), '-n', '1000', '-c', '10', '-r', '500', '-q', '-t', tags, ...flags]
    const { code, out, error } = await runProgram('redis-benchmark', args.map(String))
    t.equal(code, 0, `${flags.join(' ')} ${out}${error}`)
    t.notMatch(out + error, /error/i)
    const lines = out.match(/^.*requests per second/gm) ?? []
    t.equal(lines.length, tags.split(',').length, out)
  }
})

t.test('on a plain port of any node ioredis sees one server, cluster commands typed or not', async (t) => {
  const clients = cluster.nodes.map((node) => plain(t, node))
  for (const [i, redis] of clients.entries()) {
    const keys = names(`plain-${i}`)
    t.match(await redis.cluster('INFO'), 'cluster_state:ok')
    const replies = await redis.pipeline(keys.map((key, n) => ['set', key, n])).exec()
    t.same(
      replies,
      keys.map(() => [null, 'OK']),
    )
    t.equal(((await redis.cluster('SLOTS')) as unknown[]).length > 0, true)
    t.same(
      await clients[(i + 1) % 3].mget(keys),
      keys.map((_, n) => String(n)),
    )
    t.match(await redis.cluster('MYID'), /^[0-9a-f]{40}$/)
    await redis.mset(Object.fromEntries(keys.map((key) => [`${key}:again`, key])))
    t.equal(await clients[(i + 2) % 3].exists(keys.map((key) => `${key}:again`)), KEYS)
    t.equal(await redis.call('READONLY'), 'OK')
    t.equal(await redis.del(keys), KEYS)
    t.equal(await clients[(i + 1) % 3].exists(keys), 0)
    t.equal(await redis.cluster('KEYSLOT', 'a'), 15495)
    const [a, b, c] = keys
    t.same(await redis.multi().set(a, 1).incr(a).set(b, 5).decrby(b, 2).set(c, 'x').mget(a, b, c).exec(), [
      [null, 'OK'],
      [null, 2],
      [null, 'OK'],
      [null, 3],
      [null, 'OK'],
      [null, ['2', '3', 'x']],
    ])
    t.equal(await redis.unlink(a, b, c), 3)
    await t.rejects(redis.call('MSET', a, '1', b, '2', c), /wrong number of arguments for 'mset' command/)
    t.equal(await redis.exists(a, b), 0)
  }
})

t.test('in a pipeline every command sees those before it, wherever their keys live', async (t) => {
  for (const node of cluster.nodes) {
    const redis = plain(t, node)
    const keys = names(`order-${node.name}`)
    const requests = redis.pipeline()
    for (const key of keys) requests.incr(key).get(key).append(key, '0').strlen(key).del(key).exists(key)
    t.same(
      (await requests.exec())?.map(([, reply]) => reply),
      keys.flatMap(() => [1, '1', 2, 2, 1, 0]),
    )
  }
})

t.test('HELLO 3 answers maps on both ports', async (t) => {
  for (const port of [one.port, one.smartPort]) {
    const redis = new Redis({ port, host: '127.0.0.1', protocol: 3 })
    t.teardown(() => redis.disconnect())
    await once(redis, 'ready')
    t.match(await redis.client('INFO'), /resp=3/)
    const client = await WireClient.open(port)
    t.teardown(() => client.close())
    await client.ask('HELLO', '3')
    void client.send(pipeline(['CLUSTER', 'SHARDS'], ['CONFIG', 'GET', 'node']))
    const [shards, config] = await client.replies(2)
    t.match(shards.toString('latin1', 0, 30), /^\*\d+\r\n%2\r\n\$5\r\nslots\r\n\*/)
    t.match(config.toString(), /^%1\r\n\$4\r\nnode\r\n\$6\r\nnode-1\r\n/)
  }
})

t.test('Express sessions are there on every node, whichever wrote them', async (t) => {
  const applications = await Promise.all(
    cluster.nodes.map((node) => SessionApplication.start(t, node.port, 1_000_000)),
  )
  const browser = applications[0].browser()
  t.match(await browser.request('POST', '/login?user=ann'), { status: 200 })
  for (const [i, application] of applications.entries()) {
    browser.goTo(application)
    // As an operator would, on the connection of the application.
    t.match(await application.redis.sendCommand(['CLUSTER', 'INFO']), 'cluster_state:ok')
    t.match(await browser.request('GET', '/me'), { status: 200, body: { user: 'ann' } })
    t.match(await browser.request('POST', '/visit'), { body: { visits: i + 1 } })
  }
  t.match(await browser.request('POST', '/logout'), { status: 200 })
  for (const application of applications) {
    browser.goTo(application)
    t.match(await browser.request('GET', '/me'), { status: 401 })
  }
})

t.test('cluster clients follow when the home of their keys moves to another replica', async (t) => {
  const client = ioredisCluster(t, [two.port])
  const other = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${three.port}` }] })
  other.on('error', () => {})
  await other.connect()
  t.teardown(() => other.destroy())
  await once(client, 'ready')
  const keys = names('moved').slice(0, 100)
  await Promise.all(keys.map((key) => client.set(key, 'before')))
  await one.kill9()
  // A client may keep a command for a node that is gone: whoever is asked too long is asked again.
  const tried = async (write: (key: string) => Promise<unknown>) => {
    for (const key of keys) {
      const asked = () => within('the client answers', write(key), ANSWER_MS).catch(() => null)
      await until(`${key} is written`, asked, 4 * ANSWER_MS)
    }
  }
  await Promise.all([
    tried((key) => client.set(key, 'after')),
    tried((key) => other.set(`${key}:other`, 'after')),
  ])
  t.same(
    await Promise.all(keys.map((key) => client.get(key))),
    keys.map(() => 'after'),
  )
  t.same(
    await Promise.all(keys.map((key) => other.get(`${key}:other`))),
    keys.map(() => 'after'),
  )
  await one.startAgain()
  await cluster.linked()
  // Homes are back where they were; both clients still believe otherwise.
  const before = await redirections()
  await tried((key) => client.set(key, 'again'))
  await tried((key) => other.set(`${key}:other`, 'again'))
  t.same(
    await Promise.all(keys.map((key) => client.get(key))),
    keys.map(() => 'again'),
  )
  t.same(
    await Promise.all(keys.map((key) => other.get(`${key}:other`))),
    keys.map(() => 'again'),
  )
  t.ok((await redirections()) > before, 'they were sent there')
})
