// `npm test`: installs what is missing, builds, checks, runs every compiled test, and ends with a line "N passed,
// N failed" that counts tap's assertions. `npm test -- storage/log` only builds and runs the tests whose path contains
// one of the words.
//
// Each file runs as `node file`, some at a time, and prints TAP with a summary that is read here. tap's own runner is
// left out: it loads hooks into every process and worker thread that a test starts, so the servers under test would
// not be what users run (a child process took 118 instead of 46 ms to start), and switching its plugins off rewrites
// files inside node_modules.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, buildProgram } from '../bin/build.js'
import { installPackages } from '../bin/install.js'
import { checkSources } from './check.js'
import { installSystemPackages } from './system-packages.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const JOBS = Math.min(2, availableParallelism())
/** tap's own limit for a file, in seconds: a little below ours, so that tap can still say what it waited for. */
const TAP_TIMEOUT_SECONDS = 9 * 60
const FILE_DEADLINE_MS = 10 * 60_000
const OUTPUT_LENGTH_MAX = 64 * 1024 * 1024

const running = new Set()
const total = { passed: 0, failed: 0, skipped: 0 }

await main(process.argv.slice(2))

async function main(words) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => abort(signal))
  // Counted before anything can end the process, so that the last line is printed whatever happens.
  process.on('exit', printTotal)
  installPackages()
  const missing = installSystemPackages()
  if (missing !== null) return fail(missing)
  console.log('Building …')
  build()
  if (words.length === 0) {
    // As `npm run up` does it, which a test runs: it must find nothing to write while other tests run what is there.
    buildProgram()
    count(checkSources())
  }
  const files = testFiles(words)
  if (files.length === 0) return fail('There are no tests of that name.')
  const queue = [...files]
  await Promise.all(Array.from({ length: JOBS }, () => worker(queue)))
}

function testFiles(words) {
  return readdirSync(join(root, 'dist/test'), { recursive: true })
    .filter(
      (file) =>
        file.endsWith('.test.js') && (words.length === 0 || words.some((word) => file.includes(word))),
    )
    .sort()
}

async function worker(queue) {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const result = await runFile(file)
    count(result)
    report(file, result)
  }
}

/** Runs one file in a process group of its own, so that whatever it leaves behind can be ended with it. */
function runFile(file) {
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['--enable-source-maps', join('dist/test', file)], {
    cwd: root,
    detached: true,
    env: { ...process.env, TAP_TIMEOUT: String(TAP_TIMEOUT_SECONDS) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let tap = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text) => (tap = kept(tap + text)))
  child.stderr.setEncoding('utf8').on('data', (text) => (errors = kept(errors + text)))
  const deadline = setTimeout(() => killGroup(child), FILE_DEADLINE_MS)
  return new Promise((resolve) => {
    child.on('exit', () => killGroup(child))
    child.on('close', (code, signal) => {
      clearTimeout(deadline)
      running.delete(child)
      resolve({ ...judge(tap, code, signal), tap, errors, seconds: (performance.now() - startedAt) / 1000 })
    })
  })
}

function kept(text) {
  return text.length > OUTPUT_LENGTH_MAX ? text.slice(-OUTPUT_LENGTH_MAX) : text
}

/** Counts from tap's summary line. A file that ends badly or asserts nothing has failed, whatever its summary says. */
function judge(tap, code, signal) {
  const summary =
    /^# \{ total: (\d+), pass: (\d+)(?:, fail: (\d+))?(?:, todo: (\d+))?(?:, skip: (\d+))? \}$/m.exec(tap)
  const [passed, failed, todo, skipped] = (summary ?? []).slice(2).map((digits) => Number(digits ?? 0))
  if (summary === null)
    return { passed: 0, failed: 1, skipped: 0, problem: `ended without a summary (${signal ?? code})` }
  const counts = { passed, failed, skipped: todo + skipped }
  if (code !== 0 && failed === 0) return { ...counts, failed: 1, problem: `ended with ${signal ?? code}` }
  if (passed + failed + todo + skipped > 0) return counts
  if (/^1\.\.0 # ./m.test(tap)) return { ...counts, skipped: 1 }
  return { ...counts, failed: 1, problem: 'asserted nothing' }
}

function report(file, result) {
  const { passed, failed, skipped, problem, seconds } = result
  const skips = skipped > 0 ? `, ${skipped} skipped` : ''
  const verdict = failed > 0 ? `FAILED  ${file}  ${failed} failed, ` : `ok      ${file}  `
  console.log(`${verdict}${passed} passed${skips}  ${seconds.toFixed(1)} s${problem ? `  ${problem}` : ''}`)
  if (skipped > 0) for (const line of linesOf(result.tap, isSkip)) console.log(`        ${line.trim()}`)
  if (failed > 0) console.log(failureText(result))
}

function isSkip(line) {
  return /^\s*ok .* # (SKIP|TODO)|^1\.\.0 # /.test(line)
}

/** Everything but passed assertions and bookkeeping: failures with their details, comments (seeds), standard error. */
function failureText({ tap, errors }) {
  const noise = /^\s*(ok \d|\d+\.\.\d+$|TAP version|# (Subtest:|time=|\{ total)|$)/
  const lines = linesOf(tap, (line) => !noise.test(line))
  return [...lines, ...linesOf(errors, () => true).slice(-200)].map((line) => `    ${line}`).join('\n')
}

function linesOf(text, wanted) {
  return text.split('\n').filter(wanted)
}

function count({ passed, failed, skipped = 0 }) {
  total.passed += passed
  total.failed += failed
  total.skipped += skipped
}

function fail(message) {
  console.error(message)
  total.failed++
}

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // The group has no process left.
  }
}

function abort(signal) {
  for (const child of running) killGroup(child)
  console.error(`Stopped by ${signal}.`)
  total.failed++
  process.exit(1)
}

function printTotal(code) {
  // The build and the installation end the process themselves when they fail.
  if (code !== 0 && total.failed === 0) total.failed = 1
  if (total.failed > 0 || total.passed === 0) process.exitCode = 1
  const skips = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
  console.log(`${total.passed} passed, ${total.failed} failed${skips}`)
}
