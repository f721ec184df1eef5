import t from 'tap'
import { loadConfig, valuesOf } from '../../../src/node/config.js'
import type { Setting } from '../../../src/node/config.js'
import { KNOBS, knobName, sectionOf } from '../../../src/node/config-schema.js'
import type { Knob } from '../../../src/node/config-schema.js'
import { describeAllowed, formatKnob } from '../../../src/node/knob-type.js'
import type { NodeConfig } from '../../../src/node/node-config.js'

const ORIGIN = { workDirectory: '/srv/kindred', configFile: '' }
const MB = 1024 * 1024

/** Settings of the cluster say nothing without members. */
const MEMBERS: readonly Setting[] = ['node-1', 'node-2'].flatMap((name, i) => {
  const path = `cluster.members[${i + 1}]`
  return [
    { path: `${path}.name`, value: name, where: 'node.yaml:1' },
    { path: `${path}.address`, value: '127.0.0.1', where: 'node.yaml:1' },
    { path: `${path}.port`, value: String(7001 + i), where: 'node.yaml:1' },
  ]
})
const MEMBER: readonly Setting[] = [
  ...MEMBERS,
  { path: 'cluster.node', value: 'node-1', where: 'node.yaml:1' },
]

/** What a setting of this section needs beside it. */
function beside(knob: Knob): readonly Setting[] {
  return sectionOf(knob) === 'cluster' ? MEMBER : []
}

function flag(path: string, value: string): Setting {
  return { path, value, where: `--${path.slice(path.lastIndexOf('.') + 1)}` }
}

function configOf(...sources: (readonly Setting[])[]): NodeConfig {
  const loaded = loadConfig(sources, ORIGIN)
  if (loaded.kind === 'refused') throw new Error(loaded.problems.join('\n'))
  return loaded.config
}

function problemsOf(...sources: (readonly Setting[])[]): readonly string[] {
  const loaded = loadConfig(sources, ORIGIN)
  return loaded.kind === 'refused' ? loaded.problems : []
}

t.test('without settings a node gets the documented defaults', (t) => {
  t.same(configOf(), {
    port: 7001,
    smartPort: 8001,
    clusterPort: 17001,
    clusterSecret: '',
    announceAddress: '',
    bind: ['127.0.0.1'],
    dir: '/srv/kindred/data',
    appendFsync: 'always',
    requirePass: '',
    protectedMode: true,
    maxClients: 10000,
    idleTimeoutSeconds: 0,
    handshakeTimeoutSeconds: 10,
    tcpKeepaliveSeconds: 300,
    tcpBacklog: 511,
    logLevel: 'notice',
    protoMaxBulkLenBytes: 512 * MB,
    queryBufferLimitBytes: 1024 * MB,
    outputLimit: { hardBytes: 1024 * MB, softBytes: 256 * MB, softSeconds: 60 },
    slowlogSlowerThanMicroseconds: 10000,
    slowlogMaxLength: 128,
    enableDebugCommand: 'no',
    commitFailurePolicy: 'stop',
    savePoints: '',
    shutdownTimeoutSeconds: 10,
    storage: {
      segmentSizeBytes: 128 * MB,
      segmentsMax: 3,
      blockCacheSizeBytes: 512 * MB,
      compactionRateBytesPerSecond: 128 * MB,
      tableSizeBytes: 64 * MB,
      tableCompression: 'none',
      tableCompressionDeepest: 'none',
      level0CompactionTables: 4,
      level0SlowdownTables: 12,
      level0StopTables: 24,
      levelBaseSizeBytes: 256 * MB,
      levelSizeMultiplier: 10,
      windowTiers: '1h:5m 1d:1h 1d',
      writeStallDelayMaxMs: 100,
      diskReserveBytes: 64 * MB,
      scrubRateBytesPerSecond: 8 * MB,
      scrubIntervalSeconds: 604800,
      snapshotDir: 'snapshots',
      snapshotKeep: 3,
      policies: [],
    },
    cluster: null,
    configFile: '',
  })
  t.end()
})

t.test('every setting has a field of its own in the configuration, and nothing else is in there', (t) => {
  const { storage, cluster, configFile, ...top } = configOf(MEMBER)
  const fieldsOf = (section: string) =>
    KNOBS.filter((knob) => sectionOf(knob) === section).map((knob) => knob.field as string)
  t.same(fieldsOf('').sort(), Object.keys(top).sort())
  const { policies: compactionPolicies, ...storageSettings } = storage
  t.same(fieldsOf('storage').sort(), Object.keys(storageSettings).sort())
  t.same(compactionPolicies, [])
  if (cluster === null) throw new Error('members make a cluster')
  const { self, members, policies, ...settings } = cluster
  t.same(fieldsOf('cluster').sort(), Object.keys(settings).sort())
  t.same([self.name, members.length, policies], ['node-1', 2, []])
  t.equal(configFile, '')
  t.end()
})

t.test('names and paths are unique, lower case and of one section at most', (t) => {
  const names = KNOBS.map(knobName)
  t.equal(new Set(names).size, names.length)
  for (const { path } of KNOBS) t.match(path, /^(storage\.|cluster\.)?[a-z0-9]+(-[a-z0-9]+)*$/)
  t.end()
})

/** For every knob: a value other than its default that is allowed, and one that is not. */
const SAMPLES: Readonly<Record<string, readonly [good: string, bad: string]>> = {
  port: ['7777', '65536'],
  'smart-port': ['7777', '65536'],
  'cluster-port': ['7777', '-1'],
  'cluster-secret': ['secret', 'x'.repeat(513)],
  'cluster-announce-ip': ['10.0.0.1', '300.0.0.1'],
  bind: ['0.0.0.0 ::1', '300.0.0.1'],
  dir: ['/var/lib/kindred', ''],
  appendfsync: ['everysec', 'sometimes'],
  requirepass: ['secret', 'x'.repeat(513)],
  'protected-mode': ['no', 'true'],
  maxclients: ['5', '0'],
  timeout: ['60', '-1'],
  'handshake-timeout': ['3', '0'],
  'tcp-keepalive': ['0', 'x'],
  'tcp-backlog': ['1', '0'],
  loglevel: ['debug', 'loud'],
  'proto-max-bulk-len': ['1mb', '1kb'],
  'client-query-buffer-limit': ['2mb', '2gb'],
  'client-output-buffer-limit': ['normal 0 0 0', 'normal 1'],
  'slowlog-log-slower-than': ['-1', '-2'],
  'slowlog-max-len': ['0', '-1'],
  'enable-debug-command': ['local', 'maybe'],
  'commit-failure-policy': ['die', 'ignore'],
  'shutdown-timeout': ['0', '3601'],
  'storage.segment-size': ['1mb', '1kb'],
  'storage.segments-max': ['2', '1'],
  'storage.block-cache-size': ['1gb', '0'],
  'storage.compaction-rate': ['0', 'fast'],
  'storage.table-size': ['16mb', '2gb'],
  'storage.table-compression': ['lz4', 'gzip'],
  'storage.table-compression-deepest': ['lz4', 'brotli'],
  'storage.level0-compaction-trigger': ['2', '0'],
  'storage.level0-slowdown-trigger': ['8', '1'],
  'storage.level0-stop-trigger': ['40', '2'],
  'storage.level-base-size': ['64mb', '1'],
  'storage.level-size-multiplier': ['4', '1'],
  'storage.window-tiers': ['30s:5s 1m', '1h:5m'],
  'storage.write-stall-delay-max': ['5', '0'],
  'storage.disk-reserve': ['0', '-1'],
  'storage.scrub-rate': ['0', 'slow'],
  'storage.scrub-interval': ['0', '-1'],
  'storage.snapshot-dir': ['/backups/node-1', ''],
  'storage.snapshot-keep': ['0', '-1'],
  save: ['3600 1 300 100', '3600'],
  'cluster.node': ['node-2', 'node 2'],
  'cluster.replicas': ['1', '0'],
  'cluster.read-consistency': ['ONE', 'MOST'],
  'cluster.write-consistency': ['all', '2'],
  'cluster.write-timeout': ['100', '1'],
  'cluster.read-timeout': ['100', '0'],
  'cluster.speculative-delay': ['5', '0'],
  'cluster.max-clock-drift': ['100', '0'],
  'cluster.flush-timeout': ['500', '1'],
  'cluster.catch-up-max': ['0', '-1'],
  'cluster.gossip-interval': ['200', '99'],
  'cluster.ping-interval': ['300', '1000'],
  'cluster.phi-convict-threshold': ['12', '4'],
  'cluster.phi-suspicious-threshold': ['4', '17'],
  'cluster.phi-window-size': ['50', '9'],
  'cluster.anti-entropy-interval': ['0', '-1'],
  'cluster.anti-entropy-rate': ['1mb', 'x'],
  'cluster.tombstone-grace': ['36000000', '-1'],
  'cluster.purge-hard-age': ['60000', '1'],
  'cluster.purge-held-max': ['20', '0'],
  'cluster.hinted-handoff-enabled': ['no', 'maybe'],
  'cluster.max-hint-window': ['60000', '-1'],
  'cluster.max-hints-size-per-host': ['64mb', '1kb'],
  'cluster.hinted-handoff-throttle': ['1mb', 'fast'],
  'cluster.sloppy-quorum': ['no', '2'],
}

t.test(
  'every setting takes an allowed value and refuses another with path, value, place and what is allowed',
  (t) => {
    t.same(Object.keys(SAMPLES).sort(), KNOBS.map((knob) => knob.path).sort(), 'a sample for each')
    for (const knob of KNOBS) {
      const [good, bad] = SAMPLES[knob.path]
      const changed = configOf(beside(knob), [flag(knob.path, good)])
      t.notSame(changed, configOf(beside(knob)), `${knob.path} takes ${good}`)
      const where = `--${knobName(knob)}`
      const shown = knob.secret ? 'a value that is not shown' : JSON.stringify(bad)
      t.same(
        problemsOf(beside(knob), [flag(knob.path, bad)]),
        [`${knob.path}: ${shown} (${where}), allowed: ${describeAllowed(knob.type)}`],
        `${knob.path} refuses ${bad.slice(0, 20)}`,
      )
    }
    t.end()
  },
)

t.test('a value of requirepass never appears in a message', (t) => {
  const password = 'hunter2'.repeat(100)
  t.notMatch(problemsOf([flag('requirepass', password)]).join(), /hunter2/)
  t.end()
})

t.test('later sources go over earlier ones', (t) => {
  const file = [
    { path: 'port', value: '1111', where: 'node.yaml:1' },
    { path: 'maxclients', value: '50', where: 'node.yaml:2' },
  ]
  const config = configOf(file, [flag('port', '2222')])
  t.equal(config.port, 2222)
  t.equal(config.maxClients, 50)
  t.end()
})

t.test('a wrong value is refused even where a later source overrides it', (t) => {
  const file = [{ path: 'port', value: 'none', where: 'node.yaml:7' }]
  t.same(problemsOf(file, [flag('port', '2222')]), [
    'port: "none" (node.yaml:7), allowed: an integer from 0 to 65535',
  ])
  t.end()
})

t.test('all problems are listed at once, unknown settings with the nearest known name', (t) => {
  const settings = ['maxcilents', 'segment-size', 'storage.port', 'appendonly-everything'].map((path) => ({
    path,
    value: '1',
    where: 'node.yaml:3',
  }))
  t.same(problemsOf([...settings, flag('timeout', 'x')]), [
    'maxcilents: no such setting (node.yaml:3); did you mean maxclients?',
    'segment-size: no such setting (node.yaml:3); did you mean storage.segment-size?',
    'storage.port: no such setting (node.yaml:3); did you mean port?',
    'appendonly-everything: no such setting (node.yaml:3)',
    'timeout: "x" (--timeout), allowed: an integer from 0 to 2147483647',
  ])
  t.end()
})

t.test('the triggers of level 0 must rise', (t) => {
  t.match(problemsOf([flag('storage.level0-compaction-trigger', '12')]), [
    /^storage\.level0-slowdown-trigger: 12, allowed: more than storage\.level0-compaction-trigger, which is 12$/,
  ])
  t.match(problemsOf([flag('storage.level0-stop-trigger', '12')]), [
    /^storage\.level0-stop-trigger: 12, allowed: more than storage\.level0-slowdown-trigger, which is 12$/,
  ])
  t.end()
})

t.test('the data directory is absolute, relative ones being taken from where the node was started', (t) => {
  t.equal(configOf([flag('dir', 'x/y')]).dir, '/srv/kindred/x/y')
  t.equal(configOf([flag('dir', '/x/y')]).dir, '/x/y')
  t.end()
})

t.test('the values of a configuration make the same configuration again', (t) => {
  const single = KNOBS.filter((knob) => sectionOf(knob) !== 'cluster')
  const clustered = KNOBS.filter(
    (knob) => !['port', 'smart-port', 'cluster-port', 'cluster-secret', 'bind'].includes(knob.path),
  )
  for (const [knobs, lists] of [
    [single, []],
    [clustered, MEMBERS],
  ] as const) {
    const config = configOf(
      lists,
      knobs.map((knob) => flag(knob.path, SAMPLES[knob.path][0])),
    )
    const again = [...valuesOf(config)].map(([name, value]) => {
      const knob = KNOBS.find((candidate) => knobName(candidate) === name)
      return flag(knob?.path ?? name, formatKnob(value))
    })
    t.same(configOf(lists, again), config)
  }
  t.end()
})
