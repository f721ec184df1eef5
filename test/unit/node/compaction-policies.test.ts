import t from 'tap'
import { parseConfigFile } from '../../../src/node/config-file.js'
import { loadConfig } from '../../../src/node/config.js'
import { storeOptions } from '../../../src/node/storage-settings.js'
import { NodeSettings } from '../../../src/node/runtime-settings.js'
import { FAMILY_LEVELED, FAMILY_SIZE_TIERED } from '../../../src/storage/families.js'

const ORIGIN = { workDirectory: '/work', configFile: '' }

function load(...lines: readonly string[]) {
  const { settings, problems } = parseConfigFile(['storage:', ...lines].join('\n'), 'f')
  t.same(problems, [])
  return loadConfig([settings], ORIGIN)
}

function configOf(...lines: readonly string[]) {
  const loaded = load(...lines)
  if (loaded.kind === 'refused') throw new Error(loaded.problems.join('\n'))
  return loaded.config
}

t.test('a single node takes compaction policies, and its flushes get them as bytes', async (t) => {
  const config = configOf(
    '  policies:',
    "    - { prefix: 'é:', compaction: size-tiered }",
    "    - { prefix: '' }",
  )
  t.same(config.storage.policies, [
    { prefix: 'é:', compaction: 'size-tiered' },
    { prefix: '', compaction: 'leveled' },
  ])
  t.same(storeOptions(config, null).families?.prefixes, [
    { prefix: new Uint8Array([0xc3, 0xa9, 0x3a]), family: FAMILY_SIZE_TIERED },
    { prefix: new Uint8Array(), family: FAMILY_LEVELED },
  ])
})

t.test('they survive CONFIG SET', async (t) => {
  const settings = new NodeSettings(
    configOf('  policies: [{ prefix: a, compaction: size-tiered }]'),
    () => {},
  )
  t.equal(settings.set('compaction-rate', '1mb'), null)
  t.match(settings.current.storage, {
    compactionRateBytesPerSecond: 1024 * 1024,
    policies: [{ prefix: 'a' }],
  })
})

t.test('mistakes are said with their place', async (t) => {
  t.match(load('  policies:', '    - { prefix: a }', '    - { prefix: a, compaction: tiered }'), {
    problems: ['storage.policies[2].compaction: "tiered" (f:4), allowed: one of leveled, size-tiered'],
  })
  t.match(load('  policies:', '    - { prefix: a }', '    - { prefix: a, compaction: size-tiered }'), {
    problems: [
      /policies\[2\].prefix: "a" \(f:4\), allowed: a prefix that no other policy has; it is also storage/,
    ],
  })
  t.match(load('  policies:', '    - { compaction: leveled, prefx: a }'), {
    problems: [/no such key \(f:3\); did you mean prefix/, /policies\[1\].prefix: missing/],
  })
  const many = Array.from({ length: 65 }, (_, i) => `    - { prefix: p${i} }`)
  t.match(load('  policies:', ...many), { problems: ['storage.policies: 65 policies, allowed: up to 64'] })
})
