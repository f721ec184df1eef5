/**
 * Counters. A value is text; it is a number for as long as a command looks at it. The fast path computes in doubles,
 * which are exact below 2^53; what does not fit goes to BigInts and keeps Redis's 64 bits. INCRBYFLOAT has the extended
 * precision of Redis on x86-64, see long-double.ts.
 */
import { ABSENT, COLD, LIVE } from '../coordinator/keyspace.js'
import { bigIntegerOf, findKey, integerOf, storableKey } from './args.js'
import { NOT_AN_INTEGER, NOT_A_FLOAT } from './error-texts.js'
import {
  INT64_MAX,
  INT64_MIN,
  INTEGER_TEXT_BYTES_MAX,
  parseBigInteger,
  parseInteger,
  writeInteger,
} from './integer-text.js'
import { LONG_DOUBLE_ZERO, addLongDoubles, formatLongDouble, parseLongDouble } from './long-double.js'
import { COLD_BLOCKS, DONE } from './request.js'
import type { Outcome, Request } from './request.js'
import { scratch, setScratch } from './scratch.js'

const WOULD_OVERFLOW = 'ERR increment or decrement would overflow'
const DECREMENT_WOULD_OVERFLOW = 'ERR decrement would overflow'
const NOT_FINITE = 'ERR increment would produce NaN or Infinity'

/** INCR key */
export function incr(request: Request): Outcome {
  return add(request, 1)
}

/** DECR key */
export function decr(request: Request): Outcome {
  return add(request, -1)
}

/** INCRBY key increment */
export function incrby(request: Request): Outcome {
  const increment = integerOf(request, 2)
  if (Number.isSafeInteger(increment)) return add(request, increment)
  if (increment !== increment) return refuse(request, NOT_AN_INTEGER)
  return addBig(request, bigIntegerOf(request, 2))
}

/** DECRBY key decrement */
export function decrby(request: Request): Outcome {
  const decrement = integerOf(request, 2)
  if (Number.isSafeInteger(decrement)) return add(request, -decrement)
  if (decrement !== decrement) return refuse(request, NOT_AN_INTEGER)
  const exact = bigIntegerOf(request, 2)
  if (exact === INT64_MIN) return refuse(request, DECREMENT_WOULD_OVERFLOW)
  return addBig(request, -exact)
}

/** Adds a safe integer. */
function add(request: Request, increment: number): Outcome {
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  const { found } = request.keyspace
  const value = lookup === LIVE ? parseInteger(found.bytes, found.start, found.end) : 0
  if (value !== value) return refuse(request, NOT_AN_INTEGER)
  const sum = value + increment
  if (!Number.isSafeInteger(value) || !Number.isSafeInteger(sum)) return addBig(request, BigInt(increment))
  if (lookup === ABSENT && !storableKey(request, 1)) return DONE
  const size = writeInteger(scratch.take(INTEGER_TEXT_BYTES_MAX), 0, sum)
  setScratch(request, 1, size, lookup === LIVE ? found.expireAtMs : 0)
  request.reply.integer(sum)
  return DONE
}

/** Adds any 64-bit integer, exactly. */
function addBig(request: Request, increment: bigint): Outcome {
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  const { found } = request.keyspace
  if (lookup === LIVE && Number.isNaN(parseInteger(found.bytes, found.start, found.end)))
    return refuse(request, NOT_AN_INTEGER)
  const value = lookup === LIVE ? parseBigInteger(found.bytes, found.start, found.end) : 0n
  const sum = value + increment
  if (sum > INT64_MAX || sum < INT64_MIN) return refuse(request, WOULD_OVERFLOW)
  if (lookup === ABSENT && !storableKey(request, 1)) return DONE
  const text = String(sum)
  setText(request, text, lookup === LIVE ? found.expireAtMs : 0)
  request.reply.integerText(text)
  return DONE
}

/** INCRBYFLOAT key increment */
export function incrbyfloat(request: Request): Outcome {
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  const { bytes, offsets, keyspace } = request
  const { found } = keyspace
  const value = lookup === LIVE ? parseLongDouble(found.bytes, found.start, found.end) : LONG_DOUBLE_ZERO
  const increment = parseLongDouble(bytes, offsets[4], offsets[5])
  if (value === null || increment === null) return refuse(request, NOT_A_FLOAT)
  const sum = addLongDoubles(value, increment)
  if (sum === null) return refuse(request, NOT_FINITE)
  if (lookup === ABSENT && !storableKey(request, 1)) return DONE
  const text = formatLongDouble(sum)
  setText(request, text, lookup === LIVE ? found.expireAtMs : 0)
  request.reply.bulkText(text)
  return DONE
}

/** Writes ASCII text under the key in argument 1. */
function setText(request: Request, text: string, expireAtMs: number): void {
  const size = scratch.take(text.length).write(text, 0, 'latin1')
  setScratch(request, 1, size, expireAtMs)
}

function refuse(request: Request, text: string): Outcome {
  request.reply.error(text)
  return DONE
}
