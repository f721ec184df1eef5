/**
 * An entry is a record as one node keeps it: eight bytes that never leave the node, then the record's own bytes.
 *
 *     entry := sequence u48, flags u8, kind u8, record
 *
 * The sequence orders everything that this node ever wrote: of two entries of one key the higher sequence is the newer
 * one, wherever they lie (RULES T6). Log and tables put their own framing around the entry; the eight bytes always
 * stand directly before the record, so an entry is addressed by (bytes, offset of the record).
 */
import { deathTime } from '../record/death.js'
import { readU48, writeU48 } from '../util/bytes.js'

export const ENTRY_HEADER_BYTES = 8

/** The record dies, and something older of its key on this node dies later or never (RULES T1). */
export const FLAG_SHADOWS = 1
/** Left behind by a dropped window to go on hiding what the dropped entry hid (RULES T2). Never sent, counted or hashed. */
export const FLAG_LOCAL_TOMBSTONE = 2

/** The entry's record is a key's record. */
export const KIND_RECORD = 1
/** FLUSHALL: a record without key and siblings whose context holds one entry, the mark (log only). */
export const KIND_FLUSH_MARK = 2

/** Highest sequence the format can hold. */
export const SEQUENCE_MAX = 2 ** 48 - 1

const EMPTY = Buffer.alloc(0)

/** Where an entry was found: bytes, and the offset of its record in them. Mutable: the hot path refills a single one. */
export class EntryRef {
  bytes: Buffer = EMPTY
  record = 0
}

export function entrySequence(bytes: Uint8Array, record: number): number {
  return readU48(bytes, record - 8)
}

export function entryFlags(bytes: Uint8Array, record: number): number {
  return bytes[record - 2]
}

export function entryKind(bytes: Uint8Array, record: number): number {
  return bytes[record - 1]
}

/** Writes the eight bytes before the record at `record`. */
export function writeEntryHeader(
  bytes: Uint8Array,
  record: number,
  sequence: number,
  flags: number,
  kind: number,
): void {
  writeU48(bytes, record - 8, sequence)
  bytes[record - 2] = flags
  bytes[record - 1] = kind
}

/** Whether the entry is what a dropped window has left: for all but compaction, absent. */
export function isLocalTombstone(bytes: Uint8Array, record: number): boolean {
  return (entryFlags(bytes, record) & FLAG_LOCAL_TOMBSTONE) !== 0
}

/**
 * RULES T1: whether the older entry dies later than `diesAtMs` (milliseconds since 1970) or never, or hides something itself,
 * so that an entry that dies then and replaces it is flagged.
 */
export function outlives(bytes: Uint8Array, record: number, diesAtMs: number): boolean {
  return (entryFlags(bytes, record) & FLAG_SHADOWS) !== 0 || deathTime(bytes, record) > diesAtMs
}
