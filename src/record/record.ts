/**
 * A record in its decoded form, for the cold paths: conflicts, repair, inspection, tests. Writes and reads work on the
 * bytes in place (record-writer.ts, death.ts); only a true conflict is ever decoded and encoded anew.
 *
 * Decoding makes views, not copies: key and values lie in the bytes that were decoded and live as long as those. A
 * sibling keeps the checksum its value came with, and encoding writes that one rather than a new one, so that bytes
 * that rotted in between do not get a fresh checksum that makes them look sound.
 *
 * Invariants of every record, which `verifyRecord` (record-check.ts) holds arbitrary bytes against: the context ascends by actor; the
 * siblings descend by (hlc, actor), so the first is the winner, dead or alive; each sibling's dot is covered by the
 * record's own context; a deletion has neither value nor expiry. There is one encoding of a record, bit for bit.
 */
import { assert } from '../util/assert.js'
import { copyBytes } from '../util/bytes.js'
import { xxh32 } from '../util/xxhash.js'
import { COUNT_MAX, EXPIRE_AT_MAX_MS, FORMAT_KEY_BYTES_MAX, RECORD_BYTES_MERGED_MAX } from './caps.js'
import * as layout from './layout.js'
import { sealHeader, writeContextEntry, writeSiblingEntry } from './layout-writer.js'
import { compareDots, coversDot, type Dot, type VersionVector } from './version-vector.js'

export { verifyRecord, type RecordFault } from './record-check.js'

export type SiblingKind = typeof layout.KIND_VALUE | typeof layout.KIND_DELETION

export interface Sibling extends Dot {
  readonly kind: SiblingKind
  /** Milliseconds since 1970; 0 for never. */
  readonly expireAtMs: number
  /** Empty for a deletion. */
  readonly value: Uint8Array
  /** xxHash32 of the value, unsigned; 0 for a deletion. */
  readonly valueChecksum: number
}

export interface RecordValue {
  readonly key: Uint8Array
  readonly context: VersionVector
  /** Descending by (hlc, actor). */
  readonly siblings: readonly Sibling[]
}

const NO_BYTES = new Uint8Array(0)

/** A sibling that holds a value. `expireAtMs` is in milliseconds since 1970, 0 for never. */
export function valueSibling(dot: Dot, value: Uint8Array, expireAtMs: number): Sibling {
  const valueChecksum = xxh32(value, 0, value.length, 0) >>> 0
  return { actor: dot.actor, hlc: dot.hlc, kind: layout.KIND_VALUE, expireAtMs, value, valueChecksum }
}

/** A sibling that deletes. */
export function deletionSibling(dot: Dot): Sibling {
  const { actor, hlc } = dot
  return { actor, hlc, kind: layout.KIND_DELETION, expireAtMs: 0, value: NO_BYTES, valueChecksum: 0 }
}

/** The sibling of highest (HLC, actor), dead or alive; null when the record has none. */
export function winner(record: RecordValue): Sibling | null {
  return record.siblings.length === 0 ? null : record.siblings[0]
}

/** Decodes the record at `at`, whose bytes must have been verified. Key and values are views of `bytes`. */
export function decodeRecord(bytes: Uint8Array, at: number): RecordValue {
  const keyAt = layout.keyStart(at)
  const contextAt = layout.contextStart(bytes, at)
  const context: Dot[] = []
  for (let i = 0; i < layout.contextCount(bytes, at); i++) {
    context.push({
      actor: layout.contextActor(bytes, contextAt, i),
      hlc: layout.contextHlc(bytes, contextAt, i),
    })
  }
  const siblings: Sibling[] = []
  let siblingAt = layout.siblingsStart(bytes, at)
  let valueAt = layout.valuesStart(bytes, at)
  for (let i = 0; i < layout.siblingCount(bytes, at); i++, siblingAt += layout.SIBLING_BYTES) {
    siblings.push(decodeSibling(bytes, contextAt, siblingAt, valueAt))
    valueAt += layout.siblingValueLength(bytes, siblingAt)
  }
  return { key: bytes.subarray(keyAt, contextAt), context, siblings }
}

function decodeSibling(bytes: Uint8Array, contextAt: number, siblingAt: number, valueAt: number): Sibling {
  return {
    actor: layout.contextActor(bytes, contextAt, layout.siblingActorIndex(bytes, siblingAt)),
    hlc: layout.siblingHlc(bytes, siblingAt),
    kind:
      layout.siblingKind(bytes, siblingAt) === layout.KIND_VALUE ? layout.KIND_VALUE : layout.KIND_DELETION,
    expireAtMs: layout.siblingExpireAt(bytes, siblingAt),
    value: bytes.subarray(valueAt, valueAt + layout.siblingValueLength(bytes, siblingAt)),
    valueChecksum: layout.siblingValueChecksum(bytes, siblingAt),
  }
}

/** The record's bytes, in fresh memory. The order of context and siblings in `record` does not matter. */
export function encodeRecord(record: RecordValue): Buffer {
  const bytes = Buffer.allocUnsafe(encodedBytes(record))
  const siblings = writeHead(bytes, record)
  let valueAt = headBytes(record)
  for (const { value } of siblings) {
    copyBytes(value, 0, value.length, bytes, valueAt)
    valueAt += value.length
  }
  return bytes
}

/** The record's bytes up to its values, as they stand in its full encoding: what a digest needs, without touching a value. */
export function encodeHead(record: RecordValue): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes(record))
  writeHead(bytes, record)
  return bytes
}

/** Bytes of the record's encoding. */
export function encodedBytes(record: RecordValue): number {
  return record.siblings.reduce((sum, sibling) => sum + sibling.value.length, headBytes(record))
}

function headBytes(record: RecordValue): number {
  const contextBytes = record.context.length * layout.CONTEXT_ENTRY_BYTES
  return (
    layout.HEADER_BYTES + record.key.length + contextBytes + record.siblings.length * layout.SIBLING_BYTES
  )
}

/** Writes everything but the values; returns the siblings in the order in which their values have to follow. */
function writeHead(bytes: Uint8Array, record: RecordValue): readonly Sibling[] {
  const { key } = record
  const context = record.context.toSorted((a, b) => a.actor - b.actor)
  const siblings = record.siblings.toSorted((a, b) => compareDots(b, a))
  const length = encodedBytes(record)
  assert(length <= RECORD_BYTES_MERGED_MAX, 'a record fits its length field')
  assert(key.length <= FORMAT_KEY_BYTES_MAX, 'a key fits its length field')
  assert(context.length <= COUNT_MAX && siblings.length <= COUNT_MAX, 'counts fit their fields')
  copyBytes(key, 0, key.length, bytes, layout.HEADER_BYTES)
  let at = layout.HEADER_BYTES + key.length
  for (const { actor, hlc } of context) {
    writeContextEntry(bytes, at, actor, hlc)
    at += layout.CONTEXT_ENTRY_BYTES
  }
  for (const sibling of siblings) {
    writeSibling(bytes, at, sibling, context)
    at += layout.SIBLING_BYTES
  }
  sealHeader(bytes, 0, length, key.length, siblings.length, context.length, at)
  return siblings
}

function writeSibling(bytes: Uint8Array, at: number, sibling: Sibling, context: VersionVector): void {
  const { actor, hlc, kind, expireAtMs, value, valueChecksum } = sibling
  assert(coversDot(context, sibling), 'a record has seen its own siblings')
  assert(expireAtMs >= 0 && expireAtMs <= EXPIRE_AT_MAX_MS, 'an expiry fits its field')
  const actorIndex = context.findIndex((entry) => entry.actor === actor)
  writeSiblingEntry(bytes, at, hlc, kind, expireAtMs, actorIndex, value.length, valueChecksum)
}
