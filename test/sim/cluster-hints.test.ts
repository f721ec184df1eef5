/** RULES L2, L4, L5 and H1's catching up: what nodes hold for those that miss a write, and what becomes of it. */
import t from 'tap'
import type { Test } from 'tap'
import { UNACKNOWLEDGED_BYTES_MAX } from '../../src/link/limits.js'
import type { SimClient } from '../../src/sim/sim-client.js'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import {
  UNREPAIRED,
  NOTICED_MS,
  UNEXCHANGED,
  clientAt,
  clientsOf,
  fact,
  heldBy,
  keyAt,
  keysAt,
  listOf,
  siblings,
} from './cluster-world.js'
import { repaired } from './repair-world.js'

const DELIVERED_MS = 60_000

/** Writes through all of the clients; answers what was acknowledged. */
async function write(
  t: Test,
  cluster: SimCluster,
  clients: readonly SimClient[],
  prefix: string,
  count: number,
): Promise<Map<string, string>> {
  const requests = Array.from({ length: count }, (_, i) => {
    return clients[i % clients.length].send('SET', `${prefix}:${i}`, `${prefix}-${i}`)
  })
  const acknowledged = new Map<string, string>()
  for (const request of requests) {
    const reply = await cluster.reply(request)
    if (reply === 'OK') acknowledged.set(String(request.args[1]), String(request.args[2]))
    else t.fail(`${request.args.join(' ')}: ${String(reply)}`)
  }
  return acknowledged
}

/** What a node lacks of these, by itself: nobody else is asked. */
async function lackedBy(
  cluster: SimCluster,
  node: SimNode,
  values: ReadonlyMap<string, string>,
): Promise<string[]> {
  const client = await clientAt(cluster, node, 'ONE', 'ONE')
  const lacked: string[] = []
  for (const [key, value] of values) {
    if (!listOf(cluster, key).includes(node)) continue
    if ((await cluster.ask(client, 'GET', key)) !== value) lacked.push(key)
  }
  return lacked
}

async function total(cluster: SimCluster, name: string): Promise<number> {
  let sum = 0
  for (const node of cluster.nodes) if (node.isRunning) sum += await fact(cluster, node, name)
  return sum
}

/** Runs until nobody holds anything for anybody. */
async function drained(cluster: SimCluster): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < DELIVERED_MS; waitedMs += 500) {
    const held = (await total(cluster, 'cluster_hints')) + (await total(cluster, 'cluster_fallback_copies'))
    const expected = await total(cluster, 'cluster_handoffs_for_this_node')
    if (held === 0 && expected === 0) return cluster.nodes.every(({ handoffs }) => handoffs.count === 0)
    await cluster.run(500)
  }
  return false
}

t.test('L4 a replica that was dead gets every write that it missed, without any read', async (t) => {
  const cluster = await SimCluster.started({ seed: 'L4 dead', settings: UNEXCHANGED })
  const dead = cluster.nodes[2]
  const clients = clientsOf(cluster).slice(0, 2)
  const before = await write(t, cluster, clients, 'before', 50)
  await cluster.run(1000)
  dead.crash('lose-all')
  await cluster.run(NOTICED_MS)
  const meanwhile = await write(t, cluster, clients, 'meanwhile', 300)
  await cluster.run(1000)
  const hints = await total(cluster, 'cluster_hints')
  t.equal(hints, 300, 'one hint for each, of the home that wrote it')
  t.ok((await total(cluster, 'cluster_hints_bytes')) > 300 * 50)
  await cluster.start(dead)
  t.ok(await drained(cluster))
  t.same(await lackedBy(cluster, dead, new Map([...before, ...meanwhile])), [])
  t.equal(await total(cluster, 'cluster_handoffs_delivered'), 300)
  t.equal(await total(cluster, 'cluster_handoffs_possible_losses'), 0)
})

t.test('L4 writes under way when a replica dies reach it, too', async (t) => {
  for (let seed = 1; seed <= 5; seed++) {
    const cluster = await SimCluster.started({ seed: `L4 under way ${seed}`, settings: UNEXCHANGED })
    const dead = cluster.nodes[2]
    const clients = clientsOf(cluster).slice(0, 2)
    const requests = Array.from({ length: 200 }, (_, i) => clients[i % 2].send('SET', `k${i}`, `v${i}`))
    await cluster.run(0.5 * seed)
    dead.crash('lose-all')
    const acknowledged = new Map<string, string>()
    for (const request of requests) {
      if ((await cluster.reply(request)) === 'OK') {
        acknowledged.set(String(request.args[1]), String(request.args[2]))
      }
    }
    await cluster.run(NOTICED_MS)
    await cluster.start(dead)
    t.ok(await drained(cluster))
    t.same(await lackedBy(cluster, dead, acknowledged), [], `seed ${seed}`)
  }
})

t.test('L4 links that flap lose no hint', async (t) => {
  for (let seed = 1; seed <= 5; seed++) {
    const cluster = await SimCluster.started({ seed: `L4 flapping ${seed}`, settings: UNEXCHANGED })
    const [first, second, third] = cluster.nodes
    const clients = [first, second].map((node) => cluster.client(node))
    const acknowledged = new Map<string, string>()
    for (let round = 0; round < 12; round++) {
      const one = round % 2 === 0 ? first : second
      if (round % 3 === 0) cluster.network.break(one.address, third.address)
      else if (round % 3 === 1) cluster.network.block(one.address, third.address)
      else cluster.network.partition(one.address, third.address)
      const requests = Array.from({ length: 20 }, (_, i) => {
        return clients[i % 2].send('SET', `r${round}:${i}`, `v${round}:${i}`)
      })
      await cluster.run(200 + 300 * (round % 5))
      cluster.heal()
      for (const request of requests) {
        if ((await cluster.reply(request)) !== 'OK') continue
        acknowledged.set(String(request.args[1]), String(request.args[2]))
      }
    }
    await cluster.run(NOTICED_MS)
    t.ok(await drained(cluster))
    t.ok(acknowledged.size > 150)
    for (const node of cluster.nodes) {
      t.same(await lackedBy(cluster, node, acknowledged), [], `seed ${seed}: ${node.name}`)
    }
  }
})

t.test('L4 what a link had no room for becomes a hint, though its other end lives', async (t) => {
  // All of it stays in memory until the hints are written.
  const settings = { ...UNEXCHANGED, 'storage.segment-size': '128mb', 'storage.segments-max': '2' }
  const cluster = await SimCluster.started({ seed: 'L4 full link', settings })
  const [home, , third] = listOf(cluster, 'large:{0}:0')
  const client = await clientAt(cluster, home, 'ONE', 'ONE')
  const value = 'x'.repeat(1024 * 1024)
  const keys = Array.from(
    { length: UNACKNOWLEDGED_BYTES_MAX / value.length + 10 },
    (_, i) => `large:{0}:${i}`,
  )
  const beganMs = cluster.queue.nowMs
  cluster.network.block(home.address, third.address)
  const requests = keys.map((key) => client.send('SET', key, value))
  for (const request of requests) t.equal(await cluster.reply(request), 'OK')
  cluster.network.unblock(home.address, third.address)
  t.ok(cluster.queue.nowMs - beganMs < 500, 'sooner than anybody takes it for down')
  t.ok(await drained(cluster))
  t.ok((await total(cluster, 'cluster_handoffs_delivered')) >= 10)
  t.same(await lackedBy(cluster, third, new Map(keys.map((key) => [key, value]))), [])
  t.equal(await total(cluster, 'cluster_handoffs_possible_losses'), 0)
})

t.test('L2 what a full disk refused comes when there is room again', async (t) => {
  const cluster = await SimCluster.started({ seed: 'L2 full', settings: UNEXCHANGED })
  const full = cluster.nodes[2]
  const clients = clientsOf(cluster).slice(0, 2)
  const value = 'x'.repeat(20_000)
  full.disk.setCapacity(full.disk.usedBytes)
  const values = new Map<string, string>()
  for (let i = 0; i < 150; i++) {
    t.equal(await cluster.ask(clients[i % 2], 'SET', `full:${i}`, value), 'OK')
    values.set(`full:${i}`, value)
  }
  await cluster.run(15_000)
  t.ok((await total(cluster, 'cluster_hints')) > 0, 'refused')
  const delivered = await total(cluster, 'cluster_handoffs_delivered')
  await cluster.run(15_000)
  t.equal(await total(cluster, 'cluster_handoffs_delivered'), delivered, 'nothing is sent to an unfit node')
  full.disk.setCapacity(2 ** 40)
  await cluster.run(20_000)
  t.ok(await drained(cluster))
  t.same(await lackedBy(cluster, full, values), [])
})

t.test(
  'L4 what a holder had not flushed dies with it, and nothing else; no client hears of it',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'L4 holder', settings: UNEXCHANGED })
    const [holder, other, dead] = cluster.nodes
    const client = cluster.client(holder)
    dead.crash('lose-all')
    await cluster.run(NOTICED_MS)
    const keys = keysAt(cluster, holder)
    const early = keys.next().value
    t.equal(await cluster.ask(client, 'SET', early, 'early'), 'OK')
    await cluster.run(1000)
    t.equal(holder.handoffs.durableCount, 1)
    const late = keys.next().value
    t.equal(await cluster.ask(client, 'SET', late, 'late'), 'OK')
    holder.crash('lose-all')
    t.equal(holder.handoffs.durableCount, 1, 'the second was not on disk')
    await cluster.run(NOTICED_MS)
    await cluster.start(holder, dead)
    await cluster.run(NOTICED_MS)
    t.ok(await drained(cluster))
    t.same(await heldBy(cluster, early), ['early', 'early', 'early'])
    t.equal((await heldBy(cluster, late))[2], null)
    for (const node of [holder, other, dead]) {
      t.equal(await cluster.ask(cluster.client(node), 'GET', late), 'late', 'W replicas had it')
    }
  },
)

t.test(
  'L4 a hint disk that is full or fails costs hints, which are counted, and no client anything',
  async (t) => {
    for (const code of ['ENOSPC', 'EIO']) {
      const cluster = await SimCluster.started({ seed: `L4 ${code}`, settings: UNEXCHANGED })
      const dead = cluster.nodes[2]
      const clients = clientsOf(cluster).slice(0, 2)
      dead.crash('lose-all')
      await cluster.run(NOTICED_MS)
      for (const { handoffs } of cluster.nodes) handoffs.failsWith = code
      await write(t, cluster, clients, 'lost', 40)
      await cluster.run(1000)
      t.equal(await total(cluster, 'cluster_hints'), 0)
      t.equal(await total(cluster, 'cluster_handoffs_possible_losses'), 40)
      for (const { handoffs } of cluster.nodes) handoffs.failsWith = null
      const kept = await write(t, cluster, clients, 'kept', 40)
      await cluster.run(1000)
      t.equal(await total(cluster, 'cluster_hints'), 40)
      await cluster.start(dead)
      t.ok(await drained(cluster))
      t.same(await lackedBy(cluster, dead, kept), [])
    }
  },
)

t.test(
  'L4 V10 a conditional write becomes a hint with the own append of its home, a refused one never',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'L4 V10', settings: UNEXCHANGED })
    const [home, second, third] = cluster.nodes
    const key = keyAt(cluster, home, second, third)
    const client = cluster.client(home)
    t.equal(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'SET', key, '1'), 'OK')
    // What was acknowledged a moment before would be in doubt, and become a hint as well.
    await cluster.run(1000)
    third.crash('keep-all')
    await cluster.run(NOTICED_MS)
    for (let value = 2; value <= 6; value++) t.equal(await cluster.ask(client, 'INCR', key), value)
    await cluster.run(1000)
    t.equal(await fact(cluster, home, 'cluster_hints'), 5)
    // Nobody is there to take it: it is not even sent.
    second.crash('keep-all')
    await cluster.run(NOTICED_MS)
    t.match(await cluster.ask(client, 'INCR', key), /^-NOREPLICAS/)
    await cluster.run(1000)
    t.equal(await fact(cluster, home, 'cluster_hints'), 5)
    await cluster.start(second, third)
    t.ok(await drained(cluster))
    t.same(await heldBy(cluster, key), ['6', '6', '6'])
  },
)

t.test(
  'L2 V10 a replica that refused what others took gets it with the own append of its home',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'L2 V10', settings: UNEXCHANGED })
    const [home, second, third] = cluster.nodes
    const key = keyAt(cluster, home, second, third)
    const client = cluster.client(home)
    t.equal(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'SET', key, '10'), 'OK')
    // The third node alone takes a write, and keeps it for itself.
    const alone = await clientAt(cluster, third, 'ONE', 'ONE')
    t.equal(await cluster.ask(alone, 'CONFIG', 'SET', 'hinted-handoff-enabled', 'no'), 'OK')
    await cluster.run(1000)
    cluster.isolate(third)
    await cluster.run(NOTICED_MS)
    t.equal(await cluster.ask(alone, 'SET', key, '20'), 'OK')
    cluster.heal()
    await cluster.run(NOTICED_MS)
    t.same(await heldBy(cluster, key), ['10', '10', '20'])
    t.equal(await cluster.ask(client, 'INCR', key), 11)
    t.match(String(await cluster.ask(client, 'INFO', 'cluster')), /refused_by_peers:not-covered=1/)
    await cluster.run(2000)
    t.equal(await fact(cluster, home, 'cluster_handoffs_delivered'), 1)
    t.same((await siblings(cluster, alone, key)).values.toSorted(), ['11', '20'])
  },
)

t.test('L4 the bytes of a proposal that all refused reach nobody later', async (t) => {
  const cluster = await SimCluster.started({ seed: 'L4 refused', settings: UNREPAIRED })
  const [home, second, third] = cluster.nodes
  const key = keyAt(cluster, home, second, third)
  t.equal(await cluster.ask(cluster.client(home), 'KV.QUORUM', 'ALL', 'SET', key, '10'), 'OK')
  cluster.isolate(home)
  await cluster.run(NOTICED_MS)
  t.equal(await cluster.ask(cluster.client(second), 'INCR', key), 11)
  for (const one of [second, third]) cluster.network.break(home.address, one.address)
  cluster.heal()
  await cluster.run(NOTICED_MS)
  const client = cluster.client(home)
  t.equal(await cluster.ask(client, 'CONFIG', 'SET', 'hinted-handoff-enabled', 'yes'), 'OK')
  t.equal(await cluster.ask(client, 'INCR', key), 12)
  t.equal(await fact(cluster, home, 'cluster_proposal_retries'), 1)
  await cluster.run(2000)
  t.equal(await fact(cluster, home, 'cluster_handoffs_delivered'), 0)
  t.same(await heldBy(cluster, key), ['12', '12', '12'])
})

t.test('P4 hints at or below a flush mark are gone with it', async (t) => {
  const cluster = await SimCluster.started({ seed: 'P4 hints', settings: UNEXCHANGED })
  const [first, second, dead] = cluster.nodes
  const clients = clientsOf(cluster).slice(0, 2)
  dead.crash('lose-all')
  await cluster.run(NOTICED_MS)
  await write(t, cluster, clients, 'flushed', 60)
  await cluster.run(1000)
  t.equal(await total(cluster, 'cluster_hints'), 60)
  cluster.client(first).send('FLUSHALL')
  await cluster.run(15_000)
  t.equal(await total(cluster, 'cluster_hints'), 0, 'before anybody is back')
  const after = await write(t, cluster, [cluster.client(second)], 'after', 20)
  await cluster.start(dead)
  t.ok(await drained(cluster))
  t.same(await lackedBy(cluster, dead, after), [])
  const client = await clientAt(cluster, dead, 'ONE', 'ONE')
  for (let i = 0; i < 60; i++) t.equal(await cluster.ask(client, 'GET', `flushed:${i}`), null)
})

t.test('L4 window and cap drop only hints whose records enough replicas have', async (t) => {
  const settings = { ...UNEXCHANGED, 'cluster.max-hint-window': '60000' }
  const cluster = await SimCluster.started({ seed: 'L4 window', settings })
  const [home, second, third] = cluster.nodes
  const keys = keysAt(cluster, home, second, third)
  const client = cluster.client(home)
  third.crash('lose-all')
  await cluster.run(NOTICED_MS)
  for (let i = 0; i < 10; i++) t.equal(await cluster.ask(client, 'SET', keys.next().value, 'known'), 'OK')
  // The second replica does not answer any more, and nobody has noticed.
  cluster.network.block(second.address, home.address)
  const open = keys.next().value
  t.match(await cluster.ask(client, 'SET', open, 'open'), /^-UNCERTAIN/)
  cluster.heal()
  await cluster.run(5000)
  t.equal(await fact(cluster, home, 'cluster_hints'), 11, 'of the dead one; the other has its own by now')
  await cluster.run(90_000)
  t.equal(await fact(cluster, home, 'cluster_hints'), 1)
  t.equal(await fact(cluster, home, 'cluster_hints_dropped'), 10)
  t.equal(await total(cluster, 'cluster_handoffs_possible_losses'), 0)
  await cluster.start(third)
  t.ok(await drained(cluster))
  t.equal((await heldBy(cluster, open))[2], 'open')
})

t.test('L4 at the cap what enough replicas have is left to repair, and no client hears of it', async (t) => {
  const settings = { ...UNEXCHANGED, 'cluster.max-hints-size-per-host': '1mb' }
  const cluster = await SimCluster.started({ seed: 'L4 cap', settings })
  const dead = cluster.nodes[2]
  const clients = clientsOf(cluster).slice(0, 2)
  dead.crash('lose-all')
  await cluster.run(NOTICED_MS)
  for (let i = 0; i < 400; i++) {
    t.equal(await cluster.ask(clients[i % 2], 'SET', `cap:${i}`, 'x'.repeat(10_000)), 'OK')
  }
  await cluster.run(1000)
  for (const node of cluster.nodes.slice(0, 2)) {
    t.ok((await fact(cluster, node, 'cluster_hints_bytes')) <= 1024 * 1024)
  }
  t.ok((await total(cluster, 'cluster_hints_dropped')) > 150)
  t.equal(await total(cluster, 'cluster_handoffs_possible_losses'), 0)
})

t.test(
  'L4 writes that left memory before a hint was written are counted, and exchanges bring them',
  async (t) => {
    // As seed 20100 of the profile hints had it: everything of seven seconds at once, into segments of 64 KB.
    const settings = { ...UNEXCHANGED, 'storage.segment-size': '1mb', 'storage.segments-max': '2' }
    const cluster = await SimCluster.started({ seed: 'L4 passed over', settings })
    const [home, away] = cluster.nodes
    const clients = [cluster.client(home), cluster.client(home), cluster.client(home)]
    const big = 'x'.repeat(250_000)
    away.crash('keep-all')
    const requests = clients.flatMap((client, i) =>
      Array.from({ length: 20 }, (_, j) => client.send('SET', `big:${i}:${j}`, `${big}${j}`)),
    )
    const values = new Map<string, string>()
    for (const request of requests) {
      if ((await cluster.reply(request)) === 'OK')
        values.set(String(request.args[1]), String(request.args[2]))
    }
    await cluster.start(away)
    await cluster.run(3 * NOTICED_MS)
    t.equal(await total(cluster, 'cluster_hints'), 0)
    t.ok((await total(cluster, 'cluster_hints_passed_over')) > 0)
    t.ok((await lackedBy(cluster, away, values)).length > 0)
    await repaired(cluster, away)
    t.same(await lackedBy(cluster, away, values), [])
  },
)
