/**
 * Broken variants of the product have to be caught, or the simulator looks in the wrong places. A few of them run here, and all of
 * them are made; `npm run sim -- --mutants` runs all.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { MUTANTS } from '../../src/sim/mutants/all-mutants.js'
import type { Mutant } from '../../src/sim/mutants/mutant.js'
import { patch, runMutant } from '../support/mutant-runner.js'

const QUICK = new Set(['quorum-of-one', 'winner-repaired', 'ack-before-sync'])
const SEEDS = 12
const dist = fileURLToPath(new URL('../../src', import.meta.url))

t.test('every variant changes the text that it names', async (t) => {
  for (const mutant of MUTANTS) {
    const folder = mkdtempSync(join(tmpdir(), 'kindred-mutant-'))
    try {
      for (const { file } of mutant.edits) cpSync(join(dist, file), join(folder, 'dist/src', file))
      patch(folder, mutant)
      t.pass(mutant.name)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
})

t.test('a variant whose text is not there, or not once, is an error and not a sound product', (t) => {
  const folder = t.testdir({ dist: { src: { 'some.js': 'one two two' } } })
  const replacing = (find: string): Mutant => ({
    ...{ name: 'made-up', what: 'nothing', profile: 'partitions' },
    edits: [{ file: 'some.js', find, replace: 'three' }],
  })
  t.throws(() => patch(folder, replacing('three')), /made-up: its text stands 0 times in some.js/)
  t.throws(() => patch(folder, replacing('two')), /made-up: its text stands 2 times in some.js/)
  patch(folder, replacing('one'))
  t.equal(readFileSync(join(folder, 'dist/src/some.js'), 'utf8'), 'three two two')
  t.end()
})

for (const mutant of MUTANTS.filter(({ name }) => QUICK.has(name))) {
  t.test(`a variant in which ${mutant.what} is caught`, async (t) => {
    const { seed, checkers, first } = await runMutant(mutant, 1, SEEDS)
    t.not(seed, null, `by ${checkers.join(', ')} at seed ${seed}: ${first}`)
  })
}
