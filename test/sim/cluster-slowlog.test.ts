/** SLOWLOG in a cluster: what waited for other nodes is timed from its arrival until its reply is there. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimClient } from '../../src/sim/sim-client.js'
import { keyAt } from './cluster-world.js'

const WRITE_TIMEOUT_MS = 2000

/** Newest first: the arguments as one text, and the milliseconds. */
async function slowRequests(cluster: SimCluster, client: SimClient): Promise<(readonly [string, number])[]> {
  const entries = (await cluster.ask(client, 'SLOWLOG', 'GET', '-1')) as [number, number, number, string[]][]
  return entries.map(([, , microseconds, args]) => [args.join(' '), microseconds / 1000] as const)
}

t.test('a request that waited for other nodes for long stands in the slow log, others do not', async (t) => {
  const cluster = await SimCluster.started({ seed: 'slow log' })
  const [home, other] = cluster.nodes
  const [key, elsewhere] = [keyAt(cluster, home, other), keyAt(cluster, other, home)]
  const client = cluster.client(home)
  const split = cluster.client(home)
  await cluster.ask(split, 'PING')
  await cluster.ask(client, 'CONFIG', 'SET', 'slowlog-log-slower-than', '500000')
  t.equal(await cluster.ask(client, 'SET', key, 'fast'), 'OK')
  t.equal(await cluster.ask(client, 'SET', elsewhere, 'fast'), 'OK')
  t.same(await slowRequests(cluster, client), [])

  cluster.isolate(home)
  const slow = client.pipeline([
    ['SET', key, 'slow'],
    ['PING'],
    ['SET', elsewhere, 'slow'],
    ['KV.QUORUM', 'ONE', 'GET', key],
  ])
  slow.push(split.send('DEL', key, elsewhere))
  await cluster.replies(slow)
  const found = await slowRequests(cluster, client)
  const texts = found.map(([text]) => text)
  t.ok(texts.includes(`SET ${key} slow`), 'it ran here')
  t.ok(texts.includes(`SET ${elsewhere} slow`), 'it was forwarded')
  t.ok(texts.includes(`DEL ${key} ${elsewhere}`), 'it was split')
  t.equal(texts.length, 3, 'neither the PING behind a slow one, nor a part of a request')
  for (const [text, milliseconds] of found) {
    t.ok(milliseconds >= 500 && milliseconds <= 2 * WRITE_TIMEOUT_MS, `${text}: ${milliseconds}`)
  }
})

t.test('nothing is slow when the slow log is off', async (t) => {
  const cluster = await SimCluster.started({ seed: 'slow log off' })
  const [home, other] = cluster.nodes
  const client = cluster.client(home)
  await cluster.ask(client, 'CONFIG', 'SET', 'slowlog-log-slower-than', '-1')
  cluster.isolate(home)
  await cluster.ask(client, 'SET', keyAt(cluster, home, other), 'slow')
  t.same(await slowRequests(cluster, client), [])
})
