/**
 * What CLUSTER INFO and INFO say about the cluster in numbers. Redis's fields keep Redis's meaning as far as there is one: a slot is
 * *pfail* when only this node holds its owner (the first member of its preference list) down, *fail* when the owner is failed by
 * agreement, *ok* otherwise: what CLUSTER NODES flags `fail?` and `fail`. Here another replica serves such a slot, so the state is
 * `fail` only when a slot has no home at all, which is what ioredis waits for to pass; two fields of our own count the slots
 * whose home is another replica, and those that have none. Messages are those of gossip, as on Redis's bus.
 *
 * An epoch counts changes of the configuration. Here the member list is configured, so what stands for the epoch is a number
 * that two nodes share exactly when their rings are equal: a hash of the ring.
 */
import type { ClusterCounters, ClusterView, HandoffFacts } from './cluster-view.js'
import type { InfoFacts } from './info-facts.js'
import type { NodeServices } from './node-services.js'
import { SLOT_COUNT } from '../ring/slot.js'
import type { SlotRange } from '../ring/slot-range.js'
import type { Ring } from '../ring/ring.js'

const NOBODY = -1
const EPOCH_DIGITS = 8

/** From 1 to 2^32, equal for equal rings. */
export function epochOf(ring: Ring): number {
  return 1 + Number.parseInt(ring.version.slice(0, EPOCH_DIGITS), 16)
}

/** The lines of CLUSTER INFO. */
export function clusterInfo(cluster: ClusterView): InfoFacts {
  const { pfail, fail } = slotsByOwner(cluster)
  const { elsewhere, homeless } = slotsByHome(cluster)
  const epoch = epochOf(cluster.ring)
  return [
    ['cluster_state', homeless === 0 ? 'ok' : 'fail'],
    ['cluster_slots_assigned', SLOT_COUNT],
    ['cluster_slots_ok', SLOT_COUNT - pfail - fail],
    ['cluster_slots_pfail', pfail],
    ['cluster_slots_fail', fail],
    ['cluster_known_nodes', cluster.members.length],
    ['cluster_size', cluster.members.length],
    ['cluster_current_epoch', epoch],
    ['cluster_my_epoch', epoch],
    ['cluster_ring_version', cluster.ring.version],
    ['cluster_replicas', cluster.ring.replicas],
    ['cluster_slots_elsewhere', elsewhere],
    ['cluster_slots_homeless', homeless],
    ['cluster_stats_messages_sent', cluster.counters.gossip.messagesSent],
    ['cluster_stats_messages_received', cluster.counters.gossip.messagesReceived],
  ]
}

/** 'fail': by agreement; 'pfail': this node alone holds it down. */
export function failureOf(cluster: ClusterView, member: number): 'none' | 'pfail' | 'fail' {
  if (cluster.isFailed(member)) return 'fail'
  return cluster.stateOf(member) === 'down' ? 'pfail' : 'none'
}

/** Slots whose owner only this node holds down, or is failed. */
function slotsByOwner(cluster: ClusterView): { pfail: number; fail: number } {
  const slots = { none: 0, pfail: 0, fail: 0 }
  cluster.members.forEach((_, member) => {
    const owned = cluster.ring.primaryRanges(member)
    slots[failureOf(cluster, member)] += owned.reduce((sum, range) => sum + slotsIn(range), 0)
  })
  return slots
}

function slotsIn({ firstSlot, lastSlot }: SlotRange): number {
  return lastSlot - firstSlot + 1
}

/** Slots whose home is another one than the first of their list, or nobody. */
function slotsByHome(cluster: ClusterView): { elsewhere: number; homeless: number } {
  let elsewhere = 0
  let homeless = 0
  for (const range of cluster.ring.ranges()) {
    const home = cluster.homeOf(range.firstSlot)
    if (home === NOBODY) homeless += slotsIn(range)
    else if (home !== range.list[0]) elsewhere += slotsIn(range)
  }
  return { elsewhere, homeless }
}

/** Connections with other nodes that are up. */
export function clusterConnections({ cluster }: NodeServices): number {
  if (cluster === null) return 0
  const links = cluster.members.flatMap((_, member) => cluster.linksOf(member))
  return links.filter((link) => link.isConnected).length
}

/** INFO's section `# Cluster`. */
export function clusterFacts({ cluster }: NodeServices): InfoFacts {
  if (cluster === null) return [['cluster_enabled', 0]]
  return [
    ['cluster_enabled', 1],
    ...clusterInfo(cluster),
    ...counterFacts(cluster.counters),
    ...gossipFacts(cluster.counters),
    ...memberCounts(cluster),
    ...handoffFacts(cluster),
    ...cluster.members.flatMap((_, member) => memberFacts(cluster, member)),
  ]
}

function counterFacts(counters: ClusterCounters): InfoFacts {
  return [
    ['cluster_sibling_merges', counters.siblingMerges],
    ['cluster_long_vectors_received', counters.longVectorsReceived],
    ['cluster_read_mismatches', counters.readMismatches],
    ['cluster_read_repairs', counters.readRepairs],
    ['cluster_speculative_reads', counters.speculativeReads],
    ['cluster_requests_forwarded', counters.forwardedRequests],
    ['cluster_requests_received', counters.receivedRequests],
    ['cluster_proposals', counters.proposals],
    ['cluster_proposal_retries', counters.proposalRetries],
    ['cluster_uncertain_writes', counters.uncertainWrites],
    ['cluster_noreplicas', counters.noReplicas],
    ['cluster_clock_refusals', counters.clockRefusals],
    ['cluster_fallback_copies_sent', counters.fallbackCopies],
    ['cluster_refused_by_peers', reasons(counters.refusedByPeers)],
    ['cluster_refused_to_peers', reasons(counters.refusedToPeers)],
    ['cluster_links_closed', reasons(counters.linksClosed)],
  ]
}

function gossipFacts({ gossip }: ClusterCounters): InfoFacts {
  return [
    ['cluster_gossip_rounds', gossip.rounds],
    ['cluster_gossip_bytes_sent', gossip.bytesSent],
    ['cluster_gossip_bytes_received', gossip.bytesReceived],
    ['cluster_gossip_malformed', gossip.malformed],
  ]
}

/** Up ones include this node; failed ones are counted as down, too, where this node holds them down. */
function memberCounts(cluster: ClusterView): InfoFacts {
  const counts = { up: 0, suspicious: 0, down: 0 }
  let failed = 0
  cluster.members.forEach((_, member) => {
    counts[cluster.stateOf(member)]++
    if (cluster.isFailed(member)) failed++
  })
  return [
    ['cluster_members_up', counts.up],
    ['cluster_members_suspicious', counts.suspicious],
    ['cluster_members_down', counts.down],
    ['cluster_members_failed', failed],
  ]
}

/** What is held for all others, and what became of it. */
function handoffFacts(cluster: ClusterView): InfoFacts {
  const facts = cluster.members.map((_, member) => cluster.handoffsOf(member))
  const sum = (read: (of: HandoffFacts) => number): number => facts.reduce((all, of) => all + read(of), 0)
  const { heldForThisNode, isCatchingUp, passedOver, lastWriteOk } = cluster.handoffTotals
  return [
    ['cluster_hints', sum(({ hints }) => hints)],
    ['cluster_hints_bytes', sum(({ hintBytes }) => hintBytes)],
    ['cluster_fallback_copies', sum(({ copies }) => copies)],
    ['cluster_fallback_copies_bytes', sum(({ copyBytes }) => copyBytes)],
    ['cluster_handoffs_oldest_seconds', seconds(Math.max(...facts.map(({ oldestMs }) => oldestMs ?? 0)))],
    ['cluster_handoffs_delivered', sum(({ delivered }) => delivered)],
    ['cluster_hints_dropped', sum(({ dropped }) => dropped)],
    ['cluster_hints_passed_over', passedOver],
    ['cluster_handoffs_possible_losses', sum(({ possibleLosses }) => possibleLosses)],
    ['cluster_handoffs_last_write_status', lastWriteOk ? 'ok' : 'err'],
    ['cluster_handoffs_for_this_node', heldForThisNode],
    ['cluster_catching_up', isCatchingUp ? 1 : 0],
  ]
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}

/** 'placement=1,clock=2', alphabetically; '' for none. */
function reasons(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .map(([reason, count]) => `${reason}=${count}`)
    .sort()
    .join(',')
}

/** 'cluster_member_node-2:state=up,unfit=disk,held_down_by=node-1+node-3,clock_offset_ms=0.4,round_trip_ms=0.2', in the manner of slave0. */
function memberFacts(cluster: ClusterView, member: number): InfoFacts {
  const { name } = cluster.members[member]
  const fields = [`state=${cluster.stateOf(member)}`]
  const unfit = cluster.unfitnessOf(member)
  if (unfit.length > 0) fields.push(`unfit=${unfit.join('+')}`)
  const holders = cluster.holdersOf(member)
  if (holders.length > 0)
    fields.push(`held_down_by=${holders.map((one) => cluster.members[one].name).join('+')}`)
  const link = cluster.linksOf(member).find(({ clockOffsetMs }) => !Number.isNaN(clockOffsetMs))
  if (link !== undefined) {
    fields.push(`clock_offset_ms=${link.clockOffsetMs.toFixed(1)}`)
    fields.push(`round_trip_ms=${link.roundTripMs.toFixed(1)}`)
  }
  const { hints, hintBytes, copies, copyBytes, oldestMs, possibleLosses } = cluster.handoffsOf(member)
  if (hints > 0) fields.push(`hints=${hints},hints_bytes=${hintBytes}`)
  if (copies > 0) fields.push(`fallback_copies=${copies},fallback_copies_bytes=${copyBytes}`)
  if (oldestMs !== null) fields.push(`handoffs_oldest_seconds=${seconds(oldestMs)}`)
  if (possibleLosses > 0) fields.push(`handoffs_possible_losses=${possibleLosses}`)
  return [[`cluster_member_${name}`, fields.join(',')]]
}
