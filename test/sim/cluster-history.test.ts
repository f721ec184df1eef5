/**
 * Random histories on simulated clusters, one for each seed: see cluster-story.ts. `node … --seeds 1000` tells as many, and
 * `--from 77 --seeds 1` one that failed.
 */
import { parseArgs } from 'node:util'
import t from 'tap'
import { isAcknowledged } from './client-history.js'
import { ClusterStory } from './cluster-story.js'

const { values } = parseArgs({
  options: { from: { type: 'string', default: '1' }, seeds: { type: 'string', default: '60' } },
})
const FROM = Number(values.from)
const SEEDS = Number(values.seeds)

t.test('whatever fails, nothing acknowledged is lost and reads do not go backwards', async (t) => {
  let acknowledged = 0
  let faults = 0
  for (let seed = FROM; seed < FROM + SEEDS; seed++) {
    const told = await ClusterStory.told(seed)
    acknowledged += told.operations.filter(isAcknowledged).length
    faults += told.faults.length
    if (told.problems.length > 0) t.fail(`seed ${seed}`, { problems: told.problems, faults: told.faults })
  }
  t.ok(acknowledged > 300 * SEEDS, `${acknowledged} requests were answered`)
  t.ok(faults > 10 * SEEDS, `${faults} things went wrong, or were mended`)
})

t.test('the same seed tells the same story', async (t) => {
  t.equal((await ClusterStory.told(7)).hash, (await ClusterStory.told(7)).hash)
  t.not((await ClusterStory.told(7)).hash, (await ClusterStory.told(8)).hash)
})
