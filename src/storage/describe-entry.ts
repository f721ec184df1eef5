/**
 * An entry as text, for `kindred inspect`, whichever file it lies in: one line for the entry, one for its context, one for
 * each sibling. Values are not shown: they can be long and are the client's.
 */
import { deathTime } from '../record/death.js'
import { hlcToWallMs } from '../record/hlc.js'
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
} from '../record/layout.js'
import { FLAG_LOCAL_TOMBSTONE, FLAG_SHADOWS, entryFlags, entrySequence } from './entry.js'

const KEY_BYTES_SHOWN = 100
const CONTEXT_ENTRIES_SHOWN = 16

/** The lines of the entry whose record starts at `record`; the first starts with its `place`: a token, an offset. */
export function* describeEntry(place: number, bytes: Buffer, record: number): Generator<string> {
  const key = keyText(bytes, keyStart(record), contextStart(bytes, record))
  const death = timeText(deathTime(bytes, record))
  const flags = flagsText(entryFlags(bytes, record))
  yield `${place} ${key} sequence ${entrySequence(bytes, record)} dies ${death}${flags}`
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

/** ISO 8601, or 'never'. */
export function timeText(ms: number): string {
  return ms === NEVER_DIES ? 'never' : new Date(ms).toISOString()
}

/** The key in quotes, what is not printable ASCII as \xhh, cut when long. */
export function keyText(bytes: Buffer, start: number, end: number): string {
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
