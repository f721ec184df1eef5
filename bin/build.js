// Compiles the project into dist/ as far as it has changed. Two things the compiler does not see to: what was compiled
// from sources that are gone is removed, so that a deleted test does not go on running, and when compiled files are
// missing, its notes on what has been done are thrown away. `node bin/build.js` is `npm run build`.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './install.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const EVERYTHING = {
  project: 'tsconfig.json',
  notes: 'dist/.tsbuildinfo',
  folders: ['src', 'test', 'benchmarks'],
}
/** What a node runs, for `npm run up`: without the tests it takes half as long. */
const PROGRAM = { project: 'bin/tsconfig.json', notes: 'dist/.tsbuildinfo-program', folders: ['src'] }

/** Ends the process when the compiler finds errors. */
export function build() {
  compile(EVERYTHING)
}

/** The same for the program alone. */
export function buildProgram() {
  compile(PROGRAM)
}

function compile({ project, notes, folders }) {
  for (const folder of folders) {
    removeStaleOutput(folder)
    if (lacksOutput(folder)) rmSync(join(root, notes), { force: true })
  }
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project])
}

function removeStaleOutput(folder) {
  for (const name of filesIn(join(root, 'dist', folder))) {
    const source = name.replace(/\.js(\.map)?$/, '.ts')
    if (source !== name && !existsSync(join(root, folder, source))) rmSync(join(root, 'dist', folder, name))
  }
}

function lacksOutput(folder) {
  const sources = filesIn(join(root, folder)).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.d.ts'),
  )
  return sources.some((name) => !existsSync(join(root, 'dist', folder, name.replace(/\.ts$/, '.js'))))
}

function filesIn(folder) {
  return existsSync(folder) ? readdirSync(folder, { recursive: true }) : []
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build()
