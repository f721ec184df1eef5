/**
 * When snapshots are made by themselves, as Redis's `save` says it: "3600 1 300 100" is one after an hour in which there was a change,
 * and one after five minutes in which there were a hundred. Pure.
 */
export interface SavePoint {
  readonly seconds: number
  readonly changes: number
}

/** After a failed one so long nothing is tried again. */
const AFTER_FAILURE_SECONDS = 5
const POINTS_MAX = 64

/** The points; none for an empty text, undefined for one that is none. */
export function parseSavePoints(text: string): readonly SavePoint[] | undefined {
  const words = text.trim() === '' ? [] : text.trim().split(/\s+/)
  if (words.length % 2 !== 0 || words.length > 2 * POINTS_MAX) return undefined
  if (!words.every((word) => /^\d{1,9}$/.test(word) && Number(word) > 0)) return undefined
  return Array.from({ length: words.length / 2 }, (_, i) => ({
    seconds: Number(words[2 * i]),
    changes: Number(words[2 * i + 1]),
  }))
}

/** Whether one is due, so many changes and seconds after the last, and so many seconds after the last attempt if that failed. */
export function isSaveDue(
  points: readonly SavePoint[],
  changes: number,
  secondsSinceSave: number,
  secondsSinceFailure: number,
): boolean {
  if (secondsSinceFailure < AFTER_FAILURE_SECONDS) return false
  return points.some((point) => changes >= point.changes && secondsSinceSave > point.seconds)
}
