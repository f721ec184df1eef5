/**
 * Which tables to compact next: leveled compaction as in LevelDB and RocksDB, as a pure function of what the manifest
 * says. Level 0 is what flushes wrote, its tables overlap. Every further level is one sorted run, at most
 * `levelMultiplier` times as large as the one above it. What is over its size goes down: for level 0 its oldest tables
 * with all that they overlap in level 1, for the others one table at a time, round robin by token, with what it
 * overlaps in the next level. So a key costs a read at most one table per level, and each byte is rewritten about
 * levelMultiplier times per level on its way down.
 *
 * Then garbage. Sizes alone would leave expired and deleted data on the disk for as long as nothing new is written, so:
 *
 *   - Tables of which everything is dead are dropped without a job, all in one edit, as far as nothing that stays may
 *     hold an older version (after FLUSHALL that is every table but one).
 *   - A table that is garbage (garbage.ts) is rewritten where it lies, once nothing else may hold older versions. If
 *     something deeper may, the table is pushed down onto it first, else something higher (a range that starts earlier
 *     although its versions of these keys are newer) is pushed down. Data only ever move down, so that ends.
 *
 * Invariants of a pick: no input is busy; for an output level from 1 on, every table there that overlaps an input is an
 * input, so that outputs never overlap what stays; level 0 is read by one job at a time, oldest tables first, so that
 * for every key sequences fall from level to level. The last one is what makes levels efficient; that the newest version
 * is found does not depend on it (RULES T6), nor does purging (RULES T4).
 *
 * A damaged table can be neither merged nor moved over, so in a level from 1 on it would hold up everything above it. The
 * store moves it to level 0, where tables may overlap, and there the others pass it by. Its range still counts for RULES
 * T4. Once all of it is dead it is dropped, which needs no reading.
 *
 * Rejected: choosing the table with the least overlap instead of round robin (10 % fewer bytes, but cold ranges of
 * tokens keep their garbage for ever).
 *
 * Size-tiered tables, for prefixes that ask for them, are picked in size-tiered.ts.
 */
import { FAMILY_LEVELED, FAMILY_WINDOW } from '../families.js'
import type { TablePlace } from '../families.js'
import type { ManifestEdit, ManifestTable, WrittenTable } from '../manifest.js'
import { levelBytesMax, type CompactionOptions } from './compaction-options.js'
import { hasDead, isGarbage, isWhollyDead, isWorthAnotherLook, type PurgeLimits } from './garbage.js'
import { Levels, mayHoldOlder, totalBytes } from './levels.js'
import type { SequenceRange } from './older-elsewhere.js'
import { othersThan } from './picks.js'
import { pickSizeTiered, pickSizeTieredGarbage } from './size-tiered.js'

/** Everything that a pick depends on. */
export interface CompactionView extends PurgeLimits {
  readonly tables: readonly ManifestTable[]
  /** Unflushed segments, the active one included. */
  readonly segments: readonly SequenceRange[]
  /** File numbers of tables that a running job reads. */
  readonly busy: ReadonlySet<number>
  /** File numbers of tables whose bytes failed a check: never read again. In level 0 the others go down without them. */
  readonly damaged?: ReadonlySet<number>
  /** Per level the token up to which it was last compacted; a level without one starts at 0. */
  readonly cursors: readonly number[]
  /** Entries that died at or before this time may be purged, milliseconds since 1970; on a single node that is now. */
  readonly purgeableUntilMs: number
  /** HLC, 0 for none; must be durable. */
  readonly flushMark: number
}

/** level-0, level-size, size-tier: too many or too large. garbage: something dead can go. wanted: KV.COMPACT. */
export type CompactionReason = 'level-0' | 'level-size' | 'size-tier' | 'garbage' | 'window' | 'wanted'

export interface CompactionPick {
  /** merge: run a job. move: the one input goes to outputLevel as it is. drop: all inputs are dead and just go. */
  readonly kind: 'merge' | 'move' | 'drop'
  readonly reason: CompactionReason
  readonly inputs: readonly ManifestTable[]
  readonly outputLevel: number
  /** What the job needs to judge RULES T4: all tables that are not inputs, and the segments. */
  readonly others: readonly SequenceRange[]
  /** The cursors once the pick is carried out. */
  readonly cursors: readonly number[]
}

/** The next compaction, or null when nothing needs one or all that do are busy. */
export function pickCompaction(view: CompactionView, options: CompactionOptions): CompactionPick | null {
  const picker = new Picker(view, options)
  return (
    picker.drop() ??
    picker.oversize() ??
    pickSizeTiered(view, options) ??
    picker.garbage() ??
    pickSizeTieredGarbage(view, options)
  )
}

/** The edit that records a pick as done; `outputs` is what its job wrote (nothing for a move or a drop). */
export function editOf(pick: CompactionPick, outputs: readonly WrittenTable[]): ManifestEdit {
  const tables = pick.kind === 'move' ? pick.inputs : outputs
  return {
    removeTables: pick.inputs.map((table) => table.fileNumber),
    addTables: tables.map((table) => ({ ...table, ...outputPlace(pick) })),
  }
}

/** Where the outputs of a pick stand: compactions stay within a family, and within a window. */
export function outputPlace({
  inputs,
  outputLevel,
}: Pick<CompactionPick, 'inputs' | 'outputLevel'>): TablePlace {
  const { family, windowStartMs, windowEndMs } = inputs[0]
  return { level: outputLevel, family, windowStartMs, windowEndMs }
}

class Picker {
  readonly #view: CompactionView
  readonly #options: CompactionOptions
  readonly #levels: Levels

  constructor(view: CompactionView, options: CompactionOptions) {
    this.#view = view
    this.#options = options
    this.#levels = new Levels(view.tables, options.levels)
  }

  /** All tables that are dead as a whole and hide nothing older in what stays. */
  drop(): CompactionPick | null {
    const { tables, busy } = this.#view
    const dead = new Set(tables.filter((table) => !busy.has(table.fileNumber) && this.#mayDrop(table)))
    if (dead.size === 0) return null
    const staying: SequenceRange[] = [...this.#view.segments]
    for (const table of this.#view.tables) if (!dead.has(table)) staying.push(table)
    // A table that has to stay may in turn hold what a dead one hides.
    for (let stays = staying.pop(); stays !== undefined; stays = staying.pop()) {
      for (const table of dead) {
        if (!mayHoldOlder(stays, table)) continue
        dead.delete(table)
        staying.push(table)
      }
    }
    return dead.size === 0 ? null : this.#pick('drop', 'garbage', [...dead], 0)
  }

  /** Windows go as a whole (windows/), but for what a FLUSHALL has passed over. */
  #mayDrop(table: ManifestTable): boolean {
    if (table.family === FAMILY_WINDOW) return table.maxHlc <= this.#view.flushMark
    return isWhollyDead(table, this.#view)
  }

  /** The level that is furthest above its size and can be compacted now. */
  oversize(): CompactionPick | null {
    const scores = [{ level: 0, score: this.#levels.depth / this.#options.l0Trigger }]
    for (let level = 1; level < this.#levels.last; level++) {
      const bytes = totalBytes(this.#levels.at(level).filter((table) => this.#isFree(table)))
      scores.push({ level, score: bytes / levelBytesMax(level, this.#options) })
    }
    scores.sort((a, b) => b.score - a.score || a.level - b.level)
    for (const { level, score } of scores) {
      if (level === 0 ? score < 1 : score <= 1) continue
      const pick = level === 0 ? this.#levelZero('level-0') : this.#nextOfLevel(level)
      if (pick !== null) return pick
    }
    return null
  }

  /** The first piece of garbage that something can be done about, from the deepest level up. */
  garbage(): CompactionPick | null {
    for (let level = this.#levels.last; level >= 0; level--) {
      for (const table of this.#levels.at(level)) {
        if (!this.#isFree(table) || !isGarbage(table, this.#view, this.#options)) continue
        const pick = this.#cleanUp(table)
        if (pick !== null) return pick
      }
    }
    return null
  }

  /** A step towards the day when the dead entries of `table` can go. */
  #cleanUp(table: ManifestTable): CompactionPick | null {
    if (table.level === 0) return this.#levelZero('garbage')
    const anyOlder = this.#view.tables.filter((other) => other !== table && mayHoldOlder(other, table))
    const older = anyOlder.filter(({ family }) => family === FAMILY_LEVELED)
    if (older.some((other) => other.level > table.level)) return this.#down([table], 'garbage')
    if (older.length > 0) {
      const nearest = older.reduce((deepest, other) => (other.level > deepest.level ? other : deepest))
      return nearest.level === 0 ? this.#levelZero('garbage') : this.#down([nearest], 'garbage')
    }
    // What older tables of other families hold goes with them, in their own time.
    if (anyOlder.length > 0) return null
    if (this.#view.segments.some((segment) => mayHoldOlder(segment, table))) return null
    if (!isWorthAnotherLook(table, this.#view, this.#options)) return null
    return this.#pick('merge', 'garbage', [table], table.level)
  }

  /**
   * The oldest tables of level 0, as many as one job may take. While they are small against what they would be merged
   * into, they are merged among themselves: rewriting all of level 1 for a few small flushes would not pay.
   */
  #levelZero(reason: CompactionPick['reason']): CompactionPick | null {
    const tables = this.#levels.at(0).filter((table) => !this.#isDamaged(table))
    if (!tables.every((table) => this.#isFree(table))) return null
    const inputs: ManifestTable[] = []
    let bytes = 0
    for (const table of tables) {
      bytes += table.sizeBytes
      if (inputs.length >= 2 && bytes > this.#options.l0BytesMax) break
      inputs.push(table)
    }
    if (inputs.length === 0) return null
    const isSmall =
      totalBytes(inputs) * this.#options.levelMultiplier < totalBytes(this.#levels.under(1, inputs))
    const isWhole = inputs.length > 1 && inputs.length === tables.length
    if (reason === 'level-0' && isSmall && isWhole) return this.#pick('merge', reason, inputs, 0)
    return this.#down(inputs, reason)
  }

  /** The next table of a level behind its cursor that can go down. */
  #nextOfLevel(level: number): CompactionPick | null {
    const tables = this.#levels.at(level)
    const cursor = this.#view.cursors[level] ?? -1
    const start = Math.max(
      0,
      tables.findIndex((table) => table.minToken > cursor),
    )
    for (let i = 0; i < tables.length; i++) {
      const pick = this.#down([tables[(start + i) % tables.length]], 'level-size')
      if (pick !== null) return pick
    }
    return null
  }

  /** Takes tables of one level one level down, with all that lies between their first and last token there. */
  #down(tables: readonly ManifestTable[], reason: CompactionPick['reason']): CompactionPick | null {
    const { level } = tables[0]
    const inputs = [...tables, ...this.#levels.under(level + 1, tables)]
    if (!inputs.every((table) => this.#isFree(table))) return null
    const isMove = inputs.length === 1 && !this.#canShed(tables[0])
    return this.#pick(isMove ? 'move' : 'merge', reason, inputs, level + 1)
  }

  /** Whether a rewrite of this table alone would drop something. */
  #canShed(table: ManifestTable): boolean {
    if (!hasDead(table, this.#view)) return false
    const isOlder = (other: SequenceRange): boolean => other !== table && mayHoldOlder(other, table)
    return !this.#view.tables.some(isOlder) && !this.#view.segments.some(isOlder)
  }

  #pick(
    kind: CompactionPick['kind'],
    reason: CompactionPick['reason'],
    inputs: readonly ManifestTable[],
    outputLevel: number,
  ): CompactionPick {
    const others = othersThan(this.#view, inputs)
    const cursors = reason === 'level-size' ? this.#cursorsAfter(inputs[0]) : this.#view.cursors
    return { kind, reason, inputs, outputLevel, others, cursors }
  }

  #cursorsAfter(table: ManifestTable): readonly number[] {
    return Array.from({ length: this.#options.levels }, (_, level) =>
      level === table.level ? table.maxToken : (this.#view.cursors[level] ?? -1),
    )
  }

  #isFree(table: ManifestTable): boolean {
    return !this.#view.busy.has(table.fileNumber) && !this.#isDamaged(table)
  }

  #isDamaged(table: ManifestTable): boolean {
    return this.#view.damaged?.has(table.fileNumber) === true
  }
}
