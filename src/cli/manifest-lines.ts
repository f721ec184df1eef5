/** A manifest, a counts file and a file of trees as text, for `kindred inspect`. Reading checks them: what is printed is sound. */
import type { Disk } from '../env/disk.js'
import { NEVER_DIES } from '../record/layout.js'
import { hlcToWallMs } from '../record/hlc.js'
import { slotOfToken } from '../ring/token.js'
import { readCounts } from '../storage/counts-file.js'
import type { KeyCounts } from '../storage/counts-file.js'
import { decodeManifest } from '../storage/manifest.js'
import type { ManifestState, ManifestTable } from '../storage/manifest.js'
import type { HourTree } from '../storage/trees/hour-tree.js'
import { hourEndMsOf } from '../storage/trees/record-share.js'
import { readTrees } from '../storage/trees/trees-file.js'
import type { SavedRange } from '../storage/trees/trees-file.js'
import { textTable } from './text-table.js'

/** A manifest is read whole; one this long would name half a million tables. */
const MANIFEST_BYTES_MAX = 256 * 1024 * 1024

/** Throws CorruptionError or what the disk throws. */
export function manifestLines(disk: Disk, path: string): string[] {
  const state = decodeManifest(readWhole(disk, path), path)
  return [...factLines(path, state), '', ...textTable(TABLE_HEADER, state.tables.map(tableRow))]
}

/** With `entries` also how many keys die in which second. Throws CorruptionError or what the disk throws. */
export function countsLines(disk: Disk, path: string, options: { readonly entries: boolean }): string[] {
  const counts = readCounts(disk, path)
  const bySecond = deathsBySecond(counts)
  const { version, live, deaths } = counts
  const lines = [
    `counts   ${path}`,
    `keys     ${live.reduce((sum, keys) => sum + keys, 0)}`,
    `expiring ${deaths.reduce((sum, keys) => sum + keys, 0)} in ${bySecond.length} different seconds`,
  ]
  if (version !== '') lines.push(`parts    ${live.length} of ring ${version}`)
  if (options.entries) for (const [second, keys] of bySecond) lines.push(`${timeText(second * 1000)} ${keys}`)
  return lines
}

/** A line per range; with `entries` one per range and hour of death. Throws CorruptionError or what the disk throws. */
export function treesLines(disk: Disk, path: string, options: { readonly entries: boolean }): string[] {
  const { version, sequence, flushMark, ranges } = readTrees(disk, path)
  const lines = [
    `trees     ${path}`,
    `ring      ${version}`,
    `sequence  ${sequence}`,
    `flushed   ${markText(flushMark)}`,
    `ranges    ${ranges.length}`,
    '',
  ]
  const rows = ranges.map((range, i) => [String(i), String(range.floor), ...rangeCells(range)])
  if (!options.entries) return [...lines, ...textTable(['range', 'floor', 'hours', 'keys'], rows)]
  const hours = ranges.flatMap((range, i) => {
    return [...(range.hours ?? [])].map(([hour, tree]) => [String(i), hourText(hour), ...treeCells(tree)])
  })
  return [...lines, ...textTable(['range', 'dies by', 'keys', 'root', 'leaves'], hours)]
}

function rangeCells({ hours }: SavedRange): string[] {
  if (hours === null) return ['not known', '']
  return [String(hours.size), String([...hours.values()].reduce((sum, { keys }) => sum + keys, 0))]
}

function treeCells({ keys, low, high, leafCount }: HourTree): string[] {
  const root = [high, low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  return [String(keys), root, leafCount === 0 ? 'folded' : String(leafCount)]
}

function hourText(hour: number): string {
  const endMs = hourEndMsOf(hour)
  return endMs === NEVER_DIES ? 'never' : timeText(endMs)
}

/** Of all partitions together, in the order of time. */
function deathsBySecond({ seconds, deaths }: KeyCounts): [number, number][] {
  const keys = new Map<number, number>()
  seconds.forEach((second, i) => keys.set(second, (keys.get(second) ?? 0) + deaths[i]))
  return [...keys].sort(([a], [b]) => a - b)
}

function readWhole(disk: Disk, path: string): Buffer {
  const file = disk.open(path, 'read')
  try {
    const bytes = Buffer.alloc(Math.min(disk.sizeBytes(file), MANIFEST_BYTES_MAX))
    return bytes.subarray(0, disk.readSync(file, bytes, 0, bytes.length, 0))
  } finally {
    disk.close(file)
  }
}

function factLines(path: string, state: ManifestState): string[] {
  return [
    `manifest        ${path}`,
    `format          ${state.formatVersion}`,
    `directory id    ${state.directoryId}`,
    `next file       ${state.nextFileNumber}`,
    `last sequence   ${state.lastSequence}`,
    `flushed         ${markText(state.flushMark)}`,
    `counts file     ${state.countsFile === 0 ? 'none' : state.countsFile}`,
    `trees file      ${state.treesFile === 0 ? 'none' : state.treesFile}`,
    `unflushed logs  ${state.logs.length === 0 ? 'none' : state.logs.join(', ')}`,
    `tables          ${state.tables.length}`,
  ]
}

const TABLE_HEADER = ['level', 'table', 'bytes', 'entries', 'dead', 'sequences', 'slots'] as const

function tableRow(table: ManifestTable): string[] {
  return [
    String(table.level),
    String(table.fileNumber),
    String(table.sizeBytes),
    String(table.entryCount),
    String(table.deadCount),
    `${table.minSequence} to ${table.maxSequence}`,
    `${slotOfToken(table.minToken)} to ${slotOfToken(table.maxToken)}`,
  ]
}

function markText(flushMark: number): string {
  return flushMark === 0 ? 'never' : `${flushMark} (${timeText(hlcToWallMs(flushMark))})`
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}
