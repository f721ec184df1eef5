/**
 * Siblings, none lost and none invented: keys of the family `sib` are only written with the context of what their writer has
 * seen. So exactly that is replaced, and causality alone says what must be there; clocks do not matter here.
 *
 *     lost         an acknowledged value is gone although nobody has replaced it after having seen it
 *     back         a value is there although a write that had seen it was acknowledged
 *     invented     a value is there that nobody has written, or whose write was refused
 */
import type { SimReply } from '../sim-client.js'
import { described, hasWritten, isAcknowledged, isBefore, mayHaveWritten } from '../run/history.js'
import type { Operation } from '../run/history.js'
import { byKey, flushesOf, liveValues, mayBeFlushed } from './evidence.js'
import type { Checker, Evidence, Violation } from './evidence.js'

const NAME = 'siblings'

export const siblings: Checker = {
  name: NAME,
  check(evidence: Evidence): Violation[] {
    const flushes = flushesOf(evidence)
    return [...byKey(evidence, 'sib')].flatMap(([key, operations]) =>
      new SiblingHistory(key, operations, flushes, evidence).violations(),
    )
  },
}

/** The live values in a reply of KV.SIBLINGS key. */
export function valuesSeen(reply: SimReply): string[] {
  if (!Array.isArray(reply)) return []
  const [, , , list] = reply as readonly SimReply[]
  if (!Array.isArray(list)) return []
  return list
    .map((fields: SimReply) => (Array.isArray(fields) ? (fields[3] as SimReply) : null))
    .filter((value): value is string => typeof value === 'string')
}

class SiblingHistory {
  readonly #key: string
  readonly #evidence: Evidence
  readonly #flushes: readonly Operation[]
  readonly #operations: readonly Operation[]
  readonly #byValue: ReadonlyMap<string, Operation>
  readonly #violations: Violation[] = []

  constructor(
    key: string,
    operations: readonly Operation[],
    flushes: readonly Operation[],
    evidence: Evidence,
  ) {
    this.#key = key
    this.#operations = operations
    this.#flushes = flushes
    this.#evidence = evidence
    const writes = operations.filter((one) => one.kind === 'resolve' && mayHaveWritten(one))
    this.#byValue = new Map(writes.map((write) => [write.value, write]))
  }

  violations(): Violation[] {
    for (const look of this.#operations) {
      if (look.kind !== 'look' || !isAcknowledged(look)) continue
      const isCurrent = look.level !== 'ONE'
      this.#judge(valuesSeen(look.reply), described(look), (write) => isCurrent && isBefore(write, look, 0))
    }
    for (const dump of this.#evidence.stores) {
      if (!this.#evidence.replicasOf(this.#key).includes(dump.node)) continue
      this.#judge(liveValues(dump, this.#key, Infinity), `${dump.node} in the end`, hasWritten)
    }
    return this.#violations
  }

  /** `values` were seen, by somebody who has to know of the writes for which `isKnown` holds. */
  #judge(values: readonly string[], seenBy: string, isKnown: (write: Operation) => boolean): void {
    const { stampMs } = this.#evidence
    for (const value of values) {
      const write = this.#byValue.get(value)
      if (write === undefined) this.#say(`invented ${value}: ${seenBy}`)
      for (const replaced of this.#byValue.values()) {
        if (!replaced.seen.includes(value) || !hasWritten(replaced) || !isKnown(replaced)) continue
        this.#say(`back: ${seenBy} has ${value}, which was replaced by ${described(replaced)}`)
      }
    }
    for (const write of this.#byValue.values()) {
      if (!hasWritten(write) || !isKnown(write) || values.includes(write.value)) continue
      if (this.#isReplaced(write) || mayBeFlushed(write, this.#flushes, stampMs)) continue
      // At ONE the write is known to one replica only until all have converged.
      if (write.level === 'ONE' && isKnown !== hasWritten) continue
      this.#say(`lost: ${seenBy} lacks ${described(write)}`)
    }
  }

  #isReplaced(write: Operation): boolean {
    for (const other of this.#byValue.values()) if (other.seen.includes(write.value)) return true
    return false
  }

  #say(what: string): void {
    this.#violations.push({ checker: NAME, key: this.#key, what })
  }
}
