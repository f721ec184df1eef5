/** How far compaction is behind, as a pure function of the live tables: what the store slows its writers down by. */
import type { ManifestTable } from '../manifest.js'
import { levelBytesMax, type CompactionOptions } from './compaction-options.js'
import { Levels, totalBytes } from './levels.js'

/** How far compaction is behind: the store delays writers by it. */
export interface CompactionDebt {
  /** Most tables of level 0 over one token: what a point read may have to probe. */
  readonly l0Depth: number
  readonly l0Bytes: number
  /** Estimate of the bytes that have to be rewritten until no level is above its size. */
  readonly pendingBytes: number
}

/**
 * What is above a level's size goes down, is rewritten there together with what it overlaps (estimated by the ratio of
 * the levels' sizes), and adds to the next level in turn.
 */
export function debt(tables: readonly ManifestTable[], options: CompactionOptions): CompactionDebt {
  const levels = new Levels(tables, options.levels)
  const l0Depth = levels.depth
  const l0Bytes = totalBytes(levels.at(0))
  let sinking = l0Depth >= options.l0Trigger ? l0Bytes : 0
  let pendingBytes = sinking > 0 ? sinking + totalBytes(levels.at(1)) : 0
  for (let level = 1; level < levels.last; level++) {
    const bytes = totalBytes(levels.at(level)) + sinking
    sinking = Math.max(0, bytes - levelBytesMax(level, options))
    if (sinking > 0) pendingBytes += sinking * (1 + totalBytes(levels.at(level + 1)) / bytes)
  }
  return { l0Depth, l0Bytes, pendingBytes: Math.round(pendingBytes) }
}
