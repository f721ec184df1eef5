/**
 * A history of clients over a cluster of real processes whose nodes are killed and paused and whose links are cut, held and
 * healed, in an order that follows from the seed: nothing acknowledged is lost, nothing appears that nobody wrote, and
 * nothing that was deleted or has expired comes back once all nodes are there again.
 */
import t from 'tap'
import { ClusterHistory } from '../support/cluster-history.js'
import { KindredCluster } from '../support/kindred-cluster.js'
import type { ClusterNode } from '../support/kindred-cluster.js'
import { Seeded } from '../support/seeded.js'
import { until } from '../support/until.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(400_000)

const WORKERS = 3
const FAULTS = 10
/** Requests that go on being done before the next event. */
const A_WHILE = 60

type Fault = (victim: ClusterNode, others: readonly ClusterNode[]) => Promise<() => void | Promise<void>>

for (const seed of [1, 2]) {
  t.test(
    `faults of all kinds lose nothing, make up nothing and bring nothing back (seed ${seed})`,
    async (t) => {
      const cluster = await KindredCluster.start(t, { cuttable: true })
      const history = new ClusterHistory(cluster, seed)
      const random = new Seeded(seed)

      /** Resolves when the others take the victim for dead, or at once, when the fault is to be a short one. */
      const noticed = async (victim: ClusterNode, others: readonly ClusterNode[]): Promise<void> => {
        if (random.chance(3)) return
        for (const other of others) await until(`${victim.name} is down`, () => other.seesDown(victim))
      }

      /** Each answers what ends it. */
      const faults: Readonly<Record<string, Fault>> = {
        'kill -9': async (victim) => {
          await victim.kill9()
          return () => victim.startAgain()
        },
        pause: async (victim, others) => {
          victim.pause()
          await noticed(victim, others)
          return () => victim.goOn()
        },
        'cut off': async (victim, others) => {
          cluster.partition([victim])
          await noticed(victim, others)
          return () => cluster.heal()
        },
        'cut between two': async (victim, [other]) => {
          cluster.cut(victim, other)
          await noticed(victim, [other])
          return () => cluster.heal()
        },
        'cut in one direction': async (victim, others) => {
          for (const other of others) cluster.cutOneWay(victim, other)
          return () => cluster.heal()
        },
        held: async (victim, others) => {
          cluster.hold([victim])
          await noticed(victim, others)
          return () => cluster.heal()
        },
      }

      history.start(WORKERS)
      const names = Object.keys(faults)
      for (let i = 0; i < FAULTS; i++) {
        await history.goesOn(cluster.nodes, A_WHILE)
        const victim = random.pick(cluster.nodes)
        const others = cluster.nodes.filter((node) => node !== victim)
        const name = i < names.length ? names[(i + seed) % names.length] : random.pick(names)
        history.gone.add(victim)
        const end = await faults[name](victim, others)
        await history.goesOn(others, A_WHILE)
        await end()
        await cluster.linked()
        history.gone.delete(victim)
      }
      for (const node of cluster.nodes) history.gone.add(node)
      await Promise.all(cluster.nodes.map((node) => node.kill9()))
      await Promise.all(cluster.nodes.map((node) => node.startAgain()))
      await cluster.linked()
      await history.goesOn(cluster.nodes, A_WHILE)
      await history.stop()
      t.comment(history.summary())
      t.same(await history.verdict(), { lost: [], phantoms: [], resurrected: [] })
      t.same(history.staleReads, [], 'every read saw what had been acknowledged')
      t.same(history.dishonest, [], 'errors of the others were honest')
      t.ok(history.exactCounters > 0, `${history.exactCounters} counters were exact`)
      t.ok(history.outcomes.unknown > 0, 'the faults were felt')
    },
  )
}
