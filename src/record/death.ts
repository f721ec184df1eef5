/**
 * When a record dies, and whether a read may show it: in place, without decoding, because every read, flush, compaction
 * and window asks.
 *
 * The two questions are different. *Death* concerns the whole record: it is dead when all its siblings are, and its
 * death time, a pure function of its bytes, decides which window and which hour of purging it falls into (RULES P1, P3).
 * *Visibility* concerns the winner alone: the highest (HLC, actor) is what GET answers, dead or alive, so a deletion
 * that wins hides a live sibling below it. Canonical order makes the winner the first sibling.
 *
 * A sibling with an expiry dies then, one without never, a deletion at its HLC's time. A record without siblings (all
 * of them flushed) counts as deleted at the newest entry of its context.
 */
import {
  KIND_VALUE,
  NEVER_DIES,
  SIBLING_BYTES,
  contextCount,
  contextHlc,
  contextStart,
  siblingCount,
  siblingExpireAt,
  siblingHlc,
  siblingKind,
  siblingsStart,
} from './layout.js'
import { hlcToWallMs } from './hlc.js'

const HOUR_MS = 3600_000

/** Death time of the record at `at`, in milliseconds since 1970: dead from then on; NEVER_DIES while one sibling has no expiry. */
export function deathTime(bytes: Uint8Array, at: number): number {
  const count = siblingCount(bytes, at)
  if (count === 0) return hlcToWallMs(maxHlc(bytes, at))
  let latest = 0
  let siblingAt = siblingsStart(bytes, at)
  for (let i = 0; i < count; i++, siblingAt += SIBLING_BYTES) {
    const death = siblingDeathTime(
      siblingKind(bytes, siblingAt),
      siblingExpireAt(bytes, siblingAt),
      siblingHlc(bytes, siblingAt),
    )
    if (death > latest) latest = death
  }
  return latest
}

/** Death time of one sibling, in milliseconds since 1970. */
export function siblingDeathTime(kind: number, expireAtMs: number, hlc: number): number {
  if (kind !== KIND_VALUE) return hlcToWallMs(hlc)
  return expireAtMs === 0 ? NEVER_DIES : expireAtMs
}

/** Whether no sibling of the record is alive any more at `nowMs` (milliseconds since 1970). */
export function isDeadAt(bytes: Uint8Array, at: number, nowMs: number): boolean {
  return deathTime(bytes, at) <= nowMs
}

/**
 * Whether a read at `nowMs` (milliseconds since 1970) shows a value: the winner is one, has not expired, and was written
 * after the flush mark (an HLC, 0 for none).
 */
export function winnerIsLive(bytes: Uint8Array, at: number, nowMs: number, flushMark: number): boolean {
  if (siblingCount(bytes, at) === 0) return false
  const winnerAt = siblingsStart(bytes, at)
  if (siblingKind(bytes, winnerAt) !== KIND_VALUE || siblingHlc(bytes, winnerAt) <= flushMark) return false
  const expireAt = siblingExpireAt(bytes, winnerAt)
  return expireAt === 0 || expireAt > nowMs
}

/** The record's newest HLC: the highest entry of its context, which covers its siblings; 0 without any. */
export function maxHlc(bytes: Uint8Array, at: number): number {
  const count = contextCount(bytes, at)
  const contextAt = contextStart(bytes, at)
  let highest = 0
  for (let i = 0; i < count; i++) {
    const hlc = contextHlc(bytes, contextAt, i)
    if (hlc > highest) highest = hlc
  }
  return highest
}

/**
 * End of the UTC hour that a death falls into, for purging by whole hours (RULES P1). An hour is (start, end]: a death
 * on the stroke belongs to the hour that ends with it. So "at or below the purge horizon" (RULES P3) means exactly the
 * hours purged; with [start, end) such a record would count as absent without any evidence for its hour.
 */
export function deathHourEndMs(deathMs: number): number {
  return deathMs === NEVER_DIES ? NEVER_DIES : Math.ceil(deathMs / HOUR_MS) * HOUR_MS
}
