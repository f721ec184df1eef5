/** What one connection asks of a cluster in a pipeline, and requests on several keys: RULES R1 and R3 where answers come late. */
import t from 'tap'
import { SimCluster } from '../../src/sim/sim-cluster.js'
import { keyAt } from './cluster-world.js'

t.test('R1 a slow replica’s record of one key is not taken for its record of the next', async (t) => {
  const cluster = await SimCluster.started({ seed: 'two keys' })
  const [home, other] = cluster.nodes
  const tag = keyAt(cluster, home, other)
  const client = cluster.client(home)
  for (let i = 0; i < 20; i++) {
    await cluster.ask(client, 'SET', `{${tag}}from:${i}`, 'value')
    await cluster.run(50)
    t.equal(await cluster.ask(client, 'COPY', `{${tag}}from:${i}`, `{${tag}}to:${i}`), 1)
    t.equal(await cluster.ask(client, 'GET', `{${tag}}to:${i}`), 'value')
  }
})

t.test('R3 what follows a request on several keys sees what it did to each of them', async (t) => {
  const cluster = await SimCluster.started({ seed: 'several keys' })
  const [first, second] = cluster.nodes
  const client = cluster.client(first)
  for (const tag of [keyAt(cluster, first, second), keyAt(cluster, second, first)]) {
    const [from, to] = [`{${tag}}from`, `{${tag}}to`]
    await cluster.ask(client, 'SET', from, 'new')
    await cluster.ask(client, 'SET', to, 'old')
    const renamed = client.pipeline([
      ['RENAME', from, to],
      ['GET', to],
      ['EXISTS', from],
    ])
    t.same(await cluster.replies(renamed), ['OK', 'new', 0])
    const written = client.pipeline([
      ['SET', to, 'newer'],
      ['COPY', to, from],
      ['SET', from, 'newest'],
      ['RENAME', from, to],
      ['GET', to],
    ])
    t.same(await cluster.replies(written), ['OK', 1, 'OK', 'OK', 'newest'])
    const counted = client.pipeline([
      ['MSETNX', `{${tag}}a`, '1', `{${tag}}b`, '2'],
      ['INCR', `{${tag}}b`],
      ['GET', `{${tag}}b`],
    ])
    t.same(await cluster.replies(counted), [1, 3, '3'])
  }
})

t.test('the reply of a command that waits by itself comes in its turn', async (t) => {
  const cluster = await SimCluster.started({ seed: 'deferred' })
  const [first, second] = cluster.nodes
  const key = keyAt(cluster, second, first)
  const client = cluster.client(first)
  for (let i = 1; i <= 5; i++) {
    const requests = client.pipeline([['INCR', key], ['WAIT', '1', '1'], ['PING'], ['GET', key]])
    t.same(await cluster.replies(requests), [i, 0, 'PONG', String(i)])
  }
})

t.test('R3 of two reads of a key the later one sees nothing older, whatever their levels', async (t) => {
  const cluster = await SimCluster.started({ seed: 'two levels' })
  const [home, other, reader] = cluster.nodes
  // The reader asks the home first, and the other one where it needs both, or does not hear of the home for long.
  const key = keyAt(cluster, home, other, reader)
  await cluster.ask(cluster.client(home), 'SET', key, 'old')
  await cluster.run(100)
  cluster.network.block(home.address, reader.address)
  const client = cluster.client(reader)
  const reads = client.pipeline([
    ['GET', key],
    ['KV.QUORUM', 'ALL', 'GET', key],
  ])
  // The second read asks the other one before, and the first one does after it has the newer value.
  await cluster.run(10)
  const writer = cluster.client(home)
  t.equal(await cluster.ask(writer, 'SET', key, 'new'), 'OK')
  await cluster.until(() => reads[0].isDone)
  cluster.network.heal(home.address, reader.address)
  t.same(await cluster.replies(reads), ['new', 'new'])
})

t.test('R3 a command on the whole keyspace is a barrier at any level', async (t) => {
  const cluster = await SimCluster.started({ seed: 'barrier' })
  const [first, second] = cluster.nodes
  const client = cluster.client(first)
  for (let i = 0; i < 5; i++) {
    const key = `{${keyAt(cluster, second, first)}}${i}`
    const requests = client.pipeline([
      ['SET', key, 'value'],
      ['KV.QUORUM', 'QUORUM', 'KEYS', key],
      ['DEL', key],
      ['KV.QUORUM', 'ONE', 'KEYS', key],
    ])
    t.same(await cluster.replies(requests), ['OK', [key], 1, []])
  }
})

t.test(
  'W3 R2 a request that queues up for a key whose last write the log has lost is answered',
  async (t) => {
    const cluster = await SimCluster.started({ seed: 'log lost' })
    const [home] = cluster.nodes
    const key = keyAt(cluster, home)
    const writer = cluster.client(home)
    const reader = cluster.client(home)
    home.disk.failAt(1, 'EIO', 'sync')
    const write = writer.send('SET', key, 'value')
    await cluster.until(() => write.isDone)
    // KEYS is a barrier: what follows is looked up in advance, while it waits for other nodes.
    const [, read] = await cluster.replies(
      reader.pipeline([
        ['KEYS', 'none'],
        ['GET', key],
      ]),
    )
    t.match(read, /^-|^value$/, 'by others, who have it, or with an error')
  },
)
