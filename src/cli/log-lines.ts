/**
 * A log segment as text, for `kindred inspect`: read by the same code that recovers it, so what is printed is what a
 * start would find, and damage is reported as a start would report it. Nothing is written.
 */
import type { Disk } from '../env/disk.js'
import { deathTime } from '../record/death.js'
import { hlcToWallMs } from '../record/hlc.js'
import {
  contextHlc,
  contextStart,
  KIND_DELETION,
  keyStart,
  NEVER_DIES,
  SIBLING_BYTES,
  siblingCount,
  siblingHlc,
  siblingKind,
  siblingsStart,
  siblingValueLength,
} from '../record/layout.js'
import { entryKind, entrySequence, KIND_FLUSH_MARK } from '../storage/entry.js'
import { recoverSegment } from '../storage/log/recover-segment.js'

const KEY_BYTES_SHOWN = 100
/** Entry lines of one file; more would not be read, and a log of a gigabyte may hold ten million entries. */
const ENTRIES_SHOWN_MAX = 100_000

/** With `entries` also a line per entry. Throws CorruptionError or what the disk throws. */
export function logLines(disk: Disk, path: string, options: { readonly entries: boolean }): string[] {
  const entryLines: string[] = []
  const facts = { entries: 0, marks: 0, firstSequence: 0, lastSequence: 0 }
  const recovered = recoverSegment(disk, path, {
    hasSuccessor: false,
    capacityBytes: 0,
    visit: (arena, record) => {
      facts.entries++
      if (entryKind(arena, record) === KIND_FLUSH_MARK) facts.marks++
      facts.lastSequence = entrySequence(arena, record)
      if (facts.entries === 1) facts.firstSequence = facts.lastSequence
      if (options.entries && entryLines.length < ENTRIES_SHOWN_MAX) entryLines.push(entryLine(arena, record))
    },
  })
  if (recovered.kind === 'unused') return [`log        ${path}`, 'state      made ahead, nothing written yet']
  const { header, tail } = recovered.segment
  if (entryLines.length < facts.entries && options.entries)
    entryLines.push(`… ${facts.entries} entries in all`)
  return [
    `log        ${path}`,
    `number     ${header.fileNumber}, after ${header.previousFileNumber === 0 ? 'none' : header.previousFileNumber}`,
    `id         ${header.id}`,
    `state      ${recovered.sealed ? 'sealed' : 'open at its end'}`,
    `bytes      ${tail}, and ${recovered.cutBytes} of unfinished writes behind them`,
    `entries    ${facts.entries}, ${facts.marks} of them flush marks`,
    `sequences  ${facts.entries === 0 ? 'none' : `${facts.firstSequence} to ${facts.lastSequence}`}`,
    ...entryLines,
  ]
}

function entryLine(arena: Buffer, record: number): string {
  const sequence = entrySequence(arena, record)
  if (entryKind(arena, record) === KIND_FLUSH_MARK) {
    return `${sequence} everything up to ${timeText(hlcToWallMs(contextHlc(arena, contextStart(arena, record), 0)))} flushed`
  }
  const siblings: string[] = []
  let sibling = siblingsStart(arena, record)
  for (let i = 0; i < siblingCount(arena, record); i++, sibling += SIBLING_BYTES) {
    const deleted = siblingKind(arena, sibling) === KIND_DELETION
    const what = deleted ? 'deleted' : `${siblingValueLength(arena, sibling)} bytes`
    siblings.push(`${what} ${timeText(hlcToWallMs(siblingHlc(arena, sibling)))}`)
  }
  const key = arena.toString('latin1', keyStart(record), contextStart(arena, record))
  const shown = JSON.stringify(key.length > KEY_BYTES_SHOWN ? `${key.slice(0, KEY_BYTES_SHOWN)}…` : key)
  return `${sequence} ${shown} ${siblings.join(', ')} dies ${timeText(deathTime(arena, record))}`
}

function timeText(ms: number): string {
  return ms === NEVER_DIES ? 'never' : new Date(ms).toISOString()
}
