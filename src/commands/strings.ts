/**
 * The commands that read and write whole values. GET and SET are the hot path: they parse options on bytes, make no
 * object, and copy a value once, from the request into the log or from the log into the reply.
 *
 * Every command writes before it renders its reply, so that a write which the store refuses leaves no half reply.
 */
import { ABSENT, COLD, LIVE } from '../coordinator/keyspace.js'
import type { Lookup } from '../coordinator/keyspace.js'
import {
  anyCold,
  countRead,
  deleteKey,
  findKey,
  foundEquals,
  lengthOf,
  setArgument,
  setFound,
  storableKey,
} from './args.js'
import { wrongNumberOfArguments } from './error-texts.js'
import { COLD_BLOCKS, DONE } from './request.js'
import type { Outcome, Request } from './request.js'
import {
  ALWAYS,
  AT_SECONDS,
  IF_ABSENT,
  IF_PRESENT,
  IN_MILLISECONDS,
  IN_SECONDS,
  KEEP_EXPIRY,
  NO_EXPIRY,
  REMOVE_EXPIRY,
  expireAtOfArgument,
  expireAtOfOptions,
  readGetexOptions,
  readSetOptions,
  stringOptions,
} from './string-options.js'

const MGET_REPLY_TOO_LARGE = 'ERR MGET would answer more than twice proto-max-bulk-len, ask for fewer keys'

/** GET key */
export function get(request: Request): Outcome {
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  replyFound(request, lookup)
  return DONE
}

/** SET key value [NX | XX | IFEQ value] [GET] [EX | PX | EXAT | PXAT time | KEEPTTL] */
export function set(request: Request): Outcome {
  if (request.argc > 3) return setWithOptions(request)
  if (!storableKey(request, 1)) return DONE
  if (findKey(request, 1) === COLD) return COLD_BLOCKS
  setArgument(request, 1, 2, 0)
  request.reply.ok()
  return DONE
}

function setWithOptions(request: Request): Outcome {
  if (!readSetOptions(request)) return DONE
  const expireAtMs = expireAtOfOptions(request, 'set')
  if (expireAtMs !== expireAtMs || !storableKey(request, 1)) return DONE
  const { answersOld } = stringOptions
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  if (answersOld) countRead(request, lookup)
  const met = conditionMet(request, lookup)
  if (met) {
    const keeps = stringOptions.expiry === KEEP_EXPIRY && lookup === LIVE
    setArgument(request, 1, 2, keeps ? request.keyspace.found.expireAtMs : expireAtMs)
  }
  if (answersOld) replyFound(request, lookup)
  else if (met) request.reply.ok()
  else request.reply.nil()
  return DONE
}

function conditionMet(request: Request, lookup: Lookup): boolean {
  const { condition, equalIndex } = stringOptions
  if (condition === ALWAYS) return true
  if (condition === IF_ABSENT) return lookup === ABSENT
  if (condition === IF_PRESENT) return lookup === LIVE
  return lookup === LIVE && foundEquals(request, equalIndex)
}

/** SETEX key seconds value */
export function setex(request: Request): Outcome {
  return setWithTime(request, IN_SECONDS, 'setex')
}

/** PSETEX key milliseconds value */
export function psetex(request: Request): Outcome {
  return setWithTime(request, IN_MILLISECONDS, 'psetex')
}

function setWithTime(request: Request, expiry: number, command: string): Outcome {
  const expireAtMs = expireAtOfArgument(request, 2, expiry, command)
  if (expireAtMs !== expireAtMs || !storableKey(request, 1)) return DONE
  if (findKey(request, 1) === COLD) return COLD_BLOCKS
  setArgument(request, 1, 3, expireAtMs)
  request.reply.ok()
  return DONE
}

/** SETNX key value */
export function setnx(request: Request): Outcome {
  if (!storableKey(request, 1)) return DONE
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  if (lookup === ABSENT) setArgument(request, 1, 2, 0)
  request.reply.integer(lookup === ABSENT ? 1 : 0)
  return DONE
}

/** GETSET key value: the time to live goes. */
export function getset(request: Request): Outcome {
  if (!storableKey(request, 1)) return DONE
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  countRead(request, lookup)
  setArgument(request, 1, 2, 0)
  replyFound(request, lookup)
  return DONE
}

/** GETDEL key */
export function getdel(request: Request): Outcome {
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  countRead(request, lookup)
  if (lookup === LIVE) deleteKey(request, 1)
  replyFound(request, lookup)
  return DONE
}

/** GETEX key [EX | PX | EXAT | PXAT time | PERSIST]: a time is only judged when the key is there. */
export function getex(request: Request): Outcome {
  if (!readGetexOptions(request)) return DONE
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  countRead(request, lookup)
  if (lookup === LIVE) {
    const expireAtMs = expireAtOfOptions(request, 'getex')
    if (expireAtMs !== expireAtMs) return DONE
    changeExpiry(request, expireAtMs)
  }
  replyFound(request, lookup)
  return DONE
}

function changeExpiry(request: Request, expireAtMs: number): void {
  const { expiry } = stringOptions
  const { found } = request.keyspace
  if (expiry === NO_EXPIRY) return
  if (expiry === REMOVE_EXPIRY) {
    if (found.expireAtMs !== 0) setFound(request, 1, 0)
  } else if (expiry >= AT_SECONDS && expireAtMs <= request.keyspace.nowMs()) {
    deleteKey(request, 1)
  } else {
    setFound(request, 1, expireAtMs)
  }
}

/** An MGET reply may take as many bytes as this many values of the longest allowed length. */
const MGET_LONGEST_VALUES_MAX = 2

/** MGET key [key …] */
export function mget(request: Request): Outcome {
  const { argc, reply } = request
  const start = reply.length
  const replyEnd = start + MGET_LONGEST_VALUES_MAX * request.node.settings.protoMaxBulkLenBytes
  let cold = false
  reply.array(argc - 1)
  for (let index = 1; index < argc; index++) {
    const lookup = findKey(request, index)
    if (lookup === COLD) cold = true
    if (!cold && reply.length <= replyEnd) replyFound(request, lookup)
  }
  if (reply.length > replyEnd) {
    reply.length = start
    reply.error(MGET_REPLY_TOO_LARGE)
    return DONE
  }
  return cold ? COLD_BLOCKS : DONE
}

/** MSET key value [key value …] */
export function mset(request: Request): Outcome {
  if (!storablePairs(request, 'mset')) return DONE
  if (anyCold(request, 1, request.argc, 2)) return COLD_BLOCKS
  setPairs(request)
  request.reply.ok()
  return DONE
}

/** MSETNX key value [key value …]: all or none. */
export function msetnx(request: Request): Outcome {
  if (!storablePairs(request, 'msetnx')) return DONE
  let cold = false
  for (let index = 1; index < request.argc; index += 2) {
    const lookup = findKey(request, index)
    if (lookup === COLD) cold = true
    if (lookup !== LIVE) continue
    request.reply.integer(0)
    return DONE
  }
  if (cold) return COLD_BLOCKS
  setPairs(request)
  request.reply.integer(1)
  return DONE
}

function storablePairs(request: Request, command: string): boolean {
  if (request.argc % 2 === 0) {
    request.reply.error(wrongNumberOfArguments(command))
    return false
  }
  for (let index = 1; index < request.argc; index += 2) if (!storableKey(request, index)) return false
  return true
}

function setPairs(request: Request): void {
  let payloadBytes = 0
  for (let index = 1; index < request.argc; index++) payloadBytes += lengthOf(request, index)
  request.keyspace.reserve((request.argc - 1) / 2, payloadBytes)
  for (let index = 1; index < request.argc; index += 2) setArgument(request, index, index + 1, 0)
}

/** STRLEN key */
export function strlen(request: Request): Outcome {
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  const { found } = request.keyspace
  request.reply.integer(lookup === LIVE ? found.end - found.start : 0)
  return DONE
}

/** Renders the value that find() left, or nil. */
function replyFound(request: Request, lookup: Lookup): void {
  if (lookup !== LIVE) return request.reply.nil()
  const { found } = request.keyspace
  request.reply.bulk(found.bytes, found.start, found.end)
}
