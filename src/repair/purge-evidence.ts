/**
 * How far a range may be purged: pure functions of what is known (RULES P1). Dead records leave by whole UTC hours of death, oldest
 * hours first, and an hour only when
 *
 *     it ended more than tombstone-grace ago
 *     with every replica a complete exchange was begun after its end, by both clocks, and after its last record arrived here
 *     every member has said, since its end, that it holds no older hint or fallback copy
 *
 * A member that has failed for long is left out, replica or not, but only by a majority of the replicas that is live and sees it so;
 * every other one that has not said what it holds may hold anything. The horizon is the end of the
 * last hour purged, never a time in between: rounded down it would make a node that missed the rest of the hour look fresh,
 * rounded up it would let go of what nobody has asked for.
 */
import { NEVER_DIES } from '../record/layout.js'
import type { LastExchange } from './repair-state.js'

export const HOUR_MS = 3_600_000

/** Another member, that may hold something for a replica of the range. */
export interface MemberEvidence {
  readonly isLive: boolean
  /** For how long this node and every live replica of the range have held it failed; 0 while they do not. */
  readonly failedForMs: number
  /** It is known to hold no hint or fallback copy that was written before; 0 where nothing is known, Infinity of a member that never will. */
  readonly holdsNoneBeforeMs: number
}

/** Another replica of the range. */
export interface ReplicaEvidence extends MemberEvidence {
  /** Null for none that counts. */
  readonly exchange: LastExchange | null
}

export interface PurgeEvidence {
  readonly nowMs: number
  readonly graceMs: number
  readonly hardAgeMs: number
  /** Dead data exceed purge-held-max. */
  readonly isHeldMax: boolean
  /** P so far; 0 for none. */
  readonly horizonMs: number
  /** The ends of the hours in which something died, ascending, NEVER_DIES allowed; of each the sequence of its last arrival. */
  readonly hours: readonly { readonly endMs: number; readonly lastArrival: number }[]
  readonly replicas: readonly ReplicaEvidence[]
  /** Members that are no replicas of the range. */
  readonly others: readonly MemberEvidence[]
  /** When the oldest hint or fallback copy of this node was written; Infinity for none. */
  readonly ownOldestMs: number
}

/** The new purge horizon: `horizonMs`, or a later hour's end. */
export function purgeHorizon(evidence: PurgeEvidence): number {
  const { nowMs, graceMs, horizonMs, ownOldestMs } = evidence
  // Strictly earlier than each of these an hour must have ended.
  const limits = [nowMs - graceMs, ownOldestMs]
  let sequence = Infinity
  for (const { exchange, holdsNoneBeforeMs } of needed(evidence.replicas, evidence)) {
    limits.push(exchange?.ownMs ?? 0, exchange?.theirsMs ?? 0, holdsNoneBeforeMs)
    sequence = Math.min(sequence, exchange?.sequence ?? 0)
  }
  for (const { holdsNoneBeforeMs } of needed(evidence.others, evidence)) limits.push(holdsNoneBeforeMs)
  let lastMs = lastHourBefore(Math.min(...limits))
  for (const { endMs, lastArrival } of evidence.hours) {
    if (endMs === NEVER_DIES || endMs <= horizonMs || endMs > lastMs) continue
    if (lastArrival > sequence) lastMs = endMs - HOUR_MS
  }
  return Math.max(horizonMs, lastMs)
}

/** Those of the members whose evidence is asked for. */
function needed<Member extends MemberEvidence>(
  members: readonly Member[],
  { replicas, isHeldMax, hardAgeMs }: PurgeEvidence,
): readonly Member[] {
  if (!isMajority(replicas)) return members
  return members.filter(({ isLive, failedForMs }) => {
    return isLive || failedForMs === 0 || !(isHeldMax || failedForMs >= hardAgeMs)
  })
}

/** Whether this node sees a majority of the range's replicas live, itself included. */
export function isMajority(replicas: readonly { readonly isLive: boolean }[]): boolean {
  const live = 1 + replicas.filter(({ isLive }) => isLive).length
  return 2 * live > replicas.length + 1
}

/** The end of the last whole hour that ended before, and not at, a time; 0 for none. */
export function lastHourBefore(ms: number): number {
  return ms <= 0 ? 0 : Math.max(0, (Math.ceil(ms / HOUR_MS) - 1) * HOUR_MS)
}
