/**
 * One node of three that comes back without what it had: its directory is lost, or an older copy of it was put back. What it has not
 * must not be taken for "absent" (RULES P2): it answers nobody until it has been rebuilt from the others, which goes on by
 * itself while clients of all three write and read.
 */
import t from 'tap'
import { ClusterHistory } from '../support/cluster-history.js'
import { nothingIsMissing } from '../support/history-verdict.js'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { until } from '../support/until.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(400_000)

const WORKERS = 1
/** Requests that go on being done before the next event. */
const A_WHILE = 40
const REBUILT_DEADLINE_MS = 120_000

/** Every range of the node is judged, and answers. */
async function rebuilt(node: ClusterNode): Promise<void> {
  await until(
    `${node.name} is rebuilt`,
    async () => {
      const info = await node.info()
      return info.get('repair_stale_ranges') === '0' && info.get('repair_unjudged_ranges') === '0'
    },
    REBUILT_DEADLINE_MS,
  )
}

t.test('P2 each node loses its disk, one after the other, and nothing that was acknowledged', async (t) => {
  const cluster = await KindredCluster.start(t)
  const history = new ClusterHistory(cluster, 51)
  history.start(WORKERS)
  for (const node of cluster.nodes) {
    const others = cluster.nodes.filter((other) => other !== node)
    await history.goesOn(cluster.nodes, A_WHILE)
    history.gone.add(node)
    await node.kill9()
    node.wipe()
    await history.goesOn(others, A_WHILE)
    await node.startAgain()
    await rebuilt(node)
    history.gone.delete(node)
  }
  await cluster.linked()
  await history.goesOn(cluster.nodes, A_WHILE)
  await nothingIsMissing(t, history)
})

t.test('P2 an older copy of a directory brings nothing back and loses nothing', async (t) => {
  const cluster = await KindredCluster.start(t)
  const [node, ...others] = cluster.nodes
  const history = new ClusterHistory(cluster, 52)
  history.start(WORKERS)
  await history.goesOn(cluster.nodes, A_WHILE)
  history.gone.add(node)
  await node.stop()
  const putBack = node.keepCopy()
  await node.startAgain()
  await cluster.linked()
  await history.goesOn(cluster.nodes, 3 * A_WHILE)
  await node.kill9()
  putBack()
  await history.goesOn(others, A_WHILE)
  await node.startAgain()
  await until(`${node.name} says so`, () => node.said.includes('restored'))
  await rebuilt(node)
  history.gone.delete(node)
  await cluster.linked()
  await history.goesOn(cluster.nodes, A_WHILE)
  await nothingIsMissing(t, history)
})
