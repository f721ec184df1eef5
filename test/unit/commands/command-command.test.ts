import t from 'tap'
import { renderCommandList } from '../../../src/commands/command-list.js'
import { COMMAND_ROWS } from '../../../src/commands/command-table.js'
import { PrivateRedis } from '../../support/private-redis.js'
import { NodeClient, registry } from './node-client.js'
import { differences } from './redis-comparison.js'

t.test('COMMAND answers as redis-server in RESP2 and RESP3', async (t) => {
  const redis = await PrivateRedis.start()
  const connection = await redis.open()
  const client = new NodeClient()
  const requests = [
    'get a',
    'mset a b c d',
    'mset a b c',
    'set a b',
    'set a b GET',
    'set a b EX 10 get',
    'del a b a',
  ]
  const keyless = [
    'ping x',
    'nonsense x',
    'object encoding',
    'object encoding k',
    'object nonsense k',
    'client id',
    'get a b',
  ]
  const others = [
    'rename a b',
    'copy a b replace',
    'lcs a b',
    'memory usage k',
    'strlen k',
    'getex k persist',
    'touch k k',
  ]
  const lines = [
    ...[...requests, ...keyless, ...others].flatMap((request) => [
      `command getkeys ${request}`,
      `command getkeysandflags ${request}`,
    ]),
    'command getkeys get',
    'command info nonsense',
    'command info client|nonsense',
    'command docs nonsense',
    'command list filterby',
    'command list filterby module x',
    'command list filterby aclcat nonsense',
    'command list filterby aclcat @read',
    'command list filterby pattern "nonsense*"',
    'command list filterby pattern "client|setn*"',
    'command list filterby nonsense x',
    'command list filterby pattern x y',
    'command list nonsense',
    'command count x',
    'command nonsense',
  ]
  for (const protocol of ['2', '3']) {
    await client.text('HELLO', protocol)
    await connection.text('HELLO', protocol)
    t.same(await differences(client, connection, lines), [], `RESP${protocol}`)
  }
  connection.close()
  await redis.stop()
})

t.test('COMMAND, COUNT and LIST agree with each other', async (t) => {
  const client = new NodeClient()
  const all = (await client.value('COMMAND')) as readonly unknown[]
  t.equal(await client.value('COMMAND', 'COUNT'), all.length)
  t.same(await client.value('COMMAND', 'INFO'), all)
  const names = (await client.value('COMMAND', 'LIST')) as readonly string[]
  t.same(
    names,
    [...registry.everyCommand()].map((command) => command.name),
  )
  const strings = await client.value('COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', 'Transaction')
  t.same(strings, ['multi', 'exec', 'discard', 'watch', 'unwatch'])
})

t.test('DELEX, DELIFEQ and SET IFEQ tell their keys like the commands they resemble', async (t) => {
  const client = new NodeClient()
  t.same(await client.value('COMMAND', 'GETKEYS', 'DELEX', 'k', 'IFEQ', 'v'), ['k'])
  t.same(await client.value('COMMAND', 'GETKEYSANDFLAGS', 'DELIFEQ', 'k', 'v'), [
    ['k', ['+RW', '+access', '+delete']],
  ])
  t.same(await client.value('COMMAND', 'GETKEYSANDFLAGS', 'SET', 'k', 'v', 'IFEQ', 'w'), [
    ['k', ['+RW', '+access', '+update']],
  ])
})

t.test("the README's command list has every command with its arguments", async (t) => {
  const list = renderCommandList(COMMAND_ROWS)
  for (const { name } of registry.everyCommand()) {
    const usage = name.toUpperCase().replace('|', ' ')
    if (name.endsWith('|help') || registry.byName(name)?.row.subcommands !== undefined) continue
    t.match(list, new RegExp(`^\\| \`${usage}[ \`]`, 'm'), name)
  }
  t.match(list, /^\| `GETEX key \[EX seconds \\\| PX milliseconds .*` \| .*\. \|$/m)
  t.notMatch(list, 'undefined')
})
