/**
 * Siblings, none lost and none invented: keys of the family `sib` are only written with the context of what their writer has
 * seen. So exactly that is replaced, and causality alone says what must be there; clocks do not matter here.
 *
 *     lost         a known value is gone although nobody has replaced it after having seen it
 *     back         a value is there although a known one has replaced it
 *     invented     a value is there that nobody has written, or whose write was refused
 *
 * A value is known once its write was acknowledged, or once a read at a quorum has shown it (RULES R1), whichever comes first.
 */
import type { SimReply } from '../sim-client.js'
import { described, hasWritten, isAcknowledged, mayHaveWritten } from '../run/history.js'
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

function isCurrentLook(look: Operation): boolean {
  return look.kind === 'look' && isAcknowledged(look) && look.level !== 'ONE'
}

class SiblingHistory {
  readonly #key: string
  readonly #evidence: Evidence
  readonly #flushes: readonly Operation[]
  readonly #operations: readonly Operation[]
  readonly #byValue: ReadonlyMap<string, Operation>
  /** By value; those that nobody knows of are not there. */
  readonly #knownSinceMs = new Map<string, number>()
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
    for (const write of writes) {
      // At ONE the write is known to one replica only.
      if (hasWritten(write) && write.level !== 'ONE') this.#knownSinceMs.set(write.value, write.endMs)
    }
    for (const look of operations) {
      if (!isCurrentLook(look)) continue
      for (const value of valuesSeen(look.reply)) {
        const sinceMs = this.#knownSinceMs.get(value) ?? Infinity
        this.#knownSinceMs.set(value, Math.min(sinceMs, look.endMs))
      }
    }
  }

  violations(): Violation[] {
    const mustKnow = (look: Operation): boolean => !this.#evidence.isSloppy && isCurrentLook(look)
    for (const look of this.#operations) {
      if (look.kind !== 'look' || !isAcknowledged(look)) continue
      this.#judge(valuesSeen(look.reply), described(look), mustKnow(look) ? look.startMs : 0)
    }
    for (const dump of this.#evidence.stores) {
      if (!this.#evidence.replicasOf(this.#key).includes(dump.node)) continue
      this.#judge(liveValues(dump, this.#key, Infinity), `${dump.node} in the end`, Infinity)
    }
    return this.#violations
  }

  /** `values` were seen by somebody who has to know of what was known before `atMs`. */
  #judge(values: readonly string[], seenBy: string, atMs: number): void {
    const { stampMs } = this.#evidence
    for (const value of values) {
      if (!this.#byValue.has(value)) this.#say(`invented ${value}: ${seenBy}`)
    }
    for (const write of this.#byValue.values()) {
      if ((this.#knownSinceMs.get(write.value) ?? Infinity) >= atMs) continue
      for (const value of values) {
        if (!write.seen.includes(value)) continue
        this.#say(`back: ${seenBy} has ${value}, which was replaced by ${described(write)}`)
      }
      if (values.includes(write.value) || this.#isReplaced(write)) continue
      if (mayBeFlushed(write, this.#flushes, stampMs)) continue
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
