/**
 * What nodes ask of each other on their links, and what they answer: bodies of messages, read and written in place. Kinds are
 * those of the link's messages, requests and answers apart; integers are little-endian; a listHash is that of the preference
 * list of the key's slot as the sender sees it (RULES L3).
 *
 * Requests:
 *
 *     1 RECORD     listHash i32, record                                         settled by the watermark or a refusal
 *     2 PROPOSAL   listHash i32, count u16, count x part                        settled by the watermark or a refusal
 *                  part := baseCount u16, baseCount x { actor u64, hlc u64 }, length u32, record      base as a record's context
 *     3 DIGEST     request u32, listHash i32, key                               answered by DIGEST_IS or CANNOT
 *     4 READ       request u32, listHash i32, key                               answered by RECORD_IS or CANNOT
 *     5 COMMAND    request u32, mode u8, protocol u8, read level u8, write level u8,
 *                  argc u32, argc x length u32, arguments                       answered by REPLY_IS or CANNOT
 *     6 GOSSIP     request u32, SYN or ACK2 (membership/README.md)              a SYN is answered by GOSSIP_IS
 *     7 HINT       as RECORD: what the receiver missed (RULES L4)               settled by the watermark or a refusal
 *     8 FALLBACK   listHash i32, wanted u8, zero u8, targets u16, record        settled by the watermark or a refusal
 *                  targets: places of the preference list, as bits, that the receiver stands for; `wanted` of them have to take
 *                  the record before its copy may go (RULES L5)
 *     9 EXCHANGE   request u32, what u8, body (repair/exchange-messages.ts)     answered by EXCHANGE_IS
 *
 * Answers:
 *
 *     1 DIGEST_IS  request u32, first u32, second u32                           both 0 for absent
 *     2 RECORD_IS  request u32, record                                          no record for absent
 *     3 REPLY_IS   request u32, RESP
 *     4 CANNOT     request u32, reason u8
 *     5 GOSSIP_IS  request u32, ACK
 *     6 EXCHANGE_IS request u32, status u8, body
 *
 * The watermark passes over what is answered as soon as it was received: the answer decides. It passes over RECORD, HINT and
 * PROPOSAL when they are applied and as durable as appendfsync says, over FALLBACK when the copy is on disk.
 */
import { readI32, readU16, readU32, writeU16, writeU32 } from '../util/bytes.js'
import { CONTEXT_ENTRY_BYTES } from '../record/layout.js'

export const RECORD = 1
export const PROPOSAL = 2
export const DIGEST = 3
export const READ = 4
export const COMMAND = 5
export const GOSSIP = 6
export const HINT = 7
export const FALLBACK = 8
export const EXCHANGE = 9

export const DIGEST_IS = 1
export const RECORD_IS = 2
export const REPLY_IS = 3
export const CANNOT = 4
export const GOSSIP_IS = 5
export const EXCHANGE_IS = 6

/** Why a request was refused, and nothing of it applied. */
/** The slot's preference list differs, or does not name this node (RULES L3). */
export const REASON_PLACEMENT = 1
/** The base of a proposal does not cover what is held (RULES V10). */
export const REASON_NOT_COVERED = 2
/** Stamped too far ahead of the clock (RULES C2). */
export const REASON_STAMPED_AHEAD = 3
/** Not newer than the flush mark (RULES P4). */
export const REASON_FLUSHED = 4
/** The disk is full, the log failed, or memory for writes was used up for too long. */
export const REASON_NO_ROOM = 5
export const REASON_MALFORMED = 6
export const REASON_STOPPING = 7
/** The range is stale here, or not judged yet (RULES P2). */
export const REASON_STALE = 8
/** A hint that is older than what has been purged (RULES L4). */
export const REASON_PURGED = 9
/** What is held of the key cannot be read: its bytes are not what was written. */
export const REASON_DAMAGED = 10

/** Modes of a COMMAND: run it as the key's home does, or over this node's own data only. */
export const MODE_HOME = 0
export const MODE_LOCAL = 1

/** Bytes of a RECORD or HINT before the record. */
export const RECORD_HEAD_BYTES = 4
/** Bytes of a FALLBACK before the record. */
export const FALLBACK_HEAD_BYTES = 8
/** Bytes of a PROPOSAL before its first part. */
export const PROPOSAL_HEAD_BYTES = 6
/** Bytes of a part beside its base's entries and its record. */
export const PART_FIXED_BYTES = 6
/** Bytes of a DIGEST or READ before the key. */
export const LOOKUP_HEAD_BYTES = 8
/** Bytes of a COMMAND before the arguments' lengths. */
export const COMMAND_HEAD_BYTES = 12
export const DIGEST_IS_BYTES = 12
/** Bytes of a RECORD_IS, REPLY_IS, GOSSIP or GOSSIP_IS before what it brings. */
export const ANSWER_HEAD_BYTES = 4
export const CANNOT_BYTES = 5

/** Of a RECORD, PROPOSAL, HINT or FALLBACK. */
export function listHashOf(bytes: Uint8Array, start: number): number {
  return readI32(bytes, start)
}

export function writeListHash(bytes: Uint8Array, start: number, listHash: number): void {
  writeU32(bytes, start, listHash)
}

/** Writes the head of a FALLBACK; the record follows. */
export function writeFallbackHead(
  bytes: Uint8Array,
  start: number,
  listHash: number,
  wanted: number,
  targets: number,
): void {
  writeU32(bytes, start, listHash)
  bytes[start + 4] = wanted
  bytes[start + 5] = 0
  writeU16(bytes, start + 6, targets)
}

export function fallbackWanted(bytes: Uint8Array, start: number): number {
  return bytes[start + 4]
}

export function fallbackTargets(bytes: Uint8Array, start: number): number {
  return readU16(bytes, start + 6)
}

export function partCount(bytes: Uint8Array, start: number): number {
  return readU16(bytes, start + 4)
}

/** Writes the head of a PROPOSAL; its parts follow from PROPOSAL_HEAD_BYTES on. */
export function writeProposalHead(bytes: Uint8Array, start: number, listHash: number, parts: number): void {
  writeU32(bytes, start, listHash)
  writeU16(bytes, start + 4, parts)
}

/** Entries in the base context of the part at `part`. */
export function baseCount(bytes: Uint8Array, part: number): number {
  return readU16(bytes, part)
}

/** Where the entries of the part's base stand, as those of a record's context do. */
export function baseStart(part: number): number {
  return part + 2
}

export function writeBaseCount(bytes: Uint8Array, part: number, entries: number): void {
  writeU16(bytes, part, entries)
}

/** Where the part's record starts; its length stands in the four bytes before. */
export function partRecordStart(bytes: Uint8Array, part: number): number {
  return part + PART_FIXED_BYTES + readU16(bytes, part) * CONTEXT_ENTRY_BYTES
}

/** Where the part's record ends, and with it the part. */
export function partEnd(bytes: Uint8Array, part: number): number {
  const record = partRecordStart(bytes, part)
  return record + readU32(bytes, record - 4)
}

/** Writes the length of the record that starts at `record` into the part that it ends. */
export function writePartRecordLength(bytes: Uint8Array, record: number, length: number): void {
  writeU32(bytes, record - 4, length)
}

/** Whether the parts of a PROPOSAL add up to its end; says nothing about bases and records. */
export function partsAddUp(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < PROPOSAL_HEAD_BYTES) return false
  let part = start + PROPOSAL_HEAD_BYTES
  for (let left = partCount(bytes, start); left > 0; left--) {
    if (end - part < PART_FIXED_BYTES) return false
    if (partRecordStart(bytes, part) > end) return false
    part = partEnd(bytes, part)
    if (part > end) return false
  }
  return part === end && partCount(bytes, start) > 0
}

/** The number by which a DIGEST, READ, COMMAND or GOSSIP, or an answer to it, is known. */
export function requestOf(bytes: Uint8Array, start: number): number {
  return readU32(bytes, start)
}

/** Of a DIGEST or READ. */
export function lookupListHash(bytes: Uint8Array, start: number): number {
  return readI32(bytes, start + 4)
}

/** Writes the head of a DIGEST or READ; the key follows. */
export function writeLookupHead(bytes: Uint8Array, start: number, request: number, listHash: number): void {
  writeU32(bytes, start, request)
  writeU32(bytes, start + 4, listHash)
}

export function digestFirst(bytes: Uint8Array, start: number): number {
  return readU32(bytes, start + 4)
}

export function digestSecond(bytes: Uint8Array, start: number): number {
  return readU32(bytes, start + 8)
}

/** Writes a DIGEST_IS; answers its end. */
export function writeDigestIs(
  bytes: Uint8Array,
  start: number,
  request: number,
  first: number,
  second: number,
): number {
  writeU32(bytes, start, request)
  writeU32(bytes, start + 4, first)
  writeU32(bytes, start + 8, second)
  return start + DIGEST_IS_BYTES
}

/** Writes the head of a RECORD_IS, REPLY_IS, GOSSIP or GOSSIP_IS; what it brings follows. */
export function writeAnswerHead(bytes: Uint8Array, start: number, request: number): void {
  writeU32(bytes, start, request)
}

/** Of a CANNOT. */
export function cannotReason(bytes: Uint8Array, start: number): number {
  return bytes[start + 4]
}

/** Writes a CANNOT; answers its end. */
export function writeCannot(bytes: Uint8Array, start: number, request: number, reason: number): number {
  writeU32(bytes, start, request)
  bytes[start + 4] = reason
  return start + CANNOT_BYTES
}

/** Writes the head of a COMMAND; the arguments' lengths follow, then their bytes. */
export function writeCommandHead(
  bytes: Uint8Array,
  start: number,
  request: number,
  mode: number,
  protocol: number,
  readLevel: number,
  writeLevel: number,
  argc: number,
): void {
  writeU32(bytes, start, request)
  bytes[start + 4] = mode
  bytes[start + 5] = protocol
  bytes[start + 6] = readLevel
  bytes[start + 7] = writeLevel
  writeU32(bytes, start + 8, argc)
}

export function commandMode(bytes: Uint8Array, start: number): number {
  return bytes[start + 4]
}

/** 2 or 3; anything else counts as 2. */
export function commandProtocol(bytes: Uint8Array, start: number): number {
  return bytes[start + 5] === 3 ? 3 : 2
}

/** The sender's number, which may be none of a level. */
export function commandReadLevel(bytes: Uint8Array, start: number): number {
  return bytes[start + 6]
}

export function commandWriteLevel(bytes: Uint8Array, start: number): number {
  return bytes[start + 7]
}

/** The arguments that a COMMAND says it has. */
export function commandArguments(bytes: Uint8Array, start: number): number {
  return readU32(bytes, start + 8)
}
