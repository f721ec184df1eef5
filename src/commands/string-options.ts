/**
 * The options of SET and GETEX, read once per request into one object that is refilled for each: a SET with EX makes no
 * garbage. Redis's rules: an option may be repeated (the last one counts), two different times to live may not be
 * combined, nor may two different conditions, and all of it is a plain syntax error.
 */
import { EXPIRE_AT_MAX_MS } from '../record/caps.js'
import { integerOf, isWord, lengthOf } from './args.js'
import { NOT_AN_INTEGER, SYNTAX_ERROR, invalidExpireTime } from './error-texts.js'
import type { Request } from './request.js'

export const ALWAYS = 0
export const IF_ABSENT = 1
export const IF_PRESENT = 2
export const IF_EQUAL = 3

export const NO_EXPIRY = 0
/** EX, PX: the time to live follows. */
export const IN_SECONDS = 1
export const IN_MILLISECONDS = 2
/** EXAT, PXAT: the time of death follows. */
export const AT_SECONDS = 3
export const AT_MILLISECONDS = 4
/** SET's KEEPTTL. */
export const KEEP_EXPIRY = 5
/** GETEX's PERSIST. */
export const REMOVE_EXPIRY = 6

class StringOptions {
  condition = ALWAYS
  /** The argument that IF_EQUAL compares with. */
  equalIndex = 0
  /** SET's GET. */
  answersOld = false
  expiry = NO_EXPIRY
  /** The argument that holds the time. */
  expiryIndex = 0
}

export const stringOptions = new StringOptions()

const options = stringOptions

/** Reads SET's options, from argument 3 on; false when the error has been rendered. */
export function readSetOptions(request: Request): boolean {
  reset()
  for (let index = 3; index < request.argc; index++) {
    const last = index === request.argc - 1
    if (acceptSetWord(request, index)) continue
    if (last || !acceptSetPair(request, index++)) return refuse(request)
  }
  return true
}

/** Reads GETEX's options, from argument 2 on; false when the error has been rendered. */
export function readGetexOptions(request: Request): boolean {
  reset()
  for (let index = 2; index < request.argc; index++) {
    const last = index === request.argc - 1
    if (isWord(request, index, 'PERSIST') && acceptExpiry(REMOVE_EXPIRY, 0)) continue
    if (last || !acceptExpiryPair(request, index++)) return refuse(request)
  }
  return true
}

/** Reads a time to live or KEEPTTL from argument `from` on; false when the error has been rendered. */
export function readTimeToLive(request: Request, from: number): boolean {
  reset()
  for (let index = from; index < request.argc; index++) {
    const last = index === request.argc - 1
    if (isWord(request, index, 'KEEPTTL') && acceptExpiry(KEEP_EXPIRY, 0)) continue
    if (last || !acceptExpiryPair(request, index++)) return refuse(request)
  }
  return true
}

/**
 * The time of death that the options ask for, in milliseconds since 1970; 0 when they name none; NaN when the error has
 * been rendered. `command` is named in it.
 */
export function expireAtOfOptions(request: Request, command: string): number {
  if (options.expiry === NO_EXPIRY || options.expiry >= KEEP_EXPIRY) return 0
  return expireAtOfArgument(request, options.expiryIndex, options.expiry, command)
}

/** The same for a command whose argument `index` is always a time, of the kind `expiry`. */
export function expireAtOfArgument(request: Request, index: number, expiry: number, command: string): number {
  const time = integerOf(request, index)
  if (time !== time) {
    request.reply.error(NOT_AN_INTEGER)
    return NaN
  }
  const milliseconds = expiry === IN_SECONDS || expiry === AT_SECONDS ? time * 1000 : time
  const expireAtMs = expiry >= AT_SECONDS ? milliseconds : milliseconds + request.keyspace.nowMs()
  if (time > 0 && expireAtMs <= EXPIRE_AT_MAX_MS) return expireAtMs
  request.reply.error(invalidExpireTime(command))
  return NaN
}

function reset(): void {
  options.condition = ALWAYS
  options.equalIndex = 0
  options.answersOld = false
  options.expiry = NO_EXPIRY
  options.expiryIndex = 0
}

function acceptSetWord(request: Request, index: number): boolean {
  switch (lengthOf(request, index)) {
    case 2:
      if (isWord(request, index, 'NX')) return acceptCondition(IF_ABSENT, 0)
      return isWord(request, index, 'XX') && acceptCondition(IF_PRESENT, 0)
    case 3:
      if (!isWord(request, index, 'GET')) return false
      options.answersOld = true
      return true
    case 7:
      return isWord(request, index, 'KEEPTTL') && acceptExpiry(KEEP_EXPIRY, 0)
    default:
      return false
  }
}

function acceptSetPair(request: Request, index: number): boolean {
  if (isWord(request, index, 'IFEQ')) return acceptCondition(IF_EQUAL, index + 1)
  return acceptExpiryPair(request, index)
}

function acceptExpiryPair(request: Request, index: number): boolean {
  switch (lengthOf(request, index)) {
    case 2:
      if (isWord(request, index, 'EX')) return acceptExpiry(IN_SECONDS, index + 1)
      return isWord(request, index, 'PX') && acceptExpiry(IN_MILLISECONDS, index + 1)
    case 4:
      if (isWord(request, index, 'EXAT')) return acceptExpiry(AT_SECONDS, index + 1)
      return isWord(request, index, 'PXAT') && acceptExpiry(AT_MILLISECONDS, index + 1)
    default:
      return false
  }
}

function acceptCondition(condition: number, equalIndex: number): boolean {
  if (options.condition !== ALWAYS && options.condition !== condition) return false
  options.condition = condition
  options.equalIndex = equalIndex
  return true
}

function acceptExpiry(expiry: number, expiryIndex: number): boolean {
  if (options.expiry !== NO_EXPIRY && options.expiry !== expiry) return false
  options.expiry = expiry
  options.expiryIndex = expiryIndex
  return true
}

function refuse(request: Request): boolean {
  request.reply.error(SYNTAX_ERROR)
  return false
}
