/**
 * Nodes on machines of their own that die or stand still: the process is killed (its machine says so to everybody), the whole
 * machine dies (nobody says anything, its packets just stop), the process is stopped while its machine keeps the connections.
 */
import t from 'tap'
import { ClusterHistory } from '../support/cluster-history.js'
import { nothingIsMissing } from '../support/history-verdict.js'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { PrivateNetwork } from '../support/private-network.js'
import { until } from '../support/until.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(400_000)

const skip = PrivateNetwork.refusal() ?? false
const WORKERS = 3
/** Requests that go on being done before the next event. */
const A_WHILE = 60

interface Fault {
  readonly title: string
  begin(node: ClusterNode, network: PrivateNetwork, machine: number): Promise<void> | void
  end(node: ClusterNode, network: PrivateNetwork, machine: number): Promise<void> | void
}

const FAULTS: readonly Fault[] = [
  {
    title: 'kill -9 of a node loses nothing, others see honest errors only, and it comes back',
    begin: (node) => node.kill9(),
    end: (node) => node.startAgain(),
  },
  {
    title: 'a machine that dies without a word loses nothing, and its node comes back',
    async begin(node, network, machine) {
      network.unplug(machine)
      await node.kill9()
    },
    async end(node, network, machine) {
      network.plug(machine)
      await node.startAgain()
    },
  },
  {
    title: 'a node that stands still loses nothing, and goes on where it stopped',
    begin: (node) => node.pause(),
    end: (node) => node.goOn(),
  },
]

for (const [seed, { title, begin, end }] of FAULTS.entries()) {
  t.test(title, { skip }, async (t) => {
    const network = PrivateNetwork.make(3)
    t.teardown(() => network.remove())
    const cluster = await KindredCluster.start(t, { network })
    const history = new ClusterHistory(cluster, 21 + seed)
    history.start(WORKERS)
    for (const [machine, node] of cluster.nodes.entries()) {
      const others = cluster.nodes.filter((other) => other !== node)
      await history.goesOn(cluster.nodes, A_WHILE)
      history.gone.add(node)
      await begin(node, network, machine)
      for (const other of others) await until(`${node.name} is down`, () => other.seesDown(node))
      await history.goesOn(others, A_WHILE)
      await end(node, network, machine)
      await cluster.linked()
      await history.goesOn(cluster.nodes, A_WHILE)
      history.gone.delete(node)
    }
    await nothingIsMissing(t, history)
    t.ok(history.exactCounters > 0, `${history.exactCounters} counters were exact`)
  })
}
