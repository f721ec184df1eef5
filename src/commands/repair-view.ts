/** Repair as commands see it: how exchanges with other replicas go, and what is not in order. The node implements it. */
import type { SlotRange } from '../ring/slot-range.js'

export interface RepairFacts {
  /** An exchange, or the rebuild of stale ranges, is under way. */
  readonly isRunning: boolean
  /** Exchanges that this node began with another one, since its start, and those that were not finished. */
  readonly rounds: number
  readonly failedRounds: number
  /** Ranges that were compared in them, those that differed, and the keys that were fetched and sent for it. */
  readonly rangesExchanged: number
  readonly rangesDiffering: number
  readonly keysPulled: number
  readonly keysPushed: number
  /** Records that came with exchanges, whoever began them. */
  readonly recordsTaken: number
  readonly recordsRefused: number
  /** Questions that this node asked of others. */
  readonly questions: number
  /** In both directions, whoever began. */
  readonly exchangedBytes: number
  readonly lastDurationMs: number
  /** Ranges that KV.REPAIR has yet to do, each counted for every peer. */
  readonly demandedRanges: number
  /** Of this node's ranges those that answer nobody yet, or have to be rebuilt (RULES P2), and why. */
  readonly unjudgedRanges: number
  readonly staleRanges: number
  readonly staleReasons: readonly string[]
  readonly staleSlots: number
  /** How far the rebuild of stale ranges is, in percent; -1 while none goes on. */
  readonly rebuildPercent: number
  /** How many of its ranges have complete Merkle trees, and how many it has. */
  readonly treesReady: number
  readonly ranges: number
  /** How long ago the last hour ended that every range has purged; -1 while nothing was purged. */
  readonly purgeHorizonAgeSeconds: number
}

/** What KV.REPAIR has begun. */
export interface RepairStarted {
  readonly ranges: number
  /** Slots that were asked for and are not this node's. */
  readonly notHeld: readonly SlotRange[]
}

export interface RepairView {
  repair(slots: SlotRange): RepairStarted
  facts(): RepairFacts
}
