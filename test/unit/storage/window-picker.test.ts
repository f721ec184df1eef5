import t from 'tap'
import { FAMILY_WINDOW } from '../../../src/storage/families.js'
import type { ManifestTable } from '../../../src/storage/manifest.js'
import { PurgeRanges } from '../../../src/storage/purge-ranges.js'
import {
  holdOf,
  pickDrop,
  pickWindowMerge,
  sizesOf,
  windowsOf,
} from '../../../src/storage/windows/window-picker.js'
import type { WindowView } from '../../../src/storage/windows/window-picker.js'
import { tableOf } from './tables.js'

const NOW_MS = 1_800_000_000_000

/** A table of a window of 1000 ms that ends `endsInMs` from now. */
function inWindow(fileNumber: number, endsInMs: number, fields: Partial<ManifestTable> = {}): ManifestTable {
  const windowEndMs = NOW_MS + endsInMs
  const place = { family: FAMILY_WINDOW, windowStartMs: windowEndMs - 1000, windowEndMs } as const
  return tableOf(fileNumber, { ...place, minDeathMs: windowEndMs - 900, maxDeathMs: windowEndMs, ...fields })
}

function view(tables: readonly ManifestTable[], fields: Partial<WindowView> = {}): WindowView {
  return {
    tables,
    nowMs: NOW_MS,
    purgeableUntilMs: NOW_MS,
    flushMark: 0,
    busy: new Set(),
    damaged: new Set(),
    isQuiet: () => false,
    ...fields,
  }
}

function numbers(tables: readonly ManifestTable[] | null | undefined): number[] | null {
  return tables?.map(({ fileNumber }) => fileNumber).sort((a, b) => a - b) ?? null
}

t.test(
  'a window is dropped whole, at its end and not before, the one that ended first before others',
  async (t) => {
    const tables = [tableOf(1), inWindow(2, 0), inWindow(3, 1), inWindow(4, -500), inWindow(5, -500)]
    t.same(numbers(pickDrop(view(tables))?.tables), [4, 5])
    t.same(numbers(pickDrop(view(tables.slice(0, 3)))?.tables), [2])
    t.equal(pickDrop(view([tables[0], tables[2]])), null)
    t.equal(pickDrop(view([tables[3], tables[4]], { busy: new Set([5]) })), null)
  },
)

t.test(
  'P1 with replicas a window waits until all of it is below the purge horizons of its own slots',
  async (t) => {
    const tables = [inWindow(2, -500)]
    const range = (untilMs: number) => ({ firstSlot: 0, lastSlot: 99, untilMs, floor: 0 })
    const holdBelow = (untilMs: number): unknown => {
      const ranges = new PurgeRanges([range(untilMs)])
      return holdOf(windowsOf(tables)[0], view(tables, { ranges }))
    }
    t.equal(holdBelow(NOW_MS - 501), 'purge')
    t.equal(holdBelow(NOW_MS - 500), null, 'the slots of other nodes hold nothing up')
    t.equal(holdOf(windowsOf(tables)[0], view(tables, { ranges: new PurgeRanges([]) })), 'purge')
  },
)

t.test('a damaged table holds its window up only if something has to be read of it', async (t) => {
  const damaged = new Set([2])
  t.not(pickDrop(view([inWindow(2, -1)], { damaged })), null)
  const flagged = [inWindow(2, -1, { flaggedCount: 1 })]
  t.equal(pickDrop(view(flagged, { damaged })), null)
  t.equal(holdOf(windowsOf(flagged)[0], view(flagged, { damaged })), 'damage')
})

t.test('while a window receives, four tables of about one size are merged', async (t) => {
  const sized = (fileNumber: number, sizeBytes: number): ManifestTable =>
    inWindow(fileNumber, 5000, { sizeBytes })
  const tables = [sized(1, 100), sized(2, 1000), sized(3, 1100), sized(4, 2900), sized(5, 3001)]
  t.equal(pickWindowMerge(view(tables)), null)
  t.same(numbers(pickWindowMerge(view([...tables, sized(6, 2000)]))), [2, 3, 4, 6])
  const other = inWindow(6, 9000, { sizeBytes: 2000 })
  t.equal(pickWindowMerge(view([...tables, other])), null, 'never with those of another window')
  const damaged = new Set([3])
  t.equal(pickWindowMerge(view([...tables, sized(6, 2000)], { damaged })), null)
})

t.test('a quiet window comes down to two tables, and keeps its largest as it is', async (t) => {
  const isQuiet = (): boolean => true
  const tables = [
    inWindow(1, 5000, { sizeBytes: 10 }),
    inWindow(2, 5000, { sizeBytes: 90 }),
    inWindow(3, 5000),
  ]
  t.same(numbers(pickWindowMerge(view(tables, { isQuiet }))), [1, 2])
  t.equal(pickWindowMerge(view(tables.slice(1), { isQuiet })), null)
})

t.test('a window in numbers', async (t) => {
  const tables = [inWindow(1, 5000, { flaggedCount: 3 }), inWindow(2, 5000)]
  const sums = { tables: 2, bytes: 2000, records: 200, flagged: 3 }
  t.match(sizesOf(windowsOf(tables)[0]), { startMs: NOW_MS + 4000, endMs: NOW_MS + 5000, ...sums })
})
