import t from 'tap'
import { PrivateRedis } from '../../support/private-redis.js'
import { FakeNode } from './fake-node.js'
import { NodeClient } from './node-client.js'
import { differences, withoutId } from './redis-comparison.js'

const PASSWORD = 'sesame'

const open = await PrivateRedis.start()
const locked = await PrivateRedis.start('--requirepass', PASSWORD)
t.teardown(async () => {
  await open.stop()
  await locked.stop()
})

t.test('PING, ECHO, SELECT, AUTH and HELLO answer as redis-server without a password', async (t) => {
  const connection = await open.open()
  const lines = [
    'ping',
    'ping hello',
    'ping a b',
    'echo ""',
    'echo "a\\r\\nb"',
    'select 0',
    'select 1',
    'select -1',
    'select 2147483648',
    'select 99999999999999999999',
    'select 00',
    'select one',
    'auth x',
    'auth default anything',
    'auth default ""',
    'auth Default x',
    'auth somebody x',
    'auth a b c',
    'hello',
    'hello 1',
    'hello 4',
    'hello 99999999999999999999',
    'hello three',
    'hello 2 AUTH',
    'hello 2 auth default',
    'hello 2 auth default x',
    'hello 2 auth somebody x',
    'hello 2 setname',
    'hello 2 setname "a b"',
    'hello 2 setname ok nonsense',
    'client getname',
    'hello 2 setname first SetName second',
    'client getname',
    'hello 2 auth default x setname third auth somebody x',
    'client getname',
    'hello 3',
    'hello',
    'client getname',
    'ping',
    'reset',
    'client getname',
    'hello',
    'reset now',
  ]
  t.same(await differences(new NodeClient(), connection, lines, withoutId), [])
  connection.close()
})

t.test('AUTH and HELLO answer as redis-server with a password', async (t) => {
  const connection = await locked.open()
  const client = new NodeClient(new FakeNode({ requirepass: PASSWORD }))
  const lines = [
    'hello',
    'hello 3',
    'hello 3 setname x',
    'hello 5',
    'hello 3 auth default wrong',
    'hello 3 auth somebody sesame',
    'auth wrong',
    'auth "sesame "',
    'auth default wrong',
    'auth somebody sesame',
    'auth sesame',
    'auth wrong',
    'client getname',
    'hello 3 auth default sesame setname me',
    'client getname',
    'reset',
    'auth default sesame',
    'hello',
    'acl list',
  ]
  t.same(await differences(client, connection, lines, withoutId), [])
  connection.close()
})

t.test('a wrong password neither logs in nor out, and a right one logs in', async (t) => {
  const client = new NodeClient(new FakeNode({ requirepass: PASSWORD }))
  t.equal(client.session.authenticated, false)
  await client.text('AUTH', 'wrong')
  t.equal(client.session.authenticated, false)
  await client.text('HELLO', '3', 'AUTH', 'default', 'wrong', 'SETNAME', 'me')
  t.same([client.session.authenticated, client.session.protocol, client.session.name], [false, 2, ''])
  await client.text('AUTH', 'default', PASSWORD)
  t.equal(client.session.authenticated, true)
  await client.text('AUTH', 'wrong')
  t.equal(client.session.authenticated, true)
})

t.test('a password that is taken away lets everybody in', async (t) => {
  const node = new FakeNode({ requirepass: PASSWORD })
  const client = new NodeClient(node)
  node.settings.set('requirepass', '')
  t.match(await client.text('HELLO', '3'), /^%7/)
})

t.test('HELLO 3 answers in RESP3 at once and keeps the protocol for what follows', async (t) => {
  const client = new NodeClient()
  t.match(await client.text('HELLO', '3', 'SETNAME', 'worker'), /^%7\r\n/)
  t.equal(client.session.protocol, 3)
  t.equal(client.session.name, 'worker')
  t.match(await client.text('HELLO'), /^%7\r\n/)
  t.match(await client.text('HELLO', '2'), /^\*14\r\n/)
  t.equal(client.session.protocol, 2)
})

t.test('RESET brings everything back that a connection can change', async (t) => {
  const client = new NodeClient(new FakeNode({ requirepass: PASSWORD }))
  const { session } = client
  await client.text('HELLO', '3', 'AUTH', 'default', PASSWORD, 'SETNAME', 'me')
  await client.text('CLIENT', 'NO-EVICT', 'on')
  await client.text('CLIENT', 'NO-TOUCH', 'on')
  await client.text('CLIENT', 'REPLY', 'OFF')
  session.transaction = { failed: true, queued: [], queuedBytes: 0 }
  t.equal(await client.text('RESET'), '+RESET\r\n')
  t.match(session, {
    protocol: 2,
    name: '',
    noEvict: false,
    noTouch: false,
    replyMode: 'on',
    transaction: null,
    authenticated: false,
  })
})

t.test('QUIT closes after its reply, whatever follows it', async (t) => {
  const client = new NodeClient()
  t.equal(await client.text('QUIT', 'now'), '+OK\r\n')
  t.equal(client.session.closing, true)
})
