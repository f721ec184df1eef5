/** RULES H1: a node that has missed writes leaves its keys to others until it has them. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import { NOTICED_MS, UNEXCHANGED, clientsOf, fact, heldBy, keyAt, keysAt } from './cluster-world.js'

t.test('H1 a node that comes back is no home before it has what it missed', async (t) => {
  // So slowly that there is time to look.
  const settings = { ...UNEXCHANGED, 'cluster.hinted-handoff-throttle': '20000' }
  const cluster = await SimCluster.started({ seed: 'H1 back', settings })
  const [home, second] = cluster.nodes
  const keys = keysAt(cluster, home, second)
  home.crash('lose-all')
  await cluster.run(NOTICED_MS)
  const other = cluster.client(second)
  const key = keys.next().value
  t.equal(await cluster.ask(other, 'SET', key, '1'), 'OK')
  for (let i = 0; i < 500; i++) {
    t.equal(await cluster.ask(other, 'SET', keys.next().value, 'x'.repeat(1000)), 'OK')
  }
  await cluster.run(1000)
  await cluster.start(home)
  await cluster.run(2000)
  t.equal(await fact(cluster, home, 'cluster_catching_up'), 1)
  t.ok((await fact(cluster, home, 'cluster_handoffs_for_this_node')) > 0)
  const received = await fact(cluster, home, 'cluster_requests_received')
  for (const client of clientsOf(cluster).slice(1)) {
    t.equal(typeof (await cluster.ask(client, 'INCR', key)), 'number')
  }
  t.equal(await fact(cluster, home, 'cluster_requests_received'), received, 'the others do without it')
  const retries = await fact(cluster, home, 'cluster_proposal_retries')
  t.equal(await cluster.ask(cluster.client(home), 'INCR', key), 4, 'it sends its clients’ writes to them')
  t.equal(await fact(cluster, home, 'cluster_proposal_retries'), retries)
  await cluster.run(40_000)
  t.equal(await fact(cluster, home, 'cluster_catching_up'), 0)
  t.equal(await cluster.ask(other, 'INCR', key), 5)
  t.equal(await fact(cluster, home, 'cluster_requests_received'), received + 1, 'it is home again')
})

t.test(
  'H1 catching up ends after catch-up-max, and where nobody else is fit it does not matter',
  async (t) => {
    const settings = {
      ...UNEXCHANGED,
      'cluster.hinted-handoff-throttle': '1000',
      'cluster.catch-up-max': '5000',
    }
    const cluster = await SimCluster.started({ seed: 'H1 max', settings })
    const [home, second, third] = cluster.nodes
    const keys = keysAt(cluster, home, second)
    home.crash('lose-all')
    await cluster.run(NOTICED_MS)
    for (let i = 0; i < 50; i++) {
      t.equal(await cluster.ask(cluster.client(second), 'SET', keys.next().value, 'x'.repeat(10_000)), 'OK')
    }
    await cluster.run(1000)
    await cluster.start(home)
    await cluster.run(1000)
    t.equal(await fact(cluster, home, 'cluster_catching_up'), 1)
    second.disk.failSometimes(1, 'EIO')
    third.disk.failSometimes(1, 'EIO')
    await cluster.run(5500)
    t.equal(await fact(cluster, home, 'cluster_catching_up'), 0, 'the time is up')
    t.ok((await fact(cluster, home, 'cluster_handoffs_for_this_node')) > 0)
  },
)

t.test('H1 one complete exchange ends catching up, whatever is still held', async (t) => {
  const settings = { 'cluster.hinted-handoff-throttle': '1000' }
  const cluster = await SimCluster.started({ seed: 'H1 exchange', settings })
  const [home, second] = cluster.nodes
  const keys = keysAt(cluster, home, second)
  home.crash('lose-all')
  await cluster.run(NOTICED_MS)
  const key = keys.next().value
  for (let i = 0; i < 50; i++) {
    const name = i === 0 ? key : keys.next().value
    t.equal(await cluster.ask(cluster.client(second), 'SET', name, 'x'.repeat(10_000)), 'OK')
  }
  await cluster.run(1000)
  await cluster.start(home)
  await cluster.run(1000)
  t.equal(await fact(cluster, home, 'cluster_catching_up'), 1)
  // A link is followed by an exchange within 5 s; catch-up-max is a minute.
  await cluster.run(15_000)
  t.equal(await fact(cluster, home, 'cluster_catching_up'), 0)
  t.ok((await fact(cluster, home, 'cluster_handoffs_for_this_node')) > 0)
  t.same(await heldBy(cluster, key), Array(3).fill('x'.repeat(10_000)))
})

t.test('H1 when all start at once nobody waits for anybody', async (t) => {
  for (let seed = 1; seed <= 10; seed++) {
    const cluster = new SimCluster({ seed: `H1 all ${seed}`, settings: UNEXCHANGED })
    await cluster.start(...cluster.nodes)
    await cluster.until(() => cluster.nodes.every(({ log }) => log.of('a peer linked itself').length >= 2))
    // Ranges are judged by then (RULES P2).
    await cluster.run(200)
    const requests = cluster.nodes.map((node) => {
      return cluster.client(node).send('SET', keyAt(cluster, node), 'first')
    })
    await cluster.run(300)
    for (const request of requests) t.equal(request.reply, 'OK', `seed ${seed}`)
    for (const node of cluster.nodes) t.equal(await fact(cluster, node, 'cluster_catching_up'), 0)
  }
})

t.test('H1 a node that only stood still catches up, too, when it has missed something', async (t) => {
  const settings = { ...UNEXCHANGED, 'cluster.hinted-handoff-throttle': '20000' }
  const cluster = await SimCluster.started({ seed: 'H1 paused', settings })
  const [home, second] = cluster.nodes
  const keys = keysAt(cluster, home, second)
  home.clock.pause()
  await cluster.run(NOTICED_MS)
  for (let i = 0; i < 200; i++) {
    t.equal(await cluster.ask(cluster.client(second), 'SET', keys.next().value, 'x'.repeat(1000)), 'OK')
  }
  await cluster.run(500)
  home.clock.resume()
  await cluster.run(2000)
  t.equal(await fact(cluster, home, 'cluster_catching_up'), 1)
  await cluster.run(30_000)
  t.equal(await fact(cluster, home, 'cluster_catching_up'), 0)
})
