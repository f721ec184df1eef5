/** RULES H1, H2, C1, C2 and L2: who may coordinate writes, with which clock, and who is no member. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { NOTICED_MS, clientAt, clientsOf, fact, heldBy, keyAt, keysAt, siblings } from './cluster-world.js'

const SMART_PORT = 8001

interface Ailment {
  readonly what: string
  /** Makes the node unfit to be home, and says how that ends. */
  readonly begin: (node: SimNode, cluster: SimCluster) => () => void | Promise<void>
}

const AILMENTS: readonly Ailment[] = [
  {
    what: 'a full disk',
    begin: (node) => {
      node.disk.setCapacity(node.disk.usedBytes)
      return () => node.disk.setCapacity(2 ** 40)
    },
  },
  {
    what: 'a clock in doubt',
    begin: (node) => {
      node.clock.jumpWall(30_000)
      return () => node.clock.jumpWall(-30_000)
    },
  },
  {
    what: 'a log that cannot be written',
    begin: (node, cluster) => {
      node.disk.failSometimes(1, 'EIO')
      return () => {
        node.crash('keep-all')
        return cluster.start(node)
      }
    },
  },
]

for (const { what, begin } of AILMENTS) {
  t.test(`H1 the next replica becomes home of a node with ${what}, until that is over`, async (t) => {
    const cluster = await SimCluster.started({ seed: `H1 ${what}` })
    const [home, second, third] = cluster.nodes
    const keys = keysAt(cluster, home, second)
    const clients = clientsOf(cluster)
    const end = begin(home, cluster)
    // Whatever the node tries to write finds out.
    await cluster.ask(clients[0], 'SET', keys.next().value, '1')
    await cluster.run(NOTICED_MS)
    const received = await fact(cluster, home, 'cluster_requests_received')
    for (const client of clients.slice(1)) {
      const key = keys.next().value
      t.equal(await cluster.ask(client, 'SET', key, '1'), 'OK')
      t.equal(await cluster.ask(client, 'INCR', key), 2)
      t.equal(await cluster.ask(client, 'GET', key), '2')
    }
    t.equal(await fact(cluster, home, 'cluster_requests_received'), received, 'nobody takes it for the home')
    await end()
    await cluster.run(15_000)
    for (const client of clientsOf(cluster)) {
      const key = keys.next().value
      t.equal(
        await cluster.ask(client, 'KV.QUORUM', 'ALL', 'SET', key, '1'),
        'OK',
        'all three take part again',
      )
      t.equal(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'INCR', key), 2)
    }
    second.crash('lose-all')
    third.crash('lose-all')
    await cluster.run(NOTICED_MS)
    const last = await clientAt(cluster, home, 'ONE', 'ONE')
    t.equal(await cluster.ask(last, 'SET', keys.next().value, '1'), 'OK', 'the node is home again')
  })
}

t.test('H2 a node with another member list is refused by all, who say both lists', async (t) => {
  const cluster = new SimCluster({ seed: 'H2' })
  const [first, second, stranger] = cluster.nodes
  const { config } = stranger
  if (config.cluster === null) throw new Error('simulated nodes are clustered')
  const members = config.cluster.members.map((one) => (one.name === 'node-1' ? { ...one, weight: 2 } : one))
  stranger.config = { ...config, cluster: { ...config.cluster, members } }
  await cluster.start(...cluster.nodes)
  await cluster.run(NOTICED_MS)
  const text = [first, second].map(({ log }) => JSON.stringify(log.lines))
  for (const lines of text) {
    t.match(lines, /node-3 was started with another member list/)
    t.match(lines, /Its list: ring [^"]*weight 2[^"]*This node's list: ring [^"]*weight 1/)
  }
  const key = keyAt(cluster, first, second)
  t.equal(await cluster.ask(cluster.client(second), 'SET', key, '1'), 'OK', 'the others go on')
  t.match(await cluster.ask(cluster.client(stranger), 'SET', key, '2'), /^-NOREPLICAS/)
  t.match(await cluster.ask(cluster.client(stranger), 'GET', key), /^-NOREPLICAS/)
})

t.test('C1 a node off the median of three clocks writes nothing and says so, and is no home', async (t) => {
  const cluster = await SimCluster.started({ seed: 'C1' })
  const [home, second] = cluster.nodes
  const key = keyAt(cluster, home, second)
  for (const byMs of [2000, -4000]) {
    home.clock.jumpWall(byMs)
    await cluster.run(3000)
    const alone = cluster.client(home)
    const other = cluster.client(second)
    t.equal(await cluster.ask(alone, 'SET', key, `${byMs}`), 'OK', 'through the next home')
    t.equal(await cluster.ask(other, 'GET', key), `${byMs}`)
    t.ok(home.log.of('this node’s clock is in doubt: it writes nothing').length > 0)
    t.equal(second.log.of('this node’s clock is in doubt: it writes nothing').length, 0)
  }
  cluster.nodes[2].crash('lose-all')
  home.clock.jumpWall(2000)
  await cluster.run(3000)
  t.equal(await cluster.ask(cluster.client(home), 'SET', key, 'good'), 'OK')
})

t.test('C1 of two clocks that differ the one ahead writes nothing, and the other does', async (t) => {
  const cluster = await SimCluster.started({ seed: 'C1 two' })
  const [first, second, third] = cluster.nodes
  const keys = keysAt(cluster, first, second)
  third.crash('lose-all')
  await cluster.run(NOTICED_MS)
  first.crash('lose-all')
  first.clock.jumpWall(3000)
  await cluster.start(first)
  await cluster.run(NOTICED_MS)
  const received = await fact(cluster, first, 'cluster_requests_received')
  for (const node of [first, second]) {
    t.equal(await cluster.ask(cluster.client(node), 'SET', keys.next().value, '1'), 'OK')
  }
  t.equal(await fact(cluster, first, 'cluster_requests_received'), received)
  t.equal(await fact(cluster, second, 'cluster_requests_received'), 1, 'the one behind is home')
  second.crash('lose-all')
  first.clock.jumpWall(3000)
  await cluster.run(NOTICED_MS)
  const alone = await clientAt(cluster, first, 'ONE', 'ONE')
  const reply = await cluster.ask(alone, 'SET', keys.next().value, '1')
  t.match(reply, /^-CLOCK/, 'a jump that nobody confirms is doubt, also alone')
})

t.test('C1 a clock that is set forward does not mint a single stamp before it is confirmed', async (t) => {
  const cluster = await SimCluster.started({ seed: 'C1 jump' })
  const [home, second, third] = cluster.nodes
  const keys = keysAt(cluster, home, second)
  const client = cluster.client(home)
  t.equal(await cluster.ask(client, 'SET', keys.next().value, '1'), 'OK')
  home.clock.jumpWall(60_000)
  t.match(
    await cluster.ask(cluster.client(third), 'SET', keys.next().value, 'ahead'),
    /^-CLOCK/,
    'others still ask it',
  )
  t.equal(
    await cluster.ask(client, 'SET', keys.next().value, '1'),
    'OK',
    'for itself the next replica is home at once',
  )
  home.clock.jumpWall(-60_000)
  t.equal(await cluster.ask(client, 'SET', keys.next().value, '1'), 'OK', 'and still is')
  await cluster.run(1000)
  t.equal(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'SET', keys.next().value, '1'), 'OK')
})

t.test(
  'C2 L2 a record stamped too far ahead is taken by nobody, raises no clock, and refusals stop nothing',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'C2' })
    const [home, second, third] = cluster.nodes
    const keys = keysAt(cluster, home, second)
    const key = keys.next().value
    t.equal(await cluster.ask(cluster.client(home), 'SET', key, 'good'), 'OK')
    home.crash('lose-all')
    home.clock.jumpWall(60_000)
    cluster.isolate(home)
    await cluster.start(home)
    // Until it has heard the others, or knows that it cannot, it answers for nothing (RULES P2).
    await cluster.run(NOTICED_MS)
    const alone = await clientAt(cluster, home, 'ONE', 'ONE')
    t.equal(await cluster.ask(alone, 'SET', key, 'ahead'), 'OK', 'it knows of no other clock')
    cluster.heal()
    await cluster.run(NOTICED_MS)
    for (const node of [second, third]) {
      const client = cluster.client(node)
      t.equal(await cluster.ask(client, 'GET', key), 'good')
      const own = keyAt(cluster, node)
      const beforeMs = node.clock.wallMs()
      t.equal(await cluster.ask(client, 'SET', own, '1'), 'OK')
      const shown = (await cluster.ask(client, 'KV.SIBLINGS', own)) as [string, string, string, unknown[][]]
      const stampedMs = Number(shown[3][0][7])
      t.ok(stampedMs - beforeMs < 2000, `${node.name} stamps ${stampedMs - beforeMs} ms ahead`)
    }
    // A repair at the node itself offers its record to the others.
    t.match(await cluster.ask(cluster.client(home), 'GET', key), /^(ahead|-NOREPLICAS)/)
    t.same((await heldBy(cluster, key)).slice(1), ['good', 'good'])
    const next = keys.next().value
    t.equal(
      await cluster.ask(cluster.client(second), 'KV.QUORUM', 'ALL', 'SET', next, '1'),
      'OK',
      'the same links',
    )
    t.same((await siblings(cluster, cluster.client(third), next)).values, ['1'])
  },
)

t.test('cluster clients of a node that reaches nobody are sent to those who go on', async (t) => {
  const cluster = await SimCluster.started({ seed: 'sent on' })
  const [cut, second, third] = cluster.nodes
  const own = keysAt(cluster, cut, second)
  const other = keyAt(cluster, third)
  cluster.isolate(cut)
  await cluster.run(NOTICED_MS)
  const smart = cluster.client(cut, SMART_PORT)
  for (const [key, home] of [
    [own.next().value, second],
    [other, third],
  ] as const) {
    const moved = String(await cluster.ask(smart, 'SET', key, '1'))
    t.match(moved, /^-MOVED \d+ /)
    t.equal(moved.split(' ')[2], `${home.address}:${SMART_PORT}`)
    t.equal(await cluster.ask(cluster.client(home, SMART_PORT), 'SET', key, '1'), 'OK', 'which takes it')
  }
  const slots = (await cluster.ask(smart, 'CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
  t.notOk(
    slots.some(([, , [address]]) => address === cut.address),
    'nor does it name itself in CLUSTER SLOTS',
  )
  await cluster.ask(smart, 'KV.QUORUM', 'READ', 'ONE', 'WRITE', 'ONE')
  t.equal(await cluster.ask(smart, 'SET', own.next().value, '1'), 'OK', 'at ONE it is of use itself')
  cluster.heal()
  await cluster.run(NOTICED_MS)
  t.equal(await cluster.ask(cluster.client(cut, SMART_PORT), 'SET', own.next().value, '1'), 'OK')
})
