/** RULES C2: a stamp from the future, which a node minted alone under a wrong clock, keeps to its record. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import { NOTICED_MS, clientAt, clientsOf, keysAt } from './cluster-world.js'

const DAY_MS = 24 * 60 * 60 * 1000

t.test('C2 a record from the future does not keep anybody from writing other keys', async (t) => {
  const cluster = await SimCluster.started({ seed: 'future' })
  const [home, wrong, third] = cluster.nodes
  const ofHome = keysAt(cluster, home, wrong)
  const key = ofHome.next().value
  const others = [ofHome, keysAt(cluster, wrong, home), keysAt(cluster, third, home)].map((keys) => {
    return keys.next().value
  })
  await cluster.stop(wrong)
  wrong.clock.jumpWall(DAY_MS)
  cluster.isolate(wrong)
  await cluster.start(wrong)
  await cluster.run(NOTICED_MS)
  t.equal(await cluster.ask(await clientAt(cluster, wrong, 'ONE', 'ONE'), 'SET', key, 'future'), 'OK')
  await cluster.stop(wrong)
  wrong.clock.jumpWall(-DAY_MS)
  cluster.heal()
  await cluster.start(wrong)
  await cluster.run(NOTICED_MS)

  const clients = clientsOf(cluster)
  for (const client of clients) {
    for (const other of others) t.equal(await cluster.ask(client, 'SET', other, 'value'), 'OK')
  }
  // Whatever these answer, they must not carry the stamp on.
  for (const client of clients) {
    await cluster.ask(client, 'GET', key)
    await cluster.ask(client, 'SET', key, 'now')
    await cluster.ask(client, 'INCR', key)
    await cluster.ask(client, 'DEL', key)
  }
  for (const client of clients) {
    for (const other of others) t.equal(await cluster.ask(client, 'SET', other, 'again'), 'OK')
    for (const other of others) t.equal(await cluster.ask(client, 'GET', other), 'again')
  }
})
