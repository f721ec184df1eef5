/**
 * Random runs of whole clusters, one for each seed: src/sim/README.md says what goes wrong in them and what is looked at. This is
 * the small sweep that always runs; `npm run sim` runs others, and the one that failed.
 */
import t from 'tap'
import { FAULT_KINDS } from '../../src/sim/run/fault-model.js'
import { isAcknowledged } from '../../src/sim/run/history.js'
import { Simulation } from '../../src/sim/run/simulation.js'

const SEEDS = 14
/** Virtual: shorter than what `npm run sim` runs by itself. */
const SAFETY_MS = 6000

t.test('whatever fails within the fault model, every promise is kept', async (t) => {
  const faults = new Map<string, number>()
  let acknowledged = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations, operations, story, ...run } = await Simulation.run(seed, { safetyMs: SAFETY_MS })
    t.same(violations, [], `npm run sim -- --seed ${seed} --seconds ${SAFETY_MS / 1000}`)
    if (violations.length > 0) t.comment(story.join('\n'))
    acknowledged += operations.filter(isAcknowledged).length
    for (const [kind, count] of run.faults) faults.set(kind, (faults.get(kind) ?? 0) + count)
  }
  // Some runs have faults that leave no majority for nearly all of their time.
  t.ok(acknowledged > 100 * SEEDS, `${acknowledged} requests were answered`)
  t.ok(faults.size > FAULT_KINDS.length / 2, `faults: ${JSON.stringify([...faults])}`)
})

t.test('the same seed is the same run', async (t) => {
  const wishes = { safetyMs: 3000 }
  const [once, again, other] = [
    await Simulation.run(7, wishes),
    await Simulation.run(7, wishes),
    await Simulation.run(8, wishes),
  ]
  t.equal(once.traceHash, again.traceHash)
  t.not(once.traceHash, other.traceHash)
  t.same(once.story, again.story)
})
