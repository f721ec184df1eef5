import type { ManifestTable } from '../manifest.js'
import type { SequenceRange } from './older-elsewhere.js'

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
  garbageFraction: 0.5,
  garbageDelayMs: 10 * 60_000,
  garbageAgeMs: 24 * 3600_000,
}

/** Everything that a pick depends on. */
export interface CompactionView {
  readonly tables: readonly ManifestTable[]
  /** Unflushed segments, the active one included. */
  readonly segments: readonly SequenceRange[]
  /** File numbers of tables that a running job reads. */
  readonly busy: ReadonlySet<number>
  /** Per level the token up to which it was last compacted; a level without one starts at 0. */
  readonly cursors: readonly number[]
  /** Entries that died at or before this time may be purged, milliseconds since 1970; on a single node that is now. */
  readonly purgeableUntilMs: number
  /** HLC, 0 for none; must be durable. */
  readonly flushMark: number
}

export interface CompactionPick {
  /** merge: run a job. move: the one input goes to outputLevel as it is. drop: all inputs are dead and just go. */
  readonly kind: 'merge' | 'move' | 'drop'
  readonly reason: 'level-0' | 'level-size' | 'garbage'
  readonly inputs: readonly ManifestTable[]
  readonly outputLevel: number
  /** What the job needs to judge RULES T4: all tables that are not inputs, and the segments. */
  readonly others: readonly SequenceRange[]
  /** The cursors once the pick is carried out. */
  readonly cursors: readonly number[]
}

/** How far compaction is behind. */
export interface CompactionDebt {
  /** Most tables of level 0 over one token: what a point read may have to probe. */
  readonly l0Depth: number
  readonly l0Bytes: number
  /** Estimate of the bytes that have to be rewritten until no level is above its size. */
  readonly pendingBytes: number
}

/** The next compaction, or null when nothing needs one or all that do are busy. */
export function pickCompaction(view: CompactionView, options: CompactionOptions): CompactionPick | null {
  throw new Error(`not yet built ${view.tables.length} ${options.levels}`)
}

export function debt(tables: readonly ManifestTable[], options: CompactionOptions): CompactionDebt {
  throw new Error(`not yet built ${tables.length} ${options.levels}`)
}
