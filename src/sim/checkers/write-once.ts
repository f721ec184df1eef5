/**
 * Nothing known is lost: every key of the family `once` is written by one request in its life. Once that value is known, every
 * read at a quorum sees it, and in the end every replica holds it, and nothing else. It is known when its write was acknowledged,
 * or when a read at a quorum has shown it (RULES R1), whatever became of the write.
 */
import { described, hasWritten, isAcknowledged, isBefore, mayHaveWritten } from '../run/history.js'
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
      const write = operations.find(mayHaveWritten)
      if (write === undefined || mayBeFlushed(write, flushes, evidence.stampMs)) continue
      const reads = operations.filter(isCurrentRead)
      const shown = evidence.isSloppy ? [] : reads.filter(({ reply }) => reply === write.value)
      const [firstShown] = shown.toSorted((a, b) => a.endMs - b.endMs)
      if (!hasWritten(write) && firstShown === undefined) continue
      const say = (what: string): void => {
        const how = hasWritten(write) ? 'acknowledged' : `shown by ${described(firstShown)}`
        violations.push({ checker: NAME, key, what: `${what}; ${how}: ${described(write)}` })
      }
      for (const read of evidence.isSloppy ? [] : reads) {
        if (read.reply === write.value) continue
        if (isKnownTo(read, write)) say(`not seen: ${described(read)}`)
        else if (shown.some((before) => isBefore(before, read, 0))) {
          say(`not seen: ${described(read)}, but earlier by ${described(firstShown)}`)
        }
      }
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

function isCurrentRead(operation: Operation): boolean {
  return operation.kind === 'get' && operation.level !== 'ONE' && isAcknowledged(operation)
}

/** Whether the read has to see it because its write had been acknowledged. */
function isKnownTo(read: Operation, write: Operation): boolean {
  // A write at ONE is known to one replica, which a read at a quorum need not ask.
  if (write.level === 'ONE' && read.level !== 'ALL') return false
  return hasWritten(write) && isBefore(write, read, 0)
}
