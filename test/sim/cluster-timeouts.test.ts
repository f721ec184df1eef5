/** Requests whose time is up: what ends one of them may end others. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimRequest } from '../../src/sim/sim-client.js'
import { NOTICED_MS, keyAt } from './cluster-world.js'

const CLIENTS = 10

t.test('a request that ends when its time is up takes those that waited for its key along', async (t) => {
  for (let seed = 1; seed <= 5; seed++) {
    const cluster = await SimCluster.started({ seed: `ends ${seed}`, diskDelayMsMax: 5 })
    const [home, second] = cluster.nodes
    const key = keyAt(cluster, home, second)
    const clients = Array.from({ length: CLIENTS }, () => cluster.client(home))
    await cluster.replies(clients.map((client) => client.send('PING')))
    const requests: SimRequest[] = clients.map((client) => client.send('INCR', key))
    await cluster.run(1)
    cluster.isolate(home)
    for (const client of clients) requests.push(client.send('INCR', key))
    await cluster.run(3 * NOTICED_MS)
    t.ok(requests.every(({ isDone }) => isDone))
    cluster.heal()
    await cluster.run(NOTICED_MS)
    t.type(await cluster.ask(cluster.client(home), 'INCR', key), 'number')
  }
})
