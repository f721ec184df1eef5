/**
 * The setting window-tiers as text: "1h:5m 1d:1h 1d" files what dies within an hour to windows of five minutes, within a day to windows of
 * an hour, and what dies later to windows of a day. "no" makes no windows. Units are ms, s, m, h and d.
 */
import { NEVER_DIES } from '../record/layout.js'
import type { WindowTier } from '../storage/windows/window-tiers.js'

const UNITS_MS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])
const TIERS_MAX = 8
/** Windows of one tier that deaths may be spread over at a time: each is a file. */
const WINDOWS_PER_TIER_MAX = 64
const WIDTH_MS_MIN = 10

export const WINDOW_TIERS_ALLOWED =
  'no, or up to 8 of <within>:<width> with a last <width>, ascending, such as "1h:5m 1d:1h 1d"'

/** The tiers; none for "no"; undefined when the text is not allowed. */
export function parseWindowTiers(text: string): readonly WindowTier[] | undefined {
  const words = text.trim().split(/\s+/)
  if (text.trim().toLowerCase() === 'no') return []
  const tiers: WindowTier[] = []
  for (const [i, word] of words.entries()) {
    const [within, width, ...more] = i < words.length - 1 ? word.split(':') : ['', ...word.split(':')]
    const withinMs = i < words.length - 1 ? parseDuration(within) : NEVER_DIES
    const widthMs = parseDuration(width)
    if (withinMs === undefined || widthMs === undefined || more.length > 0) return undefined
    tiers.push({ withinMs, widthMs })
  }
  return tiers.length <= TIERS_MAX && areSound(tiers) ? tiers : undefined
}

function areSound(tiers: readonly WindowTier[]): boolean {
  return tiers.every(({ withinMs, widthMs }, i) => {
    if (widthMs < WIDTH_MS_MIN) return false
    if (i < tiers.length - 1 && withinMs / widthMs > WINDOWS_PER_TIER_MAX) return false
    return i === 0 || (withinMs > tiers[i - 1].withinMs && widthMs >= tiers[i - 1].widthMs)
  })
}

function parseDuration(text: string | undefined): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/i.exec(text ?? '')
  const unitMs = UNITS_MS.get(match?.[2].toLowerCase() ?? '')
  return match === null || unitMs === undefined ? undefined : Number(match[1]) * unitMs
}
