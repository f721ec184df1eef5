/** RENAME, RENAMENX, COPY and LCS between slots on plain ports: as within one slot, but not in one step. */
import t from 'tap'
import { SimCluster, SMART_PORT } from '../../src/sim/sim-cluster.js'
import type { SimClient } from '../../src/sim/sim-client.js'
import { NOTICED_MS, keysAt } from './cluster-world.js'

/** Requests on A and B, which stand for two keys, and what they are about to find. */
const STORY: readonly (readonly string[])[] = [
  ['RENAME', 'A', 'B'],
  ['RENAMENX', 'A', 'B'],
  ['COPY', 'A', 'B'],
  ['SET', 'A', 'first'],
  ['RENAME', 'A', 'B'],
  ['GET', 'A'],
  ['GET', 'B'],
  ['TTL', 'B'],
  ['SET', 'A', 'second', 'PXAT', '99999999999999'],
  ['RENAMENX', 'A', 'B'],
  ['COPY', 'A', 'B'],
  ['GET', 'B'],
  ['COPY', 'A', 'B', 'REPLACE'],
  ['GET', 'A'],
  ['GET', 'B'],
  ['PEXPIRETIME', 'B'],
  ['SET', 'A', 'third'],
  ['RENAME', 'A', 'B'],
  ['PEXPIRETIME', 'B'],
  ['DEL', 'A'],
  ['RENAMENX', 'B', 'A'],
  ['GET', 'A'],
  ['EXISTS', 'A', 'B'],
  ['COPY', 'A', 'B', 'DB', '0'],
  ['COPY', 'A', 'B', 'DB', '1'],
  ['COPY', 'A', 'B', 'DB', 'x'],
  ['COPY', 'A', 'B', 'ELSEWHERE'],
  ['COPY', 'B', 'A', 'REPLACE', 'DB', '0'],
  ['RENAME', 'A'],
  ['SET', 'A', ''],
  ['RENAME', 'A', 'B'],
  ['GET', 'B'],
  ['SET', 'A', 'ohmytext'],
  ['SET', 'B', 'mynewtext'],
  ['LCS', 'A', 'B'],
  ['LCS', 'A', 'B', 'LEN'],
  ['LCS', 'A', 'B', 'IDX', 'MINMATCHLEN', '4', 'WITHMATCHLEN'],
  ['LCS', 'A', 'B', 'LEN', 'IDX'],
  ['LCS', 'A', 'B', 'NONSENSE'],
  ['DEL', 'B'],
  ['LCS', 'A', 'B'],
  ['MSETNX', 'A', '1'],
]

async function told(cluster: SimCluster, client: SimClient, a: string, b: string): Promise<unknown[]> {
  const replies: unknown[] = []
  for (const words of STORY) {
    const args = words.map((word) => (word === 'A' ? a : word === 'B' ? b : word))
    replies.push([words.join(' '), await cluster.ask(client, ...args)])
  }
  return replies
}

t.test('between slots every reply is as within one', async (t) => {
  const cluster = await SimCluster.started({ seed: 'two keys' })
  const [first, second, third] = cluster.nodes
  const near = await told(cluster, cluster.client(first), '{one}a', '{one}b')
  const a = keysAt(cluster, first).next().value
  const b = keysAt(cluster, second).next().value
  for (const node of cluster.nodes) {
    const client = cluster.client(node)
    t.same(await told(cluster, client, a, b), near, 'whichever node is asked')
    await cluster.ask(client, 'FLUSHALL')
  }
  const client = cluster.client(third)
  t.match(await cluster.ask(client, 'MSETNX', a, '1', b, '2'), /^-CROSSSLOT/, 'is not taken apart')
  const smart = cluster.client(third, SMART_PORT)
  t.match(await cluster.ask(smart, 'RENAME', a, b), /^-CROSSSLOT/, 'cluster clients are told')
  t.equal(await cluster.ask(client, 'DBSIZE'), 0)
})

t.test('R3 what follows in the pipeline sees it done', async (t) => {
  const cluster = await SimCluster.started({ seed: 'pipeline' })
  const [first, second] = cluster.nodes
  const a = keysAt(cluster, first).next().value
  const b = keysAt(cluster, second).next().value
  const client = cluster.client(cluster.nodes[2])
  const commands = [
    ['SET', a, '1'],
    ['RENAME', a, b],
    ['GET', b],
    ['GET', a],
    ['COPY', b, a],
    ['MGET', a, b],
  ]
  t.same(await cluster.replies(client.pipeline(commands)), ['OK', 'OK', '1', null, 1, ['1', '1']])
})

t.test('where a home is missing nothing is lost', async (t) => {
  const cluster = await SimCluster.started({ seed: 'missing' })
  const [first, second, third] = cluster.nodes
  const a = keysAt(cluster, first, third).next().value
  const b = keysAt(cluster, second, third).next().value
  const client = cluster.client(first)
  await cluster.ask(client, 'SET', a, 'value')
  cluster.isolate(first)
  await cluster.run(NOTICED_MS)
  t.match(await cluster.ask(client, 'RENAME', a, b), /^-NOREPLICAS/, 'nothing was applied')
  cluster.heal()
  await cluster.run(NOTICED_MS)
  const other = cluster.client(third)
  t.same(await cluster.ask(other, 'MGET', a, b), ['value', null])
  t.equal(await cluster.ask(other, 'RENAME', a, b), 'OK')
  t.same(await cluster.ask(client, 'MGET', a, b), [null, 'value'])
})
