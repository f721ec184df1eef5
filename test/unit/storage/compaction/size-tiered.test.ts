import t from 'tap'
import { COMPACTION_DEFAULTS } from '../../../../src/storage/compaction/compaction-options.js'
import { editOf, pickCompaction, type CompactionView } from '../../../../src/storage/compaction/picker.js'
import { runsOf } from '../../../../src/storage/compaction/runs.js'
import { sizeTieredBacklog } from '../../../../src/storage/compaction/size-tiered.js'
import { FAMILY_LEVELED, FAMILY_SIZE_TIERED } from '../../../../src/storage/families.js'
import type { ManifestTable } from '../../../../src/storage/manifest.js'
import { tableOf } from '../tables.js'

const MB = 1024 * 1024
const NOW_MS = 1_800_000_000_000
const OPTIONS = COMPACTION_DEFAULTS

function view(tables: readonly ManifestTable[], fields: Partial<CompactionView> = {}): CompactionView {
  const rest = { segments: [], busy: new Set<number>(), cursors: [], purgeableUntilMs: NOW_MS, flushMark: 0 }
  return { tables, ...rest, ...fields }
}

/** A size-tiered table of so many megabytes over all tokens. */
function tiered(fileNumber: number, megabytes: number, fields: Partial<ManifestTable> = {}): ManifestTable {
  return tableOf(fileNumber, { family: FAMILY_SIZE_TIERED, sizeBytes: megabytes * MB, ...fields })
}

/** Every entry died an hour ago. */
function dead(): Partial<ManifestTable> {
  const diedMs = NOW_MS - 3_600_000
  const deathQuartilesMs = Array<number>(4).fill(diedMs)
  return { deadCount: 100, minDeathMs: diedMs, maxDeathMs: diedMs, deathQuartilesMs }
}

function numbers(tables: readonly ManifestTable[] | undefined): number[] {
  return (tables ?? []).map((table) => table.fileNumber).sort((a, b) => a - b)
}

t.test('what one job has written is a run: consecutive numbers that do not overlap', async (t) => {
  const tables = [
    tiered(12, 64, { minToken: 200, maxToken: 299 }),
    tiered(10, 64, { minToken: 0, maxToken: 99 }),
    tiered(11, 64, { minToken: 100, maxToken: 199 }),
    tiered(13, 64, { minToken: 250, maxToken: 400 }),
    tiered(15, 64, { minToken: 500, maxToken: 600 }),
  ]
  t.same(
    runsOf(tables).map((run) => numbers(run.tables)),
    [[10, 11, 12], [13], [15]],
  )
  t.match(runsOf(tables)[0], { sizeBytes: 192 * MB, maxSequence: 1299 })
  t.same(runsOf([]), [])
})

t.test('four runs of similar size are merged, whatever lies between them in age', async (t) => {
  const small = [2, 4, 6].map((n) => tiered(n, 100))
  const large = [tiered(1, 1000), tiered(8, 1100)]
  t.equal(pickCompaction(view([...small, ...large]), OPTIONS), null)
  const pick = pickCompaction(view([...small, ...large, tiered(10, 140)]), OPTIONS)
  t.match(pick, { kind: 'merge', reason: 'size-tier', outputLevel: 0 })
  t.same(numbers(pick?.inputs), [2, 4, 6, 10])
  t.same(
    pick?.others.map(({ minSequence }) => minSequence),
    [100, 800],
    'T4: the job knows of all others',
  )
  if (pick === null) return
  const { level, purgedUntilMs, ...written } = tiered(20, 430)
  t.match(editOf(pick, [{ ...written, purgedUntilMs }]).addTables, [{ family: FAMILY_SIZE_TIERED, level }])
})

t.test('runs that were cut into tables are of the size of all of them', async (t) => {
  const run = (first: number) =>
    [0, 1, 2, 3].map((i) => tiered(first + i, 64, { minToken: i * 10, maxToken: i * 10 + 9 }))
  t.equal(
    pickCompaction(view([run(10), run(20), run(30)].flat()), OPTIONS),
    null,
    'three runs, twelve tables',
  )
  t.equal(pickCompaction(view([run(10), run(20), run(30), run(40)].flat()), OPTIONS)?.inputs.length, 16)
})

t.test('small runs are of one size, and no more than tierRunsMax are taken, the oldest', async (t) => {
  const tables = Array.from({ length: 40 }, (_, i) => tiered(2 * i + 2, i % 2 === 0 ? 1 : 20))
  t.same(
    numbers(pickCompaction(view(tables), OPTIONS)?.inputs),
    Array.from({ length: OPTIONS.tierRunsMax }, (_, i) => 2 * i + 2),
  )
  t.equal(sizeTieredBacklog(tables, OPTIONS), 40)
})

t.test('the fullest bucket goes first; busy and damaged runs are passed over', async (t) => {
  const four = [2, 4, 6, 8].map((n) => tiered(n, 100))
  const five = [10, 12, 14, 16, 18].map((n) => tiered(n, 400))
  t.same(numbers(pickCompaction(view([...four, ...five]), OPTIONS)?.inputs), [10, 12, 14, 16, 18])
  t.same(
    numbers(pickCompaction(view([...four, ...five], { busy: new Set([10, 12]) }), OPTIONS)?.inputs),
    [2, 4, 6, 8],
  )
  t.equal(pickCompaction(view(four, { damaged: new Set([4]) }), OPTIONS), null)
})

t.test('leveled tables are no inputs, and size-tiered ones none of theirs', async (t) => {
  const leveled = [1, 3, 5, 7].map((n) => tableOf(n, { sizeBytes: 64 * MB }))
  const both = [...leveled, ...[2, 4, 6].map((n) => tiered(n, 64))]
  const pick = pickCompaction(view(both), OPTIONS)
  t.same(numbers(pick?.inputs), [1, 3, 5, 7])
  t.ok(pick?.inputs.every(({ family }) => family === FAMILY_LEVELED))
})

t.test('what is dead goes as soon as nothing else holds anything older', async (t) => {
  const half = { deadCount: 60, deathQuartilesMs: dead().deathQuartilesMs, minDeathMs: dead().minDeathMs }
  t.match(pickCompaction(view([tiered(5, 100, half)]), OPTIONS), { reason: 'garbage', inputs: { length: 1 } })
  const older = tiered(3, 500)
  t.same(numbers(pickCompaction(view([tiered(5, 100, half), older]), OPTIONS)?.inputs), [3, 5])
  const huge = tiered(3, 5000)
  t.equal(pickCompaction(view([tiered(5, 100, half), huge]), OPTIONS), null, 'not for ten times as much')
  const elsewhere = tableOf(3, { level: 2 })
  t.equal(pickCompaction(view([tiered(5, 100, half), elsewhere]), OPTIONS), null, 'another family may')
  const segment = { minToken: 0, maxToken: 2 ** 53 - 1, minSequence: 1 }
  t.equal(pickCompaction(view([tiered(5, 100, half)], { segments: [segment] }), OPTIONS), null)
  const looked = { ...half, purgedUntilMs: NOW_MS - 1000 }
  t.equal(pickCompaction(view([tiered(5, 100, looked)]), OPTIONS), null, 'not again and again')
})

t.test('a run that is dead as a whole is dropped unread', async (t) => {
  const pick = pickCompaction(view([tiered(3, 100, dead()), tiered(5, 100)]), OPTIONS)
  t.match(pick, { kind: 'drop', reason: 'garbage' })
  t.same(numbers(pick?.inputs), [3])
  t.equal(
    pickCompaction(view([tiered(3, 100), tiered(5, 100, dead())]), OPTIONS)?.kind,
    'merge',
    'it hides older ones',
  )
})
