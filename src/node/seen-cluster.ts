/**
 * The cluster as this node sees it, put together from its parts for the commands that show it. Nothing here decides anything.
 */
import type { Clock } from '../env/clock.js'
import type {
  ClusterCounters,
  ClusterMember,
  ClusterView,
  GossipFacts,
  HandoffFacts,
  HandoffTotals,
  LinkFacts,
  MemberState,
  Unfitness,
} from '../commands/cluster-view.js'
import type { RepairView } from '../commands/repair-view.js'
import type { Level } from '../coordinator/consistency.js'
import type { Coordinator } from '../coordinator/coordinator.js'
import type { CoordinatorCounters } from '../coordinator/coordinator-counters.js'
import {
  REASON_DAMAGED,
  REASON_FLUSHED,
  REASON_MALFORMED,
  REASON_NOT_COVERED,
  REASON_NO_ROOM,
  REASON_PLACEMENT,
  REASON_PURGED,
  REASON_STALE,
  REASON_STAMPED_AHEAD,
  REASON_STOPPING,
} from '../coordinator/messages.js'
import type { Peer } from '../coordinator/peer.js'
import type { RecordMerger } from '../coordinator/record-merger.js'
import type { Replica } from '../coordinator/replica.js'
import type { Topology } from '../coordinator/topology.js'
import type { Links } from '../link/links.js'
import { CATCHING_UP, CLOCK_IN_DOUBT, DISK_FULL, ISOLATED, LOG_NOT_WRITABLE } from '../link/ping.js'
import type { Ring } from '../ring/ring.js'
import type { GossipPart } from './gossip-part.js'
import type { HandoffPart } from './handoff-part.js'
import type { ClusterConfig } from './node-config.js'

/** What it looks at. */
export interface SeenParts {
  readonly clock: Clock
  readonly topology: Topology
  readonly peers: readonly (Peer | null)[]
  readonly links: Links
  readonly gossip: GossipPart
  readonly handoffs: HandoffPart
  readonly coordinator: Coordinator
  readonly merger: RecordMerger
  readonly replica: Replica
  readonly counts: CoordinatorCounters
  readonly repair: RepairView | null
  readonly settings: () => ClusterConfig
  /** Flags of this node, as pings carry them. */
  readonly fitness: () => number
}

export class SeenCluster implements ClusterView {
  readonly ring: Ring
  readonly repair: RepairView | null
  /** With the addresses that they announce, as far as they have been heard from. */
  members: readonly ClusterMember[]
  readonly #parts: SeenParts

  /** `members` are in the order of the ring's. */
  constructor(members: readonly ClusterMember[], parts: SeenParts) {
    this.ring = parts.topology.ring
    this.repair = parts.repair
    this.members = members
    this.#parts = parts
  }

  get self(): number {
    return this.#parts.topology.self
  }

  stateOf(member: number): MemberState {
    const peer = this.#parts.peers[member]
    if (peer === null) return 'up'
    return peer.link.isOpen ? peer.link.state : 'down'
  }

  isFailed(member: number): boolean {
    return this.#parts.gossip.isFailed(member)
  }

  holdersOf(member: number): readonly number[] {
    return this.#parts.gossip.holdersOf(member)
  }

  gossipOf(member: number): GossipFacts | null {
    return this.#parts.gossip.factsOf(member)
  }

  unfitnessOf(member: number): readonly Unfitness[] {
    const flags = this.#parts.peers[member]?.link.fitness ?? this.#parts.fitness()
    const names: Unfitness[] = []
    if ((flags & CLOCK_IN_DOUBT) !== 0) names.push('clock')
    if ((flags & LOG_NOT_WRITABLE) !== 0) names.push('log')
    if ((flags & DISK_FULL) !== 0) names.push('disk')
    if ((flags & CATCHING_UP) !== 0) names.push('catching-up')
    if ((flags & ISOLATED) !== 0) names.push('isolated')
    return names
  }

  handoffsOf(member: number): HandoffFacts {
    return this.#parts.handoffs.factsOf(member)
  }

  get handoffTotals(): HandoffTotals {
    return this.#parts.handoffs.totals
  }

  homeOf(slot: number): number {
    return this.#parts.topology.homeOf(slot)
  }

  namedHomeOf(slot: number): number {
    return this.#parts.coordinator.namedHomeOf(slot, this.readLevel, this.writeLevel)
  }

  /** Where cluster clients find a member. */
  smartAddress(member: number): { readonly address: string; readonly port: number } {
    const { address, smartPort } = this.members[member]
    return { address, port: smartPort }
  }

  /** It says that it has another address. */
  takeAddress(member: number): void {
    const address = this.#parts.gossip.addressOf(member)
    if (address === null) return
    this.members = this.members.map((one, index) => (index === member ? { ...one, address } : one))
  }

  linksOf(member: number): readonly LinkFacts[] {
    const peer = this.#parts.peers[member]
    if (peer === null) return []
    const { link } = peer
    const facts: LinkFacts[] = [
      {
        direction: 'to',
        isConnected: link.isOpen,
        createdAtMs: this.#wall(link.connectedAtMs),
        pingSentAtMs: this.#wall(link.pingSentAtMs),
        heardAtMs: this.#wall(link.heardAtMs),
        sendBufferUsedBytes: link.unacknowledgedBytes,
        sendBufferAllocatedBytes: link.unsentBytes,
        clockOffsetMs: link.clock.isKnown ? link.clock.offsetMs : NaN,
        roundTripMs: link.clock.isKnown ? link.clock.roundTripMs : NaN,
      },
    ]
    for (const incoming of this.#parts.links.incoming) {
      if (incoming.hello?.nodeId !== this.members[member].id) continue
      facts.push({
        direction: 'from',
        isConnected: incoming.isOpen,
        createdAtMs: this.#wall(incoming.channel.startedAtMs),
        pingSentAtMs: 0,
        heardAtMs: this.#wall(incoming.channel.lastHeardMs),
        sendBufferUsedBytes: incoming.unsentBytes,
        sendBufferAllocatedBytes: incoming.unsentBytes,
        clockOffsetMs: NaN,
        roundTripMs: NaN,
      })
    }
    return facts
  }

  /** The wall clock at a time of the monotonic one; 0 stays 0. */
  #wall(monotonicMs: number): number {
    if (monotonicMs === 0) return 0
    return Math.round(this.#parts.clock.wallMs() - this.#parts.clock.monotonicMs() + monotonicMs)
  }

  get counters(): ClusterCounters {
    const counts = this.#parts.counts
    return {
      siblingMerges: this.#parts.merger.conflicts,
      longVectorsReceived: this.#parts.merger.longVectors,
      readMismatches: counts.readMismatches,
      readRepairs: counts.readRepairs,
      speculativeReads: counts.speculativeReads,
      forwardedRequests: counts.forwardedRequests,
      receivedRequests: counts.receivedRequests,
      proposals: counts.proposals,
      proposalRetries: counts.proposalRetries,
      uncertainWrites: counts.uncertainWrites,
      noReplicas: counts.noReplicas,
      clockRefusals: counts.clockRefusals,
      fallbackCopies: counts.fallbackCopies,
      refusedByPeers: named(counts.refusedByPeers),
      refusedToPeers: named(
        new Map([...this.#parts.replica.refusals.entries()].filter(([, count]) => count > 0)),
      ),
      linksClosed: this.#parts.links.closeCounts,
      gossip: this.#parts.gossip.counters,
    }
  }

  get readLevel(): Level {
    return this.#parts.settings().readLevel
  }

  get writeLevel(): Level {
    return this.#parts.settings().writeLevel
  }
}

const REASON_NAMES: ReadonlyMap<number, string> = new Map([
  [REASON_PLACEMENT, 'placement'],
  [REASON_NOT_COVERED, 'not-covered'],
  [REASON_STAMPED_AHEAD, 'stamped-ahead'],
  [REASON_FLUSHED, 'flushed'],
  [REASON_NO_ROOM, 'no-room'],
  [REASON_MALFORMED, 'malformed'],
  [REASON_STOPPING, 'stopping'],
  [REASON_STALE, 'stale'],
  [REASON_DAMAGED, 'damaged'],
  [REASON_PURGED, 'purged'],
])

function named(byReason: ReadonlyMap<number, number>): ReadonlyMap<string, number> {
  return new Map([...byReason].map(([reason, count]) => [REASON_NAMES.get(reason) ?? String(reason), count]))
}
