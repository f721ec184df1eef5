/**
 * Whether one record already is what merging it with another would give, seen on the encoded bytes. That is so of nearly every
 * record that replicas send each other: a write that replaces what was there, or one that has come before. So a merge decodes
 * and encodes only where there is a true conflict; merge.ts says what merging means, and the tests hold this file against it.
 *
 * `a` absorbs `b` when merge(a, b) is a: a's context covers b's, and each sibling of a is one of b's, or unseen by b. (Siblings of b
 * that a lacks are then covered by a's context and fall away.) Under `lww` the second half is that a has no more than
 * one sibling, and b none that ranks higher. Siblings at or below the flush mark are gone on both sides and do not matter.
 *
 * Contents of one dot are compared without their values, by checksum and length.
 */
import { readU53 } from '../util/bytes.js'
import {
  CONTEXT_ENTRY_BYTES,
  SIBLING_BYTES,
  contextActor,
  contextCount,
  contextStart,
  siblingActorIndex,
  siblingCount,
  siblingHlc,
  siblingsStart,
} from './layout.js'

/**
 * Whether the `aCount` context entries at `aAt` cover the `bCount` at `bAt`, both ascending by actor. Entries of b at or below
 * `floor` (an HLC; -1 for none) need no cover.
 */
export function entriesCover(
  a: Uint8Array,
  aAt: number,
  aCount: number,
  b: Uint8Array,
  bAt: number,
  bCount: number,
  floor: number,
): boolean {
  const aEnd = aAt + aCount * CONTEXT_ENTRY_BYTES
  const bEnd = bAt + bCount * CONTEXT_ENTRY_BYTES
  for (; bAt < bEnd; bAt += CONTEXT_ENTRY_BYTES) {
    const hlc = readU53(b, bAt + 8)
    if (hlc <= floor) continue
    const actor = readU53(b, bAt)
    while (aAt < aEnd && readU53(a, aAt) < actor) aAt += CONTEXT_ENTRY_BYTES
    if (aAt === aEnd || readU53(a, aAt) !== actor || readU53(a, aAt + 8) < hlc) return false
  }
  return true
}

/** Whether merging the record of the same key at b[bAt] into the one at a[aAt] leaves that as it is; see the file's head. */
export function absorbs(
  a: Uint8Array,
  aAt: number,
  b: Uint8Array,
  bAt: number,
  isLww: boolean,
  flushMark: number,
): boolean {
  const covers = entriesCover(
    a,
    contextStart(a, aAt),
    contextCount(a, aAt),
    b,
    contextStart(b, bAt),
    contextCount(b, bAt),
    -1,
  )
  if (!covers) return false
  return isLww ? outranks(a, aAt, b, bAt, flushMark) : allStay(a, aAt, b, bAt, flushMark)
}

/** HLC of the record's oldest sibling; Infinity without any. */
export function oldestSiblingHlc(bytes: Uint8Array, at: number): number {
  const count = siblingCount(bytes, at)
  return count === 0 ? Infinity : siblingHlc(bytes, siblingsStart(bytes, at) + (count - 1) * SIBLING_BYTES)
}

/** Whether every sibling of a survives the join with b. */
function allStay(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, flushMark: number): boolean {
  const aContext = contextStart(a, aAt)
  const count = siblingCount(a, aAt)
  let sibling = siblingsStart(a, aAt)
  for (let i = 0; i < count; i++, sibling += SIBLING_BYTES) {
    const hlc = siblingHlc(a, sibling)
    if (hlc <= flushMark) return true
    const actor = contextActor(a, aContext, siblingActorIndex(a, sibling))
    const twin = siblingWithDot(b, bAt, actor, hlc)
    if (twin === -1 ? hasSeen(b, bAt, actor, hlc) : !sameContent(a, sibling, b, twin)) return false
  }
  return true
}

function outranks(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, flushMark: number): boolean {
  const count = siblingCount(a, aAt)
  if (count > 1) return false
  if (siblingCount(b, bAt) === 0) return true
  const rival = siblingsStart(b, bAt)
  const rivalHlc = siblingHlc(b, rival)
  if (rivalHlc <= flushMark) return true
  if (count === 0) return false
  const own = siblingsStart(a, aAt)
  const hlc = siblingHlc(a, own)
  if (hlc !== rivalHlc) return hlc > rivalHlc
  const actor = contextActor(a, contextStart(a, aAt), siblingActorIndex(a, own))
  const rivalActor = contextActor(b, contextStart(b, bAt), siblingActorIndex(b, rival))
  return actor === rivalActor ? sameContent(a, own, b, rival) : actor > rivalActor
}

/** Where the description of the sibling with this dot stands, or -1. */
function siblingWithDot(bytes: Uint8Array, at: number, actor: number, hlc: number): number {
  const context = contextStart(bytes, at)
  const count = siblingCount(bytes, at)
  let sibling = siblingsStart(bytes, at)
  for (let i = 0; i < count; i++, sibling += SIBLING_BYTES) {
    const other = siblingHlc(bytes, sibling)
    if (other < hlc) return -1
    if (other === hlc && contextActor(bytes, context, siblingActorIndex(bytes, sibling)) === actor)
      return sibling
  }
  return -1
}

/** Whether the record's context covers the dot. */
function hasSeen(bytes: Uint8Array, at: number, actor: number, hlc: number): boolean {
  const count = contextCount(bytes, at)
  let entry = contextStart(bytes, at)
  for (let i = 0; i < count; i++, entry += CONTEXT_ENTRY_BYTES) {
    if (readU53(bytes, entry) === actor) return readU53(bytes, entry + 8) >= hlc
  }
  return false
}

/** Whether two descriptions of one dot agree in kind, expiry, length and checksum: in all but the index of the actor. */
function sameContent(a: Uint8Array, aSibling: number, b: Uint8Array, bSibling: number): boolean {
  for (let i = 7; i < SIBLING_BYTES; i++) {
    if (i !== ACTOR_INDEX_AT && i !== ACTOR_INDEX_AT + 1 && a[aSibling + i] !== b[bSibling + i]) return false
  }
  return true
}

const ACTOR_INDEX_AT = 14
