/** Deletions and expired keys leave when all replicas are known to have them, and not before (RULES P1-P3). */
import t from 'tap'
import { deathHourEndMs } from '../../src/record/death.js'
import type { SimClient } from '../../src/sim/sim-client.js'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { NOTICED_MS, heldBy, keysAt } from './cluster-world.js'
import { ON_DEMAND, STALE_EVENT, copyOf, putBack, rebuilt, repairFact, repaired } from './repair-world.js'

const HOUR_MS = 3_600_000
/** Purging looks once a minute. */
const PURGED_MS = 125_000
const QUICK = {
  ...ON_DEMAND,
  'cluster.tombstone-grace': '60000',
  'cluster.max-hint-window': '1000',
  'cluster.purge-hard-age': '60000',
  'cluster.ping-interval': '500',
}
const KEYS = 20

/** All clocks go on by so long, and agree again. */
async function later(cluster: SimCluster, durationMs: number): Promise<void> {
  for (const node of cluster.nodes) node.clock.jumpWall(durationMs)
  await cluster.run(NOTICED_MS)
}

/** Deletes the keys; answers the end of the hour in which that was. */
async function deleted(cluster: SimCluster, client: SimClient, keys: readonly string[]): Promise<number> {
  for (const key of keys) await cluster.ask(client, 'DEL', key)
  const hour = deathHourEndMs(cluster.nodes[0].clock.wallMs())
  await cluster.run(1000)
  return hour
}

/** P of a node, milliseconds since 1970; 0 for none. */
async function horizon(cluster: SimCluster, node: SimNode): Promise<number> {
  const age = await repairFact(cluster, node, 'purge_horizon_age_seconds')
  return age < 0 ? 0 : Math.round((node.clock.wallMs() - 1000 * age) / HOUR_MS) * HOUR_MS
}

async function filled(cluster: SimCluster, home: SimNode, client: SimClient): Promise<string[]> {
  const keys = keysAt(cluster, home)
  const names = Array.from({ length: KEYS }, () => keys.next().value)
  for (const key of names) await cluster.ask(client, 'SET', key, 'value')
  await cluster.run(1000)
  return names
}

t.test(
  'P1 nothing is purged before every replica has exchanged after the hour, then all of it is',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'purge', settings: QUICK })
    const { nodes } = cluster
    const [first, second, third] = nodes
    const client = cluster.client(first)
    const keys = await filled(cluster, first, client)
    const hour = await deleted(cluster, client, keys)
    await repaired(cluster, first)
    await repaired(cluster, second)
    await later(cluster, 2 * HOUR_MS)
    await cluster.run(PURGED_MS)
    for (const node of nodes) {
      t.ok((await horizon(cluster, node)) < hour, 'what was exchanged before the hour ended proves nothing')
    }

    await repaired(cluster, first)
    await cluster.run(PURGED_MS)
    t.ok((await horizon(cluster, first)) >= hour, 'it has exchanged with both')
    t.ok((await horizon(cluster, second)) < hour, 'with the third it has not')

    const bytesBefore = await repairFact(cluster, second, 'bytes')
    const differing = await repairFact(cluster, second, 'ranges_differing')
    await repaired(cluster, second)
    const bytes = (await repairFact(cluster, second, 'bytes')) - bytesBefore
    t.equal(
      await repairFact(cluster, second, 'ranges_differing'),
      differing,
      'P3 what one has purged is no difference',
    )
    t.ok(bytes < 10_000, `roots only: ${bytes} bytes`)
    await cluster.run(PURGED_MS)
    t.ok((await horizon(cluster, third)) >= hour)
    for (const key of keys) t.same(await heldBy(cluster, key), [null, null, null])
    t.equal(await cluster.ask(client, 'SET', keys[0], 'again'), 'OK')
    t.same(
      await heldBy(cluster, keys[0]),
      ['again', 'again', 'again'],
      'a new value is not taken for the old one',
    )
  },
)

t.test('P1 a deletion that arrived after the exchange keeps its hour', async (t) => {
  const cluster = await SimCluster.started({ seed: 'purge late', settings: QUICK })
  const [first, second, third] = cluster.nodes
  const client = cluster.client(first)
  const keys = await filled(cluster, first, client)
  cluster.isolate(third)
  await cluster.run(NOTICED_MS)
  const hour = await deleted(cluster, client, keys)
  await later(cluster, 2 * HOUR_MS)
  await repaired(cluster, first)
  cluster.heal()
  await cluster.run(10_000)
  await cluster.run(PURGED_MS)
  for (const node of [first, second]) t.ok((await horizon(cluster, node)) < hour, 'the third has not seen it')
  await repaired(cluster, first)
  await repaired(cluster, second)
  await repaired(cluster, third)
  await cluster.run(PURGED_MS)
  for (const node of cluster.nodes) t.ok((await horizon(cluster, node)) >= hour)
  for (const key of keys) t.same(await heldBy(cluster, key), [null, null, null])
})

t.test(
  'P2 a node that missed deletions which others have purged is rebuilt, and brings nothing back',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'purge missed', settings: QUICK })
    const [first, second, third] = cluster.nodes
    const client = cluster.client(first)
    const keys = await filled(cluster, first, client)
    await repaired(cluster, first)
    await repaired(cluster, second)
    third.crash('keep-all')
    await cluster.run(10_000)
    const hour = await deleted(cluster, client, keys)
    await later(cluster, 2 * HOUR_MS)
    await repaired(cluster, first)
    await cluster.run(PURGED_MS + 60_000)
    for (const node of [first, second]) {
      t.ok((await horizon(cluster, node)) >= hour, 'they go on without it after purge-hard-age')
    }
    await cluster.start(third)
    await rebuilt(cluster, third)
    t.ok(third.log.of(STALE_EVENT).some(({ facts }) => facts['reason'] === 'purged'))
    await repaired(cluster, first)
    await repaired(cluster, third)
    for (const key of keys) t.same(await heldBy(cluster, key), [null, null, null], key)
  },
)

t.test('P1 a minority never purges on age', async (t) => {
  const cluster = await SimCluster.started({ seed: 'purge minority', settings: QUICK })
  const [first, second, third] = cluster.nodes
  const client = cluster.client(first)
  const keys = await filled(cluster, first, client)
  const hour = await deleted(cluster, client, keys)
  await repaired(cluster, first)
  second.crash('keep-all')
  third.crash('keep-all')
  first.clock.jumpWall(2 * HOUR_MS)
  await cluster.run(5 * 60_000)
  t.ok((await horizon(cluster, first)) < hour)
})

t.test('P2 a whole cluster that was off for ten times the grace loses nothing', async (t) => {
  const cluster = await SimCluster.started({ seed: 'purge weekend', settings: QUICK })
  const { nodes } = cluster
  const [first, second] = nodes
  const client = cluster.client(first)
  const keys = await filled(cluster, first, client)
  const hour = await deleted(cluster, client, keys.slice(0, 5))
  await repaired(cluster, first)
  await repaired(cluster, second)
  await later(cluster, 2 * HOUR_MS)
  await repaired(cluster, first)
  await cluster.run(PURGED_MS)
  t.ok((await horizon(cluster, first)) >= hour)
  for (const node of nodes) node.crash('keep-all')
  for (const node of nodes) node.clock.jumpWall(10 * HOUR_MS)
  await cluster.start(...nodes)
  await cluster.run(NOTICED_MS)
  for (const node of nodes) {
    await rebuilt(cluster, node)
    t.equal(node.log.of(STALE_EVENT).length, 0)
  }
  for (const key of keys.slice(0, 5)) t.same(await heldBy(cluster, key), [null, null, null])
  for (const key of keys.slice(5)) t.same(await heldBy(cluster, key), ['value', 'value', 'value'])
})

t.test('P2 an older copy of a directory brings nothing back that was deleted and purged since', async (t) => {
  const cluster = await SimCluster.started({ seed: 'purge restored', settings: QUICK })
  const { nodes } = cluster
  const [first, second, third] = nodes
  const client = cluster.client(first)
  const keys = await filled(cluster, first, client)
  await cluster.stop(third)
  const old = copyOf(third)
  await cluster.start(third)
  await cluster.run(NOTICED_MS)
  const hour = await deleted(cluster, client, keys)
  await later(cluster, 2 * HOUR_MS)
  await repaired(cluster, first)
  await repaired(cluster, second)
  await cluster.run(PURGED_MS)
  for (const node of nodes) t.ok((await horizon(cluster, node)) >= hour)
  await cluster.stop(third)
  putBack(third, old)
  await cluster.start(third)
  await rebuilt(cluster, third)
  await repaired(cluster, first)
  await repaired(cluster, third)
  for (const key of keys) t.same(await heldBy(cluster, key), [null, null, null], key)
  third.crash('keep-all')
  await cluster.start(third)
  await rebuilt(cluster, third)
  await repaired(cluster, third)
  for (const key of keys) t.same(await heldBy(cluster, key), [null, null, null], 'nor after the next start')
})
