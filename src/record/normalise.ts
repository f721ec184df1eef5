/**
 * What a record counts as, once the flush mark and the purge horizon are taken into account. Replicas hold the same
 * data in different states of clean-up; digests, exchanges and merges see them only through this pure function of
 * (record, marks), so that clean-up never looks like a difference and never brings anything back.
 *
 *  1. Siblings at or below the flush mark are gone (RULES P4).
 *  2. A record that is dead, at or below the horizon, counts as absent (RULES P3), and so does one without siblings
 *     of which the flush mark covers everything.
 *  3. Only when all its siblings and its newest HLC lie below the horizon, the context is reduced to the entries of the
 *     siblings' actors (RULES V7). Cutting by count or age instead brings overwritten values back: v0 by actor a, v1 by
 *     b, a deletion by c; without a's entry the deletion no longer covers v0.
 *
 * The newest HLC of a record is the highest entry of its context, which covers its siblings.
 */
import { siblingDeathTime } from './death.js'
import { hlcToWallMs, wallMsToHlc } from './hlc.js'
import { flush } from './merge.js'
import type { RecordValue } from './record.js'
import { newestHlc } from './version-vector.js'

/** The marks below which data no longer count. */
export interface Cutoffs {
  /** FLUSHALL's mark, an HLC; 0 for none. */
  readonly flushMark: number
  /** End of the last hour purged, in milliseconds since 1970; 0 for none. */
  readonly purgeHorizonMs: number
}

export const NO_CUTOFFS: Cutoffs = { flushMark: 0, purgeHorizonMs: 0 }

/** The record as it counts under the cutoffs; null when it counts as absent. The same object when nothing changes. */
export function normaliseRecord(record: RecordValue, cutoffs: Cutoffs): RecordValue | null {
  const { flushMark, purgeHorizonMs } = cutoffs
  const kept = flush(record, flushMark)
  const newest = newestHlc(kept.context)
  if (kept.siblings.length === 0 && newest <= flushMark) return null
  if (recordDeathTime(kept) <= purgeHorizonMs) return null
  if (newest >= wallMsToHlc(purgeHorizonMs)) return kept
  const context = kept.context.filter((entry) =>
    kept.siblings.some((sibling) => sibling.actor === entry.actor),
  )
  return context.length === kept.context.length ? kept : { ...kept, context }
}

/** Death time of a decoded record, in milliseconds since 1970: as death.ts reads it from bytes. */
export function recordDeathTime(record: RecordValue): number {
  if (record.siblings.length === 0) return hlcToWallMs(newestHlc(record.context))
  return record.siblings.reduce(
    (latest, { kind, expireAtMs, hlc }) => Math.max(latest, siblingDeathTime(kind, expireAtMs, hlc)),
    0,
  )
}
