/** A node that may not be believed answers nobody until it has been rebuilt from its replicas (RULES P2). */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import { NOTICED_MS, clientAt, heldBy, keyAt, keysAt } from './cluster-world.js'
import { ON_DEMAND, STALE_EVENT, copyOf, putBack, rebuilt, repairFact, repaired } from './repair-world.js'

const KEYS = 40

t.test(
  'P2 a new cluster is judged as soon as there are links, and a lone node when nobody is there',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'judged', settings: ON_DEMAND })
    for (const node of cluster.nodes) {
      t.equal(await repairFact(cluster, node, 'unjudged_ranges'), 0)
      t.equal(await repairFact(cluster, node, 'stale_ranges'), 0)
    }
    const lone = new SimCluster({ seed: 'judged alone', settings: ON_DEMAND })
    await lone.start(lone.nodes[0])
    await lone.run(500)
    t.equal(await repairFact(lone, lone.nodes[0], 'unjudged_ranges'), 0)
    const client = await clientAt(lone, lone.nodes[0], 'ONE', 'ONE')
    t.equal(await lone.ask(client, 'SET', 'key', 'value'), 'OK')
  },
)

t.test('P2 a node whose directory was wiped answers nothing until it has everything again', async (t) => {
  const cluster = await SimCluster.started({ seed: 'wiped', settings: ON_DEMAND })
  const [first, second, third] = cluster.nodes
  const keys = keysAt(cluster, third, first, second)
  const names = Array.from({ length: KEYS }, () => keys.next().value)
  const client = cluster.client(first)
  for (const key of names) t.equal(await cluster.ask(client, 'SET', key, `${key} kept`), 'OK')
  await cluster.run(1000)
  third.crash('keep-all')
  putBack(third)
  await cluster.run(NOTICED_MS)
  const written = await cluster.ask(client, 'SET', names[0], 'while it was away')
  t.equal(written, 'OK')
  await cluster.start(third)
  await rebuilt(cluster, third)
  t.equal(third.log.of(STALE_EVENT).length > 0, true)
  t.same(await heldBy(cluster, names[0]), Array(3).fill('while it was away'))
  for (const key of names.slice(1)) t.same(await heldBy(cluster, key), Array(3).fill(`${key} kept`))
})

t.test(
  'P2 a wiped node that nobody can rebuild waits, and does not answer as if it had nothing',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'wiped alone', settings: ON_DEMAND })
    const [first, second, third] = cluster.nodes
    const key = keyAt(cluster, third, first, second)
    t.equal(await cluster.ask(cluster.client(first), 'SET', key, 'value'), 'OK')
    third.crash('keep-all')
    putBack(third)
    await cluster.start(third)
    await cluster.run(100)
    first.crash('keep-all')
    second.crash('keep-all')
    await cluster.run(NOTICED_MS)
    const stale = await repairFact(cluster, third, 'stale_ranges')
    if (stale > 0) {
      const reader = await clientAt(cluster, third, 'ONE', 'ONE')
      t.match(String(await cluster.ask(reader, 'GET', key)), /NOREPLICAS/)
    }
    await cluster.start(first, second)
    await rebuilt(cluster, third)
    t.same(await heldBy(cluster, key), ['value', 'value', 'value'])
  },
)

t.test('P2 an older copy of a directory that was put back is told from the directory', async (t) => {
  const cluster = await SimCluster.started({ seed: 'restored', settings: ON_DEMAND })
  const [first, second, third] = cluster.nodes
  const key = keyAt(cluster, third, first, second)
  const gone = keysAt(cluster, third, second).next().value
  const client = cluster.client(first)
  for (const one of [key, gone]) t.equal(await cluster.ask(client, 'SET', one, 'old'), 'OK')
  await cluster.run(500)
  await cluster.stop(third)
  const old = copyOf(third)
  await cluster.start(third)
  await cluster.run(1000)
  t.equal(await repairFact(cluster, third, 'stale_ranges'), 0, 'an ordinary restart is none')
  t.equal(await cluster.ask(client, 'SET', key, 'new'), 'OK')
  t.equal(await cluster.ask(client, 'DEL', gone), 1)
  await cluster.run(500)
  await cluster.stop(third)
  putBack(third, old)
  await cluster.start(third)
  await rebuilt(cluster, third)
  t.ok(third.log.of(STALE_EVENT).some(({ facts }) => facts['reason'] === 'restored'))
  t.same(await heldBy(cluster, key), ['new', 'new', 'new'])
  t.same(await heldBy(cluster, gone), [null, null, null])
  for (const node of cluster.nodes) t.equal(await cluster.ask(cluster.client(node), 'DBSIZE'), 1, 'R5')

  await cluster.stop(third)
  await cluster.start(third)
  await cluster.run(1000)
  t.equal(await repairFact(cluster, third, 'stale_ranges'), 0, 'once rebuilt it is the directory')
  t.same(await heldBy(cluster, key), ['new', 'new', 'new'])
  t.same(
    await heldBy(cluster, gone),
    [null, null, null],
    'what lies below the floor stays hidden over a restart',
  )
  await repaired(cluster, third)
  t.same(await heldBy(cluster, gone), [null, null, null])
})

t.test('P2 an older copy does not count before one has given that must know what it has lost', async (t) => {
  const cluster = await SimCluster.started({ seed: 'restored alone', settings: ON_DEMAND })
  const [first, second, third] = cluster.nodes
  const key = keyAt(cluster, third, first, second)
  t.equal(await cluster.ask(cluster.client(first), 'SET', key, 'old'), 'OK')
  await cluster.run(500)
  await cluster.stop(third)
  const old = copyOf(third)
  await cluster.start(third)
  await cluster.run(1000)
  first.crash('keep-all')
  await cluster.run(NOTICED_MS)
  t.equal(await cluster.ask(cluster.client(second), 'SET', key, 'new'), 'OK')
  await cluster.stop(third)
  second.crash('keep-all')
  putBack(third, old)
  await cluster.start(first, third)
  await cluster.run(10_000)
  t.ok((await repairFact(cluster, third, 'stale_ranges')) > 0, 'the first has not seen all')
  for (const node of [first, third]) {
    t.match(String(await cluster.ask(cluster.client(node), 'GET', key)), /^-NOREPLICAS/)
    t.match(String(await cluster.ask(cluster.client(node), 'APPEND', key, '!')), /^-NOREPLICAS/)
  }
  t.equal(third.log.of('stale ranges were rebuilt').length, 0)
  await cluster.start(second)
  await rebuilt(cluster, third)
  await repaired(cluster, first)
  t.same(await heldBy(cluster, key), ['new', 'new', 'new'])
  t.equal(await cluster.ask(cluster.client(first), 'APPEND', key, '!'), 4)
})

t.test(
  'P2 two directories that are lost at once are rebuilt from the third, and from each other',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'wiped twice', settings: ON_DEMAND })
    const [first, second, third] = cluster.nodes
    const keys = keysAt(cluster, third, first, second)
    const names = Array.from({ length: KEYS }, () => keys.next().value)
    for (const key of names) t.equal(await cluster.ask(cluster.client(first), 'SET', key, 'kept'), 'OK')
    await cluster.run(1000)
    for (const node of [second, third]) {
      node.crash('keep-all')
      putBack(node)
    }
    await cluster.run(NOTICED_MS)
    await cluster.start(second)
    await cluster.run(10_000)
    t.ok((await repairFact(cluster, second, 'stale_ranges')) > 0, 'the third may have more')
    await cluster.start(third)
    for (const node of [second, third]) await rebuilt(cluster, node)
    for (const key of names) t.same(await heldBy(cluster, key), ['kept', 'kept', 'kept'])
  },
)

t.test('a rebuild that a crash interrupts, wherever, goes on where it was and loses nothing', async (t) => {
  const settings = { ...ON_DEMAND, 'cluster.anti-entropy-rate': '100000' }
  const cluster = await SimCluster.started({ seed: 'rebuilt in pieces', settings })
  const [first, second, third] = cluster.nodes
  const keys = keysAt(cluster, third, first, second)
  const names = Array.from({ length: 100 }, () => keys.next().value)
  for (const key of names) {
    t.equal(await cluster.ask(cluster.client(first), 'SET', key, `${key} ${'x'.repeat(5000)}`), 'OK')
  }
  await cluster.run(1000)
  third.crash('keep-all')
  putBack(third)
  await cluster.start(third)
  let pulled = 0
  for (const afterMs of [2500, 4100, 3300, 5200]) {
    await cluster.run(afterMs)
    t.ok((await repairFact(cluster, third, 'stale_ranges')) > 0, 'it is in the middle of it')
    pulled += await repairFact(cluster, third, 'keys_pulled')
    third.crash('lose-all')
    await cluster.start(third)
  }
  await rebuilt(cluster, third)
  const last = await repairFact(cluster, third, 'keys_pulled')
  t.ok(pulled >= KEYS, `${pulled} keys came before the last crash`)
  t.ok(pulled + last < names.length + KEYS, `${last} were left: what came before stays`)
  for (const key of names) t.same(await heldBy(cluster, key), Array(3).fill(`${key} ${'x'.repeat(5000)}`))
})
