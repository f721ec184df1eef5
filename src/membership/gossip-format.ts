/**
 * The messages of gossip: bytes that are written and read in place. README.md has the grammar. A message is looked at as a whole
 * (`isSyn`, `isAck`, `isAck2`) before anything of it is read, so readers need not doubt what they read, and nothing is
 * allocated for what is not sound. `members` is the length of the member list: both ends have the same one (RULES H2).
 */
import { readU16, readU32, readU48, writeU16, writeU32, writeU48 } from '../util/bytes.js'
import { MEMBER_STATES_BYTES_MAX, STATES_MAX } from './limits.js'

export const SYN = 1
export const ACK = 2
export const ACK2 = 3

/** step u8, zero u8, then the members of a SYN, the requests of an ACK, the deltas of an ACK2, counted in u16. */
export const HEAD_BYTES = 4
export const DIGEST_BYTES = 10
export const REQUEST_BYTES = 12
/** The count of deltas behind the requests of an ACK. */
export const COUNT_BYTES = 2
export const DELTA_HEAD_BYTES = 18
export const STATE_HEAD_BYTES = 8

/** Which of the three it says it is; 0 for nothing. */
export function stepOf(bytes: Uint8Array, start: number, end: number): number {
  return end - start < HEAD_BYTES || bytes[start + 1] !== 0 ? 0 : bytes[start]
}

/** The digests of a SYN, the requests of an ACK, or the deltas of an ACK2. */
export function countOf(bytes: Uint8Array, start: number): number {
  return readU16(bytes, start + 2)
}

export function writeHead(bytes: Uint8Array, step: number, count: number): void {
  bytes[0] = step
  bytes[1] = 0
  writeU16(bytes, 2, count)
}

// Digests: one for each member, in the order of the list.

export function digestAt(start: number, member: number): number {
  return start + HEAD_BYTES + member * DIGEST_BYTES
}

export function digestGeneration(bytes: Uint8Array, at: number): number {
  return readU48(bytes, at)
}

export function digestVersion(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 6)
}

export function writeDigest(bytes: Uint8Array, at: number, generation: number, version: number): void {
  writeU48(bytes, at, generation)
  writeU32(bytes, at + 6, version)
}

// Requests: a member and what is known of it.

export function requestAt(start: number, nth: number): number {
  return start + HEAD_BYTES + nth * REQUEST_BYTES
}

export function requestMember(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at)
}

/** Where the request's digest stands. */
export function requestDigest(at: number): number {
  return at + 2
}

export function writeRequest(
  bytes: Uint8Array,
  at: number,
  member: number,
  generation: number,
  version: number,
): void {
  writeU16(bytes, at, member)
  writeDigest(bytes, at + 2, generation, version)
}

// Deltas: what a member is at a version, as far as it differs from what it was at `since`.

export function deltaMember(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at)
}

export function deltaGeneration(bytes: Uint8Array, at: number): number {
  return readU48(bytes, at + 2)
}

export function deltaVersion(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 8)
}

/** 0: the delta has all states of the member. */
export function deltaSince(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 12)
}

export function deltaStates(bytes: Uint8Array, at: number): number {
  return bytes[at + 16]
}

/** Answers where the states begin. */
export function writeDeltaHead(
  bytes: Uint8Array,
  at: number,
  member: number,
  generation: number,
  version: number,
  since: number,
  states: number,
): number {
  writeU16(bytes, at, member)
  writeU48(bytes, at + 2, generation)
  writeU32(bytes, at + 8, version)
  writeU32(bytes, at + 12, since)
  bytes[at + 16] = states
  bytes[at + 17] = 0
  return at + DELTA_HEAD_BYTES
}

export function stateNumberAt(bytes: Uint8Array, at: number): number {
  return bytes[at]
}

export function stateLength(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at + 2)
}

export function stateVersion(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 4)
}

export function stateEnd(bytes: Uint8Array, at: number): number {
  return at + STATE_HEAD_BYTES + readU16(bytes, at + 2)
}

/** Where a delta that is sound ends. */
export function deltaEnd(bytes: Uint8Array, at: number): number {
  let end = at + DELTA_HEAD_BYTES
  for (let left = deltaStates(bytes, at); left > 0; left--) end = stateEnd(bytes, end)
  return end
}

/** Answers where the state ends. */
export function writeState(
  bytes: Uint8Array,
  at: number,
  number: number,
  version: number,
  value: Uint8Array,
): number {
  bytes[at] = number
  bytes[at + 1] = 0
  writeU16(bytes, at + 2, value.length)
  writeU32(bytes, at + 4, version)
  bytes.set(value, at + STATE_HEAD_BYTES)
  return at + STATE_HEAD_BYTES + value.length
}

// Soundness.

export function isSyn(bytes: Uint8Array, start: number, end: number, members: number): boolean {
  return countOf(bytes, start) === members && digestAt(start, members) === end
}

export function isAck(bytes: Uint8Array, start: number, end: number, members: number): boolean {
  const requests = countOf(bytes, start)
  const deltas = requestAt(start, requests)
  if (requests > members || deltas + COUNT_BYTES > end) return false
  for (let i = 0; i < requests; i++) {
    if (requestMember(bytes, requestAt(start, i)) >= members) return false
  }
  return deltasEnd(bytes, deltas + COUNT_BYTES, end, readU16(bytes, deltas), members) === end
}

export function isAck2(bytes: Uint8Array, start: number, end: number, members: number): boolean {
  return deltasEnd(bytes, start + HEAD_BYTES, end, countOf(bytes, start), members) === end
}

/** Where `count` deltas from `at` on end; -1 when they are none. */
function deltasEnd(bytes: Uint8Array, at: number, end: number, count: number, members: number): number {
  if (count > members) return -1
  for (let left = count; left > 0; left--) {
    at = soundDeltaEnd(bytes, at, end, members)
    if (at === -1) return -1
  }
  return at
}

function soundDeltaEnd(bytes: Uint8Array, at: number, end: number, members: number): number {
  if (end - at < DELTA_HEAD_BYTES || deltaMember(bytes, at) >= members) return -1
  const version = deltaVersion(bytes, at)
  const since = deltaSince(bytes, at)
  const states = deltaStates(bytes, at)
  if (deltaGeneration(bytes, at) === 0 || since >= version) return -1
  if (states > STATES_MAX || bytes[at + 17] !== 0) return -1
  let total = 0
  let previous = 0
  at += DELTA_HEAD_BYTES
  for (let left = states; left > 0; left--) {
    if (end - at < STATE_HEAD_BYTES || bytes[at + 1] !== 0) return -1
    const number = stateNumberAt(bytes, at)
    const changed = stateVersion(bytes, at)
    if (number <= previous || changed <= since || changed > version) return -1
    total += stateLength(bytes, at)
    at += STATE_HEAD_BYTES + stateLength(bytes, at)
    if (at > end || total > MEMBER_STATES_BYTES_MAX) return -1
    previous = number
  }
  return at
}
