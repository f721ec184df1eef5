/**
 * No two acknowledged conditional writes share a base.
 *
 *     chain    swaps (SET GET) and comparisons (SET IFEQ) of unique values: no value is replaced by two of them, and none is
 *              replaced by one that was acknowledged before it was written
 *     nx       only SETNX: at most one wins
 *     cnt      only INCR: no two answer the same, and the end lies between the acknowledged and the attempted
 *
 * An increment whose outcome is unknown may be one that a home, cut off, has added to an old number. It surfaces as a sibling, and
 * may win (RULES V10: a partial loser). So what is said of counters holds up to the first such one.
 */
import type { SimReply } from '../sim-client.js'
import { described, hasWritten, isAcknowledged, isRefused, isUnknown } from '../run/history.js'
import type { Operation } from '../run/history.js'
import { byKey, flushesOf, liveValues, mayBeFlushed } from './evidence.js'
import type { Checker, Evidence, Violation } from './evidence.js'

const NAME = 'conditional'

export const conditional: Checker = {
  name: NAME,
  check(evidence: Evidence): Violation[] {
    const found: Violation[] = []
    const say = (key: string, what: string): void => void found.push({ checker: NAME, key, what })
    for (const [key, operations] of byKey(evidence, 'chain')) {
      for (const what of chainProblems(operations)) say(key, what)
    }
    const flushes = flushesOf(evidence)
    const isFree = (operations: readonly Operation[]): boolean =>
      !operations.some((write) => mayBeFlushed(write, flushes, evidence.stampMs))
    for (const [key, operations] of byKey(evidence, 'nx')) {
      const winners = operations.filter((one) => one.kind === 'setnx' && hasWritten(one))
      if (winners.length < 2 || !isFree(operations)) continue
      say(key, `several SETNX won: ${winners.map(described).join('; ')}`)
    }
    for (const [key, operations] of byKey(evidence, 'cnt')) {
      if (!isFree(operations)) continue
      for (const what of counterProblems(operations, endOf(key, evidence))) say(key, what)
    }
    return found
  },
}

function* chainProblems(operations: readonly Operation[]): Iterable<string> {
  const replacers = new Map<string, Operation>()
  for (const one of operations) {
    const base = baseOf(one)
    if (base === null) continue
    const twin = replacers.get(base)
    if (twin !== undefined) yield `one base: ${described(one)} and ${described(twin)}`
    replacers.set(base, one)
  }
}

/** The value that an acknowledged write has replaced; null where none is known. */
function baseOf(operation: Operation): string | null {
  if (!hasWritten(operation)) return null
  if (operation.kind === 'swap') return typeof operation.reply === 'string' ? operation.reply : null
  return operation.kind === 'cas' ? operation.seen[0] : null
}

/** The highest number that any replica holds. */
function endOf(key: string, { stores }: Evidence): number {
  const numbers = stores.flatMap((dump) => liveValues(dump, key, Infinity).map(Number))
  return Math.max(0, ...numbers)
}

function* counterProblems(operations: readonly Operation[], end: number): Iterable<string> {
  const increments = operations.filter((one) => one.kind === 'incr' && !isRefused(one))
  const unknown = increments.filter(isUnknown)
  const certainUntilMs = Math.min(...unknown.map(({ startMs }) => startMs))
  const acknowledged = increments.filter((one) => isAcknowledged(one) && one.endMs < certainUntilMs)
  const answers = new Map<SimReply, Operation>()
  for (const one of acknowledged) {
    const twin = answers.get(one.reply)
    if (twin !== undefined) yield `twice: ${described(one)} and ${described(twin)}`
    answers.set(one.reply, one)
  }
  const counts = `of ${acknowledged.length} acknowledged and ${increments.length} attempted increments`
  if (unknown.length === 0 && end < acknowledged.length) yield `lost: the end is ${end} ${counts}`
  if (end > increments.length) yield `too many: the end is ${end} ${counts}`
}
