/** A disk that hangs answers no read, and reports no error either: requests that need it end nevertheless, in the time that they have. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { keysAt } from './cluster-world.js'

const KEYS = 100
const VALUE = 'v'.repeat(100_000)
/** Longer than a request may take, and its end may take to be noticed. */
const PATIENCE_MS = 3000

/** Keys of a home whose records lie in its tables, and not in memory; its disk hangs from now on. */
async function coldKeys(cluster: SimCluster, home: SimNode, second: SimNode): Promise<string[]> {
  const ofHome = keysAt(cluster, home, second)
  const keys = Array.from({ length: KEYS }, () => ofHome.next().value)
  const client = cluster.client(home)
  for (const key of keys) await cluster.ask(client, 'SET', key, VALUE)
  await cluster.run(2000)
  await cluster.stop(home)
  home.readsEagerly = false
  await cluster.start(home)
  await cluster.run(4000)
  home.disk.stallReads()
  const cold: string[] = []
  for (const key of keys) {
    const reader = cluster.client(home)
    const request = reader.send('KV.QUORUM', 'ONE', 'GET', key)
    await cluster.run(50)
    if (!request.isDone) cold.push(key)
    reader.close()
  }
  return cold
}

const NO_READ = '-NOREPLICAS Not enough good replicas to read.'
const NO_WRITE = '-NOREPLICAS Not enough good replicas to write.'

t.test(
  'requests that need a disk that hangs end with an error, in order, and nothing was applied',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'hangs', settings: { 'storage.segments-max': '2' } })
    const [home, second] = cluster.nodes
    const [key, other, third] = await coldKeys(cluster, home, second)
    const client = cluster.client(home)
    await cluster.ask(client, 'SET', `{${key}}recent`, 'in memory')
    const requests = client.pipeline([
      ['SET', `{${key}}recent`, 'newer'],
      ['GET', key],
      ['SET', key, 'not written'],
      ['INCR', other],
      ['KV.QUORUM', 'ONE', 'GET', third],
      ['PING'],
      ['GET', `{${key}}recent`],
    ])
    await cluster.run(PATIENCE_MS)
    t.same(
      requests.map(({ reply }) => reply),
      ['OK', NO_READ, NO_WRITE, NO_WRITE, undefined, undefined, undefined],
      'the one whose blocks were not asked for beforehand has its own time',
    )
    await cluster.run(PATIENCE_MS)
    t.same(
      requests.slice(4).map(({ reply }) => reply),
      [NO_READ, 'PONG', 'newer'],
    )

    const forwarded = cluster.client(second).pipeline([
      ['SET', other, 'not written'],
      ['INCR', third],
    ])
    await cluster.run(PATIENCE_MS)
    t.same(
      forwarded.map(({ reply }) => reply),
      [NO_WRITE, NO_WRITE],
    )
    home.disk.resumeReads()
    for (const cold of [key, other, third]) t.equal(await cluster.ask(client, 'GET', cold), VALUE)
  },
)

t.test('SCAN does without a node whose disk hangs, also when that is the one which was asked', async (t) => {
  const cluster = await SimCluster.started({ seed: 'scan', settings: { 'storage.segments-max': '2' } })
  const [home, second] = cluster.nodes
  await coldKeys(cluster, home, second)
  const client = cluster.client(home)
  const found = new Set<string>()
  let cursor = '0'
  do {
    const reply = await cluster.ask(client, 'SCAN', cursor, 'COUNT', '1000')
    if (!Array.isArray(reply)) throw new Error(String(reply))
    const [next, keys] = reply as [string, string[]]
    for (const key of keys) found.add(key)
    cursor = next
  } while (cursor !== '0')
  t.equal(found.size, KEYS)
})
