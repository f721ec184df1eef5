/**
 * Random lives of a storage engine with windows by death time, against its history: SET, SET EX, EXPIRE longer and shorter, PERSIST,
 * DEL, FLUSHALL, flushes and merges, clocks that are set ahead and back, restarts and crashes at any moment. No drop of a window
 * may uncover an older version of a key. See storage-story.ts; KINDRED_SEED and KINDRED_SEEDS as there.
 */
import t from 'tap'
import { TINY_WINDOWS } from './storage-machine.js'
import { happened, liveAll } from './story-lives.js'

t.test('T1 T2 T3 T4 T5 T6 no window that is dropped uncovers an older version', async (t) => {
  const sums = await liveAll(t, 'always', 600, false, { families: TINY_WINDOWS })
  happened(t, sums)
  if (process.env['KINDRED_SEED'] === undefined)
    t.ok(Number(sums.windowsDropped) > 0 && Number(sums.localTombstones) > 0)
})

t.test('T1 T2 T3 T4 T5 T6 W3 nor does one on a disk that fails now and then', async (t) => {
  happened(t, await liveAll(t, 'always', 300, true, { families: TINY_WINDOWS }))
})

t.test('T1 T2 T3 T4 T5 T6 nor where a crash takes what was not synced', async (t) => {
  happened(t, await liveAll(t, 'no', 300, false, { families: TINY_WINDOWS }))
})
