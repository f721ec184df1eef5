import t from 'tap'
import { describeStartError } from '../../../src/cli/run-node.js'
import { welcome } from '../../../src/cli/up-command.js'
import { loadConfig } from '../../../src/node/config.js'
import type { NodeConfig } from '../../../src/node/node-config.js'

function config(changes: Partial<NodeConfig> = {}): NodeConfig {
  const loaded = loadConfig([], { workDirectory: '/home/me/project', configFile: '' })
  if (loaded.kind === 'refused') throw new Error(loaded.problems.join('\n'))
  return { ...loaded.config, ...changes }
}

t.test('the table has the address, the data directory as seen from here, and the durability', (t) => {
  t.same(welcome(config({ dir: '/home/me/project/data/node-1' }), 7001, '/home/me/project'), [
    'address         data directory  durability',
    '127.0.0.1:7001  ./data/node-1   every write is on disk before its reply (appendfsync always)',
    '',
    'Try it from another terminal:',
    '  redis-cli -p 7001 set greeting hello',
    '  redis-cli -p 7001 get greeting',
    '',
    'Ctrl-C stops it.',
  ])
  t.end()
})

t.test('each durability is said in words', (t) => {
  t.match(
    welcome(config({ appendFsync: 'everysec' }), 1, '/')[1],
    /within a second \(appendfsync everysec\)$/,
  )
  t.match(welcome(config({ appendFsync: 'no' }), 1, '/')[1], /when the system pleases \(appendfsync no\)$/)
  t.end()
})

t.test('the commands reach the node where it listens, and ask for the password without showing it', (t) => {
  const shown = (changes: Partial<NodeConfig>) => welcome(config(changes), 1, '/')
  const remote = shown({ bind: ['10.0.0.5', '::1'], dir: '/var/lib/kindred' })
  t.match(remote[1], /^10\.0\.0\.5:1, \[::1\]:1 {2}/)
  t.match(remote[4], '  redis-cli -h 10.0.0.5 -p 1 set greeting hello')
  t.match(shown({ bind: ['0.0.0.0'] })[4], '  redis-cli -p 1 set')
  const secret = shown({ requirePass: 'hunter2' })
  t.match(secret[4], '  redis-cli -p 1 --askpass set greeting hello')
  t.notMatch(secret.join('\n'), /hunter2/)
  t.end()
})

t.test('a failed start says what to do about it', (t) => {
  const said = (code: string, address?: string) =>
    describeStartError(Object.assign(new Error(`listen ${code}`), { code, address }), config())
  t.match(said('EADDRINUSE', '::1'), /^port 7001 on ::1 is in use already.*--port/)
  t.match(said('EADDRINUSE'), /^port 7001 on 127\.0\.0\.1 is in use already/)
  t.match(said('EACCES'), /--port.*--dir/)
  t.match(said('EADDRNOTAVAIL', '10.9.9.9'), /10\.9\.9\.9.*no such address.*--bind/)
  t.equal(
    describeStartError(new Error('the log is damaged'), config()),
    'the node could not start: the log is damaged',
  )
  t.end()
})
