import t from 'tap'
import { clientLine } from '../../../src/commands/client-line.js'
import { NO_PAUSE, NO_TRACKING } from '../../../src/commands/client-commands.js'
import { PrivateRedis } from '../../support/private-redis.js'
import { FakeNode, FakeSession } from './fake-node.js'
import { NodeClient } from './node-client.js'
import { differences } from './redis-comparison.js'

const redis = await PrivateRedis.start()
t.teardown(() => redis.stop())

t.test('CLIENT answers as redis-server in RESP2 and RESP3', async (t) => {
  const connection = await redis.open()
  const client = new NodeClient()
  const lines = [
    'client id x',
    'client getname',
    'client setname "a b"',
    'client setname "a\\nb"',
    'client setname "\\u00e9"',
    'client setname worker-1',
    'client getname',
    'client setname ""',
    'client getname',
    'client list nonsense',
    'client list type',
    'client list type nonsense',
    'client list type REPLICA',
    'client list type slave',
    'client list type master',
    'client list type pubsub',
    'client list type normal x',
    'client list id',
    'client list id one',
    'client list id 99999 0 -1',
    'client kill 1.2.3.4:5',
    'client kill ""',
    'client kill id',
    'client kill id one',
    'client kill id 0',
    'client kill id -1',
    'client kill id 99999',
    'client kill id 99999 type',
    'client kill type nonsense',
    'client kill type replica',
    'client kill addr 1.2.3.4:5 skipme maybe',
    'client kill addr 1.2.3.4:5 skipme no',
    'client kill laddr 1.2.3.4:5',
    'client kill user nobody',
    'client kill user default id 99999',
    'client kill nonsense x',
    'client reply nonsense',
    'client reply on',
    'client no-evict nonsense',
    'client no-evict on',
    'client no-evict OFF',
    'client getredir',
    'client tracking off',
    'client tracking maybe',
    'client trackinginfo',
    'client caching yes',
    'client caching maybe',
    'client pause one',
    'client pause -1',
    'client pause 10 some',
    'client pause 10 all x',
    'client unpause',
    'client unblock one',
    'client unblock 99999',
    'client unblock 99999 error',
    'client unblock 99999 nonsense',
    'client unblock 99999 error x',
    'client maint_notifications ON moving-endpoint-type none',
  ]
  for (const protocol of ['2', '3']) {
    await client.text('HELLO', protocol)
    await connection.text('HELLO', protocol)
    t.same(await differences(client, connection, lines), [], `RESP${protocol}`)
  }
  connection.close()
})

t.test('a line of CLIENT LIST has the fields of redis-server, in its order', async (t) => {
  const connection = await redis.open()
  const names = (line: string) => line.split(' ').map((field) => field.split('=')[0])
  const theirs = names((await connection.text('CLIENT', 'INFO')).split('\r\n')[1])
  const ours = names(clientLine(new FakeSession(1, 0), 0))
  t.same(ours.slice(0, theirs.length), theirs)
  t.same(ours.slice(theirs.length), ['lib-name', 'lib-ver'], 'as Redis 7.2 adds them')
  connection.close()
})

t.test('the line tells age, idleness, state and library of a connection', async (t) => {
  const session = new FakeSession(7, 1000, '::1')
  Object.assign(session, {
    lastRequestAtMs: 5500,
    lastCommand: 'client|list',
    libraryName: 'ioredis',
    protocol: 3,
  })
  Object.assign(session, { queryBufferBytes: 26, outputBufferBytes: 100, noEvict: true, closing: true })
  session.transaction = { failed: false, queued: [], queuedBytes: 30 }
  const fields = new Map(
    clientLine(session, 8999)
      .split(' ')
      .map((field) => field.split('=') as [string, string]),
  )
  t.match(Object.fromEntries(fields), {
    id: '7',
    addr: '[::1]:50007',
    laddr: '127.0.0.1:7001',
    age: '7',
    idle: '3',
    flags: 'xce',
    multi: '0',
    'multi-mem': '30',
    qbuf: '26',
    oll: '1',
    omem: '100',
    events: 'rw',
    cmd: 'client|list',
    resp: '3',
    'lib-name': 'ioredis',
    'lib-ver': '',
  })
})

t.test('CLIENT LIST shows all connections, those of given ids, or those of a type', async (t) => {
  const node = new FakeNode()
  const client = new NodeClient(node)
  node.connect()
  node.connect()
  const ids = async (...args: string[]) =>
    ((await client.value('CLIENT', 'LIST', ...args)) as string)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => /^id=(\d+) /.exec(line)?.[1])
  t.same(await ids(), ['1', '2', '3'])
  t.same(await ids('ID', '3', '99', '1'), ['3', '1'])
  t.same(await ids('TYPE', 'normal'), ['1', '2', '3'])
  t.match(await client.value('CLIENT', 'INFO'), /^id=1 .* cmd=client\|info .*\n$/)
})

t.test('CLIENT KILL closes what matches all filters and answers how many', async (t) => {
  const node = new FakeNode()
  const client = new NodeClient(node)
  const others = [node.connect(), node.connect('10.0.0.9'), node.connect()]
  t.equal(await client.text('CLIENT', 'KILL', 'ADDR', '10.0.0.9:50003', 'ID', '2'), ':0\r\n')
  t.equal(await client.text('CLIENT', 'KILL', 'ADDR', '10.0.0.9:50003', 'ID', '3'), ':1\r\n')
  t.same(
    others.map((other) => other.killed),
    [false, true, false],
  )
  t.equal(await client.text('CLIENT', 'KILL', 'TYPE', 'normal'), ':2\r\n')
  t.equal(client.session.closing, false, 'the own connection is spared')
  t.equal(await client.text('CLIENT', 'KILL', 'USER', 'default', 'SKIPME', 'no'), ':1\r\n')
  t.same([client.session.closing, client.session.killed], [true, false], 'after the reply')
})

t.test('the old form of CLIENT KILL closes one address, the own one included', async (t) => {
  const node = new FakeNode()
  const client = new NodeClient(node)
  const other = node.connect()
  t.equal(await client.text('CLIENT', 'KILL', '127.0.0.1:50002'), '+OK\r\n')
  t.equal(other.killed, true)
  t.equal(await client.text('CLIENT', 'KILL', '127.0.0.1:50001'), '+OK\r\n')
  t.equal(client.session.closing, true)
})

t.test('CLIENT REPLY OFF and SKIP answer nothing and leave the mode to the server', async (t) => {
  const client = new NodeClient()
  t.equal(await client.text('CLIENT', 'REPLY', 'SKIP'), '')
  t.equal(client.session.replyMode, 'skip-next')
  t.equal(await client.text('CLIENT', 'REPLY', 'OFF'), '')
  t.equal(await client.text('CLIENT', 'REPLY', 'SKIP'), '')
  t.equal(client.session.replyMode, 'off', 'skipping changes nothing while replies are off')
  t.equal(await client.text('CLIENT', 'REPLY', 'ON'), '+OK\r\n')
  t.equal(client.session.replyMode, 'on')
})

t.test('CLIENT SETINFO keeps the library and refuses what would break a line of CLIENT LIST', async (t) => {
  const client = new NodeClient()
  t.equal(await client.text('CLIENT', 'SETINFO', 'LIB-NAME', 'node-redis'), '+OK\r\n')
  t.equal(await client.text('CLIENT', 'SETINFO', 'lib-ver', '6.3.1'), '+OK\r\n')
  t.equal(
    await client.text('CLIENT', 'SETINFO', 'Lib-Name', 'a b'),
    '-ERR Lib-Name cannot contain spaces, newlines or special characters.\r\n',
  )
  t.equal(await client.text('CLIENT', 'SETINFO', 'colour', 'red'), "-ERR Unrecognized option 'colour'\r\n")
  t.same([client.session.libraryName, client.session.libraryVersion], ['node-redis', '6.3.1'])
})

t.test('NO-EVICT and NO-TOUCH are kept for the connection', async (t) => {
  const client = new NodeClient()
  await client.text('CLIENT', 'NO-EVICT', 'ON')
  await client.text('CLIENT', 'NO-TOUCH', 'on')
  t.same([client.session.noEvict, client.session.noTouch], [true, true])
})

t.test('tracking and pausing are refused in words', async (t) => {
  const client = new NodeClient()
  t.equal(await client.text('CLIENT', 'TRACKING', 'ON', 'BCAST'), `-${NO_TRACKING}\r\n`)
  t.equal(await client.text('CLIENT', 'PAUSE', '100', 'WRITE'), `-${NO_PAUSE}\r\n`)
})

t.test('CLIENT HELP tells every subcommand with its arguments', async (t) => {
  const help = (await new NodeClient().value('CLIENT', 'HELP')) as readonly string[]
  t.match(help[0], /^\+CLIENT <subcommand> /)
  t.ok(help.includes('+REPLY (ON | OFF | SKIP)'))
  t.ok(help.includes('+HELP'))
})
