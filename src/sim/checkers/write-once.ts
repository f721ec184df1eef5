/**
 * Nothing acknowledged is lost: every key of the family `once` is written by one request in its life. Once that was acknowledged,
 * every read at a quorum sees the value, and in the end every replica holds it, and nothing else.
 */
import { described, hasWritten, isAcknowledged, isBefore } from '../run/history.js'
import type { Operation } from '../run/history.js'
import { byKey, flushesOf, liveValues, mayBeFlushed } from './evidence.js'
import type { Checker, Evidence, Violation } from './evidence.js'

const NAME = 'write-once'

export const writeOnce: Checker = {
  name: NAME,
  check(evidence: Evidence): Violation[] {
    const violations: Violation[] = []
    const flushes = flushesOf(evidence)
    for (const [key, operations] of byKey(evidence, 'once')) {
      const write = operations.find(hasWritten)
      if (write === undefined || mayBeFlushed(write, flushes, evidence.stampMs)) continue
      const say = (what: string): void => {
        violations.push({ checker: NAME, key, what: `${what}; acknowledged: ${described(write)}` })
      }
      for (const read of operations)
        if (!evidence.isSloppy && isLossSeenBy(read, write)) say(`not seen: ${described(read)}`)
      for (const dump of evidence.stores) {
        if (!evidence.replicasOf(key).includes(dump.node)) continue
        const values = liveValues(dump, key, Infinity)
        if (!values.includes(write.value)) say(`${dump.node} does not hold it in the end`)
        else if (values.length > 1) say(`${dump.node} holds ${values.length} values in the end`)
      }
    }
    return violations
  },
}

function isLossSeenBy(read: Operation, write: Operation): boolean {
  if (read.kind !== 'get' || read.level === 'ONE' || !isAcknowledged(read)) return false
  // A write at ONE is known to one replica, which a read at a quorum need not ask.
  if (write.level === 'ONE' && read.level !== 'ALL') return false
  return isBefore(write, read, 0) && read.reply !== write.value
}
