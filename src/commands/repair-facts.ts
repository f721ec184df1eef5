/** INFO's section `repair`: exchanges with other replicas, and ranges that are not in order (RULES P1, P2). */
import type { InfoFacts } from './info-facts.js'
import type { NodeServices } from './node-services.js'

export function repairFacts({ cluster }: NodeServices): InfoFacts {
  const facts = cluster?.repair?.facts()
  if (facts === undefined) return [['repair_enabled', 0]]
  return [
    ['repair_enabled', 1],
    ['repair_running', facts.isRunning ? 1 : 0],
    ['repair_demanded_ranges', facts.demandedRanges],
    ['repair_exchanges', facts.rounds],
    ['repair_exchanges_failed', facts.failedRounds],
    ['repair_ranges_exchanged', facts.rangesExchanged],
    ['repair_ranges_differing', facts.rangesDiffering],
    ['repair_keys_pulled', facts.keysPulled],
    ['repair_keys_pushed', facts.keysPushed],
    ['repair_records_taken', facts.recordsTaken],
    ['repair_records_refused', facts.recordsRefused],
    ['repair_questions', facts.questions],
    ['repair_bytes', facts.exchangedBytes],
    ['repair_last_duration_ms', facts.lastDurationMs],
    ['repair_ranges', facts.ranges],
    ['repair_ranges_with_trees', facts.treesReady],
    ['repair_unjudged_ranges', facts.unjudgedRanges],
    ['repair_stale_ranges', facts.staleRanges],
    ['repair_stale_slots', facts.staleSlots],
    ['repair_stale_reasons', facts.staleReasons.join(',')],
    ['repair_rebuild_percent', facts.rebuildPercent],
    ['repair_purge_horizon_age_seconds', facts.purgeHorizonAgeSeconds],
  ]
}
