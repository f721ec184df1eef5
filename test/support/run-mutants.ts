/** `npm run sim -- --mutants [NAME …]`: every broken variant, or those named, until a checker complains: k of k caught. */
import { parseArgs } from 'node:util'
import { MUTANTS } from '../../src/sim/mutants/all-mutants.js'
import { runMutant } from './mutant-runner.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mutants: { type: 'boolean', default: true },
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '60' },
  },
})
const chosen = MUTANTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name))

let caught = 0
for (const mutant of chosen) {
  const { seed, checkers, first, runs } = await runMutant(mutant, Number(values.from), Number(values.seeds))
  if (seed !== null) caught++
  const outcome =
    seed === null ? `NOT CAUGHT in ${runs} runs` : `caught by ${checkers.join(', ')} at seed ${seed}`
  console.log(`${mutant.name.padEnd(28)} ${outcome}  (${mutant.what})`)
  if (seed !== null) console.log(`    ${first.split('\n')[0].slice(0, 200)}`)
}
console.log(`${caught} of ${chosen.length} caught`)
if (caught < chosen.length) process.exitCode = 1
