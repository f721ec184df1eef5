/**
 * Runs many random lives of a storage engine (storage-story.ts). KINDRED_SEED=17 lives one life only, KINDRED_SEEDS=100000 many.
 */
import type { Test } from 'tap'
import type { AppendFsync } from '../../src/storage/log/log-writer.js'
import type { StoreOptions } from '../../src/storage/store-options.js'
import { Story } from './storage-story.js'
import type { StoryReport } from './storage-story.js'

export const STEPS = 120
const SEGMENT_BYTES = [4 * 1024, 8 * 1024, 16 * 1024]
const TRACE_LINES_SHOWN = 30

function seedsOf(count: number): number[] {
  const { KINDRED_SEED, KINDRED_SEEDS } = process.env
  if (KINDRED_SEED !== undefined) return [Number(KINDRED_SEED)]
  return Array.from(
    { length: KINDRED_SEEDS === undefined ? count : Number(KINDRED_SEEDS) },
    (_, seed) => seed,
  )
}

export async function liveAll(
  t: Test,
  appendfsync: AppendFsync,
  count: number,
  hasFaults = false,
  options: Partial<StoreOptions> = {},
): Promise<Partial<StoryReport>> {
  const sums: Record<string, number> = { lives: 0 }
  for (const seed of seedsOf(count)) {
    const segmentBytes = SEGMENT_BYTES[seed % SEGMENT_BYTES.length]
    const story = new Story(seed, { appendfsync, segmentBytes, ...options }, hasFaults)
    try {
      await story.live(STEPS)
    } catch (error) {
      const lines = story.machine.env.disk.trace.lines.slice(-TRACE_LINES_SHOWN)
      t.fail(`seed ${seed} under ${appendfsync}: ${String(error)}`, { operations: lines })
    }
    sums['lives']++
    for (const [name, sum] of Object.entries(story.report)) sums[name] = (sums[name] ?? 0) + sum
  }
  t.comment(`${appendfsync}: ${JSON.stringify(sums)}`)
  return sums
}

export function happened(t: Test, sums: Partial<StoryReport>): void {
  if (process.env['KINDRED_SEED'] !== undefined) return
  for (const [name, sum] of Object.entries(sums)) if (!NOT_ALWAYS.has(name)) t.ok(sum > 0, `${name}: ${sum}`)
}

const NOT_ALWAYS: ReadonlySet<string> = new Set([
  'logFailures',
  'reopenings',
  'failedStarts',
  'windowsDropped',
  'localTombstones',
])
