/**
 * What CLUSTER INFO and INFO say about the cluster in numbers. Redis's fields keep Redis's meaning as far as there is one:
 * a slot is *ok* when the first member of its preference list is its home, *pfail* when another replica is, *fail* when
 * nobody is, and one slot without a home makes the state `fail`, which is what ioredis waits for to pass.
 *
 * An epoch counts changes of the configuration. Here the member list is configured, so what stands for the epoch is a number
 * that two nodes share exactly when their rings are equal: a hash of the ring.
 */
import type { ClusterCounters, ClusterView } from './cluster-view.js'
import type { InfoFacts } from './info-facts.js'
import type { NodeServices } from './node-services.js'
import { SLOT_COUNT } from '../ring/slot.js'
import type { Ring } from '../ring/ring.js'

const NOBODY = -1
const EPOCH_DIGITS = 8

/** From 1 to 2^32, equal for equal rings. */
export function epochOf(ring: Ring): number {
  return 1 + Number.parseInt(ring.version.slice(0, EPOCH_DIGITS), 16)
}

/** The lines of CLUSTER INFO. */
export function clusterInfo(cluster: ClusterView): InfoFacts {
  const { ok, elsewhere, homeless } = slotsByHome(cluster)
  const epoch = epochOf(cluster.ring)
  return [
    ['cluster_state', homeless === 0 ? 'ok' : 'fail'],
    ['cluster_slots_assigned', SLOT_COUNT],
    ['cluster_slots_ok', ok],
    ['cluster_slots_pfail', elsewhere],
    ['cluster_slots_fail', homeless],
    ['cluster_known_nodes', cluster.members.length],
    ['cluster_size', cluster.members.length],
    ['cluster_current_epoch', epoch],
    ['cluster_my_epoch', epoch],
    ['cluster_ring_version', cluster.ring.version],
    ['cluster_replicas', cluster.ring.replicas],
  ]
}

/** Slots whose home is the first of their list, another of it, or nobody. */
function slotsByHome(cluster: ClusterView): { ok: number; elsewhere: number; homeless: number } {
  let ok = 0
  let homeless = 0
  for (const { firstSlot, lastSlot, list } of cluster.ring.ranges()) {
    const slots = lastSlot - firstSlot + 1
    const home = cluster.homeOf(firstSlot)
    if (home === list[0]) ok += slots
    else if (home === NOBODY) homeless += slots
  }
  return { ok, homeless, elsewhere: SLOT_COUNT - ok - homeless }
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
    ['cluster_refused_by_peers', reasons(counters.refusedByPeers)],
    ['cluster_refused_to_peers', reasons(counters.refusedToPeers)],
    ['cluster_links_closed', reasons(counters.linksClosed)],
  ]
}

/** 'placement=1,clock=2', alphabetically; '' for none. */
function reasons(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .map(([reason, count]) => `${reason}=${count}`)
    .sort()
    .join(',')
}

/** 'cluster_member_node-2:state=up,unfit=disk,clock_offset_ms=0.4,round_trip_ms=0.2', in the manner of slave0. */
function memberFacts(cluster: ClusterView, member: number): InfoFacts {
  const { name } = cluster.members[member]
  const fields = [`state=${cluster.stateOf(member)}`]
  const unfit = cluster.unfitnessOf(member)
  if (unfit.length > 0) fields.push(`unfit=${unfit.join('+')}`)
  const link = cluster.linksOf(member).find(({ clockOffsetMs }) => !Number.isNaN(clockOffsetMs))
  if (link !== undefined) {
    fields.push(`clock_offset_ms=${link.clockOffsetMs.toFixed(1)}`)
    fields.push(`round_trip_ms=${link.roundTripMs.toFixed(1)}`)
  }
  return [[`cluster_member_${name}`, fields.join(',')]]
}
