import t from 'tap'
import { NEVER_DIES } from '../../../../src/record/layout.js'
import { pickCompaction, type CompactionView } from '../../../../src/storage/compaction/picker.js'
import {
  ALL_FAMILIES,
  pickWanted,
  unfinished,
  wantedCompaction,
} from '../../../../src/storage/compaction/wanted.js'
import { FAMILY_LEVELED, FAMILY_SIZE_TIERED, FAMILY_WINDOW } from '../../../../src/storage/families.js'
import type { ManifestTable } from '../../../../src/storage/manifest.js'
import { tableOf } from '../tables.js'
import { attempt, History, OPTIONS, randomStep } from './tree-history.js'

const EVERYTHING = { families: ALL_FAMILIES, minToken: 0, maxToken: 2 ** 53 - 1 }
const PICKS_MAX = 2000

function view(tables: readonly ManifestTable[], fields: Partial<CompactionView> = {}): CompactionView {
  const rest = { segments: [], busy: new Set<number>(), cursors: [], purgeableUntilMs: 0, flushMark: 0 }
  return { tables, ...rest, ...fields }
}

function numbers(tables: readonly ManifestTable[] | undefined): number[] {
  return (tables ?? []).map((table) => table.fileNumber).sort((a, b) => a - b)
}

t.test(
  'of a window and of size-tiered tables one merge each, of levels step by step to the deepest',
  async (t) => {
    const window = {
      family: FAMILY_WINDOW,
      windowStartMs: 0,
      windowEndMs: 9,
      minDeathMs: 5,
      maxDeathMs: 9,
    } as const
    const tables = [
      tableOf(1, { level: 2, minToken: 0, maxToken: 50 }),
      tableOf(2, { level: 1, minToken: 0, maxToken: 99 }),
      tableOf(3),
      tableOf(4),
      tableOf(5, { family: FAMILY_SIZE_TIERED }),
      tableOf(6, { family: FAMILY_SIZE_TIERED }),
      tableOf(7, window),
      tableOf(8, { ...window, windowEndMs: 10 }),
      tableOf(9, window),
    ]
    const all = wantedCompaction(EVERYTHING, tables, 10, 1000)
    t.match(pickWanted(all, view(tables), OPTIONS), { kind: 'merge', reason: 'wanted', outputLevel: 0 })
    t.same(numbers(pickWanted(all, view(tables), OPTIONS)?.inputs), [5, 6])
    const windows = wantedCompaction({ ...EVERYTHING, families: [FAMILY_WINDOW] }, tables, 10, 1000)
    t.same(numbers(pickWanted(windows, view(tables), OPTIONS)?.inputs), [7, 9])
    const leveled = wantedCompaction({ ...EVERYTHING, families: [FAMILY_LEVELED] }, tables, 10, 1000)
    t.equal(leveled.bottomLevel, 2)
    const first = pickWanted(leveled, view(tables), OPTIONS)
    t.same([first?.outputLevel, numbers(first?.inputs)], [1, [2, 3, 4]])
    t.same(first?.others.length, 6, 'T4: all others, of all families')
    const merged = [tables[0], tableOf(11, { level: 1, minSequence: 200, maxSequence: 499 })]
    const second = pickWanted(leveled, view(merged), OPTIONS)
    t.same([second?.outputLevel, numbers(second?.inputs)], [2, [1, 11]])
    t.equal(pickWanted(leveled, view([tableOf(12, { level: 2 })]), OPTIONS), null)
  },
)

t.test('what is newer than the asking, elsewhere or damaged is left alone', async (t) => {
  const old = tableOf(1, { level: 1, minToken: 0, maxToken: 99 })
  const scope = { families: ALL_FAMILIES, minToken: 100, maxToken: 200 }
  const wanted = wantedCompaction(EVERYTHING, [old], 5, 199)
  t.same(unfinished(wanted, { tables: [tableOf(7, { minSequence: 200, maxSequence: 300 })] }), [])
  t.same(unfinished(wanted, { tables: [old], damaged: new Set([1]) }), [])
  t.same(unfinished(wantedCompaction(scope, [old], 5, 199), { tables: [old] }), [])
  t.equal(unfinished(wanted, { tables: [old] }).length, 1)
})

t.test(
  'T4 T6 it ends while writes go on, uncovers nothing, and leaves nothing dead of what was there',
  async (t) => {
    for (let seed = 1; seed <= 60; seed++) {
      attempt(seed, () => {
        const history = new History(seed, undefined, (token) => seed % 2 === 0 && token % 3 === 0)
        for (let step = 0; step < 300; step++) randomStep(history, 1000)
        history.flush()
        history.settle()
        const { tree } = history
        const wanted = wantedCompaction(
          EVERYTHING,
          tree.state.tables,
          tree.state.nextFileNumber,
          history.sequence,
        )
        const asked = history.sequence
        let picks = 0
        for (; ; picks++) {
          if (picks > PICKS_MAX) throw new Error('it does not come to an end')
          if (picks % 5 === 0) {
            for (let i = 0; i < 20; i++) history.write(history.random.below(1000), NEVER_DIES)
            history.flush()
          }
          const now = history.view()
          const pick = pickCompaction(now, OPTIONS) ?? pickWanted(wanted, now, OPTIONS)
          if (pick === null) break
          tree.finish(pick, tree.work(pick, history.nowMs, history.flushMark))
          history.check()
        }
        const above = tree.state.tables.filter(
          ({ family, level, minSequence }) =>
            family === FAMILY_LEVELED && level < wanted.bottomLevel && minSequence <= asked,
        )
        if (above.length > 0) throw new Error(`${above.length} old tables above the bottom`)
        const families = new Set(tree.state.tables.map(({ family }) => family))
        const dead = [...tree.newest().values()].filter(
          (entry) => history.isDead(entry) && entry.sequence <= asked,
        )
        // Where there are two families, each keeps what may hide something in the other.
        if (families.size === 1 && dead.length > 0)
          throw new Error(`${dead.length} dead entries left of ${picks} picks`)
      })
    }
    t.pass('sixty histories')
  },
)
