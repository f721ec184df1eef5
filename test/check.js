// Checks that need no test: types, lint, format, and the rules of the architecture (who may import whom). `npm run check`
// runs all of them and reports every failure, not only the first; `npm test` runs them before the tests.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { installPackages } from '../bin/install.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const FORMATTED = [
  'src/**/*.ts',
  'test/**/*.{ts,js}',
  'benchmarks/**/*.{ts,js}',
  'bin/*.{js,json}',
  'cluster-config/*',
  'tsconfig.json',
]
const LINTED = ['src', 'test', 'benchmarks', 'bin'].filter((folder) => existsSync(`${root}/${folder}`))

/** The compiler writes its output as well: the last check is one of the compiled files. */
const TYPES = ['types', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']]
const OTHERS = [
  [
    'lint',
    [
      'node_modules/eslint/bin/eslint.js',
      '--config',
      'test/eslint.config.js',
      '--no-error-on-unmatched-pattern',
      ...LINTED,
    ],
  ],
  [
    'format',
    [
      'node_modules/prettier/bin/prettier.cjs',
      '--check',
      '--log-level=warn',
      '--no-error-on-unmatched-pattern',
      ...FORMATTED,
    ],
  ],
  ['architecture', ['dist/test/support/check-architecture.js']],
]

/** Runs the checks that a build does not make anyway. Answers how many passed and failed. */
export function checkSources() {
  return runAll(OTHERS)
}

function runAll(checks) {
  const counts = { passed: 0, failed: 0 }
  for (const [name, args] of checks) {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
    const ok = status === 0
    counts[ok ? 'passed' : 'failed']++
    console.log(`${ok ? 'ok    ' : 'FAILED'}  ${name}`)
    if (!ok) console.log(`${stdout}${stderr}`.trimEnd())
  }
  return counts
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  installPackages()
  process.exitCode = runAll([TYPES, ...OTHERS]).failed === 0 ? 0 : 1
}
