/**
 * Into which window a death falls. The nearer a death, the narrower its window: what dies soon is dropped soon after, and
 * what dies in a year does not need a table of its own for every five minutes of that year. Tiers say it, nearest first:
 * deaths within `withinMs` from now go to windows of `widthMs`. Beyond the last tier's own reach of 32 widths the width
 * grows 32-fold, again and again, so that a flush makes few tables however far apart its deaths lie.
 *
 * Windows are aligned to 1970 (UTC). A window is (start, end]: a death on the stroke belongs to the window that ends with it, as
 * with hours of purging (record/death.ts), so at `end` everything in it is dead. Late records, dead before they are flushed,
 * go to the nearest window that has not ended: a window of their own would be one file each.
 *
 * The window is chosen once, by the time of the flush. Windows of different widths may therefore overlap in time.
 */
import { NEVER_DIES } from '../../record/layout.js'

export interface WindowTier {
  readonly withinMs: number
  readonly widthMs: number
}

/** (startMs, endMs], milliseconds since 1970. */
export interface DeathWindow {
  readonly startMs: number
  readonly endMs: number
}

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Of the last tier `withinMs` is not asked: it takes everything that is further out. */
export const WINDOW_TIERS_DEFAULT: readonly WindowTier[] = [
  { withinMs: HOUR_MS, widthMs: 5 * MINUTE_MS },
  { withinMs: DAY_MS, widthMs: HOUR_MS },
  { withinMs: NEVER_DIES, widthMs: DAY_MS },
]

const GROWTH = 32

/** The window of a death, as of `nowMs`. `tiers`: at least one, ascending. Pure. */
export function windowOf(deathMs: number, nowMs: number, tiers: readonly WindowTier[]): DeathWindow {
  const awayMs = Math.max(0, deathMs - nowMs)
  const tier = tiers.find(({ withinMs }) => awayMs <= withinMs) ?? tiers[tiers.length - 1]
  let { widthMs } = tier
  if (tier === tiers[tiers.length - 1]) while (awayMs > GROWTH * widthMs) widthMs *= GROWTH
  const endMs = Math.ceil(Math.max(deathMs, nowMs) / widthMs) * widthMs
  return { startMs: endMs - widthMs, endMs: Math.min(endMs, NEVER_DIES - 1) }
}

/** No flush needs more windows than this. Pure. */
export function windowsMax(tiers: readonly WindowTier[]): number {
  let count = 0
  tiers.forEach(({ withinMs, widthMs }, i) => {
    if (i < tiers.length - 1) count += Math.ceil(withinMs / widthMs) + 1
    else for (let width = widthMs; width < NEVER_DIES; width *= GROWTH) count += GROWTH + 1
  })
  return count
}
