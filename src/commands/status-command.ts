/**
 * KV.STATUS: what a node knows of its cluster, as one JSON text for `kindred status` and for scripts: who the members are, how
 * this node sees each, what part of the slots each has, and what has been counted.
 *
 *     { node, members: [ { name, id, address, port, smartPort, clusterPort, state, failed, heldDownBy, status, generation,
 *       fitness, primarySlots, replicaSlots, homeSlots, clockOffsetMs, rtt, handoffs } ], counters, handoffs, repair }
 *
 * `state` is this node's judgement, `failed` what members agree on, `heldDownBy` the names of those that hold it down. `status` ('running',
 * 'stopped') and `generation` (the wall time of its start, ms) are what the member last said itself, null when it never did.
 * `fitness` is why a member may not be home (RULES H1), empty when it may; `replicaSlots` are all slots that it has copies of,
 * `homeSlots` as this node sees homes now; `clockOffsetMs` (the member's clock ahead of this node's) and `rtt` (ms) are null
 * where nothing is known; a member's `handoffs` are the hints and fallback copies that this node holds for it.
 */
import type { ClusterView, LinkFacts } from './cluster-view.js'
import { NO_CLUSTER } from './error-texts.js'
import { DONE } from './request.js'
import type { Handler } from './request.js'

const NAME = 'kv.status'
const TENTHS = 10

const status: Handler = ({ node, reply }) => {
  const { cluster } = node
  if (cluster === null) reply.error(NO_CLUSTER)
  else reply.bulkText(JSON.stringify(statusOf(cluster)))
  return DONE
}

function statusOf(cluster: ClusterView): unknown {
  const { members, self } = cluster
  return {
    node: members[self].name,
    repair: cluster.repair?.facts() ?? null,
    members: members.map((_, member) => memberStatus(cluster, member)),
    handoffs: cluster.handoffTotals,
    counters: Object.fromEntries(
      Object.entries(cluster.counters).map(([name, count]) => {
        return [name, count instanceof Map ? Object.fromEntries(count) : (count as unknown)]
      }),
    ),
  }
}

function memberStatus(cluster: ClusterView, member: number): unknown {
  const { name, id, address, port, smartPort, clusterPort } = cluster.members[member]
  const links = cluster.linksOf(member)
  const gossip = cluster.gossipOf(member)
  return {
    name,
    id,
    address,
    port,
    smartPort,
    clusterPort,
    state: cluster.stateOf(member),
    failed: cluster.isFailed(member),
    heldDownBy: cluster.holdersOf(member).map((holder) => cluster.members[holder].name),
    status: gossip?.status ?? null,
    generation: gossip?.generation ?? null,
    fitness: cluster.unfitnessOf(member),
    ...slotsOf(cluster, member),
    clockOffsetMs: known(links, ({ clockOffsetMs }) => clockOffsetMs),
    rtt: known(links, ({ roundTripMs }) => roundTripMs),
    handoffs: cluster.handoffsOf(member),
  }
}

function slotsOf(
  cluster: ClusterView,
  member: number,
): { primarySlots: number; replicaSlots: number; homeSlots: number } {
  const counts = { primarySlots: 0, replicaSlots: 0, homeSlots: 0 }
  for (const { firstSlot, lastSlot, list } of cluster.ring.ranges()) {
    const slots = lastSlot - firstSlot + 1
    if (list[0] === member) counts.primarySlots += slots
    if (list.includes(member)) counts.replicaSlots += slots
    if (cluster.homeOf(firstSlot) === member) counts.homeSlots += slots
  }
  return counts
}

/** What the first link that knows says, in tenths; null when none does. */
function known(links: readonly LinkFacts[], read: (link: LinkFacts) => number): number | null {
  const value = links.map(read).find((one) => !Number.isNaN(one))
  return value === undefined ? null : Math.round(value * TENTHS) / TENTHS
}

export const statusHandlers: Readonly<Record<string, Handler>> = { [NAME]: status }
