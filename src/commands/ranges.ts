/**
 * The commands on a part of a value: APPEND, SETRANGE, GETRANGE and its old name SUBSTR. New values are built in the
 * scratch buffer, which also serves as the gap's zeros.
 */
import { COLD, LIVE } from '../coordinator/keyspace.js'
import { copyBytes } from '../util/bytes.js'
import { bigIntegerOf, findKey, integerOf, lengthOf, setArgument, storableKey } from './args.js'
import { NOT_AN_INTEGER, OFFSET_OUT_OF_RANGE, STRING_TOO_LONG } from './error-texts.js'
import { COLD_BLOCKS, DONE } from './request.js'
import type { Outcome, Request } from './request.js'
import { scratch, setScratch } from './scratch.js'

/** APPEND key value */
export function append(request: Request): Outcome {
  const { found } = request.keyspace
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  const added = lengthOf(request, 2)
  if (lookup !== LIVE) {
    if (!storableKey(request, 1)) return DONE
    setArgument(request, 1, 2, 0)
    request.reply.integer(added)
    return DONE
  }
  const kept = found.end - found.start
  if (!fits(request, kept, added)) return DONE
  const value = scratch.take(kept + added)
  copyBytes(found.bytes, found.start, found.end, value, 0)
  copyBytes(request.bytes, request.offsets[4], request.offsets[5], value, kept)
  setScratch(request, 1, kept + added, found.expireAtMs)
  request.reply.integer(kept + added)
  return DONE
}

/** SETRANGE key offset value */
export function setrange(request: Request): Outcome {
  const { found } = request.keyspace
  const offset = integerOf(request, 2)
  if (offset !== offset) return refuse(request, NOT_AN_INTEGER)
  if (offset < 0) return refuse(request, OFFSET_OUT_OF_RANGE)
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  const kept = lookup === LIVE ? found.end - found.start : 0
  const written = lengthOf(request, 3)
  if (written === 0) {
    request.reply.integer(kept)
    return DONE
  }
  if (!fits(request, offset, written)) return DONE
  if (lookup !== LIVE && !storableKey(request, 1)) return DONE
  const size = Math.max(kept, offset + written)
  const value = scratch.take(size)
  if (kept > 0) copyBytes(found.bytes, found.start, found.end, value, 0)
  if (offset > kept) value.fill(0, kept, offset)
  copyBytes(request.bytes, request.offsets[6], request.offsets[7], value, offset)
  setScratch(request, 1, size, lookup === LIVE ? found.expireAtMs : 0)
  request.reply.integer(size)
  return DONE
}

/** GETRANGE key start end: both inclusive, negative ones count from the end. */
export function getrange(request: Request): Outcome {
  let start = integerOf(request, 2)
  let end = integerOf(request, 3)
  if (start !== start || end !== end) return refuse(request, NOT_AN_INTEGER)
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  const { found } = request.keyspace
  const length = lookup === LIVE ? found.end - found.start : 0
  const reversed = start < 0 && end < 0 && isAfter(request, start, end)
  if (start < 0) start = Math.max(0, length + start)
  if (end < 0) end = Math.max(0, length + end)
  if (end >= length) end = length - 1
  if (reversed || start > end) request.reply.bulk(request.bytes, 0, 0)
  else request.reply.bulk(found.bytes, found.start + start, found.start + end + 1)
  return DONE
}

/** Whether start > end, also where doubles can no longer tell. */
function isAfter(request: Request, start: number, end: number): boolean {
  if (start !== end || Number.isSafeInteger(start)) return start > end
  return bigIntegerOf(request, 2) > bigIntegerOf(request, 3)
}

/** Whether a value of sizeBytes + moreBytes is allowed; renders the error when it is not. */
function fits(request: Request, sizeBytes: number, moreBytes: number): boolean {
  if (sizeBytes + moreBytes <= request.node.settings.protoMaxBulkLenBytes) return true
  request.reply.error(STRING_TOO_LONG)
  return false
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}
