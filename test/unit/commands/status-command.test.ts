import t from 'tap'
import { isWhole, parseClusterStatus } from '../../../src/cli/cluster-status.js'
import type { ClusterStatus } from '../../../src/cli/cluster-status.js'
import { SLOT_COUNT } from '../../../src/ring/slot.js'
import { FakeCluster, linkOf } from './fake-cluster.js'
import { FakeNode } from './fake-node.js'
import { NodeClient } from './node-client.js'

async function statusOf(cluster: FakeCluster): Promise<ClusterStatus> {
  const node = new FakeNode()
  node.cluster = cluster
  const text = await new NodeClient(node).value('KV.STATUS')
  const status = parseClusterStatus(Buffer.from(text as string))
  if (status === null) throw new Error('it is in a cluster')
  return status
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count)
}

t.test('KV.STATUS shows the members, their slots and states', async (t) => {
  const cluster = new FakeCluster(3, 1)
  cluster.links.set(0, [linkOf({ clockOffsetMs: 1.26, roundTripMs: 0.44 })])
  const status = await statusOf(cluster)
  t.equal(status.node, cluster.members[1].name)
  t.same(
    status.members.map(({ id, port, smartPort }) => [id, port, smartPort]),
    cluster.members.map(({ id, port, smartPort }) => [id, port, smartPort]),
  )
  t.ok(isWhole(status))
  t.equal(sum(status.members.map(({ primarySlots }) => primarySlots)), SLOT_COUNT)
  t.equal(sum(status.members.map(({ homeSlots }) => homeSlots)), SLOT_COUNT)
  for (const { replicaSlots } of status.members) t.equal(replicaSlots, SLOT_COUNT)
  t.same(
    status.members.map(({ clockOffsetMs }) => clockOffsetMs),
    [1.3, null, null],
  )
})

t.test('a member that is down or unfit is no home', async (t) => {
  const cluster = new FakeCluster(3, 0)
  cluster.states.set(1, 'down')
  cluster.unfit.set(2, ['disk'])
  const status = await statusOf(cluster)
  t.same(
    status.members.map(({ state, fitness, homeSlots }) => [state, fitness, homeSlots]),
    [
      ['up', [], SLOT_COUNT],
      ['down', [], 0],
      ['up', ['disk'], 0],
    ],
  )
  t.notOk(isWhole(status))
})

t.test('KV.STATUS says who holds whom down, and what members say of themselves', async (t) => {
  const cluster = new FakeCluster(3, 0)
  cluster.states.set(1, 'down')
  cluster.holders.set(1, [0, 2]).set(2, [1])
  cluster.gossip.set(1, { generation: 1_800_000_000_000, status: 'stopped' })
  const { members } = await statusOf(cluster)
  const [first, , third] = cluster.members.map(({ name }) => name)
  t.same(
    members.map(({ failed, heldDownBy, status, generation }) => [failed, heldDownBy, status, generation]),
    [
      [false, [], null, null],
      [true, [first, third], 'stopped', 1_800_000_000_000],
      [false, [cluster.members[1].name], null, null],
    ],
  )
})

t.test('counters by reason are objects', async (t) => {
  const status = (await statusOf(new FakeCluster())) as unknown as { counters: Record<string, unknown> }
  t.equal(status.counters.readRepairs, 4)
  t.same(status.counters.refusedByPeers, { 'stamped-ahead': 2, placement: 1 })
})

t.test('a node that is alone has no cluster to show', async (t) => {
  t.match(await new NodeClient(new FakeNode()).text('KV.STATUS'), /cluster support disabled/)
})
