/**
 * `npm run sim`: runs seeds and says what happened.
 *
 *     --seed N            one run, with its story if anything is wrong (--story: in any case)
 *     --seeds K --from N  K runs, from seed N on
 *     --sweep MINUTES     runs for so long, from seed --from on
 *     --seconds S         virtual seconds of each safety phase
 *     --profile NAME      runs that lean towards one kind of trouble (run-options.ts)
 *     --until-failure     ends with the first run that is not as it should be
 *     --json              one line of JSON for each run, for programs
 *
 * The exit code is 1 when any run was not as it should be.
 */
import { parseArgs } from 'node:util'
import { NodeClock } from '../env/node-clock.js'
import { Sweep } from './run/sweep.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    sweep: { type: 'string' },
    seconds: { type: 'string' },
    profile: { type: 'string' },
    story: { type: 'boolean', default: false },
    'until-failure': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const MINUTE_MS = 60_000

const from = Number(values.seed ?? values.from)
const sweep = new Sweep(new NodeClock(), {
  from,
  seeds: values.sweep === undefined ? Number(values.seeds ?? 1) : Infinity,
  limitMs: values.sweep === undefined ? Infinity : Number(values.sweep) * MINUTE_MS,
  wishes: {
    ...(values.seconds === undefined ? {} : { safetyMs: Number(values.seconds) * 1000 }),
    ...(values.profile === undefined ? {} : { profile: values.profile }),
  },
  tellsStory: values.story,
  untilFailure: values['until-failure'],
  json: values.json,
  print: (line) => process.stdout.write(`${line}\n`),
})
const failed = await sweep.run()
if (failed > 0) process.exitCode = 1
