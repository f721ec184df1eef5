/**
 * Nodes that are killed, paused, stopped in order and started again while clients of all three write and read: what an error
 * may be, who sees one, and that nothing acknowledged is missing afterwards.
 */
import t from 'tap'
import type { Test } from 'tap'
import { ClusterHistory } from '../support/cluster-history.js'
import { KindredCluster } from '../support/kindred-cluster.js'
import { until } from '../support/until.js'
import { pipeline } from '../support/wire-client.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(400_000)

const WORKERS = 3
/** Requests that go on being done before the next event. */
const A_WHILE = 80

async function nothingIsMissing(t: Test, history: ClusterHistory): Promise<void> {
  await history.stop()
  t.comment(history.summary())
  t.same(await history.verdict(), { lost: [], phantoms: [], resurrected: [] })
  t.same(history.staleReads, [], 'every read saw what had been acknowledged')
  t.ok(history.exactCounters > 0, `${history.exactCounters} counters were exact`)
}

for (const order of [
  [0, 1, 2],
  [2, 0, 1],
  [1, 2, 0],
]) {
  const names = order.map((i) => `node-${i + 1}`)
  t.test(`an empty cluster starts in the order ${names.join(', ')}`, async (t) => {
    const cluster = await KindredCluster.make(t)
    const [first, second, third] = order.map((i) => cluster.nodes[i])
    await first.startAgain()
    const client = await first.open()
    t.teardown(() => client.close())
    t.equal(await client.ask('SET', 'a', '1'), '-NOREPLICAS Not enough good replicas to write.\r\n')
    t.equal(await client.ask('GET', 'a'), '-NOREPLICAS Not enough good replicas to read.\r\n')
    t.equal(await client.ask('PING'), '+PONG\r\n')
    await second.startAgain()
    await until('two of three take a write', async () => (await client.ask('SET', 'a', '1')) === '+OK\r\n')
    t.equal((await (await second.open()).bulk('GET', 'a'))?.toString(), '1')
    await third.startAgain()
    await cluster.linked()
    t.equal((await (await third.open()).bulk('GET', 'a'))?.toString(), '1', 'it had missed the write')
    t.equal(await client.ask('INCR', 'a'), ':2\r\n')
  })
}

for (const fault of ['killed', 'paused'] as const) {
  t.test(`a node is ${fault} under load: others see honest errors only, and go on`, async (t) => {
    const cluster = await KindredCluster.start(t)
    const history = new ClusterHistory(cluster, fault === 'killed' ? 1 : 2)
    history.start(WORKERS)
    for (const node of cluster.nodes) {
      const others = cluster.nodes.filter((other) => other !== node)
      await history.goesOn(cluster.nodes, A_WHILE)
      history.gone.add(node)
      if (fault === 'killed') await node.kill9()
      else node.pause()
      for (const other of others) await until(`${node.name} is down`, () => other.seesDown(node))
      await history.goesOn(others, A_WHILE)
      if (fault === 'killed') await node.startAgain()
      else node.goOn()
      await cluster.linked()
      await history.goesOn(cluster.nodes, A_WHILE)
      history.gone.delete(node)
    }
    await nothingIsMissing(t, history)
    t.same(history.dishonest, [])
  })
}

t.test('a rolling restart is seen by the stopped node’s own clients only', async (t) => {
  const cluster = await KindredCluster.start(t)
  const history = new ClusterHistory(cluster, 3)
  history.start(WORKERS)
  for (const node of cluster.nodes) {
    await history.goesOn(cluster.nodes, A_WHILE)
    history.gone.add(node)
    await node.stop()
    await history.goesOn(
      cluster.nodes.filter((other) => other !== node),
      A_WHILE,
    )
    await node.startAgain()
    await cluster.linked()
    await history.goesOn(cluster.nodes, A_WHILE)
    history.gone.delete(node)
  }
  await nothingIsMissing(t, history)
  t.same(history.errors, [])
})

t.test('H1 a node that all reach and that reaches nobody is home of nothing for the others', async (t) => {
  const cluster = await KindredCluster.start(t, { cuttable: true })
  const [one, two, three] = cluster.nodes
  for (const other of [two, three]) cluster.cutOneWay(one, other)
  for (const other of [two, three]) {
    await until(`${one.name} says so`, async () => {
      return (await other.info()).get('cluster_member_node-1')?.includes('state=up,unfit=isolated') === true
    })
    const client = await other.open()
    t.teardown(() => client.close())
    const keys = Array.from({ length: 50 }, (_, i) => `${other.name}:${i}`)
    const requests = keys.flatMap((key) => [
      ['SET', key, '1'],
      ['INCR', key],
    ])
    void client.send(pipeline(...requests))
    const replies = (await client.replies(requests.length)).map((reply) => reply.toString())
    t.same(
      replies,
      keys.flatMap(() => ['+OK\r\n', ':2\r\n']),
    )
  }
  const alone = await one.open()
  t.teardown(() => alone.close())
  t.match(await alone.ask('SET', 'node-2:0', '1'), /^-NOREPLICAS /)
  t.equal(
    await alone.ask('KV.QUORUM', 'ONE', 'GET', 'node-2:0'),
    '$1\r\n2\r\n',
    'what was written reaches it',
  )
  cluster.heal()
  await cluster.linked()
  t.equal(await alone.ask('INCR', 'node-2:0'), ':3\r\n')
})
