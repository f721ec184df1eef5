/** RULES C2: a stamp from the future, which a node minted alone under a wrong clock, keeps to its record. */
import t from 'tap'
import { restamp } from '../../src/coordinator/restamp.js'
import { storeOptions } from '../../src/node/storage-settings.js'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import { NOTICED_MS, clientAt, clientsOf, heldBy, keyAt, keysAt, siblings } from './cluster-world.js'

const DAY_MS = 24 * 60 * 60 * 1000

/** Under a clock that is a day ahead, and cut off from the others, the node executes requests; then it is back, its clock right. */
async function aloneInTheFuture(
  cluster: SimCluster,
  wrong: SimNode,
  requests: readonly (readonly string[])[],
): Promise<void> {
  await cluster.stop(wrong)
  wrong.clock.jumpWall(DAY_MS)
  cluster.isolate(wrong)
  await cluster.start(wrong)
  await cluster.run(NOTICED_MS)
  const client = await clientAt(cluster, wrong, 'ONE', 'ONE')
  for (const request of requests) {
    const reply = await cluster.ask(client, ...request)
    if (reply !== 'OK') throw new Error(`${request.join(' ')} answers ${String(reply)}`)
  }
  await cluster.stop(wrong)
  wrong.clock.jumpWall(-DAY_MS)
  cluster.heal()
}

t.test('C2 a record from the future does not keep anybody from writing other keys', async (t) => {
  const cluster = await SimCluster.started({ seed: 'future' })
  const [home, wrong, third] = cluster.nodes
  const ofHome = keysAt(cluster, home, wrong)
  const key = ofHome.next().value
  const others = [ofHome, keysAt(cluster, wrong, home), keysAt(cluster, third, home)].map((keys) => {
    return keys.next().value
  })
  await aloneInTheFuture(cluster, wrong, [['SET', key, 'future']])
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

const WARNING = 'the data directory holds stamps from the future'

t.test('C2 restamp makes a key from the future writable, and its value reaches everybody', async (t) => {
  const cluster = await SimCluster.started({ seed: 'restamp' })
  const [home, wrong] = cluster.nodes
  const keys = keysAt(cluster, home, wrong)
  const [changed, written] = [keys, keys].map((each) => each.next().value)
  const own = keyAt(cluster, wrong)
  const before = await clientAt(cluster, home, 'ALL', 'ALL')
  for (const key of [changed, written, own]) await cluster.ask(before, 'SET', key, 'before')
  await aloneInTheFuture(cluster, wrong, [
    ['SET', changed, 'future'],
    ['SET', written, 'future'],
    ['SET', own, 'future'],
  ])

  await cluster.start(wrong)
  await cluster.run(NOTICED_MS)
  const [{ facts }] = wrong.log.of(WARNING)
  t.ok(Number(facts.aheadMs) > DAY_MS / 2, 'it is said at the start')
  t.match(
    await cluster.ask(cluster.client(wrong), 'SET', own, 'now'),
    /^-CLOCK .*the key holds a stamp from the future/,
  )
  t.same(await heldBy(cluster, changed), ['before', 'future', 'before'], 'nobody else takes it')
  await cluster.stop(wrong)

  const { clock, disk, log } = wrong
  const env = { clock, disk, log, random: cluster.random.fork('restamp') }
  const request = { limitMs: 1000, apply: true, onKey: () => {} }
  const result = await cluster.settled(restamp(env, storeOptions(wrong.config, null), request))
  t.equal(result.keys, 3)

  await cluster.start(wrong)
  await cluster.run(NOTICED_MS)
  t.same(wrong.log.of(WARNING), [])
  // Written before anybody has read it, and through another node: what the client overwrites is the old value, not the new one.
  t.equal(await cluster.ask(cluster.client(wrong), 'SET', written, 'now'), 'OK')
  // It was acknowledged at ONE: only a read that asks its holder is sure to find it.
  const all = await clientAt(cluster, home, 'ALL', 'ALL')
  for (const client of [all, ...clientsOf(cluster)]) {
    t.equal(await cluster.ask(client, 'GET', changed), 'future')
    t.equal(await cluster.ask(client, 'GET', own), 'future')
  }
  t.same((await siblings(cluster, cluster.client(home), changed)).values, ['future'])
  t.same(await heldBy(cluster, changed), ['future', 'future', 'future'], 'read repair has brought it')
  for (const [i, client] of clientsOf(cluster).entries()) {
    for (const key of [changed, written, own]) {
      t.equal(await cluster.ask(client, 'SET', key, `now ${i}`), 'OK')
      for (const other of clientsOf(cluster)) t.equal(await cluster.ask(other, 'GET', key), `now ${i}`)
    }
  }
})
