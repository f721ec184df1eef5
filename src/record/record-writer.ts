/**
 * Writes the record of a plain write: one sibling, which replaces everything its writer has seen. This is the hot path
 * of every SET, DEL and INCR, so it goes straight from the request's bytes into the log's arena: nothing is allocated,
 * each byte of key and value is copied once and hashed once, and the numbers are written byte by byte.
 *
 * The context is the predecessor's context joined with the new dot (RULES V3 with a client context equal to the local
 * one). Building a decoded form first and encoding that was the alternative: it costs some twenty objects a write.
 *
 * The values' hash is taken from the source, not from the copy: the source is usually ordinary memory, where long
 * inputs hash faster than in a shared arena.
 *
 * Source, target and predecessor may lie in the same memory; their ranges must not overlap.
 */
import { assert } from '../util/assert.js'
import { copyBytes, readU53 } from '../util/bytes.js'
import { xxh32 } from '../util/xxhash.js'
import { EXPIRE_AT_MAX_MS, FORMAT_KEY_BYTES_MAX } from './caps.js'
import {
  CONTEXT_ENTRY_BYTES,
  HEADER_BYTES,
  KIND_DELETION,
  KIND_VALUE,
  SIBLING_BYTES,
  contextCount,
  contextStart,
} from './layout.js'
import { sealHeader, writeContextEntry, writeSiblingEntry } from './layout-writer.js'

/** Bytes that writeSingleRecord will write; `predecessorBytes` is null when the key has no record yet. */
export function singleRecordBytes(
  predecessorBytes: Uint8Array | null,
  predecessorAt: number,
  actor: number,
  keyLength: number,
  valueLength: number,
): number {
  const entries = predecessorBytes === null ? 1 : joinedCount(predecessorBytes, predecessorAt, actor)
  return HEADER_BYTES + keyLength + entries * CONTEXT_ENTRY_BYTES + SIBLING_BYTES + valueLength
}

/**
 * Writes into[at…) the record of key[keyStart, keyEnd) whose only sibling has the dot (actor, hlc) and, unless `kind` is
 * a deletion, value[valueStart, valueEnd). The dot must exceed every entry of the predecessor's context (RULES V4); a
 * deletion has neither value nor expiry. `expireAtMs` is in milliseconds since 1970, 0 for never. Returns the record's
 * length in bytes.
 */
export function writeSingleRecord(
  into: Uint8Array,
  at: number,
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  predecessor: Uint8Array | null,
  predecessorAt: number,
  actor: number,
  hlc: number,
  kind: number,
  expireAtMs: number,
  value: Uint8Array,
  valueStart: number,
  valueEnd: number,
): number {
  const keyLength = keyEnd - keyStart
  const valueLength = valueEnd - valueStart
  assert(keyLength <= FORMAT_KEY_BYTES_MAX, 'a key fits its length field')
  assert(expireAtMs >= 0 && expireAtMs <= EXPIRE_AT_MAX_MS, 'an expiry fits its field')
  assert(
    kind === KIND_VALUE || (kind === KIND_DELETION && valueLength === 0 && expireAtMs === 0),
    'a deletion is bare',
  )

  const contextAt = at + HEADER_BYTES + keyLength
  copyBytes(key, keyStart, keyEnd, into, at + HEADER_BYTES)
  let siblingAt = contextAt + CONTEXT_ENTRY_BYTES
  if (predecessor === null) writeContextEntry(into, contextAt, actor, hlc)
  else siblingAt = writeJoined(into, contextAt, predecessor, predecessorAt, actor, hlc)
  const entries = (siblingAt - contextAt) / CONTEXT_ENTRY_BYTES

  const actorIndex = entries === 1 ? 0 : indexOf(into, contextAt, actor)
  const valueChecksum = kind === KIND_DELETION ? 0 : xxh32(value, valueStart, valueEnd, 0)
  writeSiblingEntry(into, siblingAt, hlc, kind, expireAtMs, actorIndex, valueLength, valueChecksum)
  const valueAt = siblingAt + SIBLING_BYTES
  copyBytes(value, valueStart, valueEnd, into, valueAt)

  const length = valueAt + valueLength - at
  sealHeader(into, at, length, keyLength, 1, entries, valueAt)
  return length
}

/** Entries of the predecessor's context joined with an entry of `actor`. */
function joinedCount(bytes: Uint8Array, at: number, actor: number): number {
  const count = contextCount(bytes, at)
  let entryAt = contextStart(bytes, at)
  for (let i = 0; i < count; i++, entryAt += CONTEXT_ENTRY_BYTES) {
    const other = readU53(bytes, entryAt)
    if (other >= actor) return other === actor ? count : count + 1
  }
  return count + 1
}

/** Writes the predecessor's context with the new dot in its place; returns where the context ends. */
function writeJoined(
  into: Uint8Array,
  contextAt: number,
  bytes: Uint8Array,
  at: number,
  actor: number,
  hlc: number,
): number {
  const count = contextCount(bytes, at)
  let from = contextStart(bytes, at)
  let to = contextAt
  let pending = true
  for (let i = 0; i < count; i++, from += CONTEXT_ENTRY_BYTES) {
    const other = readU53(bytes, from)
    assert(readU53(bytes, from + 8) < hlc, 'a new dot exceeds every entry of the context')
    if (pending && other >= actor) {
      writeContextEntry(into, to, actor, hlc)
      to += CONTEXT_ENTRY_BYTES
      pending = false
    }
    if (other === actor) continue
    copyBytes(bytes, from, from + CONTEXT_ENTRY_BYTES, into, to)
    to += CONTEXT_ENTRY_BYTES
  }
  if (!pending) return to
  writeContextEntry(into, to, actor, hlc)
  return to + CONTEXT_ENTRY_BYTES
}

/** Position of an actor that is known to be in the context. */
function indexOf(bytes: Uint8Array, contextAt: number, actor: number): number {
  let index = 0
  while (readU53(bytes, contextAt + index * CONTEXT_ENTRY_BYTES) !== actor) index++
  return index
}
