/** Random lives of a storage engine whose keys are size-tiered, all or some of them, under policies that change at every start. */
import t from 'tap'
import { FAMILY_SIZE_TIERED } from '../../src/storage/families.js'
import type { FamilyPolicies } from '../../src/storage/families.js'
import { Story } from './storage-story.js'

const LIVES = 250
const STEPS = 120

const POLICIES: readonly FamilyPolicies[] = [[], [''], ['key1', 'key3'], ['{tag}', 'key2']].map((texts) => ({
  windowTiers: [],
  prefixes: texts.map((text) => ({ prefix: Buffer.from(text), family: FAMILY_SIZE_TIERED })),
}))

t.test(
  'T4 T6 no acknowledged write is lost and none comes back, whatever keys are size-tiered',
  async (t) => {
    const sums = { flushes: 0, compactions: 0, crashes: 0, cleanStarts: 0, tieredCompactions: 0 }
    for (let seed = 0; seed < LIVES; seed++) {
      const story = new Story(`size-tiered ${seed}`, { appendfsync: 'always', segmentBytes: 4 * 1024 })
      const { machine } = story
      let starts = seed
      // Asked at every start, before the options are.
      machine.wrapJobs = (jobs) => {
        machine.options = { ...machine.options, families: POLICIES[starts++ % POLICIES.length] }
        const { compact } = jobs
        jobs.compact = (job) => {
          if (job.inputs[0].family === FAMILY_SIZE_TIERED) sums.tieredCompactions++
          return compact.call(jobs, job)
        }
        return jobs
      }
      try {
        await story.live(STEPS)
      } catch (error) {
        t.fail(`seed ${seed}: ${String(error)}`)
      }
      sums.flushes += story.report.flushes
      sums.compactions += story.report.compactions
      sums.crashes += story.report.crashes
      sums.cleanStarts += story.report.cleanStarts
    }
    t.comment(JSON.stringify(sums))
    for (const [name, sum] of Object.entries(sums)) t.ok(sum > 0, name)
  },
)
