import t from 'tap'
import { PrivateRedis } from '../../support/private-redis.js'
import { FakeNode } from './fake-node.js'
import { NodeClient } from './node-client.js'
import { differences } from './redis-comparison.js'

t.test('CONFIG answers as redis-server in RESP2 and RESP3', async (t) => {
  const redis = await PrivateRedis.start()
  const connection = await redis.open()
  const client = new NodeClient(new FakeNode({ databases: '1' }))
  const lines = [
    'config get',
    'config get nonsense',
    'config get maxclients',
    'config get MaxClients',
    'config get max?l[h-j]en*',
    'config get maxclients maxclients maxcl*',
    'config get nonsense* timeou?',
    'config set',
    'config set maxclients',
    'config set maxclients 100 timeout',
    'config set nonsense 1',
    'config set "non\\r\\nsense" 1',
    'config set maxclients many',
    'config set maxclients 100 timeout x',
    'config get maxclients',
    'config set maxclients 100 nonsense 1',
    'config get maxclients',
    'config set timeout 1 TIMEOUT 2',
    'config get timeout',
    'config set maxclients 200 timeout 5',
    'config get maxclients',
    'config get timeout',
    'config set TIMEOUT 0',
    'config get timeout',
    'config set maxclients 10000',
    'config resetstat',
    'config resetstat x',
    'config rewrite',
    'config rewrite x',
    'config nonsense',
  ]
  for (const protocol of ['2', '3']) {
    await client.text('HELLO', protocol)
    await connection.text('HELLO', protocol)
    t.same(await differences(client, connection, lines), [], `RESP${protocol}`)
  }
  connection.close()
  await redis.stop()
})

t.test('a value that the node refuses takes back those set before it', async (t) => {
  const client = new NodeClient()
  const { settings } = client.node
  t.match(
    await client.text('CONFIG', 'SET', 'requirepass', 'x', 'maxclients', '5', 'timeout', 'x'),
    /^-ERR CONFIG SET/,
  )
  t.same(
    [settings.get('requirepass'), settings.get('maxclients'), settings.get('timeout')],
    ['', '10000', '0'],
  )
})

t.test('values that contradict each other are refused together, whatever their order', async (t) => {
  const client = new NodeClient()
  const { settings } = client.node
  t.equal(
    await client.text('CONFIG', 'SET', 'timeout', '10001'),
    "-ERR CONFIG SET failed (possibly related to argument 'timeout') - timeout: more than maxclients\r\n",
  )
  t.equal(settings.get('timeout'), '0')
  t.match(await client.text('CONFIG', 'SET', 'timeout', '10001', 'maxclients', '20000'), /^.OK/)
})

t.test('CONFIG GET * tells every setting once, in the order of names', async (t) => {
  const client = new NodeClient()
  const flat = (await client.value('CONFIG', 'GET', '*', 'max*')) as readonly string[]
  t.same(
    flat.filter((_, index) => index % 2 === 0),
    client.node.settings.names(),
  )
})

t.test('CONFIG RESETSTAT asks the node to count from zero', async (t) => {
  const client = new NodeClient()
  await client.text('CONFIG', 'RESETSTAT')
  t.equal(client.node.stats.resets, 1)
})

t.test('CONFIG REWRITE says why it does nothing', async (t) => {
  const client = new NodeClient()
  client.node.configFile = '/etc/kindred.yaml'
  t.match(await client.text('CONFIG', 'REWRITE'), /^-ERR Rewriting config file: /)
})
