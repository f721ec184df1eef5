/** Slots that lie side by side, both ends included as in CLUSTER SLOTS; a range never runs past slot 16383 into slot 0. */
import { TOKENS_PER_SLOT } from './token.js'

export interface SlotRange {
  readonly firstSlot: number
  readonly lastSlot: number
}

/** Tokens from `start` up to but without `end`. */
export interface TokenRange {
  readonly start: number
  readonly end: number
}

/** The tokens of a range of slots: one contiguous read of tables and streams. */
export function tokensOf({ firstSlot, lastSlot }: SlotRange): TokenRange {
  return { start: firstSlot * TOKENS_PER_SLOT, end: (lastSlot + 1) * TOKENS_PER_SLOT }
}

/** Ranges in ascending order, those that touch made one. */
export function joined(ranges: Iterable<SlotRange>): readonly SlotRange[] {
  const result: SlotRange[] = []
  for (const { firstSlot, lastSlot } of ranges) {
    const before = result.at(-1)
    if (before?.lastSlot === firstSlot - 1) result[result.length - 1] = { ...before, lastSlot }
    else result.push({ firstSlot, lastSlot })
  }
  return result
}
