/** How many replicas a request needs, what its errors promise, and what is left when links fail at the worst moment. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import { NOTICED_MS, UNREPAIRED, clientAt, clientsOf, heldBy, keyAt, keysAt } from './cluster-world.js'

const NEEDED = { ONE: 1, TWO: 2, QUORUM: 2, ALL: 3, LOCAL_QUORUM: 2, EACH_QUORUM: 2, LOCAL_ONE: 1 }

for (const down of [0, 1, 2]) {
  t.test(`every level with ${down} of three replicas down`, async (t) => {
    const cluster = await SimCluster.started({ seed: `levels ${down}` })
    const [first, second, third] = cluster.nodes
    const keys = keysAt(cluster, third, second, first)
    const dead = [third, second].slice(0, down)
    const all = await clientAt(cluster, first, 'ALL', 'ALL')
    const cases = Object.entries(NEEDED).map(([level, needed]) => ({ level, needed, key: keys.next().value }))
    for (const { key } of cases) t.equal(await cluster.ask(all, 'SET', key, '1'), 'OK')
    for (const node of dead) node.crash('lose-all')
    await cluster.run(NOTICED_MS)
    for (const { level, needed, key } of cases) {
      const client = await clientAt(cluster, first, level, level)
      const suffices = needed <= 3 - down
      const read = await cluster.ask(client, 'GET', key)
      t.match(read, suffices ? /^1$/ : /^-NOREPLICAS .* to read/, `GET at ${level}`)
      const written = await cluster.ask(client, 'SET', key, '2')
      t.match(written, suffices ? /^OK$/ : /^-NOREPLICAS .* to write/, `SET at ${level}`)
      const added = await cluster.ask(client, 'INCR', key)
      const isMajority = suffices && 3 - down >= 2
      t.match(
        String(added),
        isMajority ? /^3$/ : /^-NOREPLICAS/,
        `INCR at ${level} needs a majority at least`,
      )
      const left = isMajority ? '3' : suffices ? '2' : '1'
      const one = await clientAt(cluster, first, 'ONE', 'ONE')
      t.equal(await cluster.ask(one, 'GET', key), left, `${level}: NOREPLICAS has changed nothing`)
    }
    await cluster.start(...dead)
    await cluster.run(NOTICED_MS)
    for (const { level, needed, key } of cases) {
      const suffices = needed <= 3 - down
      const left = suffices && 3 - down >= 2 ? '3' : suffices ? '2' : '1'
      for (const client of clientsOf(cluster)) {
        await cluster.ask(client, 'KV.QUORUM', 'READ', 'ALL', 'WRITE', 'ALL')
        t.equal(await cluster.ask(client, 'GET', key), left, `${level}: all have it in the end`)
      }
    }
  })
}

t.test('a level of one request is that of its home, too, however it gets there', async (t) => {
  const cluster = await SimCluster.started({ seed: 'one request' })
  const [first, second, third] = cluster.nodes
  const key = keyAt(cluster, second, third)
  const client = cluster.client(first)
  third.crash('lose-all')
  await cluster.run(NOTICED_MS)
  t.match(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'SET', key, '1'), /^-NOREPLICAS/)
  t.equal(await cluster.ask(client, 'KV.QUORUM', 'TWO', 'SET', key, '1'), 'OK')
  t.match(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'GET', key), /^-NOREPLICAS/)
  t.equal(await cluster.ask(client, 'KV.QUORUM', 'ONE', 'GET', key), '1')
})

t.test('acknowledgements that are lost leave a write uncertain, and it appears', async (t) => {
  const cluster = await SimCluster.started({ seed: 'lost acks' })
  const [home, second, third] = cluster.nodes
  const key = keyAt(cluster, home)
  const client = cluster.client(home)
  t.equal(await cluster.ask(client, 'SET', key, 'old'), 'OK')
  for (const one of [second, third]) cluster.network.block(one.address, home.address)
  t.match(await cluster.ask(client, 'SET', key, 'new'), /^-UNCERTAIN 1 of 2 replicas/)
  cluster.heal()
  await cluster.run(NOTICED_MS)
  t.same(await heldBy(cluster, key), ['new', 'new', 'new'])
})

t.test('a write whose bytes never arrived is uncertain, and is found by the next reads', async (t) => {
  const cluster = await SimCluster.started({ seed: 'lost bytes', settings: UNREPAIRED })
  const [home, second, third] = cluster.nodes
  const key = keyAt(cluster, home)
  const client = cluster.client(home)
  t.equal(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'SET', key, 'old'), 'OK')
  for (const one of [second, third]) cluster.network.block(home.address, one.address)
  const request = client.send('SET', key, 'new')
  await cluster.run(20)
  for (const one of [second, third]) cluster.network.break(home.address, one.address)
  t.match(await cluster.reply(request), /^-UNCERTAIN 1 of 2 replicas/)
  cluster.heal()
  await cluster.run(NOTICED_MS)
  t.same(await heldBy(cluster, key), ['new', 'old', 'old'])
  for (const node of [home, second, third]) {
    const seen = await cluster.ask(cluster.client(node), 'KV.QUORUM', 'ALL', 'GET', key)
    t.equal(seen, 'new')
  }
  t.same(await heldBy(cluster, key), ['new', 'new', 'new'])
})

t.test('a request to a home that dies is answered, as uncertain when it writes', async (t) => {
  const cluster = await SimCluster.started({ seed: 'home dies' })
  const [home, second, third] = cluster.nodes
  const key = keyAt(cluster, home)
  const client = cluster.client(second)
  t.equal(await cluster.ask(client, 'SET', key, '1'), 'OK')
  for (const one of [second, third]) cluster.network.block(home.address, one.address)
  const write = client.send('SET', key, '2')
  const other = cluster.client(third)
  await cluster.run(20)
  home.crash('lose-all')
  t.match(await cluster.reply(write), /^-UNCERTAIN/)
  t.match(await cluster.ask(other, 'GET', key), /^[12]$/)
  await cluster.run(NOTICED_MS)
  t.equal(await cluster.ask(client, 'SET', key, '3'), 'OK', 'the next one is home')
  t.equal(await cluster.ask(other, 'GET', key), '3')
})

t.test('after a sleep of all nodes everything goes on', async (t) => {
  const cluster = await SimCluster.started({ seed: 'asleep' })
  const [first, second] = cluster.nodes
  const key = keyAt(cluster, first)
  t.equal(await cluster.ask(cluster.client(second), 'SET', key, '1'), 'OK')
  for (const node of cluster.nodes) node.clock.pause()
  await cluster.run(3_600_000)
  for (const node of cluster.nodes) node.clock.resume()
  await cluster.run(NOTICED_MS)
  for (const client of clientsOf(cluster)) {
    t.equal(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'GET', key), '1')
    t.equal(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'SET', key, '1'), 'OK')
  }
  for (const { log } of cluster.nodes)
    t.same(
      log.lines.filter(({ level }) => level === 'error'),
      [],
    )
})
