// Compiles the project into dist/, and removes what was compiled from sources that are gone, so that a deleted test does
// not go on running. `node bin/build.js` is `npm run build`.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './install.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const SOURCE_FOLDERS = ['src', 'test', 'benchmarks']

/** Ends the process when the compiler finds errors. */
export function build() {
  removeStaleOutput()
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'])
}

function removeStaleOutput() {
  for (const folder of SOURCE_FOLDERS) {
    const compiled = join(root, 'dist', folder)
    if (!existsSync(compiled)) continue
    for (const name of readdirSync(compiled, { recursive: true })) {
      const source = name.replace(/\.js(\.map)?$/, '.ts')
      if (source !== name && !existsSync(join(root, folder, source))) rmSync(join(compiled, name))
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build()
