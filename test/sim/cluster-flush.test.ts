/** RULES P4 on simulated clusters: FLUSHALL among writes, and with nodes that it does not reach. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimClient, SimReply, SimRequest } from '../../src/sim/sim-client.js'
import { NOTICED_MS, clientAt, clientsOf } from './cluster-world.js'

const KEYS = 60

/** Writes key:0 … on one of the clients after the other, a few at a time. */
async function fill(cluster: SimCluster, clients: readonly SimClient[], keys = KEYS): Promise<string[]> {
  const names = Array.from({ length: keys }, (_, i) => `key:${i}`)
  const requests = names.map((name, i) => clients[i % clients.length].send('SET', name, 'value'))
  const replies = await cluster.replies(requests)
  if (!replies.every((reply) => reply === 'OK')) throw new Error('a SET was refused')
  return names.sort()
}

async function keysAt(cluster: SimCluster, client: SimClient): Promise<SimReply[]> {
  const reply = await cluster.ask(client, 'KEYS', '*')
  if (!Array.isArray(reply)) throw new Error(`KEYS answers ${String(reply)}`)
  return [...(reply as SimReply[])].sort()
}

t.test('P4 a write that FLUSHALL overtakes is minted again, and counts stay right', async (t) => {
  for (const seed of ['one', 'two', 'three', 'four']) {
    const cluster = await SimCluster.started({ seed: `among writes ${seed}` })
    const clients = clientsOf(cluster)
    const flusher = cluster.client(cluster.nodes[1])
    await fill(cluster, clients)
    const writes: SimRequest[] = []
    let flush: SimRequest | null = null
    for (let i = 0; i < 400; i++) {
      writes.push(clients[i % 3].send('SET', `during:${i}`, 'value'))
      if (i === 100) flush = flusher.send('FLUSHALL')
      if (i % 10 === 0) await cluster.run(0.5)
    }
    t.equal(flush === null ? null : await cluster.reply(flush), 'OK')
    const replies = new Set(await cluster.replies(writes))
    t.same([...replies], ['OK'], 'none is uncertain, none refused')
    await cluster.run(500)
    const left = await keysAt(cluster, clients[0])
    t.ok(left.length > 0 && left.length < 400, 'some came before it, some behind')
    t.ok(
      left.every((name) => String(name).startsWith('during:')),
      'what was there before is gone',
    )
    for (const client of clients) {
      t.equal(await cluster.ask(client, 'DBSIZE'), left.length)
      t.same(await keysAt(cluster, client), left)
    }
    for (const node of cluster.nodes) node.crash('lose-all')
    await cluster.start(...cluster.nodes)
    await cluster.run(NOTICED_MS)
    for (const client of clientsOf(cluster)) {
      t.equal(await cluster.ask(client, 'DBSIZE'), left.length, 'and so does what a start finds in the log')
    }
  }
})

t.test('P4 a node that was cut off brings nothing back', async (t) => {
  const cluster = await SimCluster.started({ seed: 'cut off' })
  const all = await fill(cluster, clientsOf(cluster))
  const [first, , third] = cluster.nodes
  const client = cluster.client(first)
  const away = await clientAt(cluster, third, 'ONE', 'ONE')
  cluster.isolate(third)
  await cluster.run(NOTICED_MS)
  t.equal(await cluster.ask(client, 'FLUSHALL'), 'OK', 'two of three see it down')
  t.same(await keysAt(cluster, client), [])
  t.same(await keysAt(cluster, away), all, 'there it is not known yet')
  await cluster.run(100)
  t.equal(await cluster.ask(away, 'SET', 'later', 'value'), 'OK')
  cluster.heal()
  await cluster.run(NOTICED_MS)
  t.same(await keysAt(cluster, away), ['later'], 'gone without anything else having been said')
  for (const each of clientsOf(cluster)) {
    t.same(await keysAt(cluster, each), ['later'], 'what was written after it stays')
    for (const name of all.slice(0, 10)) t.equal(await cluster.ask(each, 'GET', name), null)
  }
})

t.test('P4 a node that dies under FLUSHALL holds it up until two others have seen it', async (t) => {
  const cluster = await SimCluster.started({ seed: 'dies' })
  const client = cluster.client(cluster.nodes[0])
  await fill(cluster, [client])
  cluster.nodes[2].crash('lose-all')
  t.equal(await cluster.ask(client, 'FLUSHALL'), 'OK')
  t.equal(await cluster.ask(client, 'DBSIZE'), 0)
  await cluster.start(cluster.nodes[2])
  await cluster.run(NOTICED_MS)
  const back = await clientAt(cluster, cluster.nodes[2], 'ONE', 'ONE')
  t.same(await keysAt(cluster, back), [])
})

t.test('P4 a member that only this node misses is not failed: nothing is flushed', async (t) => {
  const cluster = await SimCluster.started({ seed: 'one way', settings: { 'cluster.flush-timeout': '3000' } })
  const [first, , third] = cluster.nodes
  const client = cluster.client(first)
  const all = await fill(cluster, [client])
  cluster.network.partition(first.address, third.address)
  await cluster.run(NOTICED_MS)
  t.match(await cluster.ask(client, 'FLUSHALL'), /^-NOREPLICAS/)
  t.same(await keysAt(cluster, client), all)
  cluster.heal()
  await cluster.run(NOTICED_MS)
  t.equal(await cluster.ask(client, 'FLUSHALL'), 'OK')
  t.same(await keysAt(cluster, client), [])
})
