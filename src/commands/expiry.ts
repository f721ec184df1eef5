/**
 * Times to live. A key has a time of death in milliseconds since 1970, or none; the commands differ in unit and in
 * whether they count from now. A time that has passed deletes the key. All of it is a new version of the key with the
 * same value (RULES V1), so each of these commands writes the whole record again.
 */
import { EXPIRE_AT_MAX_MS } from '../record/caps.js'
import { ABSENT, COLD } from '../coordinator/keyspace.js'
import { bigIntegerOf, deleteKey, findKey, integerOf, isWord, setFound } from './args.js'
import { NOT_AN_INTEGER, invalidExpireTime } from './error-texts.js'
import { INT64_MAX, INT64_MIN } from './integer-text.js'
import { COLD_BLOCKS, DONE } from './request.js'
import type { Handler, Outcome, Request } from './request.js'
import { quote, refuseQuoting } from './unknown-command.js'

const NX_WITH_OTHERS = 'ERR NX and XX, GT or LT options at the same time are not compatible'
const GT_WITH_LT = 'ERR GT and LT options at the same time are not compatible'

const NX = 1
const XX = 2
const GT = 4
const LT = 8

interface TimeKind {
  readonly command: string
  readonly inSeconds: boolean
  /** Counted from now, not from 1970. */
  readonly fromNow: boolean
}

export const expire = expireHandler({ command: 'expire', inSeconds: true, fromNow: true })
export const pexpire = expireHandler({ command: 'pexpire', inSeconds: false, fromNow: true })
export const expireat = expireHandler({ command: 'expireat', inSeconds: true, fromNow: false })
export const pexpireat = expireHandler({ command: 'pexpireat', inSeconds: false, fromNow: false })

export const ttl = timeHandler({ command: 'ttl', inSeconds: true, fromNow: true })
export const pttl = timeHandler({ command: 'pttl', inSeconds: false, fromNow: true })
export const expiretime = timeHandler({ command: 'expiretime', inSeconds: true, fromNow: false })
export const pexpiretime = timeHandler({ command: 'pexpiretime', inSeconds: false, fromNow: false })

/** EXPIRE | PEXPIRE | EXPIREAT | PEXPIREAT key time [NX | XX | GT | LT]… */
function expireHandler(kind: TimeKind): Handler {
  return (request) => {
    const conditions = readConditions(request)
    if (conditions < 0) return DONE
    const expireAtMs = readTime(request, kind)
    if (expireAtMs !== expireAtMs) return DONE
    const lookup = findKey(request, 1)
    if (lookup === COLD) return COLD_BLOCKS
    if (lookup === ABSENT || !allowed(conditions, request.keyspace.found.expireAtMs, expireAtMs)) {
      request.reply.integer(0)
      return DONE
    }
    return applyTime(request, kind, expireAtMs)
  }
}

function applyTime(request: Request, kind: TimeKind, expireAtMs: number): Outcome {
  if (expireAtMs > EXPIRE_AT_MAX_MS) {
    request.reply.error(invalidExpireTime(kind.command))
    return DONE
  }
  if (expireAtMs <= request.keyspace.nowMs()) deleteKey(request, 1)
  else setFound(request, 1, expireAtMs)
  request.reply.integer(1)
  return DONE
}

/** The conditions as bits; -1 when the error has been rendered. */
function readConditions(request: Request): number {
  let conditions = 0
  for (let index = 3; index < request.argc; index++) {
    const condition = conditionAt(request, index)
    if (condition === 0) {
      refuseQuoting(request.reply, `Unsupported option ${quote(request.bytes, request.offsets, index)}`)
      return -1
    }
    conditions |= condition
  }
  const clash =
    (conditions & NX) !== 0 && conditions !== NX
      ? NX_WITH_OTHERS
      : (conditions & (GT | LT)) === (GT | LT)
        ? GT_WITH_LT
        : null
  if (clash === null) return conditions
  request.reply.error(clash)
  return -1
}

function conditionAt(request: Request, index: number): number {
  if (isWord(request, index, 'NX')) return NX
  if (isWord(request, index, 'XX')) return XX
  if (isWord(request, index, 'GT')) return GT
  return isWord(request, index, 'LT') ? LT : 0
}

/** `current` is 0 for a key that never dies, which counts as later than every time. */
function allowed(conditions: number, current: number, expireAtMs: number): boolean {
  if ((conditions & NX) !== 0 && current !== 0) return false
  if ((conditions & XX) !== 0 && current === 0) return false
  if ((conditions & GT) !== 0 && (current === 0 || expireAtMs <= current)) return false
  return (conditions & LT) === 0 || current === 0 || expireAtMs < current
}

/**
 * The time of death that argument 2 asks for, in milliseconds since 1970: may lie in the past, is a rough one beyond
 * 2^53, and NaN when the error has been rendered.
 */
function readTime(request: Request, kind: TimeKind): number {
  const time = integerOf(request, 2)
  if (time !== time) {
    request.reply.error(NOT_AN_INTEGER)
    return NaN
  }
  const nowMs = kind.fromNow ? request.keyspace.nowMs() : 0
  if (!Number.isSafeInteger(time * 1000) && overflows(bigIntegerOf(request, 2), kind, nowMs)) {
    request.reply.error(invalidExpireTime(kind.command))
    return NaN
  }
  return (kind.inSeconds ? time * 1000 : time) + nowMs
}

/** Whether Redis's arithmetic on 64-bit milliseconds would overflow. */
function overflows(time: bigint, kind: TimeKind, nowMs: number): boolean {
  const milliseconds = kind.inSeconds ? time * 1000n : time
  return milliseconds < INT64_MIN || milliseconds + BigInt(nowMs) > INT64_MAX
}

/** TTL | PTTL | EXPIRETIME | PEXPIRETIME key: -2 without the key, -1 without a time; seconds are rounded. */
function timeHandler(kind: TimeKind): Handler {
  return (request) => {
    const lookup = findKey(request, 1)
    if (lookup === COLD) return COLD_BLOCKS
    const { expireAtMs } = request.keyspace.found
    if (lookup === ABSENT) request.reply.integer(-2)
    else if (expireAtMs === 0) request.reply.integer(-1)
    else {
      const time = kind.fromNow ? Math.max(0, expireAtMs - request.keyspace.nowMs()) : expireAtMs
      request.reply.integer(kind.inSeconds ? Math.floor((time + 500) / 1000) : time)
    }
    return DONE
  }
}

/** PERSIST key */
export function persist(request: Request): Outcome {
  const lookup = findKey(request, 1)
  if (lookup === COLD) return COLD_BLOCKS
  const expires = lookup !== ABSENT && request.keyspace.found.expireAtMs !== 0
  if (expires) setFound(request, 1, 0)
  request.reply.integer(expires ? 1 : 0)
  return DONE
}
