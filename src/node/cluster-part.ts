/**
 * What makes a node a member of a cluster: its links, who is home of what, the coordinator and the replica, put together
 * over the node's store. A node that is alone has none of it.
 *
 *     store -> RecordMerger -> Replica         what peers write here and ask
 *     links -> Peer -> Topology, Coordinator   what is asked of peers
 *     KeyedRequests, PeerCommands              commands on keys, of clients and of other nodes
 */
import type { Clock, Timer } from '../env/clock.js'
import type { Disk } from '../env/disk.js'
import type { Log } from '../env/log.js'
import type { Network } from '../env/network.js'
import type { Random } from '../env/random.js'
import { BatchGlance } from '../coordinator/batch-glance.js'
import { Coordinator } from '../coordinator/coordinator.js'
import { CoordinatorCounters } from '../coordinator/coordinator-counters.js'
import { JudgedClock } from '../coordinator/judged-clock.js'
import type { KeyPolicies } from '../coordinator/key-policies.js'
import type { LocalKeyspace, PolicyOf } from '../coordinator/local-keyspace.js'
import {
  COMMAND,
  DIGEST,
  GOSSIP,
  EXCHANGE,
  FALLBACK,
  HINT,
  PROPOSAL,
  READ,
  RECORD,
} from '../coordinator/messages.js'
import type { OperationTable } from '../coordinator/operation.js'
import { Peer } from '../coordinator/peer.js'
import { PurgeHorizons } from '../coordinator/purge-horizons.js'
import { RecordMerger } from '../coordinator/record-merger.js'
import { Replica } from '../coordinator/replica.js'
import { Topology } from '../coordinator/topology.js'
import type { CloseReason } from '../link/close-reason.js'
import type { Hello } from '../link/hello.js'
import type { IncomingLink, IncomingLinkUser } from '../link/incoming-link.js'
import type { LinkNode } from '../link/link-node.js'
import { Links } from '../link/links.js'
import { CATCHING_UP, CLOCK_IN_DOUBT, DISK_FULL, ISOLATED, LOG_NOT_WRITABLE, STOPPING } from '../link/ping.js'
import { hlcToWallMs, wallMsToHlc } from '../record/hlc.js'
import { readU53 } from '../util/bytes.js'
import { FlushMarks } from '../coordinator/flush-marks.js'
import { OwnAnswers } from '../coordinator/own-answers.js'
import { WholeKeyspace } from './whole-keyspace.js'
import type { HandoffStore } from '../repair/handoff-store.js'
import type { Ring } from '../ring/ring.js'
import type { PeerCommands } from '../server/peer-commands.js'
import type { Store } from '../storage/store.js'
import { assert } from '../util/assert.js'
import { DamagePart } from './damage-part.js'
import { RepairPart } from './repair-part.js'
import type { RepairPartOptions } from './repair-part.js'
import { HandoffPart } from './handoff-part.js'
import type { ClusterConfig } from './node-config.js'
import { GossipPart } from './gossip-part.js'
import { linkSettings } from './link-settings.js'
import { SeenCluster } from './seen-cluster.js'
import { encodePeerState, judgePeer } from './peer-state.js'
import { decodePingState, NO_STALE_RANGES, PingStateEncoder, STALE_BYTES_MAX } from './ping-state.js'

const JUDGE_EVERY_MS = 100
/** After so many of them every peer has been told by a ping that this node leaves. */
const HOMES_MOVE_PINGS = 2.5
const DRAIN_STEP_MS = 10
const U53_BYTES = 7

export class ClusterPart implements LinkNode, IncomingLinkUser {
  readonly nodeId: string
  readonly bootId: number
  readonly ring: Ring
  readonly links: Links
  readonly topology: Topology
  readonly coordinator: Coordinator
  readonly merger: RecordMerger
  readonly replica: Replica
  readonly gossip: GossipPart
  readonly horizons: PurgeHorizons
  /** Null when there is no other member. */
  readonly repair: RepairPart | null
  /** As repair. */
  readonly damage: DamagePart | null
  /** Null when there is no other member. */
  readonly keyspace: WholeKeyspace | null
  readonly answers: OwnAnswers
  readonly handoffs: HandoffPart
  readonly policies: KeyPolicies
  readonly #marks: FlushMarks
  readonly #pingState = new PingStateEncoder()
  readonly #counts = new CoordinatorCounters()
  readonly #clock: Clock
  readonly #log: Log
  readonly #store: Store
  readonly #keyspace: LocalKeyspace
  readonly #settings: () => ClusterConfig
  /** For the commands that show it. */
  readonly seen: SeenCluster
  readonly #helloState: Buffer
  readonly #peers: (Peer | null)[]
  readonly #glance: BatchGlance
  #commands: PeerCommands | null = null
  #isStopping = false
  /** It reaches no majority of the members. */
  #isIsolated = false
  readonly #judged: JudgedClock
  #timer: Timer | null = null

  constructor(options: {
    env: { clock: Clock; log: Log; network: Network; random: Random; disk: Disk }
    directory: string
    store: Store
    keyspace: LocalKeyspace
    operations: OperationTable
    policies: KeyPolicies
    ring: Ring
    /** As it is now. */
    settings: () => ClusterConfig
    handoffs: HandoffStore
    secret: string
    directoryId: string
    announceAddress: string
  }) {
    const { env, store, keyspace, ring, policies } = options
    const config = options.settings()
    this.#clock = env.clock
    this.#log = env.log
    this.#store = store
    this.#glance = new BatchGlance(store)
    this.#keyspace = keyspace
    this.#settings = options.settings
    this.policies = policies
    this.ring = ring
    this.nodeId = config.self.id
    this.horizons = new PurgeHorizons(ring)
    this.bootId = env.random.next53()
    this.#judged = new JudgedClock(env.clock, config.maxClockDriftMs, ring.members.length === 1, {
      jumped: () => this.#peers.forEach((peer) => peer?.link.clock.clear()),
      doubtChanged: (inDoubt, offsetsMs) => this.#doubtChanged(inDoubt, offsetsMs),
    })
    keyspace.judgeExpiryBy(() => this.#judged.expiryMs())
    this.#helloState = encodePeerState({
      name: config.node,
      list: ring.describe(),
      directoryId: options.directoryId,
      announceAddress: options.announceAddress,
    })
    const self = ring.indexOf(this.nodeId)
    assert(self !== -1, 'a node is a member of its own list')
    const user = this.#peerUser()
    this.#peers = ring.members.map((_, member) => (member === self ? null : new Peer(member, user)))
    this.topology = new Topology(ring, self, this.#peers)
    this.gossip = new GossipPart({
      clock: env.clock,
      random: env.random,
      peers: this.#peers,
      intervalMs: config.gossipIntervalMs,
      directoryId: options.directoryId,
      announceAddress: options.announceAddress,
    })
    this.gossip.onChanged((member, name) => {
      if (name === 'ADDRESS') this.seen.takeAddress(member)
    })
    const policyOf: PolicyOf = (bytes, start, end) => policies.of(bytes, start, end).conflicts
    keyspace.usePolicies(policyOf)
    if (ring.members.length > 1) keyspace.useHorizons((slot) => this.horizons.ofSlot(slot))
    this.merger = new RecordMerger(store, env.clock, {
      policyOf,
      witness: (hlc) => this.witness(hlc),
      horizonOf: (slot) => this.horizons.ofSlot(slot),
      onCorruptDots: (_bytes, _start, _end, dots) => {
        this.#log.error('one dot came with two contents', { dots: dots.length })
      },
    })
    this.coordinator = new Coordinator({
      clock: env.clock,
      random: env.random,
      operations: options.operations,
      topology: this.topology,
      keyspace,
      merger: this.merger,
      counters: this.#counts,
      settings: () => this.config,
      missed: {
        missed: (member, first, last) => this.handoffs.missed(member, first, last),
        uncertain: (first, last) => this.handoffs.uncertain(first, last),
      },
      stampLimit: () => this.#stampLimit(),
    })
    this.replica = new Replica(store, this.merger, env.clock, {
      ring: () => ring,
      ownIndex: () => self,
      stampLimit: () => this.#stampLimit(),
      purgeHorizonMs: (slot) => this.horizons.ofSlot(slot),
      isHeld: (first) => this.coordinator.gates.isHeld(first),
      isServed: (slot) => this.topology.ranges.isCurrent(ring.rangeOfSlot[slot]),
    })
    this.#marks = new FlushMarks(store, keyspace, () => this.#stampLimit())
    this.answers = new OwnAnswers({
      clock: env.clock,
      store,
      keyspace,
      topology: this.topology,
      takeMark: (mark) => this.#marks.take(mark),
    })
    this.repair = this.topology.isAlone ? null : this.#repairPart(options)
    this.damage =
      this.repair === null ? null : new DamagePart({ env, store, keyspace, ring, self, repair: this.repair })
    if (!this.topology.isAlone) keyspace.limitStamps(() => this.#stampLimit())
    this.handoffs = new HandoffPart({
      clock: env.clock,
      log: env.log,
      handoffs: options.handoffs,
      store,
      keyspace,
      merger: this.merger,
      replica: this.replica,
      ring,
      self,
      peers: this.#peers,
      settledSequence: () => this.coordinator.settledSequence,
      settings: () => this.config,
      stampLimit: () => this.#stampLimit(),
      witness: (hlc) => this.witness(hlc),
      restoredHlc: () => this.repair?.restoredHlc ?? 0,
      gossipOldest: (bytes) => this.gossip.setOwn('OLDEST_HANDOFF', bytes),
      isStale: (slot) => !this.topology.ranges.isCurrent(ring.rangeOfSlot[slot]),
      exchangedAtMs: (member) => this.repair?.exchangedAtMs(member) ?? 0,
      fitnessChanged: () => this.#refresh(),
    })
    this.keyspace = this.topology.isAlone ? null : this.#wholeKeyspace(env.random)
    this.links = new Links(env, this, linkSettings(config, options.secret), this)
    this.seen = this.#seenCluster(options.announceAddress)
  }

  #seenCluster(announceAddress: string): SeenCluster {
    const { members } = this.config
    const listed = this.ring.members.map(({ id }) => {
      const member = members.find((one) => one.id === id)
      assert(member !== undefined, 'the ring is that of the configured members')
      return id === this.nodeId ? { ...member, address: announceAddress } : member
    })
    return new SeenCluster(listed, {
      clock: this.#clock,
      topology: this.topology,
      peers: this.#peers,
      links: this.links,
      gossip: this.gossip,
      handoffs: this.handoffs,
      coordinator: this.coordinator,
      merger: this.merger,
      replica: this.replica,
      counts: this.#counts,
      repair: this.repair,
      settings: () => this.config,
      fitness: () => this.fitness(),
    })
  }

  /** Opens the peer port and begins to dial. Rejects with EADDRINUSE and the like. */
  async start(host: string, port: number, commands: PeerCommands): Promise<number> {
    this.#commands = commands
    const user = this.#peers
    const bound = await this.links.listen(host, port)
    for (const { id, address, clusterPort } of this.config.members) {
      const peer = user[this.ring.indexOf(id)]
      if (peer === null) continue
      peer.link = this.links.peer(address, clusterPort, peer, id)
    }
    this.#refresh()
    this.handoffs.start()
    this.#timer = this.#clock.after(JUDGE_EVERY_MS, this.#judge)
    this.gossip.start()
    this.damage?.start()
    this.repair?.start()
    return bound
  }

  /**
   * Leaves in order: says that it is no home any more, ends what is under way, its own and what others have sent, and closes the
   * links. Takes as long as a write may take.
   */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#refresh()
    this.gossip.leave()
    const deadlineMs = this.#clock.monotonicMs() + this.config.writeTimeoutMs
    await this.#pause(HOMES_MOVE_PINGS * this.config.pingIntervalMs)
    while (this.coordinator.operations.underWay > 0 && this.#clock.monotonicMs() < deadlineMs) {
      await this.#pause(DRAIN_STEP_MS)
    }
    this.#timer?.cancel()
    this.gossip.stop()
    this.damage?.stop()
    this.repair?.stop()
    this.#commands?.stop()
    this.coordinator.stop()
    await this.links.close()
    await this.handoffs.stop()
  }

  get config(): ClusterConfig {
    return this.#settings()
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(delayMs, resolve))
  }

  #repairPart(options: Pick<RepairPartOptions, 'env' | 'directory' | 'directoryId'>): RepairPart {
    const { env, directory, directoryId } = options
    return new RepairPart({
      env,
      directory,
      directoryId,
      bootId: this.bootId,
      store: this.#store,
      keyspace: this.#keyspace,
      merger: this.merger,
      topology: this.topology,
      horizons: this.horizons,
      settings: () => this.config,
      witnesses: {
        holdersOf: (member) => this.gossip.holdersOf(member),
        isFailed: (member) => this.gossip.isFailed(member),
        holdsNoneBeforeMs: (member) => this.#holdsNoneBeforeMs(member),
        clockIsInDoubt: () => this.#judged.wasInDoubt,
      },
      stampLimit: () => this.#stampLimit(),
      linkOf: (member) => {
        const peer = this.#peers[member]
        assert(peer !== null, 'links lead to other members')
        return peer.link
      },
    })
  }

  /** RULES P1. */
  #holdsNoneBeforeMs(member: number): number {
    const state = this.gossip.stateOf(member, 'OLDEST_HANDOFF')
    if (state === null) return 0
    const saidAtMs = member === this.topology.self ? Infinity : this.gossip.saidAtMs(member)
    return state.length < U53_BYTES ? saidAtMs : Math.min(saidAtMs, hlcToWallMs(readU53(state, 0)))
  }

  #wholeKeyspace(random: Random): WholeKeyspace {
    const { coordinator, answers } = this
    const marks = this.#marks
    return new WholeKeyspace({
      coordinator,
      answers,
      marks,
      random,
      settings: () => this.config,
      clockInDoubt: () => this.#judged.wasInDoubt,
      isFailed: (member) => this.gossip.isFailed(member),
    })
  }

  /** Asked before every write. */
  get inDoubt(): boolean {
    return this.#judged.inDoubt
  }

  durableAdvanced(): void {
    this.replica.durableAdvanced()
    this.#commands?.durableAdvanced()
    // Now, and not at the end of a turn that is just ending: somebody's client waits for it.
    for (const link of this.links.incoming) link.flush()
  }

  roomChanged(): void {
    this.replica.roomChanged()
    this.coordinator.roomChanged()
  }

  logFailed(): void {
    this.replica.logFailed()
    this.#refresh()
  }

  // What links ask of the node.

  ringVersion(): string {
    return this.ring.version
  }

  flushMark(): number {
    return this.#store.flushMark
  }

  helloState(): Buffer {
    return this.#helloState
  }

  pingState(peerId: string): Uint8Array {
    return this.#pingState.encode(
      this.#store.flushMark,
      this.handoffs.heldFor(peerId),
      this.topology.ranges.bits.subarray(0, STALE_BYTES_MAX),
    )
  }

  fitness(): number {
    const facts = this.#store.health
    return (
      (this.#judged.wasInDoubt ? CLOCK_IN_DOUBT : 0) |
      (facts.logFailed ? LOG_NOT_WRITABLE : 0) |
      (facts.diskIsFull || this.repair?.refusesWrites === true ? DISK_FULL : 0) |
      (this.handoffs.isCatchingUp ? CATCHING_UP : 0) |
      (this.#isStopping ? STOPPING : 0) |
      (this.#isIsolated ? ISOLATED : 0)
    )
  }

  stamp(): number {
    return this.#keyspace.stamp
  }

  witness(hlc: number): void {
    // Asked for every record: the clock is only read when there is something to judge.
    if (hlc > this.#keyspace.stamp && hlc <= this.#stampLimit()) this.#keyspace.witness(hlc)
  }

  #stampLimit(): number {
    const { maxClockDriftMs } = this.config
    return wallMsToHlc(this.#clock.wallMs() + this.#judged.aheadMs + 2 * maxClockDriftMs)
  }

  // What peers ask.

  /** RULES P4: a flush mark of the peer's comes before everything else of the link. */
  judge(hello: Hello): string | null {
    return judgePeer(hello, this.ring) ?? this.#marks.take(hello.flushMark)
  }

  onOpened(_link: IncomingLink): void {}

  onBatch(bytes: Buffer, start: number, end: number): void {
    this.#glance.at(bytes, start, end)
  }

  onRequest(
    link: IncomingLink,
    kind: number,
    bytes: Buffer,
    start: number,
    end: number,
    sequence: number,
  ): void {
    switch (kind) {
      case RECORD:
      case PROPOSAL:
      case DIGEST:
      case READ:
      case HINT:
        return this.replica.onRequest(link, kind, bytes, start, end, sequence)
      case EXCHANGE:
        this.repair?.onRequest(link.hello?.nodeId ?? '', link, bytes, start, end)
        return this.replica.passed(link, sequence)
      case COMMAND:
        this.#commands?.accept(link, bytes, start, end)
        return this.replica.passed(link, sequence)
      case GOSSIP:
        this.gossip.onRequest(link, bytes, start, end)
        return this.replica.passed(link, sequence)
      case FALLBACK:
        return this.handoffs.onFallback(link, bytes, start, end, sequence)
      default:
        return this.replica.passed(link, sequence)
    }
  }

  onDrained(link: IncomingLink): void {
    this.#commands?.linkDrained(link)
  }

  onClosed(link: IncomingLink, _reason: CloseReason): void {
    this.replica.linkClosed(link)
    this.#commands?.linkClosed(link)
  }

  #peerUser(): ConstructorParameters<typeof Peer>[1] {
    return {
      judge: (hello) => this.judge(hello),
      peerChanged: (peer) => this.#peerChanged(peer),
      acked: (operation, bit) => this.coordinator.acked(operation, bit),
      ackLost: (operation, bit, mayHaveArrived) => this.coordinator.ackLost(operation, bit, mayHaveArrived),
      answersLost: (peer, handed) => this.coordinator.answersLost(peer, handed),
      answersOverdue: (peer) => this.coordinator.answersOverdue(peer),
      digestIs: (peer, request, first, second) => this.coordinator.digestIs(peer, request, first, second),
      recordIs: (peer, request, bytes, start, end) =>
        this.coordinator.recordIs(peer, request, bytes, start, end),
      replyIs: (peer, request, bytes, start, end) =>
        this.coordinator.replyIs(peer, request, bytes, start, end),
      cannot: (peer, request, reason) => this.coordinator.cannot(peer, request, reason),
      gossipIs: (peer, request, bytes, start, end) => this.gossip.onAnswer(peer, request, bytes, start, end),
      exchangeIs: ({ member }, bytes, start, end) => this.repair?.answered(member, bytes, start, end),
      linkChanged: ({ member }, change) => this.repair?.linkChanged(member, change),
      refused: (peer, operation, reason) => this.coordinator.refused(peer, operation, reason),
    }
  }

  #peerChanged(peer: Peer): void {
    const state = decodePingState(peer.link.pingState)
    if (state !== null) this.#marks.take(state.flushMark)
    peer.staleBits = state?.staleBits ?? NO_STALE_RANGES
    this.handoffs.peerChanged(peer)
    this.#judgeClock()
  }

  #refresh(): void {
    const live = this.#peers.filter((peer) => peer === null || peer.isLive).length
    this.#isIsolated = 2 * live <= this.#peers.length
    this.gossip.peersChanged()
    this.topology.readsElsewhere = this.#store.health.logFailed
    // Others do better to ask somebody else; for itself it is who is left, for what one replica can answer.
    const flags = this.fitness() & ~ISOLATED
    this.topology.refresh((flags & ~CATCHING_UP) === 0, (flags & CATCHING_UP) !== 0)
  }

  #doubtChanged(inDoubt: boolean, offsetsMs: readonly number[]): void {
    const facts = { offsets: offsetsMs.map(Math.round).join(' ') }
    if (inDoubt) this.#log.error('this node’s clock is in doubt: it writes nothing', facts)
    else this.#log.warn('this node’s clock is no longer in doubt', facts)
    this.#refresh()
  }

  /** How far the clocks of live peers are ahead of the own one, in milliseconds. */
  #clockOffsets(): number[] {
    const offsets: number[] = []
    for (const peer of this.#peers) {
      if (peer === null || !peer.isLive || !peer.link.clock.isKnown) continue
      offsets.push(peer.link.clock.offsetMs)
    }
    return offsets
  }

  readonly #judge = (): void => {
    this.#timer = this.#clock.after(JUDGE_EVERY_MS, this.#judge)
    this.#judgeClock()
  }

  #judgeClock(): void {
    const hasPeers = this.#peers.some((peer) => peer?.isLive === true)
    this.#judged.judge(() => this.#clockOffsets(), hasPeers)
    this.#refresh()
  }
}
