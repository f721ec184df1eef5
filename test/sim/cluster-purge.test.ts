/** Deletions and expired keys leave when all replicas are known to have them, and not before (RULES P1-P3). */
import t from 'tap'
import { deathHourEndMs } from '../../src/record/death.js'
import { slotOf } from '../../src/ring/slot.js'
import type { SimClient } from '../../src/sim/sim-client.js'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { NOTICED_MS, heldBy, keysAt } from './cluster-world.js'
import {
  HOUR_MS,
  PURGED_MS,
  QUICK_PURGE,
  STALE_EVENT,
  copyOf,
  horizon,
  later,
  putBack,
  rebuilt,
  repairFact,
  repaired,
} from './repair-world.js'

const QUICK = {
  ...QUICK_PURGE,
  'cluster.purge-hard-age': '60000',
}
const KEYS = 20

interface StoredRange {
  readonly firstSlot: number
  readonly lastSlot: number
  readonly horizonMs: number
}

/** Deletes the keys; answers the end of the hour in which that was. */
async function deleted(cluster: SimCluster, client: SimClient, keys: readonly string[]): Promise<number> {
  for (const key of keys) await cluster.ask(client, 'DEL', key)
  const hour = deathHourEndMs(cluster.nodes[0].clock.wallMs())
  await cluster.run(1000)
  return hour
}

/** P of the key's range as the node has it on disk. */
function horizonOfKey({ disk, config }: SimNode, key: string): number {
  const path = `${config.dir}/REPAIR`
  const file = disk.open(path, 'read')
  const bytes = Buffer.alloc(disk.sizeBytes(file))
  disk.readSync(file, bytes, 0, bytes.length, 0)
  disk.close(file)
  const text = bytes.toString('utf8')
  const { ranges } = JSON.parse(text.slice(text.indexOf('\n'))) as { ranges: StoredRange[] }
  const slot = slotOf(Buffer.from(key), 0, Buffer.byteLength(key))
  return ranges.find(({ firstSlot, lastSlot }) => firstSlot <= slot && slot <= lastSlot)?.horizonMs ?? 0
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

t.test('P1 a member that has not said since the hour what it holds for others holds it up', async (t) => {
  // Longer than the first half of this story takes, shorter than the whole of it.
  const settings = { ...QUICK, 'cluster.purge-hard-age': '400000' }
  const cluster = new SimCluster({ seed: 'purge holder', nodes: 4, settings })
  const [first, second, third, fourth] = cluster.nodes
  await cluster.start(first, second, third)
  await cluster.run(NOTICED_MS)
  const client = cluster.client(first)
  const names = keysAt(cluster, first, second, third)
  const keys = Array.from({ length: KEYS }, () => names.next().value)
  for (const key of keys) await cluster.ask(client, 'SET', key, 'value')
  const hour = await deleted(cluster, client, keys)
  await later(cluster, 2 * HOUR_MS)
  await repaired(cluster, first)
  await repaired(cluster, second)
  await cluster.run(PURGED_MS)
  t.ok(horizonOfKey(first, keys[0]) < hour, 'it has never said anything')
  await cluster.start(fourth)
  await cluster.run(PURGED_MS)
  t.ok(horizonOfKey(first, keys[0]) >= hour, 'it says that it has none')

  const next = await deleted(cluster, client, [keys[0]])
  fourth.crash('keep-all')
  // What it said last gets round before the clocks go on.
  await cluster.run(10_000)
  await later(cluster, 2 * HOUR_MS)
  await repaired(cluster, first)
  await cluster.run(PURGED_MS)
  t.ok(horizonOfKey(first, keys[0]) < next, 'it may have taken a copy since it said so')
  await cluster.run(400_000)
  t.ok(horizonOfKey(first, keys[0]) >= next, 'it has failed for purge-hard-age')
})

t.test(
  'P2 a node that was cut off while others purged is not asked before it was judged, however links come back',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'purge cut off', settings: QUICK })
    const [first, second, third] = cluster.nodes
    const client = cluster.client(first)
    const keys = await filled(cluster, first, client)
    await repaired(cluster, first)
    await repaired(cluster, second)
    cluster.isolate(third)
    await cluster.run(10_000)
    const hour = await deleted(cluster, client, keys)
    await later(cluster, 2 * HOUR_MS)
    await repaired(cluster, first)
    await cluster.run(PURGED_MS + 60_000)
    for (const node of [first, second]) t.ok((await horizon(cluster, node)) >= hour)
    second.crash('keep-all')
    // What the third says takes long, so that it is asked before it can have been told anything.
    cluster.network.slow(third.address, first.address, 300)
    cluster.heal()
    // Reads at a quorum need the third now, from the moment at which there is a link.
    const readers = [first, third].map((node) => cluster.client(node))
    const asked = []
    for (let i = 0; i < 3000; i++) {
      for (const reader of readers) asked.push(reader.send('GET', keys[i % KEYS]))
      await cluster.run(1)
    }
    await cluster.run(NOTICED_MS)
    t.equal(asked.filter(({ reply }) => reply === 'value').length, 0)
    cluster.network.slow(third.address, first.address, null)
    await cluster.start(second)
    await rebuilt(cluster, third)
    await repaired(cluster, first)
    await repaired(cluster, third)
    for (const key of keys) t.same(await heldBy(cluster, key), [null, null, null], key)
  },
)

t.test('T5 a node whose clock has jumped ahead purges nothing by it before the grace has run', async (t) => {
  const settings = { ...QUICK, 'cluster.tombstone-grace': String(2 * HOUR_MS) }
  const cluster = await SimCluster.started({ seed: 'purge jump', settings })
  const [first, second] = cluster.nodes
  const client = cluster.client(first)
  const keys = await filled(cluster, first, client)
  const hour = await deleted(cluster, client, keys)
  await later(cluster, HOUR_MS)
  await repaired(cluster, first)
  await repaired(cluster, second)
  first.clock.jumpWall(3 * HOUR_MS)
  await cluster.run(PURGED_MS)
  t.ok((await horizon(cluster, first)) < hour, 'it ended an hour ago, by everybody else')
  first.clock.jumpWall(-3 * HOUR_MS)
  await later(cluster, 2 * HOUR_MS)
  await cluster.run(PURGED_MS)
  t.ok((await horizon(cluster, first)) >= hour)
})

t.test('P2 a node that exchanged while its clock was far ahead is found stale all the same', async (t) => {
  const cluster = await SimCluster.started({ seed: 'purge ahead', settings: QUICK })
  const [first, second, third] = cluster.nodes
  const client = cluster.client(first)
  const keys = await filled(cluster, first, client)
  third.clock.jumpWall(100 * HOUR_MS)
  await repaired(cluster, first)
  await repaired(cluster, third)
  third.crash('keep-all')
  third.clock.jumpWall(-100 * HOUR_MS)
  await cluster.run(10_000)
  const hour = await deleted(cluster, client, keys)
  await later(cluster, 2 * HOUR_MS)
  await repaired(cluster, first)
  await cluster.run(PURGED_MS + 60_000)
  for (const node of [first, second]) t.ok((await horizon(cluster, node)) >= hour)
  await cluster.start(third)
  await rebuilt(cluster, third)
  t.ok(third.log.of(STALE_EVENT).some(({ facts }) => facts['reason'] === 'purged'))
  for (const node of [first, third]) await repaired(cluster, node)
  for (const key of keys) t.same(await heldBy(cluster, key), [null, null, null], key)
})

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

t.test('P1 a minority that may not purge refuses writes at purge-held-max, until it may', async (t) => {
  const storage = { 'storage.segment-size': '1mb', 'storage.disk-reserve': '0' }
  const plain = { 'storage.table-compression': 'none', 'storage.table-compression-deepest': 'none' }
  const settings = { ...QUICK, ...storage, ...plain, 'cluster.purge-held-max': '10' }
  const cluster = await SimCluster.started({ seed: 'purge held', settings })
  const [first, second, third] = cluster.nodes
  const client = cluster.client(first)
  const value = 'x'.repeat(10_000)
  const keys = keysAt(cluster, first)
  for (let i = 0; i < 300; i++) await cluster.ask(client, 'SET', keys.next().value, value, 'PX', '100')
  const hour = deathHourEndMs(first.clock.wallMs())
  await repaired(cluster, first)
  await later(cluster, 2 * HOUR_MS)
  for (const node of [second, third]) node.crash('keep-all')
  await cluster.run(PURGED_MS)
  const write = (): Promise<unknown> => cluster.ask(client, 'KV.QUORUM', 'ONE', 'SET', 'key', 'value')
  const unfit = async (): Promise<string> => {
    const info = String(await cluster.ask(client, 'INFO', 'cluster'))
    return /cluster_member_node-1:.*/.exec(info)?.[0] ?? ''
  }
  t.equal(await write(), 'OK', 'there is room for what is held')
  t.match(await unfit(), 'unfit=isolated')

  first.disk.setCapacity(first.disk.usedBytes + 10 * 2 ** 20)
  await cluster.run(PURGED_MS)
  t.match(await write(), 'NOREPLICAS')
  t.match(await unfit(), 'unfit=disk+isolated')
  t.ok((await horizon(cluster, first)) < hour, 'and nothing was purged')

  await cluster.start(second, third)
  await cluster.run(NOTICED_MS)
  for (const node of cluster.nodes) await rebuilt(cluster, node)
  await repaired(cluster, first)
  await cluster.run(PURGED_MS)
  t.ok((await horizon(cluster, first)) >= hour)
  t.equal(await write(), 'OK')
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
