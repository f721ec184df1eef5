import { readFileSync } from 'node:fs'
import t from 'tap'
import { CONFIG_FILE_LENGTH_MAX, parseConfigFile } from '../../../src/node/config-file.js'
import { defaultOf, loadConfig } from '../../../src/node/config.js'
import { COMPACTION_POLICY_KEYS } from '../../../src/node/compaction-policies.js'
import { MEMBER_KEYS, POLICY_KEYS } from '../../../src/node/cluster-schema.js'
import { KNOBS, knobByPath } from '../../../src/node/config-schema.js'
import { describeAllowed, parseKnob } from '../../../src/node/knob-type.js'

const ORIGIN = { workDirectory: '/', configFile: '' }

t.test('settings are read as they are written, with their place', (t) => {
  const text = [
    'port: 07001',
    'storage:',
    '  segment-size: 1mb',
    'bind: [127.0.0.1, "::1"]',
    'requirepass: 0123',
  ].join('\n')
  t.same(parseConfigFile(text, 'node.yaml'), {
    settings: [
      { path: 'port', value: '07001', where: 'node.yaml:1' },
      { path: 'storage.segment-size', value: '1mb', where: 'node.yaml:3' },
      { path: 'bind', value: '127.0.0.1 ::1', where: 'node.yaml:4' },
      { path: 'requirepass', value: '0123', where: 'node.yaml:5' },
    ],
    problems: [],
  })
  t.end()
})

t.test('every key of the entries of a list is a setting, numbered from one', (t) => {
  const text = ['cluster:', '  members:', '    - { name: a, port: 1 }', '    - name: b', '      rack:'].join(
    '\n',
  )
  t.same(parseConfigFile(text, 'f'), {
    settings: [
      { path: 'cluster.members[1].name', value: 'a', where: 'f:3' },
      { path: 'cluster.members[1].port', value: '1', where: 'f:3' },
      { path: 'cluster.members[2].name', value: 'b', where: 'f:4' },
      { path: 'cluster.members[2].rack', value: '', where: 'f:5' },
    ],
    problems: [],
  })
  t.end()
})

t.test('an empty file and one of comments only set nothing', (t) => {
  for (const text of ['', '# nothing\n', '---\n']) {
    t.same(parseConfigFile(text, 'f'), { settings: [], problems: [] }, JSON.stringify(text))
  }
  t.end()
})

t.test('words that other YAML schemas turn into booleans stay words', (t) => {
  const { settings } = parseConfigFile('appendfsync: no\nprotected-mode: yes\nrequirepass:\n', 'f')
  t.same(
    settings.map(({ value }) => value),
    ['no', 'yes', ''],
  )
  t.end()
})

t.test('what is not a list of settings is reported with its place', (t) => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['port: [1', /^f:1: not valid YAML: /],
    ['port: 1\nport: 2', /^f:2: not valid YAML: .*unique/],
    ['just words', /^f:1: a configuration file is a list of "name: value" lines$/],
    ['- a\n- b', /^f:1: a configuration file is a list/],
    ['port: 1\nbind:\n  - [a]', /^f:2: bind is a structure, where a single value is expected$/],
    ['storage:\n  deeper:\n    deep: 1', /^f:2: storage\.deeper is a structure/],
    ['cluster:\n  members: [{ a: [1] }]', /^f:2: cluster\.members\[1\]\.a is a structure/],
    ['cluster:\n  members: [{ a: 1 }, 2]', /^f:2: cluster\.members is a structure/],
    ['cluster:\n  members: [{ a: 1 }, {}]', /^f:2: cluster\.members\[2\] is empty/],
    ['dir: &d x\nrequirepass: *d', /^f:2: requirepass is a reference to elsewhere/],
    ['x'.repeat(CONFIG_FILE_LENGTH_MAX + 1), /^f: is longer than/],
  ]
  for (const [text, message] of wrong) {
    const { problems } = parseConfigFile(text, 'f')
    t.equal(problems.length, 1, text.slice(0, 20))
    t.match(problems[0], message)
  }
  t.end()
})

const DOCUMENTED = 'cluster-config/node.yaml'

t.test(
  'cluster-config/node.yaml lists exactly the settings of the schema with their defaults, and loads',
  (t) => {
    const { settings, problems } = parseConfigFile(readFileSync(DOCUMENTED, 'utf8'), DOCUMENTED)
    t.same(problems, [])
    t.same(
      settings.map(({ path }) => path),
      KNOBS.map((knob) => knob.path),
    )
    for (const { path, value } of settings) {
      const knob = knobByPath(path)
      if (knob === undefined) throw new Error(`${path} is no setting`)
      t.same(parseKnob(knob.type, value), { kind: 'value', value: defaultOf(knob) }, path)
    }
    t.same(loadConfig([settings], ORIGIN), loadConfig([], ORIGIN))
    t.end()
  },
)

t.test('cluster-config/node.yaml gives for every setting the reason to turn it and what is allowed', (t) => {
  // Comments are wrapped, so they are compared as one line of words.
  const prose = readFileSync(DOCUMENTED, 'utf8').replace(/\n\s*# ?/g, ' ')
  for (const knob of KNOBS) {
    t.ok(prose.includes(knob.reason), `the reason for ${knob.path}`)
    t.ok(prose.includes(`Allowed: ${describeAllowed(knob.type)}.`), `what ${knob.path} allows`)
  }
  t.end()
})

t.test('cluster-config/node.yaml says of every key of a member and of a policy what it is for', (t) => {
  const prose = readFileSync(DOCUMENTED, 'utf8').replace(/\n\s*#\s*/g, ' ')
  for (const { name, type, fallback, reason } of [
    ...MEMBER_KEYS,
    ...POLICY_KEYS,
    ...COMPACTION_POLICY_KEYS,
  ]) {
    const standing = fallback === null ? ' Needed.' : fallback === '' ? '' : ` Default ${fallback}.`
    t.ok(prose.includes(`${name}: ${reason}${standing} Allowed: ${describeAllowed(type)}.`), name)
  }
  t.end()
})

t.test(
  'cluster-config/three-nodes are three members of one cluster, who differ in nothing but who they are',
  (t) => {
    const configs = [1, 2, 3].map((i) => {
      const name = `cluster-config/three-nodes/node-${i}.yaml`
      const { settings, problems } = parseConfigFile(readFileSync(name, 'utf8'), name)
      t.same(problems, [])
      const loaded = loadConfig([settings], ORIGIN)
      if (loaded.kind === 'refused') throw new Error(loaded.problems.join('\n'))
      return loaded.config
    })
    t.same(
      configs.map(({ cluster, dir, port, smartPort, clusterPort }) => [
        cluster?.node,
        dir,
        port,
        smartPort,
        clusterPort,
      ]),
      [1, 2, 3].map((i) => [`node-${i}`, `/data/node-${i}`, 7000 + i, 8000 + i, 17000 + i]),
    )
    const shared = configs.map(({ cluster, ...config }) => {
      const [dir, port, smartPort, clusterPort] = ['', 0, 0, 0]
      return { ...config, dir, port, smartPort, clusterPort, cluster: { ...cluster, node: '', self: null } }
    })
    t.same(shared[1], shared[0])
    t.same(shared[2], shared[0])
    t.match(shared[0].cluster, { replicas: 3, members: { length: 3 }, policies: { length: 2 } })
    t.end()
  },
)

t.test('cluster-config/three-nodes says what to change on three machines', (t) => {
  const text = readFileSync('cluster-config/three-nodes/node-1.yaml', 'utf8')
  for (const word of ['cluster-secret', 'cluster-announce-ip', 'bind', 'address', 'host', 'rack']) {
    t.match(text, new RegExp(`^ *#.*\\b${word}\\b`, 'm'), word)
  }
  t.end()
})
