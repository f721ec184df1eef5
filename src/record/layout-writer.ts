/** Writes the parts of a record that layout.ts reads: the one place that knows where a field goes. */
import { writeU16, writeU24, writeU32, writeU48, writeU53 } from '../util/bytes.js'
import { xxh32 } from '../util/xxhash.js'
import { RECORD_FORMAT } from './layout.js'

/** Writes a context entry at `at`. */
export function writeContextEntry(into: Uint8Array, at: number, actor: number, hlc: number): void {
  writeU53(into, at, actor)
  into[at + 7] = 0
  writeU53(into, at + 8, hlc)
  into[at + 15] = 0
}

/** Writes a sibling's description at `at`; the value itself goes elsewhere. */
export function writeSiblingEntry(
  into: Uint8Array,
  at: number,
  hlc: number,
  kind: number,
  expireAtMs: number,
  actorIndex: number,
  valueLength: number,
  valueChecksum: number,
): void {
  writeU53(into, at, hlc)
  into[at + 7] = kind
  writeU48(into, at + 8, expireAtMs)
  writeU16(into, at + 14, actorIndex)
  writeU32(into, at + 16, valueLength)
  writeU32(into, at + 20, valueChecksum)
}

/**
 * Writes the header of the record at `at`, last of all: its checksum covers what stands up to `valuesAt`, where the
 * values start.
 */
export function sealHeader(
  into: Uint8Array,
  at: number,
  length: number,
  keyLength: number,
  siblings: number,
  entries: number,
  valuesAt: number,
): void {
  writeU32(into, at + 4, length)
  into[at + 8] = RECORD_FORMAT
  writeU24(into, at + 9, keyLength)
  writeU16(into, at + 12, siblings)
  writeU16(into, at + 14, entries)
  writeU32(into, at, xxh32(into, at + 4, valuesAt, 0))
}
