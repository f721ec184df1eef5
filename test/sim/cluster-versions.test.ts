/** RULES V1 to V5 over the network: what becomes of a key that both sides of a partition have written. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimClient } from '../../src/sim/sim-client.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { NOTICED_MS, clientAt, clientsOf, heldBy, keyAt, siblings } from './cluster-world.js'

const POLICY = {
  'cluster.policies[1].prefix': 'key:',
  'cluster.policies[1].conflicts': 'lww',
}

interface Divided {
  readonly cluster: SimCluster
  /** The home of the key, alone on its side. */
  readonly home: SimNode
  readonly other: SimNode
  readonly key: string
  /** On either side, at ONE. */
  readonly alone: SimClient
  readonly across: SimClient
}

/** The home of a key is cut off from the two others, and everybody has noticed. */
async function divided(seed: string, settings = {}): Promise<Divided> {
  const cluster = await SimCluster.started({ seed, settings })
  const [home, other] = cluster.nodes
  const key = keyAt(cluster, home, other)
  const alone = await clientAt(cluster, home, 'ONE', 'ONE')
  const across = await clientAt(cluster, other, 'ONE', 'ONE')
  cluster.isolate(home)
  await cluster.run(NOTICED_MS)
  return { cluster, home, other, key, alone, across }
}

async function reunited({ cluster }: Divided): Promise<SimClient[]> {
  cluster.heal()
  await cluster.run(NOTICED_MS)
  return clientsOf(cluster)
}

t.test(
  'V1 V3 what both sides of a partition wrote stays, on all nodes alike, until it is resolved',
  async (t) => {
    const world = await divided('two writers')
    const { cluster, key, alone, across } = world
    t.equal(await cluster.ask(alone, 'SET', key, 'here'), 'OK')
    await cluster.run(10)
    t.equal(await cluster.ask(across, 'SET', key, 'there'), 'OK')
    const clients = await reunited(world)
    for (const client of clients) {
      const found = await siblings(cluster, client, key)
      t.same(found.values, ['there', 'here'], 'the later one wins, the other one stays')
      t.equal(await cluster.ask(client, 'GET', key), 'there')
    }
    t.same(await heldBy(cluster, key), ['there', 'there', 'there'], 'every node holds the same winner')
    const { context } = await siblings(cluster, clients[2], key)
    t.equal(await cluster.ask(clients[2], 'KV.SIBLINGS', key, 'RESOLVE', context, 'VALUE', 'both'), 'OK')
    for (const client of clients) t.same((await siblings(cluster, client, key)).values, ['both'])
  },
)

t.test(
  'V3 a context replaces what its reader has seen, and nothing that was written meanwhile',
  async (t) => {
    const world = await divided('context of one side')
    const { cluster, key, alone, across } = world
    await cluster.ask(alone, 'SET', key, 'here')
    await cluster.run(10)
    await cluster.ask(across, 'SET', key, 'there')
    const seen = await siblings(cluster, alone, key)
    t.same(seen.values, ['here'])
    const clients = await reunited(world)
    const resolved = await cluster.ask(
      clients[1],
      'KV.SIBLINGS',
      key,
      'RESOLVE',
      seen.context,
      'VALUE',
      'mine',
    )
    t.equal(resolved, 'OK')
    for (const client of clients) {
      t.same([...(await siblings(cluster, client, key)).values].sort(), ['mine', 'there'])
    }
  },
)

t.test('V3 a deletion on one side and a value on the other are siblings, too', async (t) => {
  const cluster = await SimCluster.started({ seed: 'deletion' })
  const [home, other] = cluster.nodes
  const key = keyAt(cluster, home, other)
  const alone = await clientAt(cluster, home, 'ONE', 'ONE')
  const first = await clientAt(cluster, home, 'ALL', 'ALL')
  t.equal(await cluster.ask(first, 'SET', key, 'old'), 'OK')
  cluster.isolate(home)
  await cluster.run(NOTICED_MS)
  t.equal(await cluster.ask(alone, 'SET', key, 'new'), 'OK')
  await cluster.run(10)
  t.equal(await cluster.ask(cluster.client(other), 'DEL', key), 1, 'a majority deletes')
  cluster.heal()
  await cluster.run(NOTICED_MS)
  for (const client of clientsOf(cluster)) {
    t.same((await siblings(cluster, client, key)).values, [null, 'new'])
    t.equal(await cluster.ask(client, 'GET', key), null, 'the deletion is the later one')
  }
})

t.test('V4 a write after a conflict wins, whoever makes it and whatever its clock says', async (t) => {
  const world = await divided('later dot')
  const { cluster, home, other, key, alone, across } = world
  // 400 ms are within max-clock-drift: both clocks are good ones.
  other.clock.jumpWall(400)
  await cluster.run(1000)
  t.equal(await cluster.ask(across, 'SET', key, 'there'), 'OK')
  t.equal(await cluster.ask(alone, 'SET', key, 'here'), 'OK')
  cluster.heal()
  await cluster.run(300)
  const client = cluster.client(home)
  const { context } = await siblings(cluster, client, key)
  t.equal(await cluster.ask(client, 'KV.SIBLINGS', key, 'RESOLVE', context, 'VALUE', 'last'), 'OK')
  await cluster.run(NOTICED_MS)
  for (const one of clientsOf(cluster)) t.equal(await cluster.ask(one, 'GET', key), 'last')
})

t.test('V5 under the policy lww one value stays, the later one', async (t) => {
  const world = await divided('lww', POLICY)
  const { cluster, key, alone, across } = world
  t.equal(await cluster.ask(across, 'SET', key, 'there'), 'OK')
  await cluster.run(10)
  t.equal(await cluster.ask(alone, 'SET', key, 'here'), 'OK')
  for (const client of await reunited(world)) {
    t.same((await siblings(cluster, client, key)).values, ['here'])
  }
  t.same(await heldBy(cluster, key), ['here', 'here', 'here'])
})

t.test('V3 a context from a clock far ahead is refused', async (t) => {
  const cluster = await SimCluster.started({ seed: 'context ahead' })
  const [node] = cluster.nodes
  const key = keyAt(cluster, node)
  const client = cluster.client(node)
  t.equal(await cluster.ask(client, 'SET', key, '1'), 'OK')
  const { context } = await siblings(cluster, client, key)
  for (const one of cluster.nodes) one.clock.jumpWall(-5000)
  // Until they have confirmed each other's clocks.
  await cluster.run(1000)
  const reply = await cluster.ask(client, 'KV.SIBLINGS', key, 'RESOLVE', context, 'VALUE', '2')
  t.match(reply, /^-ERR the context is more than max-clock-drift ahead/)
  t.equal(await cluster.ask(client, 'GET', key), '1')
})

t.test('V5 under lww a resolution stays alone, whatever its writer had not seen', async (t) => {
  const cluster = await SimCluster.started({ seed: 'resolved under lww', settings: POLICY })
  const [home, other] = cluster.nodes
  const key = keyAt(cluster, home, other)
  const client = await clientAt(cluster, home, 'ONE', 'ALL')
  t.equal(await cluster.ask(client, 'SET', key, 'first'), 'OK')
  const { context } = await siblings(cluster, client, key)
  t.equal(await cluster.ask(client, 'SET', key, 'second'), 'OK')
  t.equal(await cluster.ask(client, 'KV.SIBLINGS', key, 'RESOLVE', context, 'VALUE', 'mine'), 'OK')
  t.same((await siblings(cluster, client, key)).values, ['mine'])
  t.equal(await cluster.ask(client, 'SET', key, 'third'), 'OK')
  t.equal(await cluster.ask(client, 'KV.SIBLINGS', key, 'RESOLVE', context, 'DELETE'), 'OK')
  t.equal(await cluster.ask(client, 'GET', key), null)
  t.equal((await siblings(cluster, client, key)).values.length, 1)
})
