/**
 * The bytes of a record: what a key holds, encoded once by its coordinator and from then on copied as it is into the
 * log, the memtable, the replicas, hints, streams and tables. This file is the grammar and the accessors that read a
 * record in place; see README.md in this folder for the page that a stranger could implement from.
 *
 *     record   := header key context siblings values
 *     header   := checksum u32    xxHash32, seed 0, of bytes [4, start of values)
 *                 length u32      of the whole record, values included
 *                 format u8 = 1
 *                 keyLength u24
 *                 siblingCount u16
 *                 contextCount u16
 *     key      := keyLength bytes
 *     context  := contextCount x { actor u64, hlc u64 }       ascending by actor: the version vector
 *     siblings := siblingCount x {                            descending by (hlc, actor): the winner is the first
 *                 hlc u53 (7 bytes), kind u8                  kind: 0 value, 1 deletion
 *                 expireAt u48, actorIndex u16                milliseconds since 1970, 0 for never; index into context
 *                 valueLength u32, valueChecksum u32 }        xxHash32, seed 0, of the value; both 0 for a deletion
 *     values   := the siblings' values, in the same order
 *
 * The values are covered by checksums of their own, inside what the record's checksum covers: so a version digest
 * never has to touch a value, and nothing is hashed twice. A dot's actor is always in the context (a record has seen
 * its own siblings), hence the index.
 */
import { readU16, readU24, readU32, readU48, readU53 } from '../util/bytes.js'

export const RECORD_FORMAT = 1
export const HEADER_BYTES = 16
export const CONTEXT_ENTRY_BYTES = 16
export const SIBLING_BYTES = 24

export const KIND_VALUE = 0
export const KIND_DELETION = 1

/** Death time of a record that never dies: above every time that fits the format. */
export const NEVER_DIES = Number.MAX_SAFE_INTEGER

/** Bytes of the whole record that starts at `at`. */
export function recordLength(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 4)
}

export function recordChecksum(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at)
}

export function keyLength(bytes: Uint8Array, at: number): number {
  return readU24(bytes, at + 9)
}

export function keyStart(at: number): number {
  return at + HEADER_BYTES
}

export function siblingCount(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at + 12)
}

export function contextCount(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at + 14)
}

/** Where the context's first entry starts. */
export function contextStart(bytes: Uint8Array, at: number): number {
  return at + HEADER_BYTES + keyLength(bytes, at)
}

export function contextActor(bytes: Uint8Array, contextAt: number, index: number): number {
  return readU53(bytes, contextAt + index * CONTEXT_ENTRY_BYTES)
}

export function contextHlc(bytes: Uint8Array, contextAt: number, index: number): number {
  return readU53(bytes, contextAt + index * CONTEXT_ENTRY_BYTES + 8)
}

/** Where the first (winning) sibling's description starts. */
export function siblingsStart(bytes: Uint8Array, at: number): number {
  return contextStart(bytes, at) + contextCount(bytes, at) * CONTEXT_ENTRY_BYTES
}

/** Where the values start; also the end of what the record's own checksum covers. */
export function valuesStart(bytes: Uint8Array, at: number): number {
  return siblingsStart(bytes, at) + siblingCount(bytes, at) * SIBLING_BYTES
}

/** The accessors below take the start of one sibling's description: siblingsStart + index * SIBLING_BYTES. */
export function siblingHlc(bytes: Uint8Array, siblingAt: number): number {
  return readU53(bytes, siblingAt)
}

export function siblingKind(bytes: Uint8Array, siblingAt: number): number {
  return bytes[siblingAt + 7]
}

/** Milliseconds since 1970; 0 for never. */
export function siblingExpireAt(bytes: Uint8Array, siblingAt: number): number {
  return readU48(bytes, siblingAt + 8)
}

export function siblingActorIndex(bytes: Uint8Array, siblingAt: number): number {
  return readU16(bytes, siblingAt + 14)
}

export function siblingValueLength(bytes: Uint8Array, siblingAt: number): number {
  return readU32(bytes, siblingAt + 16)
}

export function siblingValueChecksum(bytes: Uint8Array, siblingAt: number): number {
  return readU32(bytes, siblingAt + 20)
}
