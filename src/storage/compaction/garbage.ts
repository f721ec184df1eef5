/**
 * How much of a table is dead, from what the manifest says of it. Lower bounds only: a table is never rewritten for
 * garbage that may not be there.
 */
import { FAMILY_WINDOW } from '../families.js'
import type { ManifestTable } from '../manifest.js'
import type { PurgeRanges } from '../purge-ranges.js'
import type { CompactionOptions } from './compaction-options.js'

/** What may be purged: entries that died at or before `purgeableUntilMs`, and all dots at or below the flush mark. */
export interface PurgeLimits {
  readonly purgeableUntilMs: number
  readonly flushMark: number
  /** On a node with replicas the time depends on where the entries lie, and purgeableUntilMs is not asked. */
  readonly ranges?: PurgeRanges | null
}

/** Until when the dead of a table may be purged, wherever in it they lie. */
export function purgeableUntil(table: ManifestTable, limits: PurgeLimits): number {
  const { ranges, purgeableUntilMs } = limits
  if (ranges === undefined || ranges === null) return purgeableUntilMs
  // A window goes whole or not at all, and its tables span slots whose keys lie elsewhere.
  return table.family === FAMILY_WINDOW
    ? ranges.untilMsOfOwnWithin(table.minToken, table.maxToken)
    : ranges.untilMsWithin(table.minToken, table.maxToken)
}

/** Every entry may be purged. */
export function isWhollyDead(table: ManifestTable, limits: PurgeLimits): boolean {
  return table.maxHlc <= limits.flushMark || table.maxDeathMs <= purgeableUntil(table, limits)
}

/** At least one entry may be purged, as far as is known. */
export function hasDead(table: ManifestTable, limits: PurgeLimits): boolean {
  return table.minHlc <= limits.flushMark || table.minDeathMs <= purgeableUntil(table, limits)
}

/** Entries that surely died at or before `untilMs`. */
export function deadAtLeast(table: ManifestTable, untilMs: number): number {
  const quarters = table.deathQuartilesMs.filter((deathMs) => deathMs <= untilMs).length
  return (table.deadCount * quarters) / 4
}

/**
 * Whether a rewrite pays: most of the table has been dead for a while, or something in it for very long, or a FLUSHALL
 * passed over a part of it. The delay gathers deaths into one rewrite.
 */
export function isGarbage(table: ManifestTable, limits: PurgeLimits, options: CompactionOptions): boolean {
  const purgeableUntilMs = purgeableUntil(table, limits)
  if (table.minHlc <= limits.flushMark) return true
  if (table.minDeathMs <= purgeableUntilMs - options.garbageAgeMs) return true
  const dead = deadAtLeast(table, purgeableUntilMs - options.garbageDelayMs)
  return dead > 0 && dead >= table.entryCount * options.garbageFraction
}

/**
 * Whether a rewrite within the level can drop anything that the table's own making did not: deaths since then, or a
 * newer flush mark. What was kept then for another reason (RULES T4) is looked at again after the delay. So no table is
 * rewritten for nothing again and again.
 */
export function isWorthAnotherLook(
  table: ManifestTable,
  limits: PurgeLimits,
  options: CompactionOptions,
): boolean {
  return (
    limits.flushMark > table.purgedMark ||
    purgeableUntil(table, limits) >= table.purgedUntilMs + options.garbageDelayMs
  )
}
