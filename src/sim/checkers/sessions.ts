/**
 * Reads do not go backwards, for one client or for one client after another, where R + W > N: keys of the family `reg`, which
 * everybody sets, deletes and reads, and of the family `chain`, where a swap reads what it replaces.
 *
 *     phantom      what was read was never written, or its write was refused
 *     stale        a read that began after a write was acknowledged sees something older
 *     backwards    of two reads, one after the other, the later sees something older
 *
 * "Older" is by the order in which writes were made, as far as clocks let it be known.
 */
import { described, hasWritten, isAcknowledged, isBefore, mayHaveWritten } from '../run/history.js'
import type { Operation } from '../run/history.js'
import { byKey, flushesOf } from './evidence.js'
import type { Checker, Evidence, Violation } from './evidence.js'

const NAME = 'sessions'

export const sessions: Checker = {
  name: NAME,
  check(evidence: Evidence): Violation[] {
    const flushes = flushesOf(evidence)
    return [...byKey(evidence, 'reg'), ...byKey(evidence, 'chain')].flatMap(([key, operations]) =>
      violationsOf(key, [...operations, ...flushes], evidence),
    )
  },
}

function violationsOf(
  key: string,
  operations: readonly Operation[],
  { stampMs, isSloppy }: Evidence,
): Violation[] {
  const violations: Violation[] = []
  const say = (what: string): void => void violations.push({ checker: NAME, key, what })
  const writes = operations.filter(mayHaveWritten)
  const byValue = new Map(writes.filter(({ value }) => value !== '').map((write) => [write.value, write]))
  const certain = writes.filter(
    (write) => hasWritten(write) && write.level !== 'ONE' && write.kind !== 'flush',
  )
  const reads = operations.flatMap(readsOf)
  const current = reads.filter(({ level }) => level !== 'ONE' && !isSloppy)
  for (const read of reads) {
    const seen = read.reply === null ? null : byValue.get(String(read.reply))
    if (seen === undefined) say(`phantom: ${described(read)}`)
    else if (seen !== null && seen.startMs > read.endMs) say(`from the future: ${described(read)}`)
  }
  for (const read of current) {
    const seen = read.reply === null ? null : byValue.get(String(read.reply))
    if (seen === undefined) continue
    for (const write of certain) {
      if (!isBefore(write, read, stampMs) || !isOlder(seen, write, writes, stampMs)) continue
      say(`stale: ${described(read)} after ${described(write)}`)
    }
    for (const earlier of current) {
      if (earlier.reply === null || !isBefore(earlier, read, stampMs)) continue
      const before = byValue.get(String(earlier.reply))
      if (before === undefined || !isOlder(seen, before, writes, stampMs)) continue
      say(`backwards: ${described(read)} after ${described(earlier)}`)
    }
  }
  return violations
}

/** What an operation says about the value that was there before it. */
function readsOf(operation: Operation): Operation[] {
  if (!isAcknowledged(operation)) return []
  const { kind, reply, seen } = operation
  if (kind === 'get' || kind === 'swap') return [operation]
  return kind === 'cas' && reply === 'OK' ? [{ ...operation, reply: seen[0] }] : []
}

/** Whether what a read saw, null for no value, is certainly older than `write`. */
function isOlder(
  seen: Operation | null,
  write: Operation,
  writes: readonly Operation[],
  stampMs: number,
): boolean {
  if (seen !== null) return isBefore(seen, write, stampMs)
  if (write.kind === 'del') return false
  return !writes.some(
    (other) => (other.kind === 'del' || other.kind === 'flush') && !isBefore(other, write, stampMs),
  )
}
