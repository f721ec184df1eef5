/** What the parts of repair share of their node: who it is, what it holds, whom it can ask. */
import type { PurgeHorizons } from '../coordinator/purge-horizons.js'
import type { Topology } from '../coordinator/topology.js'
import type { Clock } from '../env/clock.js'
import type { Log } from '../env/log.js'
import type { Random } from '../env/random.js'
import type { Store } from '../storage/store.js'
import type { ExchangePeer } from './exchange-peer.js'
import type { Identity } from './exchange-messages.js'
import type { RepairState } from './repair-state.js'

export interface RepairSettings {
  /** Between two background exchanges with the same peer; 0 for none. */
  readonly antiEntropyIntervalMs: number
  /** Bytes a second of all that this node exchanges as initiator; 0 for no limit. */
  readonly antiEntropyRateBytesPerSecond: number
}

export interface RepairPeer {
  /** Index in the ring. */
  readonly member: number
  readonly id: string
  readonly questions: ExchangePeer
}

export interface RepairContext {
  readonly clock: Clock
  readonly log: Log
  readonly random: Random
  readonly store: Store
  readonly topology: Topology
  readonly horizons: PurgeHorizons
  readonly state: RepairState
  /** At least every stamp that this node has seen. */
  readonly stamp: () => number
  /** Of this start. */
  readonly identity: () => Identity
  /** By member; null for this node. */
  readonly peers: readonly (RepairPeer | null)[]
  readonly settings: () => RepairSettings
}

/** Ranges of which this node has a copy. */
export function ownRanges({ topology: { ring, self } }: Pick<RepairContext, 'topology'>): number[] {
  return ring.ranges().flatMap(({ list }, range) => (list.includes(self) ? [range] : []))
}

/** Ranges of which this node and another member have copies. */
export function sharedRanges(
  { topology: { ring, self } }: Pick<RepairContext, 'topology'>,
  member: number,
): number[] {
  return ring.ranges().flatMap(({ list }, range) => {
    return list.includes(self) && list.includes(member) ? [range] : []
  })
}

/** The other members that have a copy of the range. */
export function coReplicas(
  { topology: { ring, self } }: Pick<RepairContext, 'topology'>,
  range: number,
): number[] {
  return ring.rangeAt(range).list.filter((member) => member !== self)
}
