import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { validate, ValidationSeverity } from 'dockerfile-utils'
import t from 'tap'
import { VERSION } from '../../src/node/node.js'
import { KindredProcess } from '../support/kindred-process.js'

const run = promisify(execFile)

interface Package {
  readonly version: string
  readonly license: string
  readonly scripts: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Package

/** The project without its sources: its tools, its packages, and whatever `files` says. */
function emptyProject(directory: string, files: Readonly<Record<string, string>>): string {
  mkdirSync(join(directory, 'test'), { recursive: true })
  cpSync('bin', join(directory, 'bin'), { recursive: true })
  for (const name of ['run-tests.js', 'check.js', 'system-packages.js']) {
    cpSync(join('test', name), join(directory, 'test', name))
  }
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json'])
    cpSync(name, join(directory, name))
  symlinkSync(join(process.cwd(), 'node_modules'), join(directory, 'node_modules'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(directory, path, '..'), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  return directory
}

t.test('the version is the same everywhere, and the licence is there in full', (t) => {
  t.equal(VERSION, manifest.version)
  t.match(readFileSync('CHANGELOG.md', 'utf8'), `## ${manifest.version}`)
  t.equal(manifest.license, 'Apache-2.0')
  t.match(
    readFileSync('LICENSE', 'utf8'),
    /Apache License\s+Version 2\.0, January 2004[\s\S]*END OF TERMS AND CONDITIONS/,
  )
  t.end()
})

t.test('every npm script runs a file that exists', (t) => {
  t.same(Object.keys(manifest.scripts).sort(), ['bench', 'build', 'check', 'sim', 'test', 'up'])
  for (const [name, command] of Object.entries(manifest.scripts)) {
    // With exec npm holds the node itself, not a shell that Ctrl-C ends while the node is still stopping.
    const paths = [...command.matchAll(/\bbin\/\S+|\btest\/\S+/g)].map(([path]) => path)
    t.not(paths.length, 0, `${name} runs something`)
    for (const path of paths) t.ok(existsSync(path), `${name} runs ${path}`)
  }
  t.end()
})

t.test('npm run up builds, starts a node and stops cleanly on Ctrl-C', async (t) => {
  const args = ['run', '--silent', 'up', '--', '--nodes', '1', '--port', '0', '--dir', t.testdir()]
  // As from a terminal, where Ctrl-C reaches npm and the node alike.
  const npm = new KindredProcess('npm', args, { detached: true })
  await npm.printed(/Ctrl-C stops it/)
  process.kill(-npm.pid, 'SIGINT')
  const { code, out } = await npm.ended
  t.equal(code, 0)
  t.match(out, /^address +data directory +durability\n[\s\S]*Stopped\.\n$/, 'and prints nothing else')
})

t.test('bin/kindred says what to do when it is not built yet', async (t) => {
  const project = emptyProject(t.testdir(), {})
  const { code, out, error } = await new KindredProcess(join(project, 'bin/kindred'), ['up']).ended
  t.equal(code, 1)
  t.equal(out, '')
  t.match(error, /not built yet.*npm run build.*npm run up/)
})

t.test(
  'a build removes what was compiled from sources that are gone, and makes anew what was removed',
  async (t) => {
    const project = emptyProject(t.testdir(), {
      'src/kept.ts': 'export const kept = 1\n',
      'dist/test/gone.test.js': 'throw new Error("must not run")\n',
      'dist/test/gone.test.js.map': '{}',
      'dist/src/gone.js': '',
    })
    const build = () => run(process.execPath, [join(project, 'bin/build.js')])
    const compiled = () => readFileSync(join(project, 'dist/src/kept.js'), 'utf8')
    await build()
    t.match(compiled(), 'kept = 1')
    for (const gone of ['test/gone.test.js', 'test/gone.test.js.map', 'src/gone.js']) {
      t.throws(() => readFileSync(join(project, 'dist', gone)), { code: 'ENOENT' }, gone)
    }
    await run('rm', [join(project, 'dist/src/kept.js')])
    await build()
    t.match(compiled(), 'kept = 1')
  },
)

t.test('a build that fails shows the errors of the compiler and its exit code', async (t) => {
  const project = emptyProject(t.testdir(), { 'src/wrong.ts': "export const wrong: number = 'text'\n" })
  const failure = run(process.execPath, [join(project, 'bin/build.js')])
  await t.rejects(failure, { code: 2, stderr: /wrong\.ts.*TS2322/ })
})

t.test('the test runner counts assertions, shows failures and fails on them', async (t) => {
  const project = emptyProject(t.testdir(), {
    'test/a.test.ts':
      "import t from 'tap'\nt.equal(1, 1)\nt.equal(2, 2)\nt.test('later', { skip: true }, () => {})\n",
    'test/b.test.ts': "import t from 'tap'\nt.equal(1, 1)\nt.comment('seed 42')\nt.equal('left', 'right')\n",
    'test/c.test.ts': "import t from 'tap'\nt.pass('first')\nprocess.kill(process.pid, 'SIGKILL')\n",
    'test/d.test.ts': "import t from 'tap'\nt.plan(0, 'nothing to do here')\n",
    'test/e.test.ts': "import t from 'tap'\nexport default t\n",
  })
  const runTests = async (...words: string[]) => {
    const runner = new KindredProcess(process.execPath, [join(project, 'test/run-tests.js'), ...words])
    const { code, out, error } = await runner.ended
    return { code, out, error, last: out.trimEnd().split('\n').at(-1) }
  }
  const good = await runTests('a.test')
  t.match(good, { code: 0, last: '2 passed, 0 failed, 1 skipped' })
  const failing = await runTests('b.test')
  t.match(failing, { code: 1, last: '1 passed, 1 failed' })
  t.match(failing.out, 'seed 42', 'comments of a failing file are shown')
  t.match(failing.out, /-right\n\s+\+left/)
  t.match(
    await runTests('c.test'),
    { code: 1, last: /^\d+ passed, 1 failed$/ },
    'a file that ends early has failed',
  )
  t.match(
    await runTests('d.test'),
    { code: 1, last: '0 passed, 0 failed, 1 skipped' },
    'nothing at all is no success',
  )
  t.match(
    await runTests('e.test'),
    { code: 1, last: '0 passed, 1 failed' },
    'a file without a test has failed',
  )
  t.match(await runTests('nothing-of-that-name'), { code: 1, last: '0 passed, 1 failed' })
  const both = await runTests('a.test', 'b.test')
  t.match(both, { code: 1, last: '3 passed, 1 failed, 1 skipped' })
})

const dockerfile = readFileSync('Dockerfile', 'utf8')

/** [instruction, rest] of every line, continuation lines joined, comments left out. */
function instructions(): (readonly [name: string, rest: string])[] {
  const lines = dockerfile.replace(/\\\n/g, ' ').split('\n')
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [name, ...rest] = line.split(' ')
      return [name, rest.join(' ')] as const
    })
}

t.test('the Dockerfile passes the linter without a warning', (t) => {
  const strictest = ValidationSeverity.WARNING
  const found = validate(dockerfile, {
    instructionCasing: strictest,
    directiveCasing: strictest,
    deprecatedMaintainer: strictest,
    emptyContinuationLine: strictest,
    instructionCmdMultiple: strictest,
    instructionEntrypointMultiple: strictest,
    instructionHealthcheckMultiple: strictest,
    instructionJSONInSingleQuotes: strictest,
    instructionWorkdirRelative: strictest,
  })
  t.same(
    found.map(({ message, range }) => [range.start.line + 1, message]),
    [],
  )
  t.end()
})

t.test('the image is built in stages and runs as an ordinary user, with a health check and a volume', (t) => {
  const all = instructions()
  const lastStage = all.slice(all.findLastIndex(([name]) => name === 'FROM'))
  const of = (name: string) => lastStage.filter(([candidate]) => candidate === name).map(([, rest]) => rest)
  const bases = all.filter(([name]) => name === 'FROM').map(([, rest]) => rest)
  t.equal(bases.length, 2, 'two stages')
  for (const base of bases) t.match(base, /^node:\d+-[a-z]+-slim( AS build)?$/, 'a base with a fixed version')
  t.same(of('USER'), ['node'])
  t.ok(lastStage.findIndex(([name]) => name === 'USER') > lastStage.findLastIndex(([name]) => name === 'RUN'))
  t.match(of('HEALTHCHECK'), [/CMD \["bin\/kindred", "status"\]$/])
  t.same(of('VOLUME'), ['/data'])
  t.same(of('EXPOSE'), ['7001 8001 17001'])
  t.same(of('STOPSIGNAL'), ['SIGTERM'])
  t.match(of('ENTRYPOINT'), [/^\["bin\/kindred", "server", .*"--dir", "\/data"\]$/])
  t.same(
    all.filter(([name]) => name === 'ADD'),
    [],
    'COPY says what it does',
  )
  t.ok(
    all.some(([name, rest]) => name === 'RUN' && /npm ci/.test(rest)),
    'locked versions only',
  )
  t.ok(
    all.some(([name, rest]) => name === 'RUN' && /npm prune --omit=dev/.test(rest)),
    'no tools for development',
  )
  t.end()
})

t.test('what the Dockerfile copies is there and not kept out of its context', (t) => {
  const allowed = readFileSync('.dockerignore', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  const copied = instructions()
    .filter(([name, rest]) => name === 'COPY' && !rest.startsWith('--from'))
    .flatMap(([, rest]) => rest.split(' ').slice(0, -1))
  t.same([...copied].sort(), [...allowed].sort())
  for (const path of copied) t.ok(existsSync(path), path)
  t.end()
})
