/** RULES R4, R5 on simulated clusters: what DBSIZE, KEYS and SCAN show while replicas differ, stall or are gone. */
import t from 'tap'
import { SimCluster, SMART_PORT } from '../../src/sim/sim-cluster.js'
import type { SimClient, SimReply } from '../../src/sim/sim-client.js'
import { NOTICED_MS, UNREPAIRED, clientAt, clientsOf } from './cluster-world.js'

const KEYS = 80

async function fill(cluster: SimCluster, client: SimClient, prefix = 'key'): Promise<string[]> {
  const names = Array.from({ length: KEYS }, (_, i) => `${prefix}:${i}`)
  const replies = await cluster.replies(client.pipeline(names.map((name) => ['SET', name, 'value'])))
  if (!replies.every((reply) => reply === 'OK')) throw new Error('a SET was refused')
  return names.sort()
}

function sorted(reply: SimReply): SimReply[] {
  if (!Array.isArray(reply)) throw new Error(`not a list: ${String(reply)}`)
  return [...(reply as SimReply[])].sort()
}

async function scanned(cluster: SimCluster, client: SimClient): Promise<SimReply[]> {
  const found: SimReply[] = []
  let cursor = '0'
  do {
    const reply = await cluster.ask(client, 'SCAN', cursor, 'COUNT', '7')
    if (!Array.isArray(reply)) throw new Error(`SCAN answers ${String(reply)}`)
    const [next, keys] = reply as [string, SimReply[]]
    cursor = next
    found.push(...keys)
  } while (cursor !== '0')
  return found.sort()
}

t.test('R4 a node that missed writes and deletions lists what was acknowledged', async (t) => {
  const cluster = await SimCluster.started({ seed: 'missed', settings: UNREPAIRED })
  const [first, , third] = cluster.nodes
  const client = cluster.client(first)
  const before = await fill(cluster, client, 'before')
  await cluster.run(100)
  cluster.isolate(third)
  await cluster.run(NOTICED_MS)
  const during = await fill(cluster, client, 'during')
  for (const name of before) await cluster.ask(client, 'DEL', name)
  cluster.heal()
  await cluster.run(NOTICED_MS)
  const behind = await clientAt(cluster, third, 'ONE', 'ONE')
  t.same(sorted(await cluster.ask(behind, 'KEYS', '*')), before, 'alone it knows no better')
  for (const each of clientsOf(cluster)) {
    t.same(sorted(await cluster.ask(each, 'KEYS', '*')), during)
    t.same(await scanned(cluster, each), during)
  }
  t.match(await cluster.ask(cluster.client(third), 'RANDOMKEY'), /^during/)
})

t.test('R4 R5 a node that has just died or stalls holds nothing up for good', async (t) => {
  // Shorter than it takes until a node that stalls is taken for dead.
  const settings = { 'cluster.read-timeout': '1000' }
  for (const kind of ['dies', 'stalls'] as const) {
    for (const number of [1, 2]) {
      const cluster = await SimCluster.started({ seed: `${kind} ${number}`, settings })
      const client = cluster.client(cluster.nodes[0])
      const victim = cluster.nodes[number]
      const all = await fill(cluster, client)
      await cluster.run(100)
      if (kind === 'dies') victim.crash('lose-all')
      else cluster.isolate(victim)
      t.same(sorted(await cluster.ask(client, 'KEYS', '*')), all, kind)
      t.equal(await cluster.ask(client, 'DBSIZE'), KEYS, kind)
      t.same(await scanned(cluster, client), all, kind)
    }
  }
})

t.test('R5 every slot is counted by exactly one node, wherever its home has gone', async (t) => {
  const cluster = await SimCluster.started({ seed: 'homes' })
  const [first, second, third] = cluster.nodes
  await fill(cluster, cluster.client(first))
  cluster.isolate(third)
  await cluster.run(NOTICED_MS)
  let total = 0
  for (const node of [first, second]) {
    total += (await cluster.ask(cluster.client(node, SMART_PORT), 'DBSIZE')) as number
    t.equal(await cluster.ask(cluster.client(node), 'DBSIZE'), KEYS)
  }
  t.equal(total, KEYS)
})

t.test('keys whose time is over are neither counted nor listed', async (t) => {
  const cluster = await SimCluster.started({ seed: 'expired' })
  const client = cluster.client(cluster.nodes[0])
  const all = await fill(cluster, client)
  for (const name of all.slice(0, 30)) await cluster.ask(client, 'PEXPIRE', name, 1500)
  t.equal(await cluster.ask(client, 'DBSIZE'), KEYS)
  await cluster.run(3000)
  for (const each of clientsOf(cluster)) {
    t.equal(await cluster.ask(each, 'DBSIZE'), KEYS - 30)
    t.same(await scanned(cluster, each), all.slice(30))
  }
})

t.test('with one node of three left lists are refused, and a count is not', async (t) => {
  const cluster = await SimCluster.started({ seed: 'one left' })
  const [first, second, third] = cluster.nodes
  const client = cluster.client(first)
  await fill(cluster, client)
  await cluster.run(100)
  second.crash('lose-all')
  third.crash('lose-all')
  await cluster.run(NOTICED_MS)
  for (const args of [['KEYS', '*'], ['SCAN', '0'], ['RANDOMKEY'], ['FLUSHALL']]) {
    t.match(await cluster.ask(client, ...args), /^-NOREPLICAS/, args[0])
  }
  t.equal(await cluster.ask(client, 'DBSIZE'), KEYS)
  const alone = await clientAt(cluster, first, 'ONE', 'ONE')
  t.equal(sorted(await cluster.ask(alone, 'KEYS', '*')).length, KEYS, 'at ONE it answers for itself')
})
