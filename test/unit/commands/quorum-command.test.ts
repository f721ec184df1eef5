import t from 'tap'
import { innerOf } from '../../../src/commands/quorum-command.js'
import type { Request } from '../../../src/commands/request.js'
import { ALL, ONE, QUORUM, TWO } from '../../../src/coordinator/consistency.js'
import { encodeCommand } from '../../support/resp-frames.js'
import { FakeCluster } from './fake-cluster.js'
import { MapKeyspace } from './map-keyspace.js'
import { NodeClient, registry } from './node-client.js'

t.test('KV.QUORUM shows the levels of the connection, by default those of the settings', async (t) => {
  const client = new NodeClient()
  t.same(await client.value('KV.QUORUM'), ['read', 'QUORUM', 'write', 'QUORUM'])
  const cluster = new FakeCluster()
  cluster.readLevel = ONE
  client.node.cluster = cluster
  t.same(await client.value('KV.QUORUM'), ['read', 'ONE', 'write', 'QUORUM'])
  await client.text('HELLO', '3')
  t.same(
    await client.value('KV.QUORUM'),
    new Map([
      ['read', 'ONE'],
      ['write', 'QUORUM'],
    ]),
  )
})

t.test('KV.QUORUM READ and WRITE set the levels of this connection alone', async (t) => {
  const client = new NodeClient()
  const other = new NodeClient(client.node)
  t.equal(await client.value('KV.QUORUM', 'read', 'one', 'WRITE', 'ALL'), '+OK')
  t.same([client.session.readLevel, client.session.writeLevel], [ONE, ALL])
  t.same(await client.value('KV.QUORUM'), ['read', 'ONE', 'write', 'ALL'])
  t.same(await other.value('KV.QUORUM'), ['read', 'QUORUM', 'write', 'QUORUM'])
  t.equal(await client.value('KV.QUORUM', 'WRITE', 'EACH_QUORUM'), '+OK')
  t.same(await client.value('KV.QUORUM'), ['read', 'ONE', 'write', 'EACH_QUORUM'])
  t.equal(await client.value('KV.QUORUM', 'READ', 'DEFAULT'), '+OK')
  t.same(await client.value('KV.QUORUM'), ['read', 'QUORUM', 'write', 'EACH_QUORUM'])
  await client.text('RESET')
  t.same(await client.value('KV.QUORUM'), ['read', 'QUORUM', 'write', 'QUORUM'])
})

t.test('a level that is none changes nothing', async (t) => {
  const client = new NodeClient()
  t.match(await client.value('KV.QUORUM', 'READ', 'ONE', 'WRITE', 'THREE'), /^-ERR unknown consistency level/)
  t.match(
    await client.value('KV.QUORUM', 'SOME', 'GET', 'k'),
    /^-ERR unknown consistency level, use one of ONE, /,
  )
  t.equal(await client.value('KV.QUORUM', 'READ'), '-ERR syntax error')
  t.equal(await client.value('KV.QUORUM', 'READ', 'ONE', 'WRITE'), '-ERR syntax error')
  t.equal(await client.value('KV.QUORUM', 'READ', 'ONE', 'AND', 'TWO'), '-ERR syntax error')
  t.same(await client.value('KV.QUORUM'), ['read', 'QUORUM', 'write', 'QUORUM'])
})

t.test('KV.QUORUM runs one command at a level, and the connection keeps its own', async (t) => {
  const keyspace = new MapKeyspace()
  const client = new NodeClient(undefined, undefined, keyspace)
  const ask = (...args: readonly string[]) => {
    keyspace.beginAttempt()
    return client.value(...args)
  }
  t.equal(await ask('KV.QUORUM', 'ALL', 'SET', 'k', 'v', 'EX', '10'), '+OK')
  t.equal(await ask('KV.QUORUM', 'one', 'get', 'k'), 'v')
  t.same(await ask('KV.QUORUM', 'TWO', 'MGET', 'k', 'l'), ['v', null])
  t.same(await ask('KV.QUORUM'), ['read', 'QUORUM', 'write', 'QUORUM'])
})

t.test('what it cannot run is refused in the words of the command itself', async (t) => {
  const client = new NodeClient()
  t.equal(await client.value('KV.QUORUM', 'ONE'), "-ERR wrong number of arguments for 'kv.quorum' command")
  t.equal(await client.value('KV.QUORUM', 'ONE', 'GET'), "-ERR wrong number of arguments for 'get' command")
  t.match(await client.value('KV.QUORUM', 'ONE', 'nonsense', 'x'), /^-ERR unknown command 'nonsense'/)
  for (const line of ['PING', 'MULTI', 'EXEC', 'KV.QUORUM ONE GET k', 'CLIENT LIST', 'HELLO 3']) {
    t.match(await client.value('KV.QUORUM', 'ONE', ...line.split(' ')), /has no replicas to agree/, line)
  }
  t.equal(client.session.transaction, null)
})

t.test('innerOf takes a request apart without running it', (t) => {
  const inner = (...args: readonly string[]) => {
    const { bytes, offsets } = encodeCommand(args.map((arg) => Buffer.from(arg)))
    const found = innerOf(registry, { bytes, offsets, argc: args.length } as Request)
    if (found === null) return null
    const { level, command, argc } = found
    const first = bytes.toString('utf8', found.offsets[0], found.offsets[1])
    return [level, command.name, argc, first]
  }
  t.same(inner('KV.QUORUM', 'two', 'SET', 'k', 'v'), [TWO, 'set', 3, 'SET'])
  t.same(inner('KV.QUORUM', 'QUORUM', 'OBJECT', 'FREQ', 'k'), [QUORUM, 'object|freq', 3, 'OBJECT'])
  t.equal(inner('KV.QUORUM', 'READ', 'ONE'), null)
  t.equal(inner('KV.QUORUM', 'ONE', 'GET'), null)
  t.equal(inner('KV.QUORUM'), null)
  t.end()
})
