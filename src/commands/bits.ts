/**
 * Values as strings of bits: bit 0 is the highest of the first byte. SETBIT and GETBIT address one, BITCOUNT and BITPOS
 * look at a range given in bytes or bits. Checks come in Redis 7.0's order, which looks for the key before it reads a
 * range (later versions read the range first).
 */
import { COLD, LIVE } from '../coordinator/keyspace.js'
import { copyBytes } from '../util/bytes.js'
import { bigIntegerOf, findKey, integerOf, isWord, storableKey } from './args.js'
import { NOT_AN_INTEGER, SYNTAX_ERROR } from './error-texts.js'
import { COLD_BLOCKS, DONE } from './request.js'
import type { Outcome, Request } from './request.js'
import { scratch, setScratch } from './scratch.js'

const BAD_OFFSET = 'ERR bit offset is not an integer or out of range'
const BAD_BIT = 'ERR bit is not an integer or out of range'
const BAD_BIT_ARGUMENT = 'ERR The bit argument must be 1 or 0.'

const ONES_IN_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => {
  let ones = 0
  for (let rest = byte; rest !== 0; rest >>= 1) ones += rest & 1
  return ones
})

/** SETBIT key offset bit */
export function setbit(request: Request): Outcome {
  const offset = bitOffset(request)
  if (offset < 0) return DONE
  const bit = integerOf(request, 3)
  if (bit !== 0 && bit !== 1) return refuse(request, BAD_BIT)
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  const { found } = request.keyspace
  const kept = lookup === LIVE ? found.end - found.start : 0
  const byteIndex = Math.floor(offset / 8)
  const mask = 0x80 >> (offset % 8)
  const old = byteIndex < kept && (found.bytes[found.start + byteIndex] & mask) !== 0 ? 1 : 0
  if (byteIndex >= kept || old !== bit) {
    if (lookup !== LIVE && !storableKey(request, 1)) return DONE
    const size = Math.max(kept, byteIndex + 1)
    const value = scratch.take(size)
    if (kept > 0) copyBytes(found.bytes, found.start, found.end, value, 0)
    if (size > kept) value.fill(0, kept, size)
    value[byteIndex] = bit === 1 ? value[byteIndex] | mask : value[byteIndex] & ~mask
    setScratch(request, 1, size, lookup === LIVE ? found.expireAtMs : 0)
  }
  request.reply.integer(old)
  return DONE
}

/** GETBIT key offset */
export function getbit(request: Request): Outcome {
  const offset = bitOffset(request)
  if (offset < 0) return DONE
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  const { found } = request.keyspace
  const at = found.start + Math.floor(offset / 8)
  const set = lookup === LIVE && at < found.end && (found.bytes[at] & (0x80 >> (offset % 8))) !== 0
  request.reply.integer(set ? 1 : 0)
  return DONE
}

/** The bit offset in argument 2; -1 when the error has been rendered. */
function bitOffset(request: Request): number {
  const offset = integerOf(request, 2)
  if (offset >= 0 && offset < request.node.settings.protoMaxBulkLenBytes * 8) return offset
  request.reply.error(BAD_OFFSET)
  return -1
}

/** Bits [firstBit, endBit) of the found value, as the arguments of BITCOUNT or BITPOS describe them. */
const range = { firstBit: 0, endBit: 0 }

/** BITCOUNT key [start end [BYTE | BIT]] */
export function bitcount(request: Request): Outcome {
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  if (lookup !== LIVE) {
    request.reply.integer(0)
    return DONE
  }
  const { found } = request.keyspace
  if (request.argc === 2) wholeValue(request)
  else if (!readCountRange(request)) return DONE
  request.reply.integer(onesIn(found.bytes, found.start, range.firstBit, range.endBit))
  return DONE
}

function readCountRange(request: Request): boolean {
  if (request.argc !== 4 && request.argc !== 5) return refused(request, SYNTAX_ERROR)
  const start = integerOf(request, 2)
  const end = integerOf(request, 3)
  if (start !== start || end !== end) return refused(request, NOT_AN_INTEGER)
  if (start < 0 && end < 0 && isAfter(request, start, end)) {
    range.endBit = range.firstBit = 0
    return true
  }
  const inBits = request.argc === 5 && isWord(request, 4, 'BIT')
  if (request.argc === 5 && !inBits && !isWord(request, 4, 'BYTE')) return refused(request, SYNTAX_ERROR)
  cutRange(request, start, end, inBits)
  return true
}

/** Whether start > end, also where doubles can no longer tell. */
function isAfter(request: Request, start: number, end: number): boolean {
  if (start !== end || Number.isSafeInteger(start)) return start > end
  return bigIntegerOf(request, 2) > bigIntegerOf(request, 3)
}

/**
 * BITPOS key bit [start [end [BYTE | BIT]]]. Without an end the value counts as followed by zeros, so that looking for
 * a 0 in all ones finds the first bit after them.
 */
export function bitpos(request: Request): Outcome {
  const bit = integerOf(request, 2)
  if (bit !== bit) return refuse(request, NOT_AN_INTEGER)
  if (bit !== 0 && bit !== 1) return refuse(request, BAD_BIT_ARGUMENT)
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  if (lookup !== LIVE) {
    request.reply.integer(bit === 1 ? -1 : 0)
    return DONE
  }
  if (request.argc === 3) wholeValue(request)
  else if (!readPositionRange(request)) return DONE
  const { found } = request.keyspace
  let position = firstBit(found.bytes, found.start, range.firstBit, range.endBit, bit)
  if (position === -1 && bit === 0 && request.argc < 5 && range.firstBit < range.endBit)
    position = range.endBit
  request.reply.integer(position)
  return DONE
}

function readPositionRange(request: Request): boolean {
  if (request.argc > 6) return refused(request, SYNTAX_ERROR)
  const start = integerOf(request, 3)
  if (start !== start) return refused(request, NOT_AN_INTEGER)
  const inBits = request.argc === 6 && isWord(request, 5, 'BIT')
  if (request.argc === 6 && !inBits && !isWord(request, 5, 'BYTE')) return refused(request, SYNTAX_ERROR)
  const end = request.argc > 4 ? integerOf(request, 4) : -1
  if (end !== end) return refused(request, NOT_AN_INTEGER)
  cutRange(request, start, end, inBits)
  return true
}

function wholeValue(request: Request): void {
  const { found } = request.keyspace
  range.firstBit = 0
  range.endBit = (found.end - found.start) * 8
}

/** Turns an inclusive range whose negative ends count from the value's end into bits. */
function cutRange(request: Request, start: number, end: number, inBits: boolean): void {
  const { found } = request.keyspace
  const unitBits = inBits ? 1 : 8
  const length = ((found.end - found.start) * 8) / unitBits
  const first = start < 0 ? Math.max(0, length + start) : start
  const last = Math.min(length - 1, end < 0 ? Math.max(0, length + end) : end)
  range.firstBit = first * unitBits
  range.endBit = first > last ? range.firstBit : (last + 1) * unitBits
}

function onesIn(bytes: Uint8Array, base: number, first: number, end: number): number {
  let at = first
  let ones = 0
  for (; at < end && at % 8 !== 0; at++) ones += bitAt(bytes, base, at)
  const wholeEnd = base + Math.floor(end / 8)
  for (let i = base + Math.floor(at / 8); i < wholeEnd; i++) ones += ONES_IN_BYTE[bytes[i]]
  for (at = Math.max(at, (wholeEnd - base) * 8); at < end; at++) ones += bitAt(bytes, base, at)
  return ones
}

/** The first bit in [first, end) that equals `bit`; -1 when there is none. */
function firstBit(bytes: Uint8Array, base: number, first: number, end: number, bit: number): number {
  const without = bit === 1 ? 0 : 0xff
  let at = first
  while (at < end) {
    if (at % 8 === 0 && at + 8 <= end && bytes[base + at / 8] === without) at += 8
    else if (bitAt(bytes, base, at) === bit) return at
    else at++
  }
  return -1
}

function bitAt(bytes: Uint8Array, base: number, bit: number): number {
  return (bytes[base + Math.floor(bit / 8)] >> (7 - (bit % 8))) & 1
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}

function refused(request: Request, text: string): boolean {
  request.reply.error(text)
  return false
}
