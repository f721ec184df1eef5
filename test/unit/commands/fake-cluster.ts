/** A cluster as a plain value, for the tests of commands that show it: members come and go as the test says. */
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
} from '../../../src/commands/cluster-view.js'
import { QUORUM } from '../../../src/coordinator/consistency.js'
import type { RepairView } from '../../../src/commands/repair-view.js'
import type { Level } from '../../../src/coordinator/consistency.js'
import { Ring } from '../../../src/ring/ring.js'
import { membersOf } from '../../support/ring-members.js'

export const NOTHING_HELD: HandoffFacts = {
  hints: 0,
  hintBytes: 0,
  copies: 0,
  copyBytes: 0,
  oldestMs: null,
  delivered: 0,
  dropped: 0,
  possibleLosses: 0,
}

/** A link with nothing on it. */
export function linkOf(of: Partial<LinkFacts> = {}): LinkFacts {
  return {
    direction: 'to',
    isConnected: true,
    createdAtMs: 1_800_000_000_000,
    pingSentAtMs: 0,
    heardAtMs: 1_800_000_000_500,
    sendBufferUsedBytes: 0,
    sendBufferAllocatedBytes: 4096,
    clockOffsetMs: NaN,
    roundTripMs: NaN,
    ...of,
  }
}

export class FakeCluster implements ClusterView {
  repair: RepairView | null = null
  readonly ring: Ring
  readonly members: readonly ClusterMember[]
  readonly self: number
  readLevel: Level = QUORUM
  writeLevel: Level = QUORUM
  readonly states = new Map<number, MemberState>()
  readonly unfit = new Map<number, readonly Unfitness[]>()
  readonly handoffs = new Map<number, HandoffFacts>()
  handoffTotals: HandoffTotals = {
    heldForThisNode: 17,
    isCatchingUp: false,
    passedOver: 18,
    lastWriteOk: true,
  }
  readonly links = new Map<number, readonly LinkFacts[]>()
  /** Who holds a member down; two make it failed. */
  readonly holders = new Map<number, readonly number[]>()
  readonly gossip = new Map<number, GossipFacts>()
  counters: ClusterCounters = {
    siblingMerges: 1,
    longVectorsReceived: 2,
    readMismatches: 3,
    readRepairs: 4,
    speculativeReads: 5,
    forwardedRequests: 6,
    receivedRequests: 7,
    proposals: 8,
    proposalRetries: 9,
    uncertainWrites: 10,
    noReplicas: 11,
    clockRefusals: 12,
    fallbackCopies: 13,
    refusedByPeers: new Map([
      ['stamped-ahead', 2],
      ['placement', 1],
    ]),
    refusedToPeers: new Map(),
    linksClosed: new Map([['lost', 3]]),
    gossip: {
      rounds: 13,
      messagesSent: 14,
      messagesReceived: 15,
      bytesSent: 16,
      bytesReceived: 17,
      malformed: 18,
    },
  }

  /** Node i of n on 127.0.0.1, at ports 7001 + i, 8001 + i, 17001 + i, seen from member `self`. */
  constructor(count = 3, self = 0, replicas = 3) {
    this.ring = new Ring(membersOf(count), replicas)
    this.self = self
    this.members = this.ring.members.map(({ id, name, host, rack }, index) => ({
      id,
      name,
      host,
      rack,
      address: '127.0.0.1',
      port: 7001 + index,
      smartPort: 8001 + index,
      clusterPort: 17001 + index,
    }))
    for (let member = 0; member < count; member++) if (member !== self) this.links.set(member, [linkOf()])
  }

  handoffsOf(member: number): HandoffFacts {
    return this.handoffs.get(member) ?? NOTHING_HELD
  }

  stateOf(member: number): MemberState {
    return this.states.get(member) ?? 'up'
  }

  isFailed(member: number): boolean {
    return this.holdersOf(member).length >= 2
  }

  holdersOf(member: number): readonly number[] {
    return this.holders.get(member) ?? []
  }

  gossipOf(member: number): GossipFacts | null {
    return this.gossip.get(member) ?? null
  }

  unfitnessOf(member: number): readonly Unfitness[] {
    return this.unfit.get(member) ?? []
  }

  homeOf(slot: number): number {
    return this.ring.homeOf(
      slot,
      (member) => this.stateOf(member) !== 'down' && this.unfitnessOf(member).length === 0,
    )
  }

  namedHomeOf(slot: number): number {
    return this.homeOf(slot)
  }

  linksOf(member: number): readonly LinkFacts[] {
    return this.links.get(member) ?? []
  }
}
