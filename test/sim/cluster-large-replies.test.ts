/** Pipelines that ask a node for large values which lie elsewhere: what is held of their replies, and that all of them come. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { fact, listOf } from './cluster-world.js'

const VALUE_BYTES = 1024 * 1024
const READS = 400
const SETTINGS = { 'storage.segment-size': '4mb', 'storage.block-cache-size': '16mb' }

/** A key that the node holds no copy of. */
function foreignKey(cluster: SimCluster, node: SimNode): string {
  for (let i = 0; ; i++) if (!listOf(cluster, `key:${i}`).includes(node)) return `key:${i}`
}

t.test('every one of many large values comes through a node that holds none of them, in order', async (t) => {
  const cluster = await SimCluster.started({ seed: 'large', nodes: 4, settings: SETTINGS })
  const [node] = cluster.nodes
  const key = foreignKey(cluster, node)
  const client = cluster.client(node)
  const value = 'v'.repeat(VALUE_BYTES)
  t.equal(await cluster.ask(client, 'SET', key, value), 'OK')
  const before = await fact(cluster, node, 'cluster_requests_forwarded')
  const requests = client.pipeline(
    Array.from({ length: READS }, (_, i) => (i % 2 === 0 ? ['GET', key] : ['ECHO', String(i)])),
  )
  const replies = await cluster.replies(requests)
  replies.forEach((reply, i) => {
    if (i % 2 === 0 ? reply !== value : reply !== String(i)) t.fail(`${i}: ${String(reply).slice(0, 80)}`)
  })
  t.ok((await fact(cluster, node, 'cluster_requests_forwarded')) > before)
})
