/** RULES L5: writes for which too few replicas live; other nodes keep them, and count, and hand them over. */
import t from 'tap'
import type { SimClient } from '../../src/sim/sim-client.js'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { NOTICED_MS, UNEXCHANGED, clientAt, fact, keysAt, listOf } from './cluster-world.js'

const NODES = 6
const KEYS = 20

interface Half {
  readonly cluster: SimCluster
  readonly alive: readonly SimNode[]
  readonly dead: readonly SimNode[]
  readonly client: SimClient
  /** Of each one replica lives. */
  readonly keys: readonly string[]
}

/** Six nodes, three of them dead. */
async function half(seed: string, settings: Readonly<Record<string, string>> = {}): Promise<Half> {
  const cluster = await SimCluster.started({ seed, nodes: NODES, settings: { ...UNEXCHANGED, ...settings } })
  const alive = cluster.nodes.slice(0, 3)
  const dead = cluster.nodes.slice(3)
  for (const node of dead) node.crash('lose-all')
  await cluster.run(NOTICED_MS)
  return { cluster, alive, dead, client: cluster.client(alive[0]), keys: keysOf(cluster, alive, 1) }
}

/** Keys of which so many replicas are among these nodes. */
function keysOf(cluster: SimCluster, nodes: readonly SimNode[], replicas: number, count = KEYS): string[] {
  const keys: string[] = []
  for (const key of keysAt(cluster)) {
    if (listOf(cluster, key).filter((node) => nodes.includes(node)).length === replicas) keys.push(key)
    if (keys.length === count) break
  }
  return keys
}

async function sum(nodes: readonly SimNode[], cluster: SimCluster, name: string): Promise<number> {
  let total = 0
  for (const node of nodes) if (node.isRunning) total += await fact(cluster, node, name)
  return total
}

/** Nodes that hold the key as replicas, by themselves. */
async function holders(cluster: SimCluster, key: string, value: string): Promise<string[]> {
  const names: string[] = []
  for (const node of cluster.nodes) {
    if (!node.isRunning || !listOf(cluster, key).includes(node)) continue
    const client = await clientAt(cluster, node, 'ONE', 'ONE')
    if ((await cluster.ask(client, 'GET', key)) === value) names.push(node.name)
  }
  return names
}

t.test(
  'L5 with two of three replicas dead a plain write counts on copies, which go when W hold it',
  async (t) => {
    const { cluster, alive, dead, client, keys } = await half('L5 sloppy')
    for (const key of keys) t.equal(await cluster.ask(client, 'SET', key, 'kept'), 'OK')
    const copies = await sum(alive, cluster, 'cluster_fallback_copies')
    t.equal(copies, 2 * 2 * KEYS, 'two nodes keep each for two')
    t.match(await cluster.ask(client, 'GET', keys[0]), /^-NOREPLICAS/, 'reads need replicas')
    // One comes back: of what it is a replica of, two hold it then.
    await cluster.start(dead[0])
    await cluster.run(20_000)
    const mine = keys.filter((key) => listOf(cluster, key).includes(dead[0]))
    t.ok(mine.length > 3 && mine.length < KEYS)
    for (const key of mine) t.equal((await holders(cluster, key, 'kept')).length, 2, key)
    const left = await sum(alive, cluster, 'cluster_fallback_copies')
    t.equal(left, 2 * 2 * (KEYS - mine.length), 'deleted where W replicas hold it, kept where not')
    for (const key of mine) t.equal(await cluster.ask(client, 'GET', key), 'kept')
    await cluster.start(dead[1], dead[2])
    await cluster.run(20_000)
    for (const node of cluster.nodes) t.equal(node.handoffs.count, 0, node.name)
    for (const key of keys) t.equal((await holders(cluster, key, 'kept')).length, 3, key)
    t.equal(await sum(alive, cluster, 'cluster_handoffs_possible_losses'), 0)
  },
)

t.test('L5 each copy counts once, and all that were needed have to be taken', async (t) => {
  const { cluster, alive, dead, client, keys } = await half('L5 all')
  for (const key of keys) t.equal(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'SET', key, 'kept'), 'OK')
  await cluster.start(dead[0])
  await cluster.run(20_000)
  for (const key of keys) t.ok((await holders(cluster, key, 'kept')).length < 3)
  t.ok((await sum(alive, cluster, 'cluster_fallback_copies')) >= 2 * KEYS, 'two of three are not enough')
  // Of four that were up one does not live any more, nor what it held.
  alive[1].crash('lose-all')
  await cluster.start(dead[1], dead[2])
  await cluster.run(20_000)
  for (const key of keys) {
    const list = listOf(cluster, key).filter((node) => node !== alive[1])
    t.equal((await holders(cluster, key, 'kept')).length, list.length, key)
  }
})

t.test('L5 without sloppy quorum such writes fail, and nothing is applied', async (t) => {
  const { cluster, alive, client, keys } = await half('L5 strict', { 'cluster.sloppy-quorum': 'no' })
  for (const key of keys) t.match(await cluster.ask(client, 'SET', key, 'x'), /^-NOREPLICAS/)
  t.equal(await sum(alive, cluster, 'cluster_fallback_copies'), 0)
  for (const key of keys) t.same(await holders(cluster, key, 'x'), [])
})

for (const sloppy of ['yes', 'no']) {
  const what = sloppy === 'yes' ? 'may miss what copies count for' : 'misses nothing acknowledged'
  t.test(`L5 with sloppy-quorum ${sloppy} a quorum read ${what}`, async (t) => {
    // Seed 519: one replica sees neither of the two others, but a node that is none, and sees them.
    const settings = { ...UNEXCHANGED, 'cluster.sloppy-quorum': sloppy }
    const cluster = await SimCluster.started({ seed: `L5 seed 519 ${sloppy}`, nodes: 4, settings })
    const [key] = keysOf(cluster, cluster.nodes, 3, 1)
    const [lonely, ...others] = listOf(cluster, key)
    for (const other of others) cluster.network.partition(lonely.address, other.address)
    await cluster.run(NOTICED_MS)
    const reply = await cluster.ask(cluster.client(lonely), 'SET', key, 'kept')
    t.match(reply, sloppy === 'yes' ? 'OK' : /^-NOREPLICAS/)
    t.equal(await cluster.ask(cluster.client(others[0]), 'GET', key), null)
    cluster.heal()
    await cluster.run(2 * NOTICED_MS)
    const value = sloppy === 'yes' ? 'kept' : null
    t.equal(await cluster.ask(cluster.client(others[0]), 'GET', key), value)
    t.equal((await holders(cluster, key, 'kept')).length, sloppy === 'yes' ? 3 : 0)
  })
}

t.test('L5 V10 copies never count for conditional writes', async (t) => {
  const { cluster, alive, client, keys } = await half('L5 conditional')
  for (const key of keys) {
    t.match(await cluster.ask(client, 'INCR', key), /^-NOREPLICAS/)
    t.match(await cluster.ask(client, 'SET', key, 'x', 'NX'), /^-NOREPLICAS/)
  }
  t.equal(await sum(alive, cluster, 'cluster_fallback_copies'), 0)
})

t.test('L5 V6 a key of which no replica lives is not written by anybody', async (t) => {
  const { cluster, alive, client } = await half('L5 none')
  for (const key of keysOf(cluster, alive, 0, 5)) {
    t.match(await cluster.ask(client, 'SET', key, 'x'), /^-NOREPLICAS/)
  }
})

t.test('L5 no copies are made where W replicas live, and none at level ONE', async (t) => {
  const { cluster, alive, client, keys } = await half('L5 enough')
  for (const key of keysOf(cluster, alive, 2)) t.equal(await cluster.ask(client, 'SET', key, 'x'), 'OK')
  for (const key of keys) t.equal(await cluster.ask(client, 'KV.QUORUM', 'ONE', 'SET', key, 'x'), 'OK')
  t.equal(await sum(alive, cluster, 'cluster_fallback_copies_sent'), 0)
})

t.test('L5 a copy counts once it is on disk: what was acknowledged outlives the home', async (t) => {
  for (let seed = 1; seed <= 5; seed++) {
    const { cluster, alive, dead, client, keys } = await half(`L5 home dies ${seed}`)
    const requests = keys.map((key) => client.send('SET', key, 'kept'))
    await cluster.run(2 + seed)
    const home = alive[seed % 3]
    for (const node of alive) node.crash('lose-all')
    const acknowledged = keys.filter((_, i) => requests[i].isDone && requests[i].reply === 'OK')
    // All but one of those that were up come back, and those that were dead.
    await cluster.start(...alive.filter((node) => node !== home), ...dead)
    await cluster.run(30_000)
    const reader = cluster.client(dead[0])
    for (const key of acknowledged)
      t.equal(await cluster.ask(reader, 'GET', key), 'kept', `seed ${seed}: ${key}`)
  }
})

t.test('L5 at the cap, or when the disk fails, a copy is not acknowledged', async (t) => {
  const { cluster, alive, client, keys } = await half('L5 cap', { 'cluster.max-hints-size-per-host': '1mb' })
  const value = 'x'.repeat(100_000)
  const replies: string[] = []
  for (const key of [...keys, ...keys]) replies.push(String(await cluster.ask(client, 'SET', key, value)))
  t.ok(replies.includes('OK'))
  t.match(replies.at(-1), /^-UNCERTAIN 1 of 2 replicas/)
  const before = await sum(alive, cluster, 'cluster_fallback_copies')
  for (const { handoffs } of alive) handoffs.failsWith = 'EIO'
  t.match(await cluster.ask(client, 'SET', keys[0], 'small'), /^-UNCERTAIN 1 of 2 replicas/)
  t.equal(await sum(alive, cluster, 'cluster_fallback_copies'), before)
})

t.test('L5 a copy is taken and handed over whatever its age', async (t) => {
  const settings = { 'cluster.max-hint-window': '1000' }
  const { cluster, dead, client, keys } = await half('L5 age', settings)
  for (const key of keys) t.equal(await cluster.ask(client, 'SET', key, 'old'), 'OK')
  await cluster.run(60_000)
  await cluster.start(...dead)
  await cluster.run(20_000)
  for (const key of keys) t.ok((await holders(cluster, key, 'old')).length >= 2, key)
})
