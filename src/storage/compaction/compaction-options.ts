/** The knobs of leveled and size-tiered compaction, and their defaults: when a level is too large, and when garbage is worth a rewrite. */

export interface CompactionOptions {
  /** Level 0 is merged down when this many of its tables lie over one token. */
  readonly l0Trigger: number
  /** What level 1 may hold. */
  readonly levelBaseBytes: number
  /** How much more each further level may hold. */
  readonly levelMultiplier: number
  /** Levels, level 0 included; the last one is not bounded. */
  readonly levels: number
  /** Most of level 0 that one job takes, oldest tables first (two tables at least). */
  readonly l0BytesMax: number
  /** Size-tiered runs of similar size are merged when there are so many of them … */
  readonly tierRunsMin: number
  /** … and at most so many at a time, oldest first. */
  readonly tierRunsMax: number
  /** Runs below this are all of similar size. */
  readonly tierSmallBytes: number
  /** A table is worth rewriting when this share of its entries (0 to 1) has been dead for garbageDelayMs … */
  readonly garbageFraction: number
  readonly garbageDelayMs: number
  /** … or any entry for this long. */
  readonly garbageAgeMs: number
}

export const COMPACTION_DEFAULTS: CompactionOptions = {
  l0Trigger: 4,
  levelBaseBytes: 256 * 1024 * 1024,
  levelMultiplier: 10,
  levels: 7,
  l0BytesMax: 1024 * 1024 * 1024,
  tierRunsMin: 4,
  tierRunsMax: 32,
  tierSmallBytes: 32 * 1024 * 1024,
  garbageFraction: 0.5,
  garbageDelayMs: 10 * 60_000,
  garbageAgeMs: 24 * 3600_000,
}

/** What a level from 1 on may hold before it is compacted down; the last level takes everything. */
export function levelBytesMax(level: number, options: CompactionOptions): number {
  if (level === options.levels - 1) return Infinity
  return options.levelBaseBytes * options.levelMultiplier ** (level - 1)
}
