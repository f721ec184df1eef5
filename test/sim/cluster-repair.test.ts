/** Replicas that drifted find each other's differences and mend them, and do not talk much when there are none. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { NOTICED_MS, clientAt, fact, heldBy, keysAt } from './cluster-world.js'

/** No background exchanges: those that a test asks for are the only ones. */
const ON_DEMAND = { 'cluster.anti-entropy-interval': '0' }
const KEYS = 50

/** Has a node exchange everything with the others, and waits until that is done. */
async function repaired(cluster: SimCluster, node: SimNode, ...slots: number[]): Promise<string> {
  const reply = String(await cluster.ask(cluster.client(node), 'KV.REPAIR', ...slots))
  while ((await repairFact(cluster, node, 'repair_demanded_ranges')) > 0) await cluster.run(50)
  return reply
}

function repairFact(cluster: SimCluster, node: SimNode, name: string): Promise<number> {
  return fact(cluster, node, name, 'repair')
}

t.test('replicas that missed writes have them after KV.REPAIR, whichever node is asked', async (t) => {
  const cluster = await SimCluster.started({ seed: 'repair drift', settings: ON_DEMAND })
  const [first, second, third] = cluster.nodes
  const keys = keysAt(cluster, first, second)
  const names = Array.from({ length: KEYS }, () => keys.next().value)
  const client = await clientAt(cluster, first, 'ONE', 'ONE')
  await cluster.replies(names.map((key) => client.send('SET', key, `${key} before`)))
  cluster.isolate(third)
  await cluster.run(NOTICED_MS)
  for (const [i, key] of names.entries()) {
    if (i % 3 === 0) await cluster.ask(client, 'DEL', key)
    else if (i % 3 === 1) await cluster.ask(client, 'SET', key, `${key} after`)
  }
  cluster.heal()
  await cluster.run(NOTICED_MS)
  t.same(await heldBy(cluster, names[0]), [null, null, `${names[0]} before`], 'the third has missed it')

  t.match(await repaired(cluster, third), /^Background repair of \d+ ranges started$/)
  for (const [i, key] of names.entries()) {
    const value = i % 3 === 0 ? null : i % 3 === 1 ? `${key} after` : `${key} before`
    t.same(await heldBy(cluster, key), [value, value, value])
  }
  const pulled = await repairFact(cluster, third, 'repair_keys_pulled')
  t.ok(pulled >= (2 * KEYS) / 3 - 1, 'what was missed was fetched')
  t.ok(pulled < KEYS * 2, 'and not everything')

  const bytes = await repairFact(cluster, third, 'repair_bytes')
  await repaired(cluster, third)
  t.equal(await repairFact(cluster, third, 'repair_keys_pulled'), pulled, 'nothing is left to fetch')
  t.ok((await repairFact(cluster, third, 'repair_bytes')) - bytes < 10_000, 'roots only')
})
