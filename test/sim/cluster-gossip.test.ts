/** Gossip among whole nodes: failures that are agreed, what comes back, what nodes say of themselves. RULES P1's "failed", H1, P4. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { NOTICED_MS, clientsOf, fact, keyAt } from './cluster-world.js'

/** What a message takes to get round three or five nodes, which is two or three rounds, with room. */
const AGREED_MS = 6000
const ROUTED_MS_MAX = 2000

interface MemberStatus {
  readonly name: string
  readonly state: string
  readonly failed: boolean
  readonly heldDownBy: readonly string[]
  readonly status: string | null
  readonly generation: number | null
}

/** What `asked` says of all members, by name. */
async function statusAt(cluster: SimCluster, asked: SimNode): Promise<ReadonlyMap<string, MemberStatus>> {
  const text = String(await cluster.ask(cluster.client(asked), 'KV.STATUS'))
  const { members } = JSON.parse(text) as { members: MemberStatus[] }
  return new Map(members.map((member) => [member.name, member]))
}

async function statusOf(cluster: SimCluster, asked: SimNode, { name }: SimNode): Promise<MemberStatus> {
  return (await statusAt(cluster, asked)).get(name)!
}

/** 'fail', 'fail?' or '' in CLUSTER NODES of `asked` for each node. */
async function flagsAt(cluster: SimCluster, asked: SimNode): Promise<string[]> {
  const text = String(await cluster.ask(cluster.client(asked), 'CLUSTER', 'NODES'))
  const lines = text.trimEnd().split('\n')
  return cluster.nodes.map(({ address }) => {
    const line = lines.find((one) => one.split(' ')[1].startsWith(`${address}:`))
    return /fail\??/.exec(line?.split(' ')[2] ?? '?')?.[0] ?? ''
  })
}

/** Milliseconds until all `asked` route every slot to its owner; LIMIT when they do not in time. */
async function untilRoutedHome(cluster: SimCluster, asked: readonly SimNode[]): Promise<number> {
  const beganMs = cluster.queue.nowMs
  for (const node of asked) {
    while ((await fact(cluster, node, 'cluster_slots_elsewhere')) > 0) {
      if (cluster.queue.nowMs - beganMs > 10 * ROUTED_MS_MAX) return Infinity
      await cluster.run(20)
    }
  }
  return cluster.queue.nowMs - beganMs
}

t.test('a node that is cut off is failed for the majority, and not any more when it is back', async (t) => {
  const cluster = await SimCluster.started({ seed: 'cut off', nodes: 5 })
  const [first, second, third, fourth, fifth] = cluster.nodes
  const majority = [first, second, third, fourth]
  cluster.isolate(fifth)
  await cluster.run(AGREED_MS)
  for (const node of majority) {
    t.same(await flagsAt(cluster, node), ['', '', '', '', 'fail'])
    t.match(await statusOf(cluster, node, fifth), { state: 'down', failed: true, status: 'running' })
    t.equal(await fact(cluster, node, 'cluster_members_failed'), 1)
    t.match(String(await cluster.ask(cluster.client(node), 'CLUSTER', 'INFO')), /cluster_state:ok/)
    t.ok((await fact(cluster, node, 'cluster_slots_fail')) > 0)
    t.equal(await fact(cluster, node, 'cluster_slots_pfail'), 0)
  }
  t.same((await statusOf(cluster, first, fifth)).heldDownBy.length, 4)
  t.same(
    await flagsAt(cluster, fifth),
    ['fail', 'fail', 'fail', 'fail', ''],
    'it is the only live one it knows',
  )
  cluster.heal()
  await cluster.run(AGREED_MS)
  for (const node of cluster.nodes) t.same(await flagsAt(cluster, node), ['', '', '', '', ''])
})

t.test('a quiet cluster gossips once an interval and node, in small messages', async (t) => {
  const settings = { 'cluster.gossip-interval': '500' }
  const cluster = await SimCluster.started({ seed: 'quiet', settings })
  await cluster.run(AGREED_MS)
  const facts = ['cluster_gossip_rounds', 'cluster_stats_messages_sent', 'cluster_gossip_bytes_sent'] as const
  const read = async (node: SimNode): Promise<number[]> => {
    const numbers: number[] = []
    for (const name of facts) numbers.push(await fact(cluster, node, name))
    return numbers
  }
  const before: number[][] = []
  for (const node of cluster.nodes) before.push(await read(node))
  await cluster.run(20_000)
  let messages = 0
  for (const [i, node] of cluster.nodes.entries()) {
    const [rounds, sent, bytes] = (await read(node)).map((now, which) => now - before[i][which])
    t.ok(Math.abs(rounds - 40) <= 1, `${rounds} rounds in 20 s`)
    t.ok(bytes < 100 * sent, `${bytes} bytes in ${sent} messages`)
    t.equal(await fact(cluster, node, 'cluster_gossip_malformed'), 0)
    messages += sent
  }
  t.ok(messages > 3 * 40 * 2 && messages <= 3 * 41 * 3, `${messages} messages, three an exchange at most`)
})

t.test('a node that a single other one does not reach is fail? there and nothing elsewhere', async (t) => {
  const cluster = await SimCluster.started({ seed: 'one cable' })
  const [first, second, third] = cluster.nodes
  cluster.network.partition(first.address, third.address)
  await cluster.run(AGREED_MS)
  t.same(await flagsAt(cluster, first), ['', '', 'fail?'])
  t.same(await flagsAt(cluster, second), ['', '', ''])
  t.same(await flagsAt(cluster, third), ['fail?', '', ''])
  t.same((await statusOf(cluster, second, third)).heldDownBy, [first.name], 'gossip says who complains')
  t.ok((await fact(cluster, first, 'cluster_slots_pfail')) > 0)
  t.equal(await fact(cluster, first, 'cluster_slots_fail'), 0)
})

t.test('what a dead node last said of others does not count', async (t) => {
  const cluster = await SimCluster.started({ seed: 'dead witness', nodes: 5 })
  const [first, second, third] = cluster.nodes
  cluster.network.partition(second.address, third.address)
  await cluster.run(AGREED_MS)
  t.same((await statusOf(cluster, first, third)).heldDownBy, [second.name])
  second.crash('lose-all')
  await cluster.run(NOTICED_MS)
  t.same((await statusOf(cluster, first, third)).heldDownBy, [])
  cluster.network.partition(first.address, third.address)
  await cluster.run(AGREED_MS)
  t.same(await flagsAt(cluster, first), ['', 'fail', 'fail?', '', ''], 'one live witness, and one dead')
})

t.test('a link that flaps between two nodes fails nobody, and leaves no trace', async (t) => {
  const cluster = await SimCluster.started({ seed: 'flapping' })
  const [first, second, third] = cluster.nodes
  let failures = 0
  let seenDown = 0
  for (let i = 0; i < 20; i++) {
    cluster.network.partition(first.address, third.address)
    await cluster.run(1500)
    for (const node of cluster.nodes) failures += await fact(cluster, node, 'cluster_members_failed')
    seenDown += await fact(cluster, first, 'cluster_members_down')
    cluster.heal()
    await cluster.run(1000)
    for (const node of cluster.nodes) failures += await fact(cluster, node, 'cluster_members_failed')
  }
  t.ok(seenDown >= 10, `it was down ${seenDown} times`)
  t.equal(failures, 0)
  await cluster.run(AGREED_MS)
  for (const node of cluster.nodes) {
    for (const { heldDownBy, state } of (await statusAt(cluster, node)).values()) {
      t.same([state, heldDownBy], ['up', []])
    }
  }
  const key = keyAt(cluster, third, second)
  for (const client of clientsOf(cluster)) t.equal(await cluster.ask(client, 'SET', key, '1'), 'OK')
})

t.test('H1 a node that is started again is routed to within two seconds', async (t) => {
  const cluster = await SimCluster.started({ seed: 'started again' })
  const [first, second, third] = cluster.nodes
  for (let i = 0; i < 5; i++) {
    third.crash('lose-all')
    await cluster.run(10_000 + 170 * i)
    t.ok((await fact(cluster, first, 'cluster_slots_elsewhere')) > 0)
    await cluster.start(third)
    const routedMs = await untilRoutedHome(cluster, [first, second])
    t.ok(routedMs <= ROUTED_MS_MAX, `${Math.round(routedMs)} ms after its start`)
    const received = await fact(cluster, third, 'cluster_requests_received')
    t.equal(await cluster.ask(cluster.client(first), 'SET', keyAt(cluster, third), '1'), 'OK')
    t.equal(await fact(cluster, third, 'cluster_requests_received'), received + 1, 'it is home again')
  }
})

t.test('H1 a node that can be reached again is routed to within two seconds', async (t) => {
  const cluster = await SimCluster.started({ seed: 'reached again' })
  const [first, , third] = cluster.nodes
  for (let i = 0; i < 20; i++) {
    cluster.isolate(third)
    await cluster.run(10_000 + 170 * i)
    t.ok((await fact(cluster, first, 'cluster_slots_elsewhere')) > 0)
    cluster.heal()
    const routedMs = await untilRoutedHome(cluster, cluster.nodes)
    t.ok(routedMs <= ROUTED_MS_MAX, `${Math.round(routedMs)} ms after the partition`)
  }
})

t.test('a start is a new generation, also when the clock went back meanwhile', async (t) => {
  const cluster = await SimCluster.started({ seed: 'generations' })
  const [first, , third] = cluster.nodes
  await cluster.run(AGREED_MS)
  const generation = async (): Promise<number> => (await statusOf(cluster, first, third)).generation ?? 0
  const before = await generation()
  third.crash('lose-all')
  await cluster.run(NOTICED_MS)
  await cluster.start(third)
  await cluster.run(AGREED_MS)
  const second = await generation()
  t.ok(second > before)
  third.crash('lose-all')
  third.clock.jumpWall(-3_600_000)
  await cluster.start(third)
  await cluster.run(AGREED_MS)
  const behind = await generation()
  t.ok(behind > second, 'it has heard of its earlier start and gone beyond it')
  t.ok((await statusOf(cluster, third, third)).generation === behind)
})

t.test('a node that stops in order says so before its links close', async (t) => {
  const cluster = await SimCluster.started({ seed: 'stops' })
  const [first, second, third] = cluster.nodes
  await cluster.run(AGREED_MS)
  await cluster.stop(third)
  await cluster.run(NOTICED_MS)
  for (const node of [first, second]) {
    t.match(await statusOf(cluster, node, third), { state: 'down', failed: true, status: 'stopped' })
  }
  await cluster.start(third)
  await cluster.run(AGREED_MS)
  for (const node of cluster.nodes) t.match(await statusOf(cluster, node, third), { status: 'running' })
})

t.test('all nodes send clients to the address that a node announces', async (t) => {
  const cluster = new SimCluster({ seed: 'announced' })
  const third = cluster.nodes[2]
  third.config = { ...third.config, announceAddress: 'third.example' }
  await cluster.start(...cluster.nodes)
  await cluster.run(AGREED_MS)
  const key = keyAt(cluster, third)
  for (const node of cluster.nodes) {
    t.match(await cluster.ask(cluster.client(node), 'CLUSTER', 'NODES'), / third\.example:8001@/)
    t.match(
      JSON.stringify(await cluster.ask(cluster.client(node), 'CLUSTER', 'SLOTS')),
      /"third\.example",8001/,
    )
  }
  const smart = cluster.client(cluster.nodes[0], 8001)
  t.match(await cluster.ask(smart, 'GET', key), /^-MOVED \d+ third\.example:8001$/)
})

t.test(
  'P4 FLUSHALL goes on without a node that gossip holds for failed, although others reach it',
  async (t) => {
    const cluster = await SimCluster.started({
      seed: 'P4 gossip',
      nodes: 5,
      settings: { 'cluster.flush-timeout': '3000' },
    })
    const [first, second, , , fifth] = cluster.nodes
    const client = cluster.client(first)
    const key = keyAt(cluster, fifth, first)
    t.equal(await cluster.ask(client, 'SET', key, '1'), 'OK')
    cluster.network.partition(first.address, fifth.address)
    await cluster.run(AGREED_MS)
    t.match(await cluster.ask(client, 'FLUSHALL'), /^-NOREPLICAS/, 'only this node misses it')
    cluster.network.partition(second.address, fifth.address)
    await cluster.run(AGREED_MS)
    t.equal(await cluster.ask(client, 'FLUSHALL'), 'OK', 'two hold it down')
    await cluster.run(NOTICED_MS)
    const there = await cluster.ask(cluster.client(fifth), 'KV.QUORUM', 'ONE', 'GET', key)
    t.equal(there, null, 'the others tell it')
  },
)
