/**
 * A table as text, for `kindred inspect`: what its footer says, and with `entries` what is in it. Opening checks everything
 * but the blocks; listing entries reads and checks those too, so it is also the way to find out whether a table is sound.
 */
import type { Disk } from '../../env/disk.js'
import { deathTime } from '../../record/death.js'
import { hlcToWallMs } from '../../record/hlc.js'
import {
  KIND_DELETION,
  NEVER_DIES,
  SIBLING_BYTES,
  contextActor,
  contextCount,
  contextHlc,
  contextStart,
  keyStart,
  siblingActorIndex,
  siblingCount,
  siblingExpireAt,
  siblingHlc,
  siblingKind,
  siblingValueLength,
  siblingsStart,
} from '../../record/layout.js'
import { slotOfToken } from '../../ring/token.js'
import { FLAG_LOCAL_TOMBSTONE, FLAG_SHADOWS, entryFlags, entrySequence } from '../entry.js'
import { TableScanner } from './table-scanner.js'
import type { TableSummary } from './table-summary.js'

const KEY_BYTES_SHOWN = 100
const CONTEXT_ENTRIES_SHOWN = 16

export interface InspectOptions {
  /** Also a line per entry. */
  readonly entries: boolean
}

/** The lines that `kindred inspect FILE` prints for a table. Throws CorruptionError or what the disk throws. */
export function* inspectTable(disk: Disk, path: string, options: InspectOptions): Generator<string> {
  const scanner = new TableScanner(disk, path)
  try {
    yield* summaryLines(path, scanner.summary)
    if (!options.entries) return
    while (scanner.next()) yield* entryLines(scanner)
  } finally {
    scanner.close()
  }
}

function* summaryLines(path: string, summary: TableSummary): Generator<string> {
  const { minToken, maxToken, minHlc, maxHlc } = summary
  yield `table      ${path}`
  yield `number     ${summary.fileNumber}`
  yield `size       ${summary.sizeBytes} bytes in ${summary.blockCount} blocks`
  yield `entries    ${summary.entryCount}: ${summary.deletionCount} deletions, ${summary.expiringCount} that expire`
  yield `flagged    ${summary.flaggedCount} hide an older version that dies later`
  yield `sequences  ${summary.minSequence} to ${summary.maxSequence}`
  yield `tokens     ${minToken} to ${maxToken} (slots ${slotOfToken(minToken)} to ${slotOfToken(maxToken)})`
  yield `HLC        ${minHlc} to ${maxHlc} (${timeText(hlcToWallMs(minHlc))} to ${timeText(hlcToWallMs(maxHlc))})`
  yield `deaths     ${timeText(summary.minDeathMs)} to ${timeText(summary.maxDeathMs)}`
}

/** A line for the entry, and one for each sibling. */
function* entryLines(scanner: TableScanner): Generator<string> {
  const { bytes, record } = scanner.entry
  const key = keyText(bytes, keyStart(record), contextStart(bytes, record))
  const death = timeText(deathTime(bytes, record))
  const flags = flagsText(entryFlags(bytes, record))
  yield `${scanner.token} ${key} sequence ${entrySequence(bytes, record)} dies ${death}${flags}`
  const contextAt = contextStart(bytes, record)
  yield `    context ${contextText(bytes, contextAt, contextCount(bytes, record))}`
  let siblingAt = siblingsStart(bytes, record)
  for (let i = 0; i < siblingCount(bytes, record); i++, siblingAt += SIBLING_BYTES) {
    const actor = contextActor(bytes, contextAt, siblingActorIndex(bytes, siblingAt))
    yield `    sibling ${actor}@${siblingHlc(bytes, siblingAt)} ${siblingText(bytes, siblingAt)}`
  }
}

/** actor@hlc for each entry of the version vector, cut when long. */
function contextText(bytes: Buffer, contextAt: number, count: number): string {
  const shown = Math.min(count, CONTEXT_ENTRIES_SHOWN)
  const parts: string[] = []
  for (let i = 0; i < shown; i++)
    parts.push(`${contextActor(bytes, contextAt, i)}@${contextHlc(bytes, contextAt, i)}`)
  if (shown < count) parts.push(`and ${count - shown} more`)
  return parts.join(' ')
}

function siblingText(bytes: Buffer, siblingAt: number): string {
  const written = timeText(hlcToWallMs(siblingHlc(bytes, siblingAt)))
  if (siblingKind(bytes, siblingAt) === KIND_DELETION) return `deleted ${written}`
  const expireAtMs = siblingExpireAt(bytes, siblingAt)
  const expiry = expireAtMs === 0 ? '' : `, expires ${timeText(expireAtMs)}`
  return `${siblingValueLength(bytes, siblingAt)} bytes, written ${written}${expiry}`
}

function flagsText(flags: number): string {
  const shadows = (flags & FLAG_SHADOWS) === 0 ? '' : ' shadows'
  const local = (flags & FLAG_LOCAL_TOMBSTONE) === 0 ? '' : ' local-tombstone'
  return shadows + local
}

function timeText(ms: number): string {
  return ms === NEVER_DIES ? 'never' : new Date(ms).toISOString()
}

/** The key in quotes, what is not printable ASCII as \xhh, cut when long. */
function keyText(bytes: Buffer, start: number, end: number): string {
  const shown = Math.min(end, start + KEY_BYTES_SHOWN)
  let text = ''
  for (let i = start; i < shown; i++) {
    const byte = bytes[i]
    if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte)
    else text += `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return shown < end ? `"${text}"... (${end - start} bytes)` : `"${text}"`
}
