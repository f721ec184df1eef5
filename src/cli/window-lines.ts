/** The windows of a data directory as text, for `kindred inspect windows`: what its manifest says of them. */
import type { Disk } from '../env/disk.js'
import { Manifest } from '../storage/manifest.js'
import { sizesOf, windowsOf } from '../storage/windows/window-picker.js'
import type { WindowSizes } from '../storage/windows/window-picker.js'
import { textTable } from './text-table.js'

const HEADER = ['from', 'drops at', 'tables', 'bytes', 'records', 'flagged', 'held by'] as const

/**
 * A line per window, by its end. `nowMs`: milliseconds since 1970, by which it is judged whether one has ended. With replicas a window
 * that has ended also waits for the purge horizon, which is not in the manifest. Throws CorruptionError or what the disk throws.
 */
export function windowLines(disk: Disk, directory: string, nowMs: number): string[] {
  const state = Manifest.load(disk, directory)
  const windows = windowsOf(state?.tables ?? []).map(sizesOf)
  const dropped = state?.droppedUntilMs ?? 0
  const lines = [
    `windows       ${windows.length}`,
    `dropped until ${dropped === 0 ? 'never' : timeText(dropped)}`,
  ]
  if (windows.length === 0) return lines
  return [
    ...lines,
    '',
    ...textTable(
      HEADER,
      windows.map((window) => rowOf(window, nowMs)),
    ),
  ]
}

function rowOf({ startMs, endMs, tables, bytes, records, flagged }: WindowSizes, nowMs: number): string[] {
  const counts = [tables, bytes, records, flagged].map(String)
  return [timeText(startMs), timeText(endMs), ...counts, nowMs < endMs ? 'its end' : 'nothing but purging']
}

function timeText(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? `${ms} ms` : time.toISOString()
}
