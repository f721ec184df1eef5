/**
 * Whether the newest entry of a key among a merge's inputs may leave the disk. Two conditions, both needed:
 *
 *   - It is dead for reads, and the purge policy lets its death go: all its dots lie at or below the flush mark, or its
 *     death time is purgeable. On a single node everything dead is; with replicas the policy wants evidence (RULES P1).
 *     Flushed records need none: every replica refuses their dots.
 *   - Nothing outside the inputs may hold an older version, which would come to light (RULES T4): OlderElsewhere.
 *
 * Flags make no difference: a dead entry with FLAG_SHADOWS is a tombstone like any other, what it shadows is either among
 * the inputs, and goes with them, or elsewhere, and then the entry stays.
 */
import { deathTime, maxHlc } from '../../record/death.js'
import { KIND_DELETION, siblingCount, siblingHlc, siblingKind, siblingsStart } from '../../record/layout.js'
import { entrySequence, isLocalTombstone } from '../entry.js'
import type { OlderElsewhere } from './older-elsewhere.js'

/** Whether dead entries of this death time (milliseconds since 1970) may leave this node. Pure. */
export type PurgePolicy = (token: number, deathMs: number) => boolean

/** Whether an entry of this sequence is not believed any more, whatever it says (floors.ts). Pure. */
export type FloorPolicy = (token: number, sequence: number) => boolean

export type DropReason = 'deleted' | 'expired' | 'flushed' | 'superseded'

/** Entries that a merge left out, by reason. */
export interface DropCounts {
  /** A newer entry of the key was among the inputs, or its range has been rebuilt above it. */
  readonly superseded: number
  readonly deleted: number
  readonly expired: number
  /** All dots at or below the flush mark. */
  readonly flushed: number
}

export class DropRule {
  readonly #purgeable: PurgePolicy
  readonly #isBelowFloor: FloorPolicy
  readonly #flushMark: number
  readonly #older: OlderElsewhere

  constructor(purgeable: PurgePolicy, isBelowFloor: FloorPolicy, flushMark: number, older: OlderElsewhere) {
    this.#purgeable = purgeable
    this.#isBelowFloor = isBelowFloor
    this.#flushMark = flushMark
    this.#older = older
  }

  /** Why the entry may go, or null when it has to stay. To be asked by ascending token. */
  reasonToDrop(token: number, bytes: Uint8Array, record: number): DropReason | null {
    // Whatever it hides is older, and so below the floor as well.
    if (this.#isBelowFloor(token, entrySequence(bytes, record))) return 'superseded'
    const reason = this.#reasonToPurge(token, bytes, record)
    if (reason === null || this.#older.mayHold(token, entrySequence(bytes, record))) return null
    return reason
  }

  #reasonToPurge(token: number, bytes: Uint8Array, record: number): DropReason | null {
    // What it stands for has been purged with its window.
    if (isLocalTombstone(bytes, record)) return 'deleted'
    if (newestDot(bytes, record) <= this.#flushMark) return 'flushed'
    if (!this.#purgeable(token, deathTime(bytes, record))) return null
    return isDeletion(bytes, record) ? 'deleted' : 'expired'
  }
}

/** The winner's HLC; a record whose siblings are all gone is judged by its context. */
function newestDot(bytes: Uint8Array, record: number): number {
  if (siblingCount(bytes, record) === 0) return maxHlc(bytes, record)
  return siblingHlc(bytes, siblingsStart(bytes, record))
}

function isDeletion(bytes: Uint8Array, record: number): boolean {
  return (
    siblingCount(bytes, record) === 0 || siblingKind(bytes, siblingsStart(bytes, record)) === KIND_DELETION
  )
}
