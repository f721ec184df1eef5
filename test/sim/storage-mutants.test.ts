/** Broken variants of the storage engine have to be caught by its random lives; see src/sim/mutants/storage-mutants.ts. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { STORAGE_MUTANTS } from '../../src/sim/mutants/storage-mutants.js'
import type { StorageMutant } from '../../src/sim/mutants/storage-mutants.js'
import { patch } from '../support/mutant-runner.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const SEEDS = '24'

/** What the lives of a broken engine print; `mutant`: null for the sound one. */
function livesOf(mutant: StorageMutant | null): string {
  const folder = mkdtempSync(join(tmpdir(), 'kindred-mutant-'))
  try {
    cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true })
    cpSync(join(root, 'package.json'), join(folder, 'package.json'))
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    if (mutant !== null) patch(folder, { ...mutant, profile: '' })
    const lives = join(folder, 'dist/test/sim/storage-windows.test.js')
    const env = { ...process.env, KINDRED_SEEDS: SEEDS, TAP_TIMEOUT: '120' }
    return spawnSync(process.execPath, [lives], { env, encoding: 'utf8' }).stdout
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

t.test('the lives of the sound engine end well', (t) => {
  const output = livesOf(null)
  t.match(output, /^1\.\.3$/m, 'all of them')
  t.notMatch(output, /not ok .* seed/)
  t.end()
})

for (const mutant of STORAGE_MUTANTS) {
  t.test(`a variant in which ${mutant.what} is caught`, (t) => {
    const output = livesOf(mutant)
    const first = /not ok .* seed .*/.exec(output)?.[0]
    t.ok(first, first ?? 'nobody complained')
    t.end()
  })
}
