/**
 * Keys and values of the handoff store. Keys are in the order in which they are handed over: by kind and target, oldest first.
 *
 *     key    := kind u8, target (20 bytes, the member's id), hlc u64, tie u64        numbers big-endian, so that bytes sort as they do
 *     value  := of HINT and OPEN_HINT:  record
 *               of COPY:                wanted u8, count u8, count x target (20 bytes), record
 *
 * `hlc` is the record's newest stamp, from which its age counts (RULES L4). `tie` tells entries of one stamp apart: the own log's
 * sequence for a hint, a hash of the record for a copy, so that the same one that comes twice is kept once.
 *
 * A fallback copy has an entry for each member it stands for, all with the same value: `count` targets, of which `wanted` have to
 * take it before it may go.
 */
import { maxHlc } from '../record/death.js'
import { recordChecksum, recordLength } from '../record/layout.js'
import { assert } from '../util/assert.js'

/** A hint whose record is known on W replicas: window and cap may drop it. */
export const HINT = 1
/** A hint whose record is not known on W replicas (RULES L4). */
export const OPEN_HINT = 2
/** A fallback copy (RULES L5). */
export const COPY = 3
export type HandoffKind = typeof HINT | typeof OPEN_HINT | typeof COPY
export const KINDS: readonly HandoffKind[] = [HINT, OPEN_HINT, COPY]

export const TARGET_BYTES = 20
const HLC_AT = 1 + TARGET_BYTES
const TIE_AT = HLC_AT + 8
export const KEY_BYTES = TIE_AT + 8
const COPY_HEAD_BYTES = 2
const TWO_32 = 2 ** 32

/** The 20 bytes of a member's id of 40 hexadecimal digits. */
export function targetOf(memberId: string): Buffer {
  const target = Buffer.from(memberId, 'hex')
  assert(target.length === TARGET_BYTES, 'a member id has 40 hexadecimal digits')
  return target
}

/** The member id of a key. */
export function targetIdOf(key: Buffer): string {
  return key.toString('hex', 1, HLC_AT)
}

export function kindOf(key: Buffer): HandoffKind {
  const kind = key[0]
  assert(kind === HINT || kind === OPEN_HINT || kind === COPY, 'a kind of handoff')
  return kind
}

export function hlcOf(key: Buffer): number {
  return readU64(key, HLC_AT)
}

export function keyOf(kind: HandoffKind, target: Buffer, hlc: number, tie: number): Buffer {
  const key = Buffer.alloc(KEY_BYTES)
  key[0] = kind
  target.copy(key, 1)
  writeU64(key, HLC_AT, hlc)
  writeU64(key, TIE_AT, tie)
  return key
}

/** The key behind all of the kind and target whose records' newest stamps are at or below `hlc`. */
export function keyBehind(kind: HandoffKind, target: Buffer, hlc: number): Buffer {
  return keyOf(kind, target, hlc + 1, 0)
}

/** Below every key, and above every key, of the kind and target. */
export function firstKey(kind: HandoffKind, target: Buffer): Buffer {
  return keyOf(kind, target, 0, 0)
}

export function lastKey(kind: HandoffKind, target: Buffer): Buffer {
  const key = keyOf(kind, target, 0, 0)
  key.fill(0xff, HLC_AT)
  return key
}

/** The key that comes directly behind this one. */
export function keyAfter(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.alloc(1)])
}

/** The key and the value of a hint with a private copy of the record at bytes[record]; `sequence` is its own entry's. */
export function hintOf(
  kind: typeof HINT | typeof OPEN_HINT,
  target: Buffer,
  bytes: Uint8Array,
  record: number,
  sequence: number,
): { key: Buffer; value: Buffer } {
  const value = Buffer.allocUnsafe(recordLength(bytes, record))
  value.set(bytes.subarray(record, record + value.length))
  return { key: keyOf(kind, target, maxHlc(bytes, record), sequence), value }
}

/** A fallback copy as its value says. */
export interface FallbackCopy {
  /** So many of the targets have to take it. */
  readonly wanted: number
  readonly targets: readonly Buffer[]
  /** Where the record starts in the value. */
  readonly record: number
}

/** The value of a copy of the record bytes[start, end). */
export function copyValue(
  wanted: number,
  targets: readonly Buffer[],
  bytes: Uint8Array,
  start: number,
  end: number,
): Buffer {
  const record = COPY_HEAD_BYTES + targets.length * TARGET_BYTES
  const value = Buffer.allocUnsafe(record + end - start)
  value[0] = wanted
  value[1] = targets.length
  targets.forEach((target, i) => target.copy(value, COPY_HEAD_BYTES + i * TARGET_BYTES))
  value.set(bytes.subarray(start, end), record)
  return value
}

export function readCopy(value: Buffer): FallbackCopy {
  const targets = Array.from({ length: value[1] }, (_, i) => {
    const at = COPY_HEAD_BYTES + i * TARGET_BYTES
    return value.subarray(at, at + TARGET_BYTES)
  })
  return { wanted: value[0], targets, record: COPY_HEAD_BYTES + value[1] * TARGET_BYTES }
}

/** Where the record starts in the value of an entry; -1 where the value cannot be one. */
export function recordIn(kind: HandoffKind, value: Buffer): number {
  if (kind !== COPY) return 0
  if (value.length < COPY_HEAD_BYTES) return -1
  const record = COPY_HEAD_BYTES + value[1] * TARGET_BYTES
  return record < value.length ? record : -1
}

/** `tie` of a copy. */
export function copyTie(bytes: Uint8Array, record: number): number {
  return recordChecksum(bytes, record)
}

function writeU64(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / TWO_32)
  for (let i = 0; i < 4; i++) bytes[at + i] = high >>> (8 * (3 - i))
  const low = value % TWO_32
  for (let i = 0; i < 4; i++) bytes[at + 4 + i] = low >>> (8 * (3 - i))
}

function readU64(bytes: Uint8Array, at: number): number {
  let value = 0
  for (let i = 0; i < 8; i++) value = value * 256 + bytes[at + i]
  return value
}
