/** What a stranger meets before any command runs, and what keeps a client from taking the node's memory. */
import { networkInterfaces } from 'node:os'
import t from 'tap'
import { KindredNode } from '../support/kindred-node.js'
import { PrivateRedis } from '../support/private-redis.js'
import { until } from '../support/until.js'
import { pipeline, WireClient } from '../support/wire-client.js'

// Longer than tap waits for a file by itself, which matters when this one is run alone on a busy machine.
t.setTimeout(300_000)

const MB = 1024 * 1024
const STRANGERS = 500
const STRANGERS_GROWTH_BYTES_MAX = 50 * MB
/** Of one that never reads: the pause at 1 MB of output, one value above it, and what the collector has not seen yet. */
const DEAF_GROWTH_BYTES_MAX = 100 * MB

async function residentBytes(node: KindredNode): Promise<number> {
  return Number((await node.info()).get('used_memory_rss'))
}

t.test('connections above maxclients are told so and closed', async (t) => {
  const node = await KindredNode.start(t, { flags: ['--maxclients', '2'] })
  const [first, second] = [await node.open(), await node.open()]
  t.equal(await first.ask('PING'), '+PONG\r\n')
  t.equal(await second.ask('PING'), '+PONG\r\n')
  const third = await node.open()
  t.equal(await third.rest(), '-ERR max number of clients reached\r\n')
  second.close()
  const again = await until('room for another client', async () => {
    const client = await node.open()
    await client.send(pipeline(['PING']))
    return (await client.replyOrEnd())?.toString() === '+PONG\r\n' ? client : null
  })
  t.match(await again.ask('INFO', 'stats'), /\r\nrejected_connections:[1-9]/)
  t.equal(await first.ask('CONFIG', 'SET', 'maxclients', '10'), '+OK\r\n')
  t.equal(await (await node.open()).ask('PING'), '+PONG\r\n')
})

const address = Object.values(networkInterfaces())
  .flat()
  .find((one) => one !== undefined && one.family === 'IPv4' && !one.internal)?.address
const noAddress = address === undefined ? 'this machine has no address but its loopback' : false

t.test('protected mode lets nobody in from elsewhere without a password', { skip: noAddress }, async (t) => {
  const node = await KindredNode.start(t, { flags: ['--bind', '0.0.0.0'] })
  const local = await node.open()
  t.equal(await local.ask('PING'), '+PONG\r\n')
  const elsewhere = { host: address }
  const refused = await node.open(elsewhere)
  await refused.send(pipeline(['SET', 'stolen', '1'], ['PING']))
  t.match(await refused.rest(), /^-DENIED .* protected mode .*\r\n$/)
  t.equal(await local.ask('EXISTS', 'stolen'), ':0\r\n')
  t.equal(await local.ask('CONFIG', 'SET', 'protected-mode', 'no'), '+OK\r\n')
  const open = await node.open(elsewhere)
  t.equal(await open.ask('PING'), '+PONG\r\n')
  t.equal(await local.ask('CONFIG', 'SET', 'protected-mode', 'yes', 'requirepass', 'secret'), '+OK\r\n')
  const locked = await node.open(elsewhere)
  t.equal(await locked.ask('PING'), '-NOAUTH Authentication required.\r\n')
  t.equal(await locked.ask('AUTH', 'secret'), '+OK\r\n')
})

t.test('before AUTH requests are small, as with redis-server', async (t) => {
  const redis = await PrivateRedis.start('--requirepass', 'secret')
  t.teardown(() => redis.stop())
  const node = await KindredNode.start(t, { flags: ['--requirepass', 'secret'] })
  const eleven = ['MGET', ...'abcdefghij']
  const long = 'x'.repeat(16 * 1024 + 1)
  const conversations = {
    'commands without a password': pipeline(['GET', 'a'], ['PING'], ['NOSUCH'], ['GET'], ['MULTI'], ['EXEC']),
    'a wrong password': pipeline(
      ['AUTH', 'wrong'],
      ['AUTH', 'default', 'wrong'],
      ['AUTH', 'nobody', 'secret'],
    ),
    'ten arguments': pipeline(['MGET', ...'abcdefghi'], ['QUIT']),
    'eleven arguments': pipeline(eleven, ['PING']),
    '16 KB': pipeline(['ECHO', long.slice(1)], ['QUIT']),
    'more than 16 KB': pipeline(['ECHO', long], ['PING']),
    'the wide limits behind AUTH': pipeline(['AUTH', 'secret'], eleven, ['ECHO', long], ['QUIT']),
    'the narrow limits after RESET': pipeline(['AUTH', 'secret'], ['RESET'], eleven),
  }
  for (const [title, bytes] of Object.entries(conversations)) {
    const [ours, theirs] = [await WireClient.open(node.port), await WireClient.open(redis.socketPath)]
    for (const client of [ours, theirs]) {
      await client.send(bytes)
      client.finishSending()
    }
    t.equal(await ours.rest(), await theirs.rest(), title)
  }
})

t.test('a client that says nothing is closed after the timeout, others are not', async (t) => {
  const node = await KindredNode.start(t, { flags: ['--timeout', '1'] })
  const [idle, busy] = [await node.open(), await node.open()]
  t.equal(await idle.ask('PING'), '+PONG\r\n')
  let closed = false
  void idle.rest().then(() => (closed = true))
  await until('the idle client to be closed', async () => (await busy.ask('PING')) === '+PONG\r\n' && closed)
  t.equal(await busy.ask('PING'), '+PONG\r\n')
  // A command that waits is not silence.
  t.equal(await busy.ask('WAIT', '1', '1500'), ':0\r\n')
  t.equal(await busy.ask('CONFIG', 'SET', 'timeout', '0'), '+OK\r\n')
})

t.test('a client that does not log in is closed after the handshake timeout, however busy', async (t) => {
  const node = await KindredNode.start(t, { flags: ['--requirepass', 'secret', '--handshake-timeout', '1'] })
  const [stranger, friend] = [await node.open(), await node.open()]
  t.equal(await friend.ask('AUTH', 'secret'), '+OK\r\n')
  const asks = async (): Promise<boolean> => {
    await stranger.send(pipeline(['PING']))
    return (await stranger.replyOrEnd()) === null
  }
  t.ok(await until('the stranger to be closed', asks))
  t.equal(await friend.ask('PING'), '+PONG\r\n')
})

for (const { title, flags, hello } of [
  { title: 'before AUTH', flags: ['--requirepass', 'secret'], hello: '' },
  { title: 'of clients that may run commands', flags: [], hello: '' },
]) {
  t.test(`lengths that are only declared take no memory, ${title}`, async (t) => {
    const node = await KindredNode.start(t, { flags })
    const watcher = await node.open()
    if (flags.length > 0) await watcher.ask('AUTH', 'secret')
    const resident = async (): Promise<number> =>
      Number(/used_memory_rss:(\d+)/.exec(await watcher.ask('INFO', 'memory'))?.[1])
    const before = await resident()
    const clients: WireClient[] = []
    for (let i = 0; i < STRANGERS; i++) {
      const client = await node.open()
      clients.push(client)
      const start = i % 2 === 0 ? '*2\r\n$3\r\nGET\r\n$536870912\r\n' : '*1048576\r\n$3\r\nGET\r\n'
      await client.send(`${hello}${start}`)
      await client.send('x'.repeat(1000))
    }
    t.equal(await watcher.ask('PING'), '+PONG\r\n')
    const growth = (await resident()) - before
    t.comment(`${STRANGERS} connections: ${(growth / MB).toFixed(1)} MB`)
    t.ok(growth < STRANGERS_GROWTH_BYTES_MAX, `${growth} bytes`)
    if (flags.length > 0) {
      t.match(await clients[0].rest(), /^-ERR Protocol error: unauthenticated bulk length\r\n$/)
      t.match(await clients[1].rest(), /^-ERR Protocol error: unauthenticated multibulk length\r\n$/)
    }
    for (const client of clients) client.close()
  })
}

/** Requests for 4 GB of replies each. */
const READS = Array.from({ length: 4000 }, () => ['GET', 'large'])
for (const { title, requests } of [
  { title: 'reads', requests: pipeline(...READS) },
  { title: 'reads behind writes', requests: pipeline(...READS.flatMap((read) => [['INCR', 'x'], read])) },
  { title: 'a transaction of reads', requests: pipeline(['MULTI'], ...READS, ['EXEC']) },
  {
    title: 'reads of many values at once',
    requests: pipeline(...READS.slice(0, 400).map(() => ['MGET', ...Array<string>(10).fill('large')])),
  },
]) {
  t.test(`a client that sends ${title} and never reads fills its own socket, not the memory`, async (t) => {
    const node = await KindredNode.start(t)
    const other = await node.open()
    t.equal(await other.ask('SET', 'large', 'x'.repeat(MB)), '+OK\r\n')
    t.ok((await other.ask('GET', 'large')).length > MB)
    const before = await residentBytes(node)
    const deaf = await node.open({ deaf: true })
    deaf.socket.write(Buffer.concat([pipeline(['SET', 'begun', '1']), requests]))
    await until('its requests to run', async () => (await other.ask('EXISTS', 'begun')) === ':1\r\n')
    let served = 0
    for (let i = 0; i < 200; i++) if ((await other.ask('INCR', 'counter')) === `:${i + 1}\r\n`) served++
    t.equal(served, 200, 'others are served')
    const growth = (await residentBytes(node)) - before
    t.comment(`${(growth / MB).toFixed(1)} MB`)
    t.ok(growth < DEAF_GROWTH_BYTES_MAX, `${growth} bytes`)
    deaf.close()
    await until('it to be gone', async () =>
      (await other.ask('INFO', 'clients')).includes('connected_clients:1\r\n'),
    )
  })
}

t.test('a client that reads slowly gets everything in order', async (t) => {
  const node = await KindredNode.start(t)
  const client = await node.open()
  const values = Array.from({ length: 40 }, (_, i) => Buffer.alloc(MB, String(i)))
  for (const [i, value] of values.entries()) t.equal(await client.ask('SET', `v${i}`, value), '+OK\r\n')
  const requests = Array.from({ length: 200 }, (_, i) => ['GET', `v${i % values.length}`])
  client.socket.pause()
  void client.send(pipeline(...requests, ['PING', 'end']))
  const other = await node.open()
  for (let i = 0; i < 50; i++) await other.ask('PING')
  client.socket.resume()
  let right = 0
  for (const [i] of requests.entries()) {
    const [reply] = await client.replies(1)
    if (reply.subarray(10, -2).equals(values[i % values.length])) right++
  }
  t.equal(right, requests.length)
  t.equal((await client.replies(1)).toString(), '$3\r\nend\r\n')
})

t.test('a client whose unread output passes client-output-buffer-limit is closed', async (t) => {
  const node = await KindredNode.start(t, { flags: ['--client-output-buffer-limit', 'normal 8mb 4mb 60'] })
  const other = await node.open()
  t.equal(await other.ask('SET', 'large', 'x'.repeat(20 * MB)), '+OK\r\n')
  const deaf = await node.open({ deaf: true })
  await deaf.send(pipeline(['CLIENT', 'SETNAME', 'deaf'], ['GET', 'large']))
  await until('it to be closed', async () => !(await other.ask('CLIENT', 'LIST')).includes('name=deaf'))
  t.equal(await other.ask('PING'), '+PONG\r\n')
  deaf.close()
})
