/**
 * Errors mean what they say: of a write that was refused (-NOREPLICAS, -CLOCK, a full disk, …) nothing is ever seen, by a reader
 * or on a disk; nothing is read that was never written; every request is answered; and there are no other errors than those
 * that what has gone wrong accounts for.
 */
import { described, isAcknowledged, isExpectedError, isRefused } from '../run/history.js'
import type { Operation } from '../run/history.js'
import type { Checker, Evidence, Violation } from './evidence.js'
import { valuesSeen } from './siblings.js'

const NAME = 'honest-errors'

export const honestErrors: Checker = {
  name: NAME,
  check(evidence: Evidence): Violation[] {
    const found: Violation[] = []
    const say = (key: string, what: string): void => void found.push({ checker: NAME, key, what })
    const tolerates = {
      disks: evidence.disksFailed,
      clocks: evidence.clocksWrong,
      stops: evidence.nodesStopped,
    }
    const refused = new Map<string, Operation>()
    const written = new Set<string>()
    for (const operation of evidence.operations) {
      if (!isExpectedError(operation, tolerates)) say(operation.key, `odd error: ${described(operation)}`)
      if (operation.value === '') continue
      if (isRefused(operation)) refused.set(operation.value, operation)
      else written.add(operation.value)
    }
    const judge = (key: string, value: string, seenBy: string): void => {
      if (written.has(value) || isNumber(value)) return
      const write = refused.get(value)
      if (write === undefined) say(key, `invented: ${seenBy} has ${value}`)
      else say(key, `refused, and applied: ${seenBy} has what was refused by ${described(write)}`)
    }
    for (const read of evidence.operations) {
      if (!isAcknowledged(read)) continue
      for (const value of valuesRead(read)) judge(read.key, value, described(read))
    }
    for (const { node, records } of evidence.stores) {
      for (const [key, { siblings }] of records) {
        for (const { isValue, value } of siblings) if (isValue) judge(key, value, node)
      }
    }
    return found
  },
}

function valuesRead({ kind, reply }: Operation): readonly string[] {
  if (kind === 'look') return valuesSeen(reply)
  return (kind === 'get' || kind === 'swap') && typeof reply === 'string' ? [reply] : []
}

/** Counters hold numbers, which several writes may have made. */
function isNumber(value: string): boolean {
  return /^\d+$/.test(value)
}
