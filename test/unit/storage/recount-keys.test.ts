import t from 'tap'
import { NodeClock } from '../../../src/env/node-clock.js'
import { SLOT_COUNT } from '../../../src/ring/slot.js'
import { UNLIMITED_PACE } from '../../../src/storage/compaction/pace.js'
import { runFlush } from '../../../src/storage/jobs/flush-job.js'
import { LiveCounts } from '../../../src/storage/live-counts.js'
import { recountKeys } from '../../../src/storage/recount-keys.js'
import { MemoryDisk } from './memory-disk.js'
import { TestSegment } from './segment.js'

const KEYS = 25_000
const ODD_AND_EVEN = {
  version: 'odd and even',
  ofSlot: Uint16Array.from({ length: SLOT_COUNT }, (_, slot) => slot % 2),
  count: 2,
}

t.test('R5 keys are counted anew in steps, between which others run', async (t) => {
  const disk = new MemoryDisk()
  const segment = new TestSegment(KEYS * 200)
  // Slots 12182 and 5061, by the tag.
  for (let i = 0; i < KEYS; i++)
    segment.put({ key: `{${i % 5 === 0 ? 'foo' : 'bar'}}${i}`, sequence: i + 1, value: '' })
  const { tables } = runFlush(disk, segment.flushJob('/data', 1, 1 << 20), UNLIMITED_PACE)
  const live = tables.map((table) => ({ ...table, level: 1 }))
  const counts = new LiveCounts(ODD_AND_EVEN)
  const clock = new NodeClock()
  let turns = 0
  let counting = true
  const count = (): void => {
    turns++
    if (counting) clock.endOfTurn(count)
  }
  clock.endOfTurn(count)
  await recountKeys({ disk, clock }, '/data', live, 0, counts)
  counting = false
  t.ok(turns >= 2, 'two steps of 10,000 keys are full')
  t.equal(counts.total(0, 0), KEYS / 5)
  t.equal(counts.total(0, 1), (KEYS * 4) / 5)
})
