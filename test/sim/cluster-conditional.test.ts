/** RULES V10: writes that depend on the old value, when homes compete, replicas are silent and acknowledgements are lost. */
import t from 'tap'
import type { SimClient, SimReply } from '../../src/sim/sim-client.js'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import {
  NOTICED_MS,
  UNREPAIRED,
  clientAt,
  clientsOf,
  fact,
  heldBy,
  keyAt,
  siblings,
} from './cluster-world.js'

const ROUNDS = 40
const SEEDS = 10

async function counter(seed: string) {
  const cluster = await SimCluster.started({ seed, settings: UNREPAIRED })
  const [home, second, third] = cluster.nodes
  const key = keyAt(cluster, home, second, third)
  const client = cluster.client(home)
  const set = await cluster.ask(client, 'KV.QUORUM', 'ALL', 'SET', key, '10')
  if (set !== 'OK') throw new Error(`SET answers ${String(set)}`)
  return { cluster, home, second, third, key, client }
}

t.test(
  'V10 a proposal on an old base is refused by all, applied nowhere, and made again on what they hold',
  async (t) => {
    const { cluster, home, second, third, key } = await counter('refused by all')
    cluster.isolate(home)
    await cluster.run(NOTICED_MS)
    const across = cluster.client(second)
    for (let value = 11; value <= 15; value++) t.equal(await cluster.ask(across, 'INCR', key), value)
    for (const one of [second, third]) cluster.network.break(home.address, one.address)
    cluster.heal()
    await cluster.run(NOTICED_MS)
    t.same(await heldBy(cluster, key), ['10', '15', '15'], 'the home has missed them')
    const client = cluster.client(home)
    t.equal(await cluster.ask(client, 'INCR', key), 16)
    t.equal(await fact(cluster, home, 'cluster_proposal_retries'), 1)
    t.same((await siblings(cluster, client, key)).values, ['16'], 'nothing is left of the refused one')
  },
)

t.test(
  'V10 an increment whose acknowledgements are lost is uncertain, appended, and the next one adds to it',
  async (t) => {
    const { cluster, home, second, third, key, client } = await counter('lost acks')
    for (const one of [second, third]) cluster.network.block(one.address, home.address)
    t.match(await cluster.ask(client, 'INCR', key), /^-UNCERTAIN 1 of 2 replicas/)
    const one = await clientAt(cluster, home, 'ONE', 'ONE')
    t.equal(await cluster.ask(one, 'GET', key), '11', 'the home has appended it itself')
    cluster.heal()
    await cluster.run(NOTICED_MS)
    t.same(await heldBy(cluster, key), ['11', '11', '11'])
    t.equal(await cluster.ask(client, 'INCR', key), 12)
    t.same((await siblings(cluster, client, key)).values, ['12'])
  },
)

t.test(
  'V10 an increment that reached one replica before the home died is not replaced by the next one',
  async (t) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { cluster, home, second, third, key, client } = await counter(`home dies ${seed}`)
      cluster.network.block(home.address, second.address)
      cluster.network.block(third.address, home.address)
      const request = client.send('INCR', key)
      await cluster.run(30)
      home.crash('lose-all')
      await cluster.run(NOTICED_MS)
      t.ok(request.isDone, 'the client knows that it does not know')
      const across = cluster.client(second)
      t.equal(await cluster.ask(across, 'INCR', key), 12, `seed ${seed}: the third replica had it`)
      t.same((await siblings(cluster, across, key)).values, ['12'])
    }
  },
)

/** The home is seen by the second node, not by the third: for that one, the second is home. */
t.test(
  'V10 H1 two homes that disagree never acknowledge two increments of one base, nor block each other',
  async (t) => {
    const { cluster, home, third, key, client } = await counter('two homes')
    cluster.network.partition(home.address, third.address)
    await cluster.run(NOTICED_MS)
    const across = cluster.client(third)
    const answers: SimReply[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const requests = [client.send('INCR', key), across.send('INCR', key)]
      answers.push(...(await cluster.replies(requests)))
    }
    const acknowledged = answers.filter((answer) => typeof answer === 'number')
    t.equal(new Set(acknowledged).size, acknowledged.length, 'each answer once')
    t.ok(acknowledged.length > ROUNDS, `${acknowledged.length} of ${answers.length} get through`)
    cluster.heal()
    await cluster.run(NOTICED_MS)
    const end = Number(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'GET', key))
    t.ok(end >= 10 + acknowledged.length && end <= 10 + answers.length, `it ends as ${end}`)
  },
)

t.test(
  'V10 what would write a key waits while a proposal for it is under way, and reads do not',
  async (t) => {
    const { cluster, home, second, third, key, client } = await counter('queueing')
    for (const one of [second, third]) cluster.network.block(one.address, home.address)
    const increment = client.send('INCR', key)
    await cluster.run(20)
    const writer = await clientAt(cluster, home, 'ONE', 'ONE')
    const set = writer.send('SET', key, '100')
    const reader = await clientAt(cluster, home, 'ONE', 'ONE')
    t.equal(await cluster.ask(reader, 'GET', key), '10', 'nothing of the proposal is seen')
    await cluster.run(100)
    t.notOk(increment.isDone)
    t.notOk(set.isDone, 'the SET waits')
    t.match(await cluster.reply(increment), /^-UNCERTAIN/)
    t.equal(await cluster.reply(set), 'OK')
    cluster.heal()
    await cluster.run(NOTICED_MS)
    for (const one of clientsOf(cluster)) t.same((await siblings(cluster, one, key)).values, ['100'])
  },
)

t.test('V10 several keys of one slot are one proposal, taken whole or not at all', async (t) => {
  let taken = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { cluster, home, second, third, key, client } = await counter(`whole ${seed}`)
    const [one, other] = [`{${key}}one`, `{${key}}other`]
    const request = client.send('MSETNX', one, '1', other, '1')
    await cluster.run(cluster.random.fork('moment').fraction() * 6)
    home.crash('lose-all')
    await cluster.run(NOTICED_MS)
    const reader: SimClient = cluster.client(second)
    const values = [await cluster.ask(reader, 'GET', one), await cluster.ask(reader, 'GET', other)]
    t.equal(values[0], values[1], `seed ${seed}: both or none`)
    if (request.reply === 1) t.equal(values[0], '1', 'what was acknowledged is there')
    if (values[0] === '1') taken++
    t.ok(third.isRunning)
  }
  t.ok(taken > 0 && taken < SEEDS, `${taken} of ${SEEDS} were taken`)
})

t.test('V10 no acknowledged increment is lost while acknowledgements are', async (t) => {
  const { cluster, home, second, third, key, client } = await counter('lost acks again and again')
  const random = cluster.random.fork('cuts')
  let acknowledged = 0
  let last = 10
  for (let round = 1; round <= ROUNDS; round++) {
    const other = random.pick([second, third])
    random.pick([
      () => cluster.network.block(other.address, home.address),
      () => cluster.network.break(home.address, other.address),
      () => cluster.heal(),
      () => cluster.heal(),
    ])()
    await cluster.run(random.below(300))
    const answer = await cluster.ask(client, 'INCR', key)
    if (typeof answer !== 'number') continue
    acknowledged++
    t.ok(answer > last, `${answer} follows ${last}`)
    last = answer
  }
  cluster.heal()
  await cluster.run(NOTICED_MS)
  const end = Number(await cluster.ask(client, 'KV.QUORUM', 'ALL', 'GET', key))
  t.ok(acknowledged > ROUNDS / 3, `${acknowledged} were acknowledged`)
  t.ok(end >= 10 + acknowledged && end <= 10 + ROUNDS, `it ends as ${end}`)
})
