/**
 * What was deleted or has expired stays away, and nothing goes before its time.
 *
 * Keys of the family `del` are written once and deleted once, behind it, by the same client; those of the family `ttl` are
 * written once with a time to live, which the same client may change later. So the times at which a value may go are known but
 * for how far clocks are apart. After a FLUSHALL was acknowledged nothing is back that was acknowledged before it.
 */
import { described, hasWritten, isAcknowledged, isBefore, isUnknown, mayHaveWritten } from '../run/history.js'
import type { Operation } from '../run/history.js'
import { byKey, flushesOf, liveValues, mayBeFlushed } from './evidence.js'
import type { Checker, Evidence, Violation } from './evidence.js'

const NAME = 'resurrection'
/** Between the stamp of an expiry and what is measured from outside, with clocks that are right. */
const ROUNDING_MS = 2

export const resurrection: Checker = {
  name: NAME,
  check(evidence: Evidence): Violation[] {
    const flushes = flushesOf(evidence)
    const found: Violation[] = []
    const say = (key: string, what: string): void => void found.push({ checker: NAME, key, what })
    for (const [key, operations] of evidence.isSloppy ? [] : byKey(evidence, 'del')) {
      for (const what of deletedProblems(key, operations, evidence)) say(key, what)
    }
    for (const [key, operations] of byKey(evidence, 'ttl')) {
      for (const what of expiryProblems(operations, flushes, evidence)) say(key, what)
    }
    for (const flush of flushes.filter(hasWritten)) {
      for (const read of evidence.operations) {
        const write = readWrite(read, evidence)
        if (write === undefined || !isBefore(flush, read, 0)) continue
        if (!hasWritten(write) || write.level === 'ONE' || !isBefore(write, flush, evidence.stampMs)) continue
        say(read.key, `flushed and back: ${described(read)} after ${described(flush)}`)
      }
    }
    return found
  },
}

/** The write that a read saw. */
function readWrite(read: Operation, { operations }: Evidence): Operation | undefined {
  if (read.kind !== 'get' || read.level === 'ONE' || typeof read.reply !== 'string') return undefined
  return operations.find(({ key, value, kind }) => kind !== 'get' && key === read.key && value === read.reply)
}

function* deletedProblems(
  key: string,
  operations: readonly Operation[],
  evidence: Evidence,
): Iterable<string> {
  const write = operations.find(({ kind }) => kind === 'set')
  const deletion = operations.find(({ kind }) => kind === 'del')
  if (write === undefined || deletion === undefined || !isAcknowledged(deletion)) return
  if (!hasWritten(write) || write.level === 'ONE') return
  if (deletion.reply === 0 && !mayBeFlushed(write, flushesOf(evidence), evidence.stampMs)) {
    yield `found nothing to delete: ${described(deletion)} after ${described(write)}`
  }
  for (const read of operations) {
    if (read.kind !== 'get' || read.level === 'ONE' || !isAcknowledged(read)) continue
    if (!isBefore(deletion, read, 0) || read.reply === null) continue
    yield `deleted and back: ${described(read)} after ${described(deletion)}`
  }
  for (const dump of evidence.stores) {
    if (!evidence.replicasOf(key).includes(dump.node)) continue
    if (liveValues(dump, key, Infinity).length > 0) {
      yield `deleted and held by ${dump.node} in the end, after ${described(deletion)}`
    }
  }
}

/** When a value expires, as far as it is known from outside, in virtual time. */
interface Expiry {
  readonly earliestMs: number
  readonly latestMs: number
}

const NEVER: Expiry = { earliestMs: Infinity, latestMs: Infinity }
const ANY_TIME: Expiry = { earliestMs: 0, latestMs: Infinity }

function* expiryProblems(
  operations: readonly Operation[],
  flushes: readonly Operation[],
  { stampMs, isSloppy, timeless }: Evidence,
): Iterable<string> {
  const write = operations.find(({ kind }) => kind === 'set')
  if (write === undefined || !mayHaveWritten(write)) return
  const changes = operations.filter(({ kind }) => kind === 'expire' || kind === 'persist')
  const slackMs = stampMs + ROUNDING_MS
  for (const read of operations) {
    if (read.kind !== 'get' || read.level === 'ONE' || !isAcknowledged(read) || timeless.has(read)) continue
    const { earliestMs, latestMs } = expiryAt(read, write, changes, timeless)
    if (read.reply !== null && read.startMs > latestMs + slackMs) {
      yield `expired and back: ${described(read)}, gone by ${latestMs.toFixed(1)}`
    }
    if (read.reply !== null || !hasWritten(write) || write.level === 'ONE' || isSloppy) continue
    if (!isBefore(write, read, 0) || mayBeFlushed(write, flushes, stampMs)) continue
    if (read.endMs < earliestMs - slackMs) {
      yield `gone before its time: ${described(read)}, due at ${earliestMs.toFixed(1)}`
    }
  }
}

/** Over everything that may have set it by the time of the read. */
function expiryAt(
  read: Operation,
  write: Operation,
  changes: readonly Operation[],
  timeless: ReadonlySet<Operation>,
): Expiry {
  const setBy = (change: Operation): Expiry => (timeless.has(change) ? ANY_TIME : timeSetBy(change))
  let expiry = setBy(write)
  for (const change of changes) {
    if (change.startMs > read.endMs) break
    const isSure = hasWritten(change) && isBefore(change, read, 0)
    if (isSure) expiry = setBy(change)
    else if (isUnknown(change) || hasWritten(change)) expiry = either(expiry, setBy(change))
  }
  return expiry
}

function timeSetBy(write: Operation): Expiry {
  if (write.kind === 'persist' || write.ttlMs === 0) return NEVER
  return {
    earliestMs: write.startMs + write.ttlMs,
    // Of a write of which nothing was heard nobody knows when it was made.
    latestMs: isUnknown(write) ? Infinity : write.endMs + write.ttlMs,
  }
}

function either(one: Expiry, other: Expiry): Expiry {
  return {
    earliestMs: Math.min(one.earliestMs, other.earliestMs),
    latestMs: Math.max(one.latestMs, other.latestMs),
  }
}
