/** The rules of the architecture over src/, and each rule over a made-up source that breaks it. */
import t from 'tap'
import { checkArchitecture, readSources } from '../support/architecture.js'
import type { Source, Violation } from '../support/architecture.js'

const HEADER = '/** A made-up file, to see a rule at work. */\n'

function source(path: string, code: string): Source {
  return { path, text: HEADER + code }
}

function check(...sources: Source[]): Violation[] {
  return checkArchitecture(sources)
}

function rules(violations: readonly Violation[]): string[] {
  return violations.map(({ rule }) => rule)
}

t.test('src/ keeps to the architecture', async (t) => {
  const sources = readSources(process.cwd())
  t.ok(sources.length > 50, 'the sources were found')
  for (const { path, line, rule, message } of checkArchitecture(sources)) {
    t.fail(`${path}:${line} ${rule}: ${message}`)
  }
})

t.test('folders import only what stands to their left', async (t) => {
  const cases: [string, string, boolean][] = [
    ['src/ring/token.ts', "import { a } from '../util/xxhash.js'", true],
    ['src/env/node-random.ts', "import { a } from '../util/bytes.js'", true],
    ['src/util/bytes.ts', "import { a } from '../env/clock.js'", false],
    ['src/record/merge.ts', "import { a } from '../storage/entry.js'", false],
    ['src/storage/log/segment.ts', "import { a } from '../../ring/slot.js'", true],
    ['src/storage/log/segment.ts', "import { a } from '../entry.js'", true],
    ['src/storage/log/segment.ts', "import type { A } from '../../commands/request.js'", false],
    ['src/resp/parser.ts', "export * from '../server/limits.js'", false],
    ['src/resp/parser.ts', "const a = await import('../server/limits.js')", false],
    ['src/resp/parser.ts', "type A = import('../server/limits.js').Limits", false],
    ['src/commands/set.ts', "import { a } from '../coordinator/keyspace.js'", true],
    ['src/node/node.ts', "import { a } from '../cli/main.js'", false],
    ['src/cli/main.ts', "import { a } from '../node/node.js'", true],
    ['src/sim/cluster.ts', "import { a } from '../node/node.js'", true],
    ['src/node/node.ts', "import { a } from '../sim/sim-disk.js'", false],
    ['src/util/bytes.ts', "import { a } from '../../test/support/seeded.js'", false],
    ['src/sim/cluster.ts', "import { a } from '../../test/support/seeded.js'", false],
  ]
  for (const [path, code, allowed] of cases) {
    t.same(rules(check(source(path, code))), allowed ? [] : ['layer'], `${path}: ${code}`)
  }
  t.same(rules(check(source('src/misc/a.ts', ''))), ['layer'], 'a folder that is no layer')
  t.same(rules(check(source('src/main.ts', ''))), ['layer'], 'a file in no folder')
})

t.test('files do not import each other in a circle', async (t) => {
  const violations = check(
    source('src/ring/a.ts', "import { b } from './b.js'"),
    source('src/ring/b.ts', "\nimport { c } from './c.js'"),
    source('src/ring/c.ts', "export { a } from './a.js'"),
    source('src/ring/d.ts', "import { a } from './a.js'"),
  )
  t.match(violations, [
    {
      rule: 'cycle',
      path: 'src/ring/c.ts',
      line: 2,
      message: 'src/ring/a.ts -> src/ring/b.ts -> src/ring/c.ts -> src/ring/a.ts',
    },
  ])
  t.equal(violations.length, 1)
  t.same(rules(check(source('src/ring/a.ts', "import { a } from './a.js'"))), ['cycle'], 'a file and itself')
})

t.test('types may know each other', async (t) => {
  const violations = check(
    source('src/ring/a.ts', "import { b } from './b.js'"),
    source('src/ring/b.ts', "import type { A } from './a.js'"),
  )
  t.same(violations, [])
})

t.test('time, randomness and I/O are banned outside env/, cli/ and worker entry files', async (t) => {
  const banned = [
    'Date.now()',
    'const now = Date.now',
    'new Date()',
    'new Date',
    'Date()',
    'const { now } = Date',
    'performance.now()',
    'const { now } = performance',
    'Math.random()',
    'process.hrtime()',
    'process.hrtime.bigint()',
    'crypto.randomUUID()',
    'crypto.getRandomValues(bytes)',
    'setTimeout(task, 1)',
    'setInterval(task, 1)',
    'setImmediate(task)',
    'const later = setImmediate',
    'const timers = { setTimeout }',
    'globalThis.setTimeout(task, 1)',
    "import fs from 'node:fs'",
    "import { readFile } from 'node:fs/promises'",
    "import fs from 'fs'",
    "import net from 'node:net'",
    "import { randomBytes } from 'node:crypto'",
    "import { Worker } from 'node:worker_threads'",
    "import { setTimeout as sleep } from 'node:timers/promises'",
    "import { performance as clock } from 'node:perf_hooks'",
    "import type { Socket } from 'node:net'",
    "const fs = await import('node:fs')",
  ]
  for (const code of banned) {
    t.match(check(source('src/server/a.ts', `\n\n${code}`)), [{ rule: 'ban', line: 4 }], code)
    t.same(check(source('src/env/a.ts', code)), [], `${code} in env/`)
    t.same(check(source('src/cli/a.ts', code)), [], `${code} in cli/`)
    t.same(
      check(source('src/storage/jobs/flush-worker-entry.ts', code)),
      [],
      `${code} in a worker entry file`,
    )
  }
})

t.test('what only looks like a breach is none', async (t) => {
  const harmless = [
    '// Date.now() and setTimeout are banned here',
    "const text = 'Math.random()'",
    'clock.setTimeout(task)',
    'interface Socket { setTimeout(ms: number): void }',
    'class Timers { setImmediate(): void {} }',
    'const start = Date.UTC(2025, 0, 1)',
    'const text = new Date(ms).toISOString()',
    'function format(date: Date): string { return date.toISOString() }',
    'const age = entry.performance',
    'const third = Math.floor(x / 3)',
    "import { isDeepStrictEqual } from 'node:util'",
  ]
  for (const code of harmless) t.same(check(source('src/server/a.ts', code)), [], code)
})

t.test('a third party stands behind one file', async (t) => {
  const first = source('src/env/a.ts', "import { pino } from 'pino'\nimport type { Logger } from 'pino'")
  t.same(check(first), [])
  t.match(check(first, source('src/env/b.ts', "import type { Logger } from 'pino'")), [
    { rule: 'third-party', path: 'src/env/b.ts', line: 2, message: 'pino is already behind src/env/a.ts' },
  ])
  const scoped = source('src/env/a.ts', "import a from '@scope/a'")
  t.same(check(scoped, source('src/env/b.ts', "import b from '@scope/b/deep'")), [])
  t.same(rules(check(scoped, source('src/env/b.ts', "import b from '@scope/a/deep'"))), ['third-party'])
})

t.test('every file opens with a paragraph that says what it is', async (t) => {
  const bare = (text: string): string[] => rules(check({ path: 'src/ring/a.ts', text }))
  t.same(bare('/** Slots of keys, as Redis Cluster counts them. */\nexport const a = 1'), [])
  t.same(bare('export const a = 1'), ['header'])
  t.same(bare('/** */\nexport const a = 1'), ['header'])
  t.same(bare("import { b } from './b.js'\n/** Slots of keys, as Redis Cluster counts them. */"), ['header'])
})
