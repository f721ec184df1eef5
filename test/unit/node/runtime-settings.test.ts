import t from 'tap'
import { loadConfig } from '../../../src/node/config.js'
import { KNOBS, knobName } from '../../../src/node/config-schema.js'
import { FIXED_SETTINGS } from '../../../src/node/fixed-settings.js'
import { NodeSettings } from '../../../src/node/runtime-settings.js'

function settings(onChange?: (name: string) => void): NodeSettings {
  const loaded = loadConfig([], { workDirectory: '/srv', configFile: '/etc/kindred.yaml' })
  if (loaded.kind === 'refused') throw new Error(loaded.problems.join('\n'))
  return new NodeSettings(loaded.config, onChange)
}

t.test('every setting and every constant has a value under its name, in any case', (t) => {
  const node = settings()
  const expected = [...KNOBS.map(knobName), ...FIXED_SETTINGS.map(({ name }) => name)].sort()
  t.same(node.names(), expected)
  t.equal(new Set(expected).size, expected.length, 'no name is used twice')
  for (const name of expected) t.type(node.get(name.toUpperCase()), 'string', name)
  t.equal(node.get('nonsense'), undefined)
  t.end()
})

t.test('values are printed as Redis prints them', (t) => {
  const node = settings()
  const printed = {
    port: '7001',
    bind: '127.0.0.1',
    dir: '/srv/data',
    appendfsync: 'always',
    'protected-mode': 'yes',
    'proto-max-bulk-len': '536870912',
    'client-output-buffer-limit': 'normal 1073741824 268435456 60',
    'block-cache-size': '536870912',
    save: '',
    appendonly: 'yes',
    maxmemory: '0',
    'maxmemory-policy': 'noeviction',
    databases: '1',
    'cluster-enabled': 'no',
    'notify-keyspace-events': '',
  }
  for (const [name, value] of Object.entries(printed)) t.equal(node.get(name), value, name)
  t.end()
})

t.test('what may change while running changes, in the configuration and for listeners', (t) => {
  const changed: string[] = []
  const node = settings((name) => changed.push(name))
  const before = node.current
  t.equal(node.set('MaxClients', '5'), null)
  t.equal(node.set('requirepass', 'secret'), null)
  t.equal(node.set('proto-max-bulk-len', '2mb'), null)
  t.equal(node.set('client-output-buffer-limit', 'normal 1mb 0 0'), null)
  t.equal(node.current.maxClients, 5)
  t.equal(node.requirePass, 'secret')
  t.equal(node.protoMaxBulkLenBytes, 2 * 1024 * 1024)
  t.equal(node.get('client-output-buffer-limit'), 'normal 1048576 0 0')
  t.same(changed, ['maxclients', 'requirepass', 'proto-max-bulk-len', 'client-output-buffer-limit'])
  t.equal(before.maxClients, 10000, 'a configuration that somebody holds does not change under it')
  t.equal(node.current.dir, before.dir)
  t.equal(node.current.configFile, '/etc/kindred.yaml')
  t.end()
})

t.test('the port is the bound one once the node listens', (t) => {
  const node = settings()
  node.listensOn(50123)
  t.equal(node.port, 50123)
  t.equal(node.get('port'), '50123')
  t.equal(node.current.dir, '/srv/data')
  t.end()
})

t.test('what may not change while running is refused as Redis refuses it', (t) => {
  const changed: string[] = []
  const node = settings((name) => changed.push(name))
  for (const knob of KNOBS.filter((candidate) => !candidate.runtime)) {
    t.equal(node.set(knobName(knob), knob.fallback), "can't set immutable config", knob.path)
  }
  t.equal(node.set('databases', '16'), "can't set immutable config")
  t.same(changed, [])
  t.end()
})

t.test('a wrong value changes nothing and gets the reason in the words of Redis', (t) => {
  const node = settings()
  const before = node.current
  const reasons = {
    maxclients: ['abc', "argument couldn't be parsed into an integer"],
    timeout: ['-1', 'argument must be between 0 and 2147483647 inclusive'],
    loglevel: ['x', 'argument(s) must be one of the following: debug, verbose, notice, warning'],
    'protected-mode': ['x', "argument must be 'yes' or 'no'"],
    'proto-max-bulk-len': ['1x', 'argument must be a memory value'],
  }
  for (const [name, [value, reason]] of Object.entries(reasons)) t.equal(node.set(name, value), reason, name)
  t.equal(node.current, before)
  t.end()
})

t.test('a constant may be set to what it is, as set-up scripts do', (t) => {
  const node = settings()
  t.equal(node.set('supervised', 'no'), null)
  t.equal(node.set('notify-keyspace-events', ''), null)
  t.equal(node.set('notify-keyspace-events', 'Ex'), "can't set immutable config")
  t.end()
})

t.test('DEBUG is open to everybody only when it says yes', (t) => {
  for (const [value, open] of [
    ['no', false],
    ['local', false],
    ['yes', true],
  ] as const) {
    const source = [{ path: 'enable-debug-command', value, where: 'test' }]
    const loaded = loadConfig([source], { workDirectory: '/', configFile: '' })
    if (loaded.kind === 'refused') throw new Error(loaded.problems.join('\n'))
    t.equal(new NodeSettings(loaded.config).enableDebugCommand, open, value)
  }
  t.end()
})
