/**
 * When the simulated disk fails: counts its operations and says of each whether it goes on, fails, or is the last
 * before the power goes. Apart from the disk so that every operation asks in one place.
 */
import { assert } from '../../util/assert.js'
import type { SimRandom } from '../sim-random.js'

export type DiskOperation =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'sync'
  | 'size'
  | 'truncate'
  | 'rename'
  | 'link'
  | 'unlink'
  | 'exists'
  | 'list'
  | 'make-directory'
  | 'remove-directory'
  | 'sync-directory'

/** EDQUOT is ENOSPC for one user. */
export type FaultCode = 'EIO' | 'ENOSPC' | 'EDQUOT'

export type Verdict = 'go' | 'power-off' | FaultCode

/** Only these can fail for want of room; delayed allocation moves a write's ENOSPC to its sync. */
const NEEDS_ROOM: ReadonlySet<DiskOperation> = new Set([
  'create',
  'write',
  'sync',
  'truncate',
  'rename',
  'link',
  'make-directory',
  'sync-directory',
])

interface Fault {
  readonly verdict: Exclude<Verdict, 'go'>
  /** Counts only operations of this kind; all when undefined. */
  readonly operation: DiskOperation | undefined
  /** Operations to go until it strikes; 1 is the next one. */
  remaining: number
  /** How often it strikes, one operation after another. */
  times: number
}

/** Strikes each operation with the same probability. */
interface Flakiness {
  readonly code: FaultCode
  readonly chance: number
  readonly random: SimRandom
}

export class FaultPlan {
  #faults: Fault[] = []
  #flakiness: Flakiness | null = null

  add(verdict: Fault['verdict'], nth: number, operation: DiskOperation | undefined, times: number): void {
    assert(nth >= 1 && times >= 1, 'faults are numbered from 1')
    this.#faults.push({ verdict, operation, remaining: nth, times })
  }

  /** From now on every operation fails with this probability; in place of what was set before. */
  flake(flakiness: Flakiness): void {
    this.#flakiness = flakiness
  }

  clear(): void {
    this.#faults = []
    this.#flakiness = null
  }

  /** Counts the operation against every fault; the first that strikes decides. */
  next(operation: DiskOperation): Verdict {
    let verdict: Verdict = 'go'
    for (const fault of this.#faults) {
      if (fault.operation !== undefined && fault.operation !== operation) continue
      if (fault.remaining > 1) {
        fault.remaining--
        continue
      }
      fault.times--
      if (lacksRoom(fault.verdict) && !NEEDS_ROOM.has(operation)) continue
      if (verdict === 'go') verdict = fault.verdict
    }
    this.#faults = this.#faults.filter((fault) => fault.times > 0)
    return verdict === 'go' ? this.#flakes(operation) : verdict
  }

  #flakes(operation: DiskOperation): Verdict {
    if (this.#flakiness === null) return 'go'
    const { code, chance, random } = this.#flakiness
    if (!random.chance(chance)) return 'go'
    return lacksRoom(code) && !NEEDS_ROOM.has(operation) ? 'go' : code
  }
}

function lacksRoom(verdict: Verdict): boolean {
  return verdict === 'ENOSPC' || verdict === 'EDQUOT'
}
