/**
 * The cluster as one node sees it, for the commands that show it: who its members are, who is live, who is home, and what
 * has been counted. The node implements it; commands only read, and only where no request waits for speed.
 *
 * Members go by their index in `ring.members`, which is good for this ring only: a command takes `ring` and `members`
 * once and keeps neither.
 */
import type { Level } from '../coordinator/consistency.js'
import type { Ring } from '../ring/ring.js'
import type { RepairView } from './repair-view.js'

export interface ClusterView {
  /** Who has which slot. */
  readonly ring: Ring
  /** In the order of `ring.members`. */
  readonly members: readonly ClusterMember[]
  /** This node's index. */
  readonly self: number
  /** How this node sees a member; itself it sees as 'up'. */
  stateOf(member: number): MemberState
  /** Whether a member is held down by two members, or by the only live one (RULES P1). Never this one. */
  isFailed(member: number): boolean
  /** The members that hold this one down, this node among them. */
  holdersOf(member: number): readonly number[]
  /** What a member says of itself by gossip; null when it was never heard from. */
  gossipOf(member: number): GossipFacts | null
  /** Why a member may not be home although it is up; empty when it may (RULES H1). */
  unfitnessOf(member: number): readonly Unfitness[]
  /** What this node holds for a member that missed it. */
  handoffsOf(member: number): HandoffFacts
  readonly handoffTotals: HandoffTotals
  /** Index of the member that is home of the slot as this node sees it, -1 when no replica is live and fit. */
  homeOf(slot: number): number
  /** The same, for cluster clients: another replica where this node is home only because it reaches too few others. */
  namedHomeOf(slot: number): number
  /** Facts of the connections with a member, in both directions, as far as there are any. Empty for this node. */
  linksOf(member: number): readonly LinkFacts[]
  /** The levels that hold for requests of a connection that has not set its own, unless the key's prefix has others. */
  readonly readLevel: Level
  readonly writeLevel: Level
  readonly counters: ClusterCounters
  /** Null where there is no other member to exchange with. */
  readonly repair: RepairView | null
}

/** Hints, and fallback copies, that are held for one member. Counts of what became of them are since the start. */
export interface HandoffFacts {
  readonly hints: number
  readonly hintBytes: number
  readonly copies: number
  readonly copyBytes: number
  /** Age of the oldest record among them; null without any. */
  readonly oldestMs: number | null
  readonly delivered: number
  /** Hints that window or cap have dropped: enough replicas have their records. */
  readonly dropped: number
  /** Those that are gone although that is not known. */
  readonly possibleLosses: number
}

export interface HandoffTotals {
  /** What live peers say they hold for this node. */
  readonly heldForThisNode: number
  /** Whether it leaves its keys to others until it has that (RULES H1). */
  readonly isCatchingUp: boolean
  /** Log entries that left memory before hints were made of them. */
  readonly passedOver: number
  readonly lastWriteOk: boolean
}

/** 'suspicious': phi is above 5, 'down': above 8, or never heard from. */
export type MemberState = 'up' | 'suspicious' | 'down'

export type Unfitness = 'clock' | 'log' | 'disk' | 'stale' | 'catching-up' | 'isolated'

/** Where a member is reached, beside what the ring knows of it. */
export interface ClusterMember {
  /** 40 hexadecimal digits. */
  readonly id: string
  readonly name: string
  /** The address that clients are told. */
  readonly address: string
  /** For plain clients, cluster clients, and peers. */
  readonly port: number
  readonly smartPort: number
  readonly clusterPort: number
  /** Labels of placement; null when not given. */
  readonly host: string | null
  readonly rack: string | null
}

/** One connection with a peer, for CLUSTER LINKS and CLUSTER NODES. Times by the wall clock, milliseconds since 1970, 0 for never. */
export interface LinkFacts {
  /** 'to': dialed by us for our requests; 'from': dialed by the peer for its own. */
  readonly direction: 'to' | 'from'
  readonly isConnected: boolean
  readonly createdAtMs: number
  /** When a ping that is not answered yet was sent; 0 when none is under way. */
  readonly pingSentAtMs: number
  /** When the last frame came. */
  readonly heardAtMs: number
  /** Bytes that wait to be written or acknowledged, and the buffers that hold them. */
  readonly sendBufferUsedBytes: number
  readonly sendBufferAllocatedBytes: number
  /** Milliseconds that the peer's wall clock is ahead of ours; NaN when it is not known. */
  readonly clockOffsetMs: number
  /** The shortest of the latest round trips; NaN when there is none. */
  readonly roundTripMs: number
}

/** What a member said when it was last heard of. */
export interface GossipFacts {
  /** Wall milliseconds of its start. */
  readonly generation: number
  /** 'running' or 'stopped' (in order). */
  readonly status: string
}

/** Counts since the start, read when INFO is asked for. */
export interface ClusterCounters {
  /** Merges on this node that left a key more than one sibling; records taken in whose vector has more than 10 entries (RULES V7). */
  readonly siblingMerges: number
  readonly longVectorsReceived: number
  /** Reads whose replicas differed; records that were written back for it. */
  readonly readMismatches: number
  readonly readRepairs: number
  /** Reads that asked a further replica because one was slow. */
  readonly speculativeReads: number
  /** Requests that went to their home, and those that came from another node. */
  readonly forwardedRequests: number
  readonly receivedRequests: number
  /** Conditional writes that were proposed, those refused and proposed again. */
  readonly proposals: number
  readonly proposalRetries: number
  /** Answered -UNCERTAIN, -NOREPLICAS, -CLOCK. */
  readonly uncertainWrites: number
  readonly noReplicas: number
  readonly clockRefusals: number
  /** Records that other nodes were asked to keep for replicas that were down. */
  readonly fallbackCopies: number
  /** By reason ('placement', 'not-covered', …): what peers refused of ours, and what we refused of theirs. */
  readonly refusedByPeers: ReadonlyMap<string, number>
  readonly refusedToPeers: ReadonlyMap<string, number>
  /** By reason (CloseReason): connections between nodes that ended or never came to be. */
  readonly linksClosed: ReadonlyMap<string, number>
  readonly gossip: GossipCounters
}

/** Messages and their bytes, without what the links add. */
export interface GossipCounters {
  readonly rounds: number
  readonly messagesSent: number
  readonly messagesReceived: number
  readonly bytesSent: number
  readonly bytesReceived: number
  /** Messages that were no gossip, and what broke a bound. */
  readonly malformed: number
}
