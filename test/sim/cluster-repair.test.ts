/** Replicas that drifted find each other's differences and mend them, and do not talk much when there are none. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import { NOTICED_MS, clientAt, heldBy, keyAt, keysAt, ringOf } from './cluster-world.js'
import { ON_DEMAND, repairFact, repaired } from './repair-world.js'

const KEYS = 50
const HOUR_MS = 3_600_000

t.test('replicas that missed writes have them after KV.REPAIR, whichever node is asked', async (t) => {
  const cluster = await SimCluster.started({ seed: 'repair drift', settings: ON_DEMAND })
  const [first, second, third] = cluster.nodes
  const keys = keysAt(cluster, first, second)
  const names = Array.from({ length: KEYS }, () => keys.next().value)
  const client = await clientAt(cluster, first, 'ONE', 'ONE')
  await cluster.replies(names.map((key) => client.send('SET', key, `${key} before`)))
  cluster.isolate(third)
  await cluster.run(NOTICED_MS)
  for (const [i, key] of names.entries()) {
    if (i % 3 === 0) await cluster.ask(client, 'DEL', key)
    else if (i % 3 === 1) await cluster.ask(client, 'SET', key, `${key} after`)
  }
  cluster.heal()
  await cluster.run(NOTICED_MS)
  t.same(await heldBy(cluster, names[0]), [null, null, `${names[0]} before`], 'the third has missed it')

  t.match(await repaired(cluster, third), /^Background repair of \d+ ranges started$/)
  for (const [i, key] of names.entries()) {
    const value = i % 3 === 0 ? null : i % 3 === 1 ? `${key} after` : `${key} before`
    t.same(await heldBy(cluster, key), [value, value, value])
  }
  const pulled = await repairFact(cluster, third, 'keys_pulled')
  t.ok(pulled >= (2 * KEYS) / 3 - 1, 'what was missed was fetched')
  t.ok(pulled < KEYS, 'and nothing else')

  const bytes = await repairFact(cluster, third, 'bytes')
  await repaired(cluster, third)
  t.equal(await repairFact(cluster, third, 'keys_pulled'), pulled, 'nothing is left to fetch')
  t.ok((await repairFact(cluster, third, 'bytes')) - bytes < 10_000, 'roots only')
})

t.test('what only the asked node has goes to the others, merged with what they have', async (t) => {
  const cluster = await SimCluster.started({ seed: 'repair push', settings: ON_DEMAND })
  const [first, second, third] = cluster.nodes
  const key = keyAt(cluster, first, second, third)
  cluster.isolate(first)
  await cluster.run(NOTICED_MS)
  const alone = await clientAt(cluster, first, 'ONE', 'ONE')
  t.equal(await cluster.ask(alone, 'SET', key, 'alone'), 'OK')
  const others = await clientAt(cluster, second, 'QUORUM', 'QUORUM')
  t.equal(await cluster.ask(others, 'SET', key, 'together'), 'OK')
  cluster.heal()
  await cluster.run(NOTICED_MS)
  await repaired(cluster, first)
  t.ok((await repairFact(cluster, first, 'keys_pushed')) > 0)
  for (const node of cluster.nodes) {
    const reader = await clientAt(cluster, node, 'ONE', 'ONE')
    const [, , , list] = (await cluster.ask(reader, 'KV.SIBLINGS', key)) as [
      string,
      string,
      string,
      string[][],
    ]
    t.same(list.map((fields) => fields[3]).sort(), ['alone', 'together'], node.name)
  }
})

t.test('KV.REPAIR that is asked for again and again does not queue up', async (t) => {
  const cluster = await SimCluster.started({ seed: 'repair again', settings: ON_DEMAND })
  const [first] = cluster.nodes
  const client = cluster.client(first)
  const ranges = await repairFact(cluster, first, 'ranges')
  const asked = Array.from({ length: 50 }, () => client.send('KV.REPAIR'))
  await cluster.replies(asked)
  const demanded = await repairFact(cluster, first, 'demanded_ranges')
  t.ok(demanded <= 4 * ranges, `${demanded} exchanges: one that is done and one that waits for each peer`)
  await repaired(cluster, first)
  t.equal(await repairFact(cluster, first, 'demanded_ranges'), 0)
})

t.test('KV.REPAIR of some slots leaves the others, and says what is not held', async (t) => {
  const cluster = await SimCluster.started({ seed: 'repair slots', nodes: 5, settings: ON_DEMAND })
  const [first] = cluster.nodes
  const ring = ringOf(cluster)
  const self = ring.indexOf(first.config.cluster?.self.id ?? '')
  const elsewhere = ring.ranges().find(({ list }) => !list.includes(self))
  const here = ring.ranges().find(({ list }) => list.includes(self))
  if (elsewhere === undefined || here === undefined) throw new Error('five nodes do not all have everything')
  const ask = (...slots: (number | string)[]): Promise<unknown> =>
    cluster.ask(cluster.client(first), 'KV.REPAIR', ...slots)
  const { firstSlot, lastSlot } = elsewhere
  const refusal = `ERR this node holds none of these slots: ${firstSlot}-${lastSlot}`
  t.match(String(await ask(firstSlot, lastSlot)), refusal)
  t.match(String(await ask()), /started; not held here: \d+-\d+/)
  t.match(String(await ask(here.firstSlot, here.firstSlot)), /^Background repair of 1 ranges started$/)
  t.match(String(await ask(5, 4)), /Invalid or out of range slot/)
  t.match(String(await ask(0, 16384)), /Invalid or out of range slot/)
  t.match(String(await ask('x', 4)), /Invalid or out of range slot/)
})

t.test('background exchanges find by themselves what a node has missed', async (t) => {
  const cluster = await SimCluster.started({
    seed: 'repair background',
    settings: { 'cluster.anti-entropy-interval': '10000' },
  })
  const [first, second, third] = cluster.nodes
  const key = keyAt(cluster, first, second, third)
  cluster.isolate(third)
  await cluster.run(NOTICED_MS)
  t.equal(await cluster.ask(cluster.client(first), 'SET', key, 'missed'), 'OK')
  cluster.heal()
  await cluster.run(30_000)
  t.same(await heldBy(cluster, key), ['missed', 'missed', 'missed'])
})

t.test(
  'P3 replicas that agree exchange roots only, also while keys expire and deletions are purged',
  async (t) => {
    const cluster = await SimCluster.started({
      seed: 'repair quiet',
      settings: {
        ...ON_DEMAND,
        'cluster.tombstone-grace': '60000',
        'cluster.max-hint-window': '1000',
        'cluster.ping-interval': '500',
      },
    })
    const { nodes } = cluster
    const [first, second, third] = nodes
    const client = cluster.client(first)
    const keys = keysAt(cluster, first)
    for (let i = 0; i < KEYS; i++) {
      const key = keys.next().value
      await cluster.ask(client, 'SET', key, 'value', ...(i % 2 === 0 ? ['PX', (1 + i / 10) * HOUR_MS] : []))
      if (i % 5 === 0) await cluster.ask(client, 'DEL', key)
    }
    await cluster.run(1000)
    await repaired(cluster, first)
    for (let hours = 0; hours < 8; hours++) {
      for (const node of nodes) node.clock.jumpWall(HOUR_MS)
      await cluster.run(NOTICED_MS)
      for (const node of hours % 2 === 0 ? [first, second] : [third, second, first]) {
        const questions = await repairFact(cluster, node, 'questions')
        const bytes = await repairFact(cluster, node, 'bytes')
        await repaired(cluster, node)
        // VIEW, BEGIN, END, with each of the two others.
        t.equal((await repairFact(cluster, node, 'questions')) - questions, 6)
        t.ok((await repairFact(cluster, node, 'bytes')) - bytes < 10_000)
      }
      await cluster.run(70_000)
    }
    for (const node of nodes) {
      t.equal(await repairFact(cluster, node, 'ranges_differing'), 0)
      t.ok(
        (await repairFact(cluster, node, 'purge_horizon_age_seconds')) < 5 * 3600,
        'and things were purged meanwhile',
      )
    }
  },
)

t.test('an exchange keeps to anti-entropy-rate, at every moment', async (t) => {
  // The disks of this cluster alone would let through four times as much.
  const rate = 20_000
  const settings = { ...ON_DEMAND, 'cluster.anti-entropy-rate': String(rate) }
  const cluster = await SimCluster.started({ seed: 'rate', settings })
  const [first, second, third] = cluster.nodes
  const keys = keysAt(cluster, first, second, third)
  cluster.isolate(third)
  await cluster.run(NOTICED_MS)
  const names = Array.from({ length: 50 }, () => keys.next().value)
  for (const key of names) await cluster.ask(cluster.client(first), 'SET', key, 'x'.repeat(10_000))
  cluster.heal()
  await cluster.run(NOTICED_MS)
  const before = await repairFact(cluster, third, 'bytes')
  const beganMs = cluster.queue.nowMs
  await cluster.ask(cluster.client(third), 'KV.REPAIR')
  let bytes = 0
  while ((await repairFact(cluster, third, 'demanded_ranges')) > 0) {
    await cluster.run(500)
    bytes = (await repairFact(cluster, third, 'bytes')) - before
    // Each answer is paid for when it has come: one of records may be ahead.
    const allowed = (rate * (cluster.queue.nowMs - beganMs)) / 1000 + 150_000
    if (bytes > allowed) t.fail(`${bytes} bytes where ${allowed} were allowed`)
  }
  t.ok(bytes > 50 * 10_000, `${bytes} bytes: all that it lacked`)
  for (const key of names.slice(0, 5)) t.same(await heldBy(cluster, key), Array(3).fill('x'.repeat(10_000)))
})
