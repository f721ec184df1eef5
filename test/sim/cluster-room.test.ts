/** Forwarded writes when the home's log has no room for some of them. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import { keysAt } from './cluster-world.js'

const KEYS = 40
const CLIENTS = 4
const SETTINGS = { appendfsync: 'everysec', 'storage.segments-max': '2' }

t.test(
  'R3 a write that fits does not overtake an earlier one of its key that has to wait for room',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'room', diskDelayMsMax: 50, settings: SETTINGS })
    const [home, other] = cluster.nodes
    const ofHome = keysAt(cluster, home, other)
    const keys = Array.from({ length: KEYS }, () => ofHome.next().value)
    const clients = Array.from({ length: CLIENTS }, () => cluster.client(other))
    const large = 'x'.repeat(150_000)
    const requests = clients.flatMap((client, i) => {
      const own = keys.filter((_, at) => at % CLIENTS === i)
      return client.pipeline(
        own.flatMap((key) => [
          ['SET', key, large],
          ['SET', key, 'last'],
        ]),
      )
    })
    for (const reply of await cluster.replies(requests)) t.equal(reply, 'OK')
    const reader = cluster.client(home)
    for (const key of keys) t.equal(await cluster.ask(reader, 'GET', key), 'last')
  },
)
