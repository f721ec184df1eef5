/** Commands that cover the whole cluster, on three real nodes: plain ports show all of it, smart ports a node's own part. */
import t from 'tap'
import type { Test } from 'tap'
import { parseClusterStatus } from '../../src/cli/cluster-status.js'
import { KindredCluster } from '../support/kindred-cluster.js'
import { until } from '../support/until.js'
import { WireClient, pipeline } from '../support/wire-client.js'

const KEYS = 600

/** What a node answers that takes another one for dead, as happens on a machine that is busy: ask again. */
const PASSING = /^-(UNCERTAIN|NOREPLICAS)/

/** A connection that ends with the test `t`. */
async function open(t: Test, port: number): Promise<WireClient> {
  const client = await WireClient.open(port)
  t.teardown(() => client.close())
  return client
}

/** The reply to one command, which may be repeated. */
function ask(client: WireClient, ...args: string[]): Promise<string> {
  return until(`an answer to ${args.join(' ')}`, async () => {
    const reply = await client.ask(...args)
    return PASSING.test(reply) ? null : reply
  })
}

/** key:0 … key:599; resolves when all are acknowledged. */
async function fill(client: WireClient, keys = KEYS): Promise<string[]> {
  const names = Array.from({ length: keys }, (_, i) => `key:${i}`)
  let left = names
  while (left.length > 0) {
    void client.send(pipeline(...left.map((name) => ['SET', name, `value of ${name}`])))
    const replies = await client.replies(left.length)
    left = left.filter((_, i) => PASSING.test(replies[i].toString()))
  }
  return names.sort()
}

async function number(client: WireClient, ...args: string[]): Promise<number> {
  const reply = await ask(client, ...args)
  return reply.startsWith(':') ? Number(reply.slice(1)) : NaN
}

/** DBSIZE is exact once replicas have converged and homes stay where they are. */
async function counts(clients: readonly WireClient[], keys: number): Promise<boolean> {
  return until(`a count of ${keys}`, async () => {
    const sizes = await Promise.all(clients.map((client) => number(client, 'DBSIZE')))
    return sizes.reduce((sum, size) => sum + size) === keys
  })
}

/** The strings of a reply, sorted. */
function strings(reply: string): string[] {
  return [...reply.matchAll(/\$\d+\r\n(.*)\r\n/g)].map(([, text]) => text).sort()
}

async function names(client: WireClient, pattern: string): Promise<string[]> {
  const reply = await ask(client, 'KEYS', pattern)
  if (!reply.startsWith('*')) throw new Error(reply)
  return strings(reply)
}

/** Every key that a full SCAN shows, as often as it shows it; every call goes to the next client. */
async function scanned(clients: readonly WireClient[], ...options: string[]): Promise<string[]> {
  const found: string[] = []
  let cursor = '0'
  for (let turn = 0; turn === 0 || cursor !== '0'; turn++) {
    const reply = await ask(clients[turn % clients.length], 'SCAN', cursor, ...options)
    const [, next, keys] = /^\*2\r\n\$\d+\r\n(\d+)\r\n(\*\d+\r\n[^]*)$/.exec(reply) ?? []
    if (next === undefined) throw new Error(reply)
    cursor = next
    found.push(...strings(keys))
  }
  return found.sort()
}

t.test('plain ports show all keys, smart ports a node’s own', async (t) => {
  const cluster = await KindredCluster.start(t)
  const plain = await Promise.all(cluster.nodes.map((node) => open(t, node.port)))
  const smart = await Promise.all(cluster.nodes.map((node) => open(t, node.smartPort)))
  t.equal(await ask(plain[0], 'RANDOMKEY'), '$-1\r\n', 'an empty cluster has no random key')
  t.same(await scanned([plain[1]]), [], 'nor any other')
  const all = await fill(plain[0])

  await t.test('R5 DBSIZE counts every key once, and every node its own', async (t) => {
    for (const client of plain) t.equal(await number(client, 'DBSIZE'), KEYS)
    const own = await Promise.all(smart.map((client) => number(client, 'DBSIZE')))
    t.equal(
      own.reduce((sum, count) => sum + count),
      KEYS,
    )
    t.ok(own.every((count) => count > 0 && count < KEYS))
    await plain[2].ask('DEL', 'key:0')
    for (const client of plain) t.equal(await number(client, 'DBSIZE'), KEYS - 1)
    await plain[1].ask('SET', 'key:0', 'again')
  })

  await t.test('KEYS lists every key once, and every node its own', async (t) => {
    for (const client of plain) t.same(await names(client, '*'), all)
    await until('the nodes’ own keys to be all', async () => {
      const own = await Promise.all(smart.map((client) => names(client, '*')))
      return own.flat().sort().join() === all.join()
    })
    t.same(
      await names(plain[1], 'key:1?'),
      all.filter((name) => /^key:1.$/.test(name)),
    )
  })

  await t.test('R4 SCAN shows every key once, and every node its own', async (t) => {
    for (const client of plain) t.same(await scanned([client]), all)
    t.same(await scanned([plain[1]], 'COUNT', '1'), all)
    t.same(await scanned([plain[2]], 'COUNT', '1000', 'MATCH', '*:5'), ['key:5'])
    t.same(await scanned([plain[2]], 'TYPE', 'list'), [])
    await until('the nodes’ own keys to be all', async () => {
      const own = await Promise.all(smart.map((client) => scanned([client])))
      return own.flat().sort().join() === all.join()
    })
  })

  await t.test('R4 a cursor goes on at any node', async (t) => {
    t.same(await scanned(plain, 'COUNT', '50'), all)
  })

  await t.test('RANDOMKEY answers any key, and every node one of its own', async (t) => {
    const drawn = new Set<string>()
    for (let i = 0; i < 30; i++) drawn.add(strings(await ask(plain[i % 3], 'RANDOMKEY'))[0])
    t.ok([...drawn].every((name) => all.includes(name)))
    t.ok(drawn.size > 5)
    await until('a node to answer its own keys alone', async () => {
      const own = await names(smart[1], '*')
      const some: string[] = []
      while (some.length < 10) some.push(await ask(smart[1], 'RANDOMKEY'))
      return some.every((reply) => own.includes(strings(reply)[0]))
    })
  })

  await t.test('COPY goes between slots on plain ports, and is refused on smart ones', async (t) => {
    t.equal(await ask(plain[0], 'COPY', 'key:1', 'copied', 'REPLACE'), ':1\r\n')
    t.same(strings(await ask(plain[1], 'GET', 'copied')), ['value of key:1'])
    t.equal(await ask(plain[2], 'RENAMENX', 'key:1', 'copied'), ':0\r\n')
    t.match(await ask(plain[2], 'RENAME', 'nothing', 'copied'), /^-ERR no such key/)
    t.match(await ask(smart[0], 'COPY', 'key:1', 'copied'), /^-CROSSSLOT/)
    await ask(plain[2], 'DEL', 'copied')
  })

  await t.test('KV.STATUS shows three members on any port', async (t) => {
    for (const client of [...plain, ...smart]) {
      const status = parseClusterStatus(await client.bulk('KV.STATUS'))
      t.same(status?.members.map(({ name }) => name).sort(), ['node-1', 'node-2', 'node-3'])
    }
  })

  await t.test('P4 FLUSHALL on any port removes every key on every node', async (t) => {
    t.equal(await ask(smart[2], 'FLUSHALL'), '+OK\r\n')
    for (const client of [...plain, ...smart]) t.ok(await counts([client], 0))
    for (const client of plain) {
      t.same(await names(client, '*'), [])
      t.same(await scanned([client]), [])
      t.equal(await ask(client, 'GET', 'key:1'), '$-1\r\n')
    }
    await fill(plain[1])
    for (const client of plain) t.ok(await counts([client], KEYS), 'what is written later stays')
    t.equal(await ask(plain[1], 'FLUSHDB', 'ASYNC'), '+OK\r\n')
    for (const client of plain) t.ok(await counts([client], 0))
  })
})

t.test('a node that is down', async (t) => {
  const cluster = await KindredCluster.start(t)
  const client = await open(t, cluster.nodes[0].port)
  const smart = await open(t, cluster.nodes[0].smartPort)
  const all = await fill(client)

  await t.test('R4 R5 the others count and list every key without it', async (t) => {
    await cluster.nodes[2].kill9()
    t.same(await names(client, '*'), all, 'at once')
    t.same(await scanned([client]), all)
    t.ok(await counts([client], KEYS))
    const other = await open(t, cluster.nodes[1].smartPort)
    t.ok(await counts([smart, other], KEYS), 'its part has gone over to the others')
  })

  await t.test('P4 FLUSHALL goes on without it, and nothing comes back with it', async (t) => {
    t.equal(await ask(client, 'FLUSHALL'), '+OK\r\n')
    t.ok(await counts([client], 0))
    await ask(client, 'SET', 'after', 'the flush')
    await cluster.nodes[2].startAgain()
    await cluster.linked()
    const returned = await open(t, cluster.nodes[2].port)
    t.equal(await ask(returned, 'KV.QUORUM', 'ONE', 'GET', 'key:1'), '$-1\r\n', 'not even on its own word')
    t.same(await names(returned, '*'), ['after'])
    t.same(await names(client, '*'), ['after'])
    for (const one of [client, returned])
      for (const name of all.slice(0, 50)) t.equal(await ask(one, 'GET', name), '$-1\r\n')
    // The write that it missed is no business of FLUSHALL's: reading it repairs it.
    t.same(strings(await ask(returned, 'GET', 'after')), ['the flush'])
  })

  await t.test('with a minority left nothing is counted, listed or flushed', async (t) => {
    await fill(client, 10)
    await cluster.nodes[1].kill9()
    await cluster.nodes[2].kill9()
    await until('the last node to see it', async () =>
      (await client.ask('GET', 'key:1')).startsWith('-NOREPLICAS'),
    )
    t.match(await client.ask('KEYS', '*'), /^-NOREPLICAS/)
    t.match(await client.ask('SCAN', '0'), /^-NOREPLICAS/)
    t.match(await client.ask('FLUSHALL'), /^-NOREPLICAS/)
    t.ok(await counts([client], 11), 'one replica of each range is enough to count')
  })
})
