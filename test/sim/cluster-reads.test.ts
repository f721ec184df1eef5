/** RULES R1, R2 and R3: what a reply may show, and what must be safe before it is shown. */
import t from 'tap'
import type { Test } from 'tap'
import type { SimClient, SimReply } from '../../src/sim/sim-client.js'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import type { SimNode } from '../../src/sim/sim-node.js'
import type { SimRandom } from '../../src/sim/sim-random.js'
import { UNREPAIRED, NOTICED_MS, clientAt, heldBy, keyAt, listOf, siblings } from './cluster-world.js'

const SEEDS = 5
const PIPELINES = 50

/** A cluster of which only the key's home has the newer value, all linked. */
async function newerAtHome(seed: string) {
  const cluster = await SimCluster.started({ seed, diskDelayMsMax: 10, settings: UNREPAIRED })
  const [home, second, third] = cluster.nodes
  const key = keyAt(cluster, home, second)
  const client = await clientAt(cluster, home, 'ONE', 'ONE')
  if ((await cluster.ask(client, 'KV.QUORUM', 'ALL', 'SET', key, 'old')) !== 'OK') throw new Error('not set')
  cluster.isolate(home)
  const written = await cluster.ask(client, 'SET', key, 'new')
  for (const one of [second, third]) cluster.network.break(home.address, one.address)
  cluster.heal()
  await cluster.run(NOTICED_MS)
  return { cluster, home, second, third, key, written }
}

t.test('R1 what a quorum read has shown, every later one shows, whoever dies in between', async (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { cluster, home, second, third, key, written } = await newerAtHome(`R1 ${seed}`)
    t.equal(written, 'OK')
    if (seed === 1) t.same(await heldBy(cluster, key), ['new', 'old', 'old'], 'only the home has it')
    const seen = await cluster.ask(cluster.client(home), 'GET', key)
    for (const node of cluster.nodes) node.crash('lose-all')
    await cluster.start(second, third)
    await cluster.run(NOTICED_MS)
    t.equal(seen, 'new')
    t.equal(await cluster.ask(cluster.client(second), 'GET', key), 'new', `seed ${seed}`)
  }
})

t.test('R1 read repair writes all siblings back, not the winner alone', async (t) => {
  const cluster = await SimCluster.started({ seed: 'R1 siblings', settings: UNREPAIRED })
  const [home, second, third] = cluster.nodes
  const key = keyAt(cluster, home, second)
  const alone = await clientAt(cluster, home, 'ONE', 'ONE')
  const across = await clientAt(cluster, second, 'ONE', 'ONE')
  cluster.isolate(home)
  await cluster.run(NOTICED_MS)
  await cluster.ask(alone, 'SET', key, 'here')
  await cluster.run(10)
  await cluster.ask(across, 'SET', key, 'there')
  cluster.heal()
  await cluster.run(NOTICED_MS)
  t.equal(await cluster.ask(cluster.client(third), 'KV.QUORUM', 'ALL', 'GET', key), 'there')
  for (const node of cluster.nodes) {
    const client = await clientAt(cluster, node, 'ONE', 'ONE')
    t.same((await siblings(cluster, client, key)).values, ['there', 'here'], node.name)
  }
})

t.test('R1 a read that cannot make enough replicas hold what it found is refused', async (t) => {
  const { cluster, home, second, third, key } = await newerAtHome('R1 refused')
  const client = cluster.client(home)
  const request = client.send('GET', key)
  // The digests come back, but from then on nothing gets to the others.
  await cluster.run(1.5)
  for (const one of [second, third]) cluster.network.block(home.address, one.address)
  t.match(await cluster.reply(request), /^-NOREPLICAS .* to read/)
})

t.test('R1 each key of a read on several keys is read from a quorum', async (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const cluster = await SimCluster.started({ seed: `R1 several ${seed}`, settings: UNREPAIRED })
    const [home, second, third] = cluster.nodes
    const tag = `{${keyAt(cluster, home, second)}}`
    const before = await clientAt(cluster, home, 'ALL', 'ALL')
    t.equal(await cluster.ask(before, 'MSET', `${tag}a`, 'old', `${tag}b`, 'old'), 'OK')
    cluster.isolate(home)
    await cluster.run(NOTICED_MS)
    t.equal(await cluster.ask(cluster.client(third), 'MSET', `${tag}a`, 'new', `${tag}b`, 'new'), 'OK')
    for (const one of [second, third]) cluster.network.break(home.address, one.address)
    cluster.heal()
    await cluster.run(NOTICED_MS)
    t.equal(await cluster.ask(cluster.client(home), 'LCS', `${tag}a`, `${tag}b`), 'new', `seed ${seed}`)
  }
})

/**
 * A write and reads under way at once; what a read has shown, a crash of all must not take away, though only `survivors` come
 * back.
 */
async function shownIsSafe(
  t: Test,
  what: string,
  survivors: readonly number[],
  readAt: (cluster: SimCluster, nodes: readonly SimNode[], key: string) => Promise<SimClient>,
): Promise<void> {
  let shown = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const cluster = await SimCluster.started({ seed: `R2 ${what} ${seed}`, nodes: 4, diskDelayMsMax: 20 })
    const [home, second] = cluster.nodes
    const key = keyAt(cluster, home, second)
    const list = [home, second]
    const writer = await clientAt(cluster, home, 'ONE', 'ALL')
    await cluster.ask(writer, 'SET', key, 'old')
    const reader = await readAt(cluster, list, key)
    writer.send('SET', key, 'new')
    let seen: SimReply = 'old'
    const deadlineMs = cluster.queue.nowMs + 200
    while (seen === 'old' && cluster.queue.nowMs < deadlineMs) seen = await cluster.ask(reader, 'GET', key)
    for (const node of cluster.nodes) node.crash('lose-all')
    const started = survivors.map((i) => cluster.nodes[i])
    await cluster.start(...started)
    await cluster.run(NOTICED_MS)
    if (seen === 'new') shown++
    const after = await cluster.ask(cluster.client(home), 'GET', key)
    t.equal(after, seen, `${what}, seed ${seed}`)
  }
  t.equal(shown, SEEDS, 'the new value was shown before all crashed')
}

t.test('R2 no reply shows what a crash could still take away: read at the home', (t) =>
  shownIsSafe(t, 'home', [0, 1, 2, 3], (cluster, [home]) => clientAt(cluster, home, 'ONE', 'ONE')),
)

t.test('R2 … through digests of other replicas', (t) =>
  shownIsSafe(t, 'digests', [0, 2, 3], (cluster, [, second]) => clientAt(cluster, second, 'QUORUM', 'ONE')),
)

t.test('R2 … by a node that holds nothing of the key and forwards', (t) =>
  shownIsSafe(t, 'forwarded', [0, 1, 2, 3], (cluster, _list, key) => {
    const outside = strangerTo(cluster, key)
    return clientAt(cluster, outside, 'ONE', 'ONE')
  }),
)

function strangerTo(cluster: SimCluster, key: string): SimNode {
  const replicas = listOf(cluster, key)
  const outside = cluster.nodes.find((node) => !replicas.includes(node))
  if (outside === undefined) throw new Error('there are more nodes than replicas')
  return outside
}

// R3: one client, pipelined, sees its own requests take effect in order, wherever their keys live.

type Command = readonly string[]

class Model {
  readonly values = new Map<string, string>()

  answer([name, key, value = '', ...rest]: Command): SimReply {
    const { values } = this
    const old = values.get(key) ?? null
    switch (name) {
      case 'GET':
        return old
      case 'SET':
        values.set(key, value)
        return 'OK'
      case 'INCR': {
        const next = Number(old ?? 0) + 1
        values.set(key, String(next))
        return next
      }
      case 'SETNX':
        if (old === null) values.set(key, value)
        return old === null ? 1 : 0
      case 'GETSET':
        values.set(key, value)
        return old
      case 'DEL':
        return values.delete(key) ? 1 : 0
      case 'STRLEN':
        return (old ?? '').length
      case 'MSET':
        values.set(key, value).set(rest[0], rest[1])
        return 'OK'
      case 'MGET':
        return [old, values.get(value) ?? null]
      default:
        throw new Error(`the model knows no ${name}`)
    }
  }
}

const KEYS = ['k:1', 'k:2', 'k:3', 'k:4']

function command(random: SimRandom): Command {
  const key = random.pick(KEYS)
  const other = random.pick(KEYS.filter((one) => one !== key))
  const number = String(random.below(1000))
  return random.pick<Command>([
    ['GET', key],
    ['GET', key],
    ['SET', key, number],
    ['SET', key, number],
    ['INCR', key],
    ['INCR', key],
    ['SETNX', key, number],
    ['GETSET', key, number],
    ['DEL', key],
    ['STRLEN', key],
    ['MSET', key, number, other, number],
    ['MGET', key, other],
  ])
}

/** A pipeline and what it has to answer, some of it inside MULTI and EXEC. */
function pipelineOf(random: SimRandom, model: Model): { commands: Command[]; expected: SimReply[] } {
  const commands: Command[] = []
  const expected: SimReply[] = []
  for (let left = random.between(2, 25); left > 0; left--) {
    if (!random.chance(0.1)) {
      const one = command(random)
      commands.push(one)
      expected.push(model.answer(one))
      continue
    }
    const inside = Array.from({ length: random.between(1, 4) }, () => command(random))
    commands.push(['MULTI'], ...inside, ['EXEC'])
    expected.push(
      'OK',
      ...inside.map(() => 'QUEUED'),
      inside.map((one) => model.answer(one)),
    )
  }
  return { commands, expected }
}

t.test('R3 a pipeline sees its own writes, in order, at every node', async (t) => {
  for (const nodes of [3, 5]) {
    const cluster = await SimCluster.started({ seed: `R3 ${nodes}`, nodes })
    const random = cluster.random.fork('pipelines')
    const model = new Model()
    for (let i = 0; i < PIPELINES; i++) {
      const client = cluster.client(cluster.nodes[i % nodes])
      const { commands, expected } = pipelineOf(random, model)
      t.same(await cluster.replies(client.pipeline(commands)), expected, `pipeline ${i}`)
      client.close()
    }
  }
})

t.test('R3 INCR and GET of a key in one pipeline through a node that is not its home', async (t) => {
  const cluster = await SimCluster.started({ seed: 'R3 through another', nodes: 4 })
  const key = keyAt(cluster, cluster.nodes[0])
  for (const node of cluster.nodes) {
    const client = cluster.client(node)
    const commands = [
      ['SET', key, '1'],
      ['INCR', key],
      ['GET', key],
      ['SET', key, '7'],
      ['GET', key],
      ['INCR', key],
      ['MULTI'],
      ['GET', key],
      ['EXEC'],
      ['GET', key],
    ]
    const replies = await cluster.replies(client.pipeline(commands))
    t.same(replies, ['OK', 2, '2', 'OK', '7', 8, 'OK', 'QUEUED', ['8'], '8'], node.name)
  }
})

t.test(
  'R3 a command on several keys is waited for at each of them, and waits for each of them',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'R3 several keys', nodes: 4 })
    const tag = `{${keyAt(cluster, cluster.nodes[0])}}`
    const [a, b, c] = [`${tag}a`, `${tag}b`, `${tag}c`]
    for (const node of cluster.nodes) {
      const client = cluster.client(node)
      const commands = [
        ['DEL', a, b, c],
        ['MSETNX', a, '1', b, '2'],
        ['GET', b],
        ['INCR', b],
        ['RENAME', a, c],
        ['GET', c],
        ['INCR', b],
        ['RENAME', c, b],
        ['GET', b],
        ['EXISTS', a, b, c],
      ]
      const replies = await cluster.replies(client.pipeline(commands))
      t.same(replies.slice(1), [1, '2', 3, 'OK', '1', 4, 'OK', '1', 1], node.name)
    }
  },
)
