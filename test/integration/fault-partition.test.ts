/**
 * Nodes on machines of their own whose network fails: packets vanish both ways, one way, or between two of three, and nobody is
 * told. Whoever reaches a quorum goes on; errors are honest; nothing acknowledged is missing once everybody reaches everybody again.
 */
import { once } from 'node:events'
import { Cluster } from 'ioredis'
import t from 'tap'
import type { Test } from 'tap'
import { ClusterHistory } from '../support/cluster-history.js'
import { nothingIsMissing } from '../support/history-verdict.js'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { PrivateNetwork } from '../support/private-network.js'
import { until } from '../support/until.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(400_000)

const skip = PrivateNetwork.refusal() ?? false
const WORKERS = 3
/** Requests that go on being done before the next event. */
const A_WHILE = 60

async function start(t: Test): Promise<KindredCluster> {
  const network = PrivateNetwork.make(3)
  t.teardown(() => network.remove())
  return KindredCluster.start(t, { network })
}

/** Heals the network and holds what clients were told against what the nodes answer. */
async function allIsWellAfter(t: Test, cluster: KindredCluster, history: ClusterHistory): Promise<void> {
  cluster.heal()
  await cluster.linked()
  history.gone.clear()
  await history.goesOn(cluster.nodes, A_WHILE)
  await nothingIsMissing(t, history)
  t.ok(history.exactCounters > 0, `${history.exactCounters} counters were exact`)
}

async function takenForDown(by: readonly ClusterNode[], node: ClusterNode): Promise<void> {
  for (const other of by) await until(`${other.name} sees ${node.name} down`, () => other.seesDown(node))
}

/** In CLUSTER NODES: `fail` for everybody once two members hold it down, `fail?` for who does so alone (RULES P1). */
async function flagged(by: ClusterNode, node: ClusterNode, flag: string): Promise<void> {
  const text = `${by.name} has flagged ${node.name} ${flag}`
  await until(text, async () => (await by.flagsOf(node)).includes(flag))
}

t.test('a node that is cut off both ways promises nothing, and the other two go on', { skip }, async (t) => {
  const cluster = await start(t)
  const [one, two, three] = cluster.nodes
  const history = new ClusterHistory(cluster, 11)
  history.start(WORKERS)
  await history.goesOn(cluster.nodes, A_WHILE)
  cluster.partition([one])
  await takenForDown([two, three], one)
  await takenForDown([one], two)
  await takenForDown([one], three)
  for (const other of [two, three]) await flagged(other, one, 'fail')
  const alone = await one.open()
  t.teardown(() => alone.close())
  t.match(await alone.ask('SET', 'a', '1'), /^-NOREPLICAS /)
  t.match(await alone.ask('GET', 'a'), /^-NOREPLICAS /)
  await history.goesOn([two, three], A_WHILE)
  await allIsWellAfter(t, cluster, history)
})

t.test('a node of which nobody hears anything is done without, though it hears all', { skip }, async (t) => {
  const cluster = await start(t)
  const [one, two, three] = cluster.nodes
  const history = new ClusterHistory(cluster, 12)
  history.start(WORKERS)
  await history.goesOn(cluster.nodes, A_WHILE)
  for (const other of [two, three]) cluster.cutOneWay(one, other)
  await takenForDown([two, three], one)
  await history.goesOn([two, three], A_WHILE)
  await allIsWellAfter(t, cluster, history)
})

t.test('a node that hears nobody is done without, though all hear it', { skip }, async (t) => {
  const cluster = await start(t)
  const [one, two, three] = cluster.nodes
  const history = new ClusterHistory(cluster, 13)
  history.start(WORKERS)
  await history.goesOn(cluster.nodes, A_WHILE)
  for (const other of [two, three]) cluster.cutOneWay(other, one)
  await takenForDown([two, three], one)
  await history.goesOn([two, three], A_WHILE)
  await allIsWellAfter(t, cluster, history)
})

t.test('two nodes that are linked only through the third go on, all three', { skip }, async (t) => {
  const cluster = await start(t)
  const [one, two, three] = cluster.nodes
  const history = new ClusterHistory(cluster, 14)
  history.start(WORKERS)
  await history.goesOn(cluster.nodes, A_WHILE)
  cluster.cut(one, three)
  await takenForDown([one], three)
  await takenForDown([three], one)
  t.notOk(await two.seesDown(one))
  t.notOk(await two.seesDown(three))
  await flagged(one, three, 'fail?')
  await flagged(three, one, 'fail?')
  t.notMatch((await two.flagsOf(one)).join(), 'fail')
  await history.goesOn(cluster.nodes, A_WHILE)
  await allIsWellAfter(t, cluster, history)
})

t.test(
  'a cluster client that reaches all nodes is sent on by the one that is cut off',
  { skip },
  async (t) => {
    const cluster = await start(t)
    const [one, two, three] = cluster.nodes
    const addresses = cluster.nodes.map(({ host, smartPort }) => ({ host, port: smartPort }))
    const client = new Cluster(addresses, { redisOptions: { maxRetriesPerRequest: null } })
    client.on('error', () => {})
    t.teardown(() => client.disconnect())
    await once(client, 'ready')
    const keys = Array.from({ length: 200 }, (_, i) => `sent on:${i}`)
    await Promise.all(keys.map((key) => client.set(key, 'before')))
    cluster.partition([one])
    await takenForDown([two, three], one)
    await takenForDown([one], two)
    await takenForDown([one], three)
    t.same(new Set(await Promise.all(keys.map((key) => client.set(key, 'during')))), new Set(['OK']))
    t.same(new Set(await Promise.all(keys.map((key) => client.get(key)))), new Set(['during']))
  },
)
