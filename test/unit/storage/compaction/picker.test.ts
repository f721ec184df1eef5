import t from 'tap'
import { COMPACTION_DEFAULTS, levelBytesMax } from '../../../../src/storage/compaction/compaction-options.js'
import { debt } from '../../../../src/storage/compaction/debt.js'
import { editOf, pickCompaction, type CompactionView } from '../../../../src/storage/compaction/picker.js'
import type { ManifestTable } from '../../../../src/storage/manifest.js'
import { tableOf } from '../tables.js'

const MB = 1024 * 1024
const NOW_MS = 1_800_000_000_000
const OPTIONS = COMPACTION_DEFAULTS
const DAY_MS = 24 * 3600_000

function view(tables: readonly ManifestTable[], fields: Partial<CompactionView> = {}): CompactionView {
  return {
    tables,
    segments: [],
    busy: new Set(),
    cursors: [],
    purgeableUntilMs: NOW_MS,
    flushMark: 0,
    ...fields,
  }
}

function numbers(tables: readonly ManifestTable[] | undefined): number[] {
  return (tables ?? []).map((table) => table.fileNumber).sort((a, b) => a - b)
}

/** A table of 64 MB over tokens [from, to]. */
function span(
  level: number,
  fileNumber: number,
  from: number,
  to: number,
  fields: Partial<ManifestTable> = {},
) {
  return tableOf(fileNumber, { level, minToken: from, maxToken: to, sizeBytes: 64 * MB, ...fields })
}

/** All entries of the table died `agoMs` ago. */
function dead(agoMs: number): Partial<ManifestTable> {
  const diedMs = NOW_MS - agoMs
  return {
    deadCount: 100,
    minDeathMs: diedMs,
    maxDeathMs: diedMs,
    deathQuartilesMs: Array<number>(4).fill(diedMs),
  }
}

const flushes = (count: number): ManifestTable[] =>
  Array.from({ length: count }, (_, i) => span(0, i + 1, 0, 999))

t.test('nothing is picked from an empty tree, nor while every level is within its size', async (t) => {
  t.equal(pickCompaction(view([]), OPTIONS), null)
  t.equal(pickCompaction(view([...flushes(3), span(1, 9, 0, 999)]), OPTIONS), null)
})

t.test(
  'at its trigger level 0 goes down with all of level 1 that lies between its first and last token',
  async (t) => {
    const l1 = [span(1, 10, 0, 99), span(1, 11, 100, 500), span(1, 12, 501, 999), span(1, 13, 1000, 1500)]
    const pick = pickCompaction(view([...flushes(4), ...l1]), OPTIONS)
    t.match(pick, { kind: 'merge', reason: 'level-0', outputLevel: 1 })
    t.same(numbers(pick?.inputs), [1, 2, 3, 4, 10, 11, 12])
    t.same(pick?.others, [{ minToken: 1000, maxToken: 1500, minSequence: 1300 }])
  },
)

t.test(
  'a table below the gap between two tables of level 0 is an input, or an output could overlap it',
  async (t) => {
    const l0 = [...flushes(3), span(0, 4, 0, 10), span(0, 5, 90, 100)].map((table) =>
      table.fileNumber < 4 ? { ...table, minToken: 0, maxToken: 10 } : table,
    )
    const pick = pickCompaction(view([...l0, span(1, 20, 40, 50)]), OPTIONS)
    t.same(numbers(pick?.inputs), [1, 2, 3, 4, 5, 20])
  },
)

t.test('the tables of one flush do not overlap and count once', async (t) => {
  const split = Array.from({ length: 8 }, (_, i) => span(0, i + 1, i * 10, i * 10 + 9))
  t.equal(debt(split, OPTIONS).l0Depth, 1)
  t.equal(pickCompaction(view(split), OPTIONS), null)
})

t.test('one job takes of a long level 0 the oldest tables, and two at least', async (t) => {
  const pick = pickCompaction(view(flushes(40)), { ...OPTIONS, l0BytesMax: 640 * MB })
  t.same(numbers(pick?.inputs), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  const tight = pickCompaction(view(flushes(40)), { ...OPTIONS, l0BytesMax: 1 })
  t.same(numbers(tight?.inputs), [1, 2])
})

t.test('small flushes over a large level 1 are merged among themselves', async (t) => {
  const l0 = flushes(4).map((table) => ({ ...table, sizeBytes: 2 * MB }))
  const l1 = [span(1, 10, 0, 400), span(1, 11, 401, 999)]
  const pick = pickCompaction(view([...l0, ...l1]), OPTIONS)
  t.match(pick, { kind: 'merge', reason: 'level-0', outputLevel: 0 })
  t.same(numbers(pick?.inputs), [1, 2, 3, 4])
})

t.test('level 0 is read by one job at a time', async (t) => {
  t.equal(pickCompaction(view(flushes(8), { busy: new Set([2]) }), OPTIONS), null)
})

t.test('a damaged table in level 0 holds nothing up, and goes when all of it is dead', async (t) => {
  const tables = [...flushes(5), span(1, 20, 0, 999)]
  const pick = pickCompaction(view(tables, { damaged: new Set([2]) }), OPTIONS)
  t.match(pick, { kind: 'merge', outputLevel: 1 })
  t.same(numbers(pick?.inputs), [1, 3, 4, 5, 20])
  t.ok(
    pick?.others.some((range) => range.minSequence === 200),
    'it may still hold older versions',
  )
  t.equal(pickCompaction(view(flushes(5), { damaged: new Set([1, 2, 3, 4, 5]) }), OPTIONS), null)
  t.match(pickCompaction(view(flushes(1), { damaged: new Set([1]), flushMark: 9999 }), OPTIONS), {
    kind: 'drop',
  })
})

const fullLevelOne = Array.from({ length: 5 }, (_, i) => span(1, i + 1, i * 100, i * 100 + 99))

t.test('a level above its size goes down table by table, round robin by token', async (t) => {
  const l2 = [span(2, 20, 0, 150), span(2, 21, 151, 499)]
  const tables = [...fullLevelOne, ...l2]
  let cursors: readonly number[] = []
  const picked: number[][] = []
  for (let i = 0; i < 6; i++) {
    const pick = pickCompaction(view(tables, { cursors }), OPTIONS)
    t.match(pick, { kind: 'merge', reason: 'level-size', outputLevel: 2 })
    picked.push(numbers(pick?.inputs))
    cursors = pick?.cursors ?? []
  }
  t.same(picked, [
    [1, 20],
    [2, 20, 21],
    [3, 21],
    [4, 21],
    [5, 21],
    [1, 20],
  ])
})

t.test('a table with nothing below and nothing to drop just moves', async (t) => {
  const pick = pickCompaction(view([...fullLevelOne, span(2, 20, 150, 499)]), OPTIONS)
  t.match(pick, { kind: 'move', outputLevel: 2 })
  t.same(numbers(pick?.inputs), [1])
  if (pick === null) return
  const edit = editOf(pick, [])
  t.same(edit.removeTables, [1])
  t.same(edit.addTables, [{ ...fullLevelOne[0], level: 2 }])
})

t.test('a table that would move is rewritten when a rewrite drops something', async (t) => {
  const [first, ...rest] = fullLevelOne
  const expired = {
    ...first,
    deadCount: 1,
    minDeathMs: NOW_MS - 1,
    deathQuartilesMs: Array<number>(4).fill(NOW_MS - 1),
  }
  t.match(pickCompaction(view([expired, ...rest]), OPTIONS), { kind: 'merge', inputs: [{ fileNumber: 1 }] })
  const older = span(4, 40, 0, 50, { minSequence: 0 })
  t.match(pickCompaction(view([expired, ...rest, older]), OPTIONS), {
    kind: 'move',
    inputs: [{ fileNumber: 1 }],
  })
})

t.test('busy tables, and what lies above or below them, are left out', async (t) => {
  const tables = [...fullLevelOne, ...flushes(1), span(2, 20, 0, 150), span(2, 21, 151, 499)].map(
    (table, i) => (i === 5 ? { ...table, fileNumber: 30 } : table),
  )
  const pick = pickCompaction(view(tables.slice(0, 5).concat(tables.slice(6)), { busy: new Set([20]) }), {
    ...OPTIONS,
    levelBaseBytes: 64 * MB,
  })
  t.same(numbers(pick?.inputs), [3, 21])
})

t.test('the level that is furthest above its size comes first', async (t) => {
  const l2 = Array.from({ length: 60 }, (_, i) => span(2, 100 + i, i * 10, i * 10 + 9))
  const pick = pickCompaction(view([...flushes(4), ...l2]), { ...OPTIONS, levelBaseBytes: 16 * MB })
  t.match(pick, { reason: 'level-size', outputLevel: 3 })
  const shallow = pickCompaction(view([...flushes(4), ...l2.slice(0, 30)]), OPTIONS)
  t.match(shallow, { reason: 'level-0' })
})

t.test('the last level takes everything', async (t) => {
  const tables = Array.from({ length: 50 }, (_, i) => span(2, i + 1, i * 10, i * 10 + 9))
  const options = { ...OPTIONS, levels: 3, levelBaseBytes: 1 }
  t.equal(pickCompaction(view(tables), options), null)
  t.equal(levelBytesMax(2, options), Infinity)
  t.equal(debt(tables, options).pendingBytes, 0)
})

t.test('tables of which everything is dead are dropped together', async (t) => {
  const tables = [span(1, 1, 0, 99, dead(1)), span(2, 2, 0, 99, dead(1)), span(2, 3, 100, 199)]
  const pick = pickCompaction(view(tables), OPTIONS)
  t.match(pick, { kind: 'drop', reason: 'garbage' })
  t.same(numbers(pick?.inputs), [1, 2])
  t.equal(
    pickCompaction(view(tables, { purgeableUntilMs: NOW_MS - 2 }), OPTIONS),
    null,
    'only once they may be purged',
  )
})

t.test('T4 a dead table stays while a table that stays may hold something older', async (t) => {
  const top = span(1, 9, 0, 99, dead(1))
  const middle = span(2, 8, 0, 50, dead(1))
  const older = span(3, 2, 40, 60)
  t.equal(pickCompaction(view([top, middle, older]), OPTIONS), null, 'middle stays for older, top for both')
  const newer = { ...older, minSequence: 5000, maxSequence: 5001 }
  t.same(numbers(pickCompaction(view([top, middle, newer]), OPTIONS)?.inputs), [8, 9])
  const segment = { minToken: 0, maxToken: 99, minSequence: 899 }
  const pick = pickCompaction(view([top, middle], { segments: [segment] }), OPTIONS)
  t.same(numbers(pick?.inputs), [8], 'a segment that may hold something older than what top holds')
})

t.test('a FLUSHALL drops what lies below its mark', async (t) => {
  const pick = pickCompaction(
    view([span(1, 1, 0, 99), span(2, 2, 0, 99), span(0, 3, 0, 99)], { flushMark: 2999 }),
    OPTIONS,
  )
  t.match(pick, { kind: 'drop' })
  t.same(numbers(pick?.inputs), [1, 2])
})

/** 60 of 100 entries are dead since `agoMs`. */
function mostlyDead(agoMs: number): Partial<ManifestTable> {
  const diedMs = NOW_MS - agoMs
  return { deadCount: 60, minDeathMs: diedMs, deathQuartilesMs: Array<number>(4).fill(diedMs) }
}

t.test('a table that is mostly dead is rewritten where it lies, after a delay', async (t) => {
  const tables = (agoMs: number): ManifestTable[] => [
    span(2, 5, 0, 99, mostlyDead(agoMs)),
    span(2, 6, 100, 199),
  ]
  t.equal(pickCompaction(view(tables(OPTIONS.garbageDelayMs - 1)), OPTIONS), null)
  const pick = pickCompaction(view(tables(OPTIONS.garbageDelayMs)), OPTIONS)
  t.match(pick, { kind: 'merge', reason: 'garbage', outputLevel: 2 })
  t.same(numbers(pick?.inputs), [5])
})

t.test('a few dead entries are rewritten away after a day', async (t) => {
  const few = (agoMs: number): ManifestTable[] => [
    span(2, 5, 0, 99, {
      deadCount: 1,
      minDeathMs: NOW_MS - agoMs,
      deathQuartilesMs: Array<number>(4).fill(NOW_MS - agoMs),
    }),
  ]
  t.equal(pickCompaction(view(few(DAY_MS - 1)), OPTIONS), null)
  t.match(pickCompaction(view(few(DAY_MS)), OPTIONS), { kind: 'merge', reason: 'garbage' })
})

t.test(
  'a table that was rewritten for nothing is not rewritten again until the delay has passed',
  async (t) => {
    const tables = (purgedUntilMs: number): ManifestTable[] => [
      span(2, 5, 0, 99, { ...mostlyDead(DAY_MS), purgedUntilMs }),
    ]
    t.equal(pickCompaction(view(tables(NOW_MS)), OPTIONS), null)
    t.not(pickCompaction(view(tables(NOW_MS - OPTIONS.garbageDelayMs)), OPTIONS), null)
  },
)

t.test(
  'T4 garbage goes down onto what it hides, and what may hold older versions above it comes down first',
  async (t) => {
    const garbage = span(2, 50, 0, 99, mostlyDead(DAY_MS))
    const below = span(4, 10, 0, 99)
    t.match(pickCompaction(view([garbage, below]), OPTIONS), {
      kind: 'move',
      reason: 'garbage',
      outputLevel: 3,
    })
    const above = span(1, 60, 50, 60, { minSequence: 7 })
    const pick = pickCompaction(view([garbage, above]), OPTIONS)
    t.match(pick, { kind: 'merge', reason: 'garbage', outputLevel: 2 })
    t.same(numbers(pick?.inputs), [50, 60])
    const fromZero = pickCompaction(view([garbage, { ...above, level: 0 }]), OPTIONS)
    t.match(fromZero, { kind: 'move', reason: 'garbage', outputLevel: 1 })
    const segment = { minToken: 0, maxToken: 99, minSequence: 7 }
    t.equal(
      pickCompaction(view([garbage], { segments: [segment] }), OPTIONS),
      null,
      'until the segment is flushed',
    )
  },
)

t.test('garbage in level 0 goes down without waiting for the trigger', async (t) => {
  const pick = pickCompaction(view([span(0, 5, 0, 99, mostlyDead(DAY_MS)), span(1, 2, 0, 99)]), OPTIONS)
  t.match(pick, { kind: 'merge', reason: 'garbage', outputLevel: 1 })
})

t.test('debt counts what lies above the sizes, and what that will be rewritten with', async (t) => {
  t.same(debt([], OPTIONS), { l0Depth: 0, l0Bytes: 0, pendingBytes: 0 })
  t.same(debt(flushes(3), OPTIONS), { l0Depth: 3, l0Bytes: 192 * MB, pendingBytes: 0 })
  const tables = [...flushes(4), span(1, 20, 0, 999)]
  t.same(debt(tables, OPTIONS), {
    l0Depth: 4,
    l0Bytes: 256 * MB,
    pendingBytes: (256 + 64) * MB + 64 * MB,
  })
})
