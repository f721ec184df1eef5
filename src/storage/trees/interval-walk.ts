/**
 * Visits the newest entry of every key of a token interval, dead ones included, beside everything else that the node does: in
 * steps of bounded work, with the event loop's other turns between them, and while blocks are read. What an exchange lists a
 * leaf with. Writes may come between two steps, so what is visited is what stood at some moment of the walk, key by key.
 */
import type { Clock } from '../../env/clock.js'
import type { ColdVisitor, EntryVisitor, WalkLimits } from '../key-walk.js'
import { readAheadEnd } from '../table/read-ahead.js'
import type { Table } from '../table/table.js'
import type { TokenInterval } from './tree-ranges.js'

/** Entries of one step: less than a millisecond. */
export const STEP_ENTRIES = 500

/** What is walked: a Store. */
export interface Walkable {
  walk(from: number, limits: WalkLimits, visit: EntryVisitor, cold: ColdVisitor): number
}

interface MissingBlock {
  readonly table: Table
  readonly block: number
}

interface VisitedEntry {
  readonly bytes: Buffer
  readonly record: number
}

/**
 * `visit` gets each entry once, by token; its bytes are valid during the call only. Answers whether to go on. Rejects with
 * CorruptionError and the disk's errors, after entries before the damage have been visited.
 */
export async function walkInterval(
  store: Walkable,
  clock: Clock,
  { from, end }: TokenInterval,
  visit: (bytes: Buffer, record: number) => boolean,
): Promise<void> {
  const limits = { visits: STEP_ENTRIES, entries: STEP_ENTRIES, end }
  let pinned: MissingBlock[] = []
  try {
    for (let token = from; token < end;) {
      const missing: MissingBlock[] = []
      // A step that comes upon missing blocks has visited in vain: so they are visited once it has succeeded.
      const entries: VisitedEntry[] = []
      const next = store.walk(
        token,
        limits,
        (bytes, record) => {
          entries.push({ bytes, record })
          return true
        },
        (table, block) => missing.push({ table, block }),
      )
      if (next === -1) {
        // Those of earlier attempts stay pinned: else the blocks of one step could push each other out for ever.
        pinned = [...pinned, ...(await loaded(missing, end))]
        continue
      }
      for (const { bytes, record } of entries) if (!visit(bytes, record)) return
      token = next
      release(pinned)
      pinned = []
      if (token < end) await new Promise<void>((resolve) => clock.endOfTurn(resolve))
    }
  } finally {
    release(pinned)
  }
}

/**
 * Has the blocks read side by side, with those behind them that the step may come to, and pinned. Rejects with the first error once
 * all reads have ended, with none pinned; what cannot be read of the blocks behind them is nobody's concern yet.
 */
async function loaded(blocks: readonly MissingBlock[], endToken: number): Promise<readonly MissingBlock[]> {
  const arrived: MissingBlock[] = []
  const errors: Error[] = []
  const load = ({ table, block }: MissingBlock): Promise<void> =>
    new Promise((resolve) => {
      const end = readAheadEnd(table, block, STEP_ENTRIES, endToken)
      let left = end - block
      table.loadRun(block, end, (loadedBlock, error) => {
        if (error === null) arrived.push({ table, block: loadedBlock })
        else if (loadedBlock === block) errors.push(error)
        if (--left === 0) resolve()
      })
    })
  await Promise.all(blocks.map(load))
  if (errors.length === 0) return arrived
  release(arrived)
  throw errors[0]
}

function release(blocks: readonly MissingBlock[]): void {
  for (const { table, block } of blocks) table.unpin(block)
}
