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
