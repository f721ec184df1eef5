import t from 'tap'
import { ONE, QUORUM } from '../../../src/coordinator/consistency.js'
import { clusterWarnings } from '../../../src/node/cluster-checks.js'
import { PHI_ACCRUAL_DEFAULTS } from '../../../src/membership/phi-accrual.js'
import { linkSettings } from '../../../src/node/link-settings.js'
import { parseConfigFile } from '../../../src/node/config-file.js'
import { loadConfig } from '../../../src/node/config.js'
import type { Setting } from '../../../src/node/config.js'
import type { NodeConfig } from '../../../src/node/node-config.js'
import { NodeSettings } from '../../../src/node/runtime-settings.js'

const ORIGIN = { workDirectory: '/srv', configFile: '' }
const SECRET = 'x'.repeat(32)

const THREE = [
  '    - { name: node-1, address: 127.0.0.1, port: 7001, host: h1, rack: r1 }',
  '    - { name: node-2, address: 127.0.0.1, port: 7002, smart-port: 9002, cluster-port: 9102, weight: 2 }',
  '    - { name: node-3, address: localhost, port: 7003, id: 00000000000000000000000000000000000000ff }',
]

/** A file with these lines in section cluster, and others before it. */
function load(
  members: readonly string[],
  of: {
    node?: string
    cluster?: readonly string[]
    top?: readonly string[]
    flags?: readonly Setting[]
  } = {},
) {
  const { node = 'node-1', cluster = [], top = [], flags = [] } = of
  const text = [
    ...top,
    'cluster:',
    ...(node === '' ? [] : [`  node: ${node}`]),
    ...cluster,
    ...(members.length === 0 ? [] : ['  members:', ...members]),
  ].join('\n')
  const file = parseConfigFile(text, 'f')
  const loaded = loadConfig([file.settings, flags], ORIGIN)
  return { loaded, problems: [...file.problems, ...(loaded.kind === 'refused' ? loaded.problems : [])] }
}

function problemsOf(...args: Parameters<typeof load>): readonly string[] {
  return load(...args).problems
}

function configOf(...args: Parameters<typeof load>): NodeConfig {
  const { loaded, problems } = load(...args)
  if (loaded.kind === 'refused') throw new Error(problems.join('\n'))
  return loaded.config
}

t.test('members get what they were not given: ports from their port, ids from their names', (t) => {
  const { cluster } = configOf(THREE)
  t.same(cluster?.members, [
    {
      name: 'node-1',
      id: '6dff40bedfa6cc013483be8c0c3b17cf5a1f25a5',
      host: 'h1',
      rack: 'r1',
      datacenter: null,
      weight: 1,
      address: '127.0.0.1',
      port: 7001,
      smartPort: 8001,
      clusterPort: 17001,
    },
    {
      name: 'node-2',
      id: 'dbe5ba3dc6f9f9c618b3be32786ea28bd9cdd3d4',
      host: null,
      rack: null,
      datacenter: null,
      weight: 2,
      address: '127.0.0.1',
      port: 7002,
      smartPort: 9002,
      clusterPort: 9102,
    },
    {
      name: 'node-3',
      id: '00000000000000000000000000000000000000ff',
      host: null,
      rack: null,
      datacenter: null,
      weight: 1,
      address: 'localhost',
      port: 7003,
      smartPort: 8003,
      clusterPort: 17003,
    },
  ])
  t.equal(cluster?.self, cluster?.members[0])
  t.match(cluster, { node: 'node-1', replicas: 3, readLevel: QUORUM, writeLevel: QUORUM, policies: [] })
  t.end()
})

t.test("a node listens where its own member's entry says, and announces that address", (t) => {
  const own = configOf(THREE, { node: 'node-2' })
  t.match(own, { port: 7002, smartPort: 9002, clusterPort: 9102, announceAddress: '127.0.0.1' })
  const announced = configOf(THREE, { top: ['cluster-announce-ip: 203.0.113.7'] })
  t.equal(announced.announceAddress, '203.0.113.7')
  t.end()
})

t.test('the node may be chosen on the command line, so that all share one file', (t) => {
  const flags = [{ path: 'cluster.node', value: 'node-3', where: '--node' }]
  t.match(configOf(THREE, { flags }), {
    port: 7003,
    cluster: { node: 'node-3', self: { address: 'localhost' } },
  })
  t.end()
})

t.test("a port beside another one of the own member's entry is refused with both", (t) => {
  const flags = [{ path: 'port', value: '7005', where: '--port' }]
  t.same(problemsOf(THREE, { flags }), [
    'port: 7005 (--port), allowed: 7001, which cluster.members has for node-1',
  ])
  t.same(problemsOf(THREE, { top: ['port: 7001', 'smart-port: 8001', 'cluster-port: 0'] }), [])
  t.match(problemsOf(THREE, { top: ['cluster-port: 17009'] }), [
    /^cluster-port: 17009 \(f:1\), allowed: 17001, /,
  ])
  t.end()
})

t.test('policies carry what they say of conflicts and levels', (t) => {
  const cluster = [
    '  policies:',
    "    - { prefix: 'cart:' }",
    "    - { prefix: '', conflicts: lww, read-consistency: one, write-consistency: QUORUM }",
  ]
  t.same(configOf(THREE, { cluster }).cluster?.policies, [
    { prefix: 'cart:', conflicts: 'siblings', read: null, write: null },
    { prefix: '', conflicts: 'lww', read: ONE, write: QUORUM },
  ])
  t.end()
})

t.test('a node that is none of the members is refused with the list', (t) => {
  t.same(problemsOf(THREE, { node: 'node-9' }), [
    'cluster.node: "node-9" (f:2), allowed: one of the members node-1, node-2, node-3',
  ])
  t.same(problemsOf(THREE, { node: '' }), [
    'cluster.node: missing, allowed: one of the members node-1, node-2, node-3',
  ])
  t.end()
})

t.test('settings of the cluster without members are refused, their defaults are not', (t) => {
  t.same(problemsOf([], { node: 'node-1', cluster: ['  replicas: 2', '  read-consistency: QUORUM'] }), [
    'cluster.node: "node-1" (f:2), allowed: only together with cluster.members',
    'cluster.replicas: "2" (f:3), allowed: only together with cluster.members',
  ])
  t.same(problemsOf([], { node: '', cluster: ['  policies:', '    - { prefix: a }'] }), [
    'cluster.policies: 1 policies, allowed: only together with cluster.members',
  ])
  t.end()
})

t.test('entries are refused with their place, the value and what is allowed, all at once', (t) => {
  const members = [
    '    - { name: node 1, address: 127.0.0.300, port: 0, weigth: 2 }',
    '    - { port: 7002, weight: 65, id: FF }',
  ]
  t.same(problemsOf(members), [
    'cluster.members[1].weigth: no such key (f:4); did you mean weight?',
    'cluster.members[1].name: "node 1" (f:4), allowed: 1 to 64 letters, digits, dots, dashes and underscores',
    'cluster.members[1].address: "127.0.0.300" (f:4), allowed: an IP address or a host name',
    'cluster.members[1].port: "0" (f:4), allowed: an integer from 1 to 65535',
    'cluster.members[2].name: missing (f:5), allowed: 1 to 64 letters, digits, dots, dashes and underscores',
    'cluster.members[2].address: missing (f:5), allowed: an IP address or a host name',
    'cluster.members[2].weight: "65" (f:5), allowed: an integer from 1 to 64',
    'cluster.members[2].id: "FF" (f:5), allowed: 40 lower-case hexadecimal digits',
  ])
  const cluster = ['  policies:', '    - { conflicts: newest, read-consistency: SOME }']
  t.same(problemsOf(THREE, { cluster }), [
    'cluster.policies[1].prefix: missing (f:4), allowed: text of 0 to 512 characters',
    'cluster.policies[1].conflicts: "newest" (f:4), allowed: one of siblings, lww',
    'cluster.policies[1].read-consistency: "SOME" (f:4), allowed: one of ONE, TWO, QUORUM, ALL, LOCAL_QUORUM, EACH_QUORUM, LOCAL_ONE',
  ])
  t.end()
})

t.test('names, ids, addresses and prefixes may occur once', (t) => {
  const twice = [
    '    - { name: node-1, address: 127.0.0.1, port: 7001 }',
    '    - { name: node-1, address: 127.0.0.1, port: 8001 }',
  ]
  t.same(problemsOf(twice), [
    'cluster.members[2].name: "node-1" (f:5), allowed: a name that no other member has; it is also cluster.members[1].name',
    'cluster.members[2].id: "6dff40bedfa6cc013483be8c0c3b17cf5a1f25a5" (f:5), allowed: an id that no other member has; it is also cluster.members[1].id',
    'cluster.members[2].port: "127.0.0.1:8001" (f:5), allowed: a port that nothing else has at that address; it is also cluster.members[1].smart-port',
  ])
  const cluster = ['  policies:', '    - { prefix: a }', '    - { prefix: a, conflicts: lww }']
  t.same(problemsOf(THREE, { cluster }), [
    'cluster.policies[2].prefix: "a" (f:5), allowed: a prefix that no other policy has; it is also cluster.policies[1].prefix',
  ])
  t.end()
})

t.test('ports that would follow beyond the highest are refused, but not to a single node', (t) => {
  const high = ['    - { name: node-1, address: 127.0.0.1, port: 65000 }']
  t.same(problemsOf(high), [
    'cluster.members[1].smart-port: 66000 as it follows from port 65000 (f:4), allowed: an integer up to 65535',
    'cluster.members[1].cluster-port: 75000 as it follows from port 65000 (f:4), allowed: an integer up to 65535',
  ])
  const single = loadConfig([[{ path: 'port', value: '65000', where: '--port' }]], ORIGIN)
  t.match(single, { kind: 'config', config: { port: 65000, smartPort: 0, clusterPort: 0 } })
  t.end()
})

t.test('beyond this machine a secret of 32 characters is needed', (t) => {
  const remote = [...THREE.slice(0, 2), '    - { name: node-3, address: 10.0.0.3 }']
  const why = 'because node-3 at 10.0.0.3 is beyond this machine (cluster.members)'
  t.same(problemsOf(remote), [
    `cluster-secret: missing, allowed: 32 characters or more, the same on all nodes, ${why}`,
  ])
  const short = problemsOf(remote, { top: ['cluster-secret: hunter2hunter2'] })
  t.same(short, [
    `cluster-secret: 14 characters, allowed: 32 characters or more, the same on all nodes, ${why}`,
  ])
  t.same(problemsOf(remote, { top: [`cluster-secret: ${SECRET}`] }), [])
  t.same(problemsOf(THREE, { top: ['cluster-secret: short'] }), [], 'on loopback any will do')
  t.match(problemsOf(THREE, { top: ['bind: [127.0.0.1, 0.0.0.0]'] }), [
    /^cluster-secret: missing, .* because this node listens on 0\.0\.0\.0 \(bind\)$/,
  ])
  t.end()
})

t.test('a node that the others cannot reach is refused', (t) => {
  const remote = ['    - { name: node-1, address: 10.0.0.1 }']
  const top = [`cluster-secret: ${SECRET}`]
  t.same(problemsOf(remote, { top }), [
    'bind: 127.0.0.1, allowed: also an address that other machines reach, because node-1 is at 10.0.0.1 for the other members',
  ])
  t.same(problemsOf(remote, { top: [...top, 'bind: 10.0.0.1'] }), [])
  t.end()
})

t.test('a level that so few copies cannot meet is refused', (t) => {
  const one = THREE.slice(0, 1)
  t.same(problemsOf(one, { cluster: ['  read-consistency: TWO'] }), [
    'cluster.read-consistency: TWO, allowed: what 1 copy of a key can meet',
  ])
  t.same(
    problemsOf(THREE, {
      cluster: ['  replicas: 1', '  policies:', '    - { prefix: a, write-consistency: TWO }'],
    }),
    ['write-consistency of the policy for "a": TWO, allowed: what 1 copy of a key can meet'],
  )
  t.same(problemsOf(THREE, { cluster: ['  replicas: 1', '  write-consistency: ALL'] }), [])
  t.end()
})

t.test('a peer is not suspicious later than it is down', (t) => {
  const of = (suspicious: number, convict: number) => ({
    cluster: [`  phi-suspicious-threshold: ${suspicious}`, `  phi-convict-threshold: ${convict}`],
  })
  t.equal(load(THREE, of(8, 8)).loaded.kind, 'config')
  t.same(load(THREE, of(9, 8)).problems, [
    'cluster.phi-suspicious-threshold: 9, allowed: at most cluster.phi-convict-threshold, which is 8',
  ])
  t.end()
})

t.test('P1 deletions stay for longer than hints are kept', (t) => {
  const of = (grace: number, window: number) => ({
    cluster: [`  tombstone-grace: ${grace}`, `  max-hint-window: ${window}`],
  })
  t.equal(load(THREE, of(1001, 1000)).loaded.kind, 'config')
  t.same(load(THREE, of(1000, 1000)).problems, [
    'cluster.tombstone-grace: 1000, allowed: more than cluster.max-hint-window, which is 1000',
  ])
  t.end()
})

t.test('the failure detector goes by the settings, its times by the ping interval', (t) => {
  const cluster = ['  ping-interval: 300', '  phi-convict-threshold: 12', '  phi-window-size: 50']
  const { loaded } = load(THREE, { cluster })
  if (loaded.kind === 'refused' || loaded.config.cluster === null) throw new Error('it loads')
  const settings = linkSettings(loaded.config.cluster, 'secret')
  t.match(settings, { secret: 'secret', pingIntervalMs: 300, phiSuspicious: 5 })
  t.same(settings.phi, {
    windowSize: 50,
    deviationMsMin: 300,
    firstIntervalMs: 300,
    sampleEveryMs: 150,
    threshold: 12,
  })
  const { loaded: defaults } = load(THREE)
  if (defaults.kind === 'refused' || defaults.config.cluster === null) throw new Error('it loads')
  t.same(linkSettings(defaults.config.cluster, '').phi, PHI_ACCRUAL_DEFAULTS)
  t.end()
})

t.test('what gives up a promise is allowed, and said', (t) => {
  const said = (...cluster: string[]) => clusterWarnings(configOf(THREE, { cluster }))
  t.same(said(), [])
  t.match(said('  write-consistency: ONE'), [
    /^cluster\.write-consistency is ONE: OK is answered when 1 of 3 replicas have a write/,
    /^cluster\.read-consistency QUORUM and cluster\.write-consistency ONE do not overlap on 3 replicas/,
  ])
  t.same(said('  write-consistency: ONE', '  read-consistency: ALL').length, 1)
  t.match(said('  policies:', '    - { prefix: a, write-consistency: ONE }'), [
    /^write-consistency of the policy for "a" is ONE/,
  ])
  t.match(said('  replicas: 5'), [/^cluster\.replicas is 5, but there are 3 members/])
  t.same(clusterWarnings({ ...configOf(THREE), cluster: null }), [])
  t.end()
})

t.test('settings of a running cluster may contradict each other no more than those in its file', (t) => {
  const node = new NodeSettings(configOf(THREE))
  t.equal(node.contradiction(), null)
  t.equal(node.set('max-hint-window', '86400000'), null)
  t.match(
    node.contradiction(),
    /^cluster.tombstone-grace: 14400000, allowed: more than cluster.max-hint-window/,
  )
  t.equal(node.set('tombstone-grace', '86400001'), null)
  t.equal(node.contradiction(), null)
  t.end()
})

t.test('CONFIG GET shows the settings of the cluster, and CONFIG SET changes those that may change', (t) => {
  const node = new NodeSettings(
    configOf(THREE, { cluster: ["  policies: [{ prefix: 'a', conflicts: lww }]"] }),
  )
  const shown = [
    'port',
    'smart-port',
    'cluster-port',
    'cluster-announce-ip',
    'node',
    'replicas',
    'write-consistency',
    'cluster-enabled',
    'appendonly',
  ]
  t.same(
    shown.map((name) => node.get(name)),
    ['7001', '8001', '17001', '127.0.0.1', 'node-1', '3', 'QUORUM', 'yes', 'yes'],
  )
  t.equal(node.set('write-consistency', 'one'), null)
  t.equal(node.get('write-consistency'), 'ONE')
  t.match(node.current.cluster, { writeLevel: ONE, readLevel: QUORUM, self: { name: 'node-1' } })
  t.equal(node.current.cluster?.members.length, 3)
  t.match(node.current.cluster?.policies, [{ prefix: 'a', conflicts: 'lww' }])
  t.equal(node.set('cluster-enabled', 'yes'), null)
  t.equal(node.set('cluster-enabled', 'no'), "can't set immutable config")
  t.equal(node.set('replicas', '2'), "can't set immutable config")
  t.equal(node.set('read-consistency', 'x')?.startsWith('argument(s) must be one of'), true)
  t.end()
})
