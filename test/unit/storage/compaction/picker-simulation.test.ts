/**
 * Random histories of writes, deletions, expiry and FLUSHALL against the picker, with up to two compactions under way
 * at once. A history's seed is in the message of whatever fails.
 */
import t from 'tap'
import { NEVER_DIES } from '../../../../src/record/layout.js'
import { debt } from '../../../../src/storage/compaction/debt.js'
import type { CompactionPick } from '../../../../src/storage/compaction/picker.js'
import { sizeTieredBacklog } from '../../../../src/storage/compaction/size-tiered.js'
import { attempt, History, OPTIONS, randomStep } from './tree-history.js'
import { ENTRY_BYTES } from './tree-model.js'

/** Which keys are size-tiered; under the last, policies change from flush to flush. */
const POLICIES: readonly ((token: number, flush: number) => boolean)[] = [
  () => false,
  () => true,
  (token) => token % 2 === 0,
  (token, flush) => (token + (flush >> 3)) % 2 === 0,
]

function historyOf(seed: number): History {
  return new History(seed, undefined, POLICIES[seed % POLICIES.length])
}

t.test('T4 T6 no history uncovers an older version or loses one, two compactions at a time', async (t) => {
  let picks = 0
  for (let seed = 1; seed <= 100; seed++) {
    attempt(seed, () => {
      const history = historyOf(seed)
      const keys = history.random.pick([30, 300, 3000])
      for (let step = 0; step < 400; step++) {
        randomStep(history, keys)
        history.check()
      }
      picks += history.picks
    })
  }
  t.ok(picks > 1000, `${picks} compactions`)
})

t.test(
  'T4 these histories do uncover older versions when a job does not know of the other tables',
  async (t) => {
    const caught = Array.from({ length: 20 }, (_, seed) => {
      const forgets = (pick: CompactionPick): CompactionPick => ({ ...pick, others: [] })
      const history = new History(seed, forgets, POLICIES[seed % POLICIES.length])
      try {
        for (let step = 0; step < 400; step++) {
          randomStep(history, 300)
          history.check()
        }
        return 0
      } catch (error) {
        if (!String(error).includes('came to light')) throw error
        return 1
      }
    })
    const count = caught.reduce<number>((sum, one) => sum + one, 0)
    t.ok(count > 0, `${count} of ${caught.length} histories caught it`)
  },
)

t.test('left running, compaction comes to an end without debt', async (t) => {
  for (let seed = 1; seed <= 60; seed++) {
    attempt(seed, () => {
      const history = historyOf(seed)
      for (let step = 0; step < 600; step++) randomStep(history, 2000)
      history.flush()
      history.settle()
      history.check()
      if (sizeTieredBacklog(history.tree.state.tables, OPTIONS) >= OPTIONS.tierRunsMin)
        throw new Error('a full bucket')
      const left = debt(history.tree.state.tables, OPTIONS)
      if (left.l0Depth >= OPTIONS.l0Trigger || left.pendingBytes > 0) throw new Error(JSON.stringify(left))
    })
  }
  t.pass('no debt')
})

t.test('deleted, expired and flushed entries leave the disk without any new write', async (t) => {
  let gone = 0
  for (let seed = 1; seed <= 60; seed++) {
    attempt(seed, () => {
      const history = new History(seed)
      for (let step = 0; step < 600; step++) randomStep(history, 2000)
      history.flush()
      history.settle()
      const before = history.tree.entryCount
      history.nowMs += 10 * OPTIONS.garbageAgeMs
      history.settle()
      history.check()
      const live = [...history.expected.values()].filter((entry) => !history.isDead(entry)).length
      const dead = [...history.tree.newest().values()].filter((entry) => history.isDead(entry)).length
      if (dead > 0) throw new Error(`${dead} dead entries beside ${live} live ones`)
      gone += before - history.tree.entryCount
    })
  }
  t.ok(gone > 0, `${gone} entries left the disk`)
})

t.test('after FLUSHALL all tables go in one step that rewrites nothing', async (t) => {
  const history = new History(1)
  for (let i = 0; i < 3000; i++) {
    history.write(history.random.below(100_000), NEVER_DIES)
    if (i % 50 === 0) history.flush()
    if (i % 120 === 0) history.settle()
  }
  history.flush()
  const before = history.tree.writtenBytes
  history.flushAll()
  history.settle()
  t.equal(history.tree.state.tables.length, 0)
  t.equal(history.tree.writtenBytes, before)
})

t.test('write amplification of uniform overwrites is reported', async (t) => {
  const history = uniformOverwrites(() => false)
  const levels = OPTIONS.levels
  const bytes = Array.from({ length: levels }, (_, level) =>
    history.tree.state.tables
      .filter((table) => table.level === level)
      .reduce((sum, table) => sum + table.sizeBytes, 0),
  )
  t.comment(`write amplification ${writeAmplification(history).toFixed(1)}`)
  t.comment(`space amplification ${spaceAmplification(history).toFixed(2)}`)
  t.comment(`bytes by level ${bytes.join(' ')}, ${history.picks} compactions`)
  t.equal(history.tree.newest().size, history.expected.size)
})

t.test('and so it is of size-tiered tables, which are written less often and take more space', async (t) => {
  const leveled = uniformOverwrites(() => false)
  const tiered = uniformOverwrites(() => true)
  t.comment(`write amplification ${writeAmplification(tiered).toFixed(1)}`)
  t.comment(`space amplification ${spaceAmplification(tiered).toFixed(2)}, ${tiered.picks} compactions`)
  t.ok(writeAmplification(tiered) < writeAmplification(leveled))
  t.ok(spaceAmplification(tiered) > spaceAmplification(leveled))
  t.equal(tiered.tree.newest().size, tiered.expected.size)
})

function uniformOverwrites(isTiered: (token: number) => boolean): History {
  const history = new History(7, undefined, isTiered)
  for (let i = 0; i < 30_000; i++) {
    history.write(history.random.below(10_000), NEVER_DIES)
    if (i % 60 === 59) history.flush()
    if (history.running === 0) history.start()
    else history.end(0)
  }
  history.settle()
  return history
}

function writeAmplification({ tree, writes }: History): number {
  return tree.writtenBytes / (writes * ENTRY_BYTES)
}

function spaceAmplification({ tree, expected }: History): number {
  return tree.entryCount / expected.size
}
