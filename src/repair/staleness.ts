/**
 * Whether a node may answer for a range, by what a live co-replica says of it (RULES P2): pure functions of what both remember. It is
 * never judged by absence or age: a whole cluster that was off for a month finds every horizon where it was.
 */
import type { Identity } from './exchange-messages.js'

/**
 * purged     the other one has let go of dead data since the last complete exchange: this node may still hold what they deleted
 * wiped      the other one remembers another data directory of this member
 * restored   it remembers a later start of this very directory: this is an older copy of it
 * damaged    this node has lost files of its own (RULES T8)
 */
export type StaleReason = 'purged' | 'wiped' | 'restored' | 'damaged'

export const STALE_REASONS: readonly StaleReason[] = ['purged', 'wiped', 'restored', 'damaged']

/**
 * Whether a range may count again, once replicas have given all that they have of it since it became stale. Reads and writes at quorum
 * meet in one replica. Where this one was it, and has lost the write, the others that took it are a majority less one; who has not
 * asked so many that one of them must be among those answers from what nobody has to know:
 *
 *     N = 3, W = R = 2    v is acknowledged by A and C; A is put back to an older copy, C dies; A is rebuilt from B alone
 *                         a read at quorum, by A and B, does not show v, and an INCR by the two is made without it
 *
 * So that many others are needed: N - majority + 1. One is enough where it is known to have had all of what is missing here (it was
 * exchanged with it), and where nothing is missing. Who waits for more is nevertheless a source for others that do (they hold nothing
 * below their floors that could come back): two that were wiped at the same time would otherwise wait for each other for ever.
 *
 * An older copy is known only to who has seen its later life. Where none of those is live it passes for the directory, until one is.
 *
 * @param given who has given, by id; `coveredBy`: see RangeRecord; `replicas`: N
 */
export function isEnough(
  given: ReadonlySet<string>,
  coveredBy: readonly string[] | null,
  replicas: number,
): boolean {
  if (given.size === 0) return false
  if (coveredBy === null || coveredBy.some((id) => given.has(id))) return true
  const majority = Math.floor(replicas / 2) + 1
  return given.size >= replicas - majority + 1
}

/** What a co-replica's view makes of the whole node, whatever the range; null when nothing is wrong with it. */
export function judgeIdentity(own: Identity, remembered: Identity | null): 'wiped' | 'restored' | null {
  if (remembered === null) return null
  if (remembered.directoryId !== own.directoryId) return 'wiped'
  if (remembered.startCounter > own.startCounter) return 'restored'
  const isOtherStart = remembered.startCounter === own.startCounter && remembered.bootId !== own.bootId
  return isOtherStart ? 'restored' : null
}

/**
 * Whether a range is stale towards a co-replica: its P is newer than S, the own start of the last complete exchange with it; 0 for
 * none. Milliseconds since 1970.
 */
export function isPurgedSince(exchangedMs: number, theirHorizonMs: number): boolean {
  return theirHorizonMs > exchangedMs
}
