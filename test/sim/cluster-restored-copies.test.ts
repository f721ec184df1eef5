/** An older copy of a directory that was put back brings older hints and fallback copies with it (RULES P1, P2, L4, L5). */
import t from 'tap'
import { deathHourEndMs } from '../../src/record/death.js'
import type { HandoffEntry } from '../../src/repair/handoff-store.js'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { NOTICED_MS, clientAt, fact, keysAt, listOf } from './cluster-world.js'
import {
  HOUR_MS,
  PURGED_MS,
  QUICK_PURGE,
  copyOf,
  horizon,
  later,
  putBack,
  rebuilt,
  repaired,
} from './repair-world.js'

/** What the node holds for others. */
function heldFor({ handoffs, clock }: SimNode): readonly HandoffEntry[] {
  return handoffs.open(clock).scan(Buffer.alloc(1), Buffer.alloc(1, 0xff), 1000, 1024 * 1024)
}

t.test('L5 P2 copies of an old directory do not bring back what was deleted and purged since', async (t) => {
  const cluster = await SimCluster.started({ seed: 'old copies', nodes: 4, settings: QUICK_PURGE })
  const [first, second, third, fourth] = cluster.nodes
  const names = keysAt(cluster, first)
  let key = names.next().value
  while (listOf(cluster, key).includes(fourth)) key = names.next().value
  const client = cluster.client(first)
  for (const node of [second, third]) node.crash('keep-all')
  await cluster.run(NOTICED_MS)
  t.equal(await cluster.ask(client, 'SET', key, 'value'), 'OK')
  await cluster.run(500)
  const held = heldFor(fourth)
  t.ok(held.length > 0, 'the fourth keeps copies')
  await cluster.stop(fourth)
  const old = copyOf(fourth)
  await cluster.start(second, third, fourth)
  await cluster.run(10_000)
  t.equal(heldFor(fourth).length, 0, 'which it has brought')

  t.equal(await cluster.ask(client, 'DEL', key), 1)
  const hour = deathHourEndMs(first.clock.wallMs())
  await later(cluster, 2 * HOUR_MS)
  for (const node of cluster.nodes) await repaired(cluster, node)
  await cluster.run(PURGED_MS)
  for (const node of [first, second, third]) {
    t.ok((await horizon(cluster, node)) >= hour, 'it is purged')
  }

  await cluster.stop(fourth)
  putBack(fourth, old)
  fourth.handoffs.open(fourth.clock).apply(held, () => {})
  await cluster.run(100)
  await cluster.start(fourth)
  await rebuilt(cluster, fourth)
  await cluster.run(10_000)
  for (const node of [first, second, third]) {
    const reader = await clientAt(cluster, node, 'ONE', 'ONE')
    t.equal(await cluster.ask(reader, 'GET', key), null)
  }
  t.equal(await fact(cluster, fourth, 'cluster_fallback_copies'), 0, 'and they do not stay')
})
