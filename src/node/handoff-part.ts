/**
 * What a node holds for others and gets from them, put together: hints of its own writes (hinter.ts), fallback copies for
 * replicas that are not live (fallback-copies.ts), handing both over (handover.ts), and whether this node itself is
 * catching up on what others hold for it (catch-up.ts).
 */
import type { Clock, Timer } from '../env/clock.js'
import type { Log } from '../env/log.js'
import type { HandoffFacts, HandoffTotals } from '../commands/cluster-view.js'
import type { BlockLoad } from '../coordinator/block-load.js'
import type { LocalKeyspace } from '../coordinator/local-keyspace.js'
import type { MissedWrites } from '../coordinator/missed-writes.js'
import type { Peer } from '../coordinator/peer.js'
import { MERGE_COLD } from '../coordinator/record-merger.js'
import type { RecordMerger } from '../coordinator/record-merger.js'
import type { Replica, ReplicaLink } from '../coordinator/replica.js'
import { CLOCK_IN_DOUBT, DISK_FULL, LOG_NOT_WRITABLE, STOPPING } from '../link/ping.js'
import { absorbs } from '../record/containment.js'
import { maxHlc } from '../record/death.js'
import { hlcToWallMs, wallMsToHlc } from '../record/hlc.js'
import { keyLength, keyStart } from '../record/layout.js'
import { CatchUp } from '../repair/catch-up.js'
import { FallbackCopies } from '../repair/fallback-copies.js'
import { HandoffBook } from '../repair/handoff-book.js'
import { COPY, HINT, KINDS, targetOf } from '../repair/handoff-entry.js'
import type { HandoffStore } from '../repair/handoff-store.js'
import { Handover } from '../repair/handover.js'
import { Hinter } from '../repair/hinter.js'
import type { Ring } from '../ring/ring.js'
import { EntryRef } from '../storage/entry.js'
import type { Store } from '../storage/store.js'
import { writeU53 } from '../util/bytes.js'
import type { ClusterConfig } from './node-config.js'
import { decodePingState } from './ping-state.js'

const LOOK_MS = 100
/** How often entries that are too old, or flushed, are looked for. */
const SWEEP_MS = 10_000
/** For hints that are written while the node stops. */
const STOP_MS_MAX = 5000
/** A member with one of these takes no writes. */
const TAKES_NOTHING = CLOCK_IN_DOUBT | LOG_NOT_WRITABLE | DISK_FULL | STOPPING

export interface HandoffWorld {
  readonly clock: Clock
  readonly log: Log
  readonly handoffs: HandoffStore
  readonly store: Store
  readonly keyspace: LocalKeyspace
  readonly merger: RecordMerger
  readonly replica: Replica
  readonly ring: Ring
  readonly self: number
  /** By member; null at `self`. Their links are there when start() is called. */
  readonly peers: readonly (Peer | null)[]
  settledSequence(): number
  settings(): ClusterConfig
  stampLimit(): number
  witness(hlc: number): void
  /** Whether this node is stale for the slot's range, or not judged yet (RULES P2). */
  isStale(slot: number): boolean
  /** Copies up to this stamp are of an older copy of the directory that was put back; 0 for none. */
  restoredHlc(): number
  /** All others are told of the oldest record that is held (RULES P1): its HLC as u53, no bytes for none. */
  gossipOldest(bytes: Uint8Array): void
  /** All ranges shared with the member were exchanged completely, none begun before this time, milliseconds since 1970; 0 when not. */
  exchangedAtMs(member: number): number
  /** This node may be home now, or may not. */
  fitnessChanged(): void
}

export class HandoffPart implements MissedWrites {
  readonly book: HandoffBook
  readonly #world: HandoffWorld
  readonly #hinter: Hinter
  readonly #fallbacks: FallbackCopies
  readonly #catchUp = new CatchUp()
  /** By member; null at `self`. */
  readonly #handovers: readonly (Handover | null)[]
  /** Members that were live when they were looked at last. */
  readonly #live = new Set<number>()
  /** Actors that this node was, since it started. */
  readonly #actors = new Set<number>()
  #timer: Timer | null = null
  #sweepAtMs = 0
  #sweptMark = 0
  /** -1: nothing was said yet, and others take it for anything. */
  #toldOldest = -1
  #isSweeping = false
  #wasCatchingUp = false

  constructor(world: HandoffWorld) {
    this.#world = world
    const { clock, log, store, ring, self, peers } = world
    const book = new HandoffBook(world.handoffs)
    this.book = book
    // RULES V4, V6: what it holds for others may be of its own.
    world.witness(book.maxHlc)
    this.#hinter = new Hinter({
      clock,
      log,
      store,
      book,
      ring,
      self,
      links: peers.map((peer) => peer && linkOf(peer)),
      isOwnActor: (actor) => actor === world.keyspace.actor || this.#actors.has(actor),
      settledSequence: () => world.settledSequence(),
      settings: () => world.settings(),
    })
    this.#fallbacks = new FallbackCopies({
      book,
      ring,
      self,
      stampLimit: () => world.stampLimit(),
      flushMark: () => store.flushMark,
      diskIsFull: () => store.health.diskIsFull,
      bytesMax: () => world.settings().maxHintsSizeBytes,
      witness: (hlc) => world.witness(hlc),
    })
    this.#handovers = peers.map((peer) => peer && this.#handoverTo(peer))
  }

  /** The peers' links are there. */
  start(): void {
    this.#hinter.start()
    this.#timer = this.#world.clock.after(LOOK_MS, this.#look)
  }

  /** Links are closed by now: what they left in doubt becomes hints. */
  async stop(): Promise<void> {
    this.#timer?.cancel()
    for (const handover of this.#handovers) handover?.stop()
    await this.#hinter.stop(STOP_MS_MAX)
    await this.book.close()
  }

  // What the coordinator tells.

  missed(member: number, first: number, last: number): void {
    this.#hinter.missed(member, first, last)
  }

  uncertain(first: number, last: number): void {
    this.#hinter.uncertain(first, last)
  }

  /** This node will be another actor. */
  actorRenewed(before: number): void {
    this.#actors.add(before)
  }

  // What peers tell and ask.

  /** Live or not, fit or not, or its pings say something new. */
  peerChanged(peer: Peer): void {
    const { member } = peer
    const { clock } = this.#world
    if (peer.isLive !== this.#live.has(member)) this.#liveChanged(peer)
    const state = decodePingState(peer.link.pingState)
    if (state !== null)
      this.#catchUp.peerHolds(member, state.handoffsForYou, clock.monotonicMs(), clock.wallMs())
    if (this.#isReady(peer)) this.#handovers[member]?.look()
    this.#judge()
  }

  #liveChanged(peer: Peer): void {
    const { member } = peer
    const { clock } = this.#world
    if (peer.isLive) {
      this.#live.add(member)
      this.#hinter.memberBack(member)
      this.#catchUp.peerLive(member, clock.monotonicMs(), clock.wallMs())
      this.#handovers[member]?.wake()
    } else {
      this.#live.delete(member)
      this.#hinter.memberAway(member)
      this.#catchUp.peerAway(member)
    }
  }

  /** A FALLBACK of a peer. */
  onFallback(link: ReplicaLink, bytes: Buffer, start: number, end: number, sequence: number): void {
    const { replica } = this.#world
    replica.begun(link, sequence)
    this.#fallbacks.take(bytes, start, end, (reason) => replica.ended(link, sequence, reason))
  }

  // What pings and commands say.

  /** RULES H1. */
  get isCatchingUp(): boolean {
    const { clock, settings } = this.#world
    return this.#catchUp.isCatchingUp(clock.monotonicMs(), settings().catchUpMaxMs)
  }

  /** Hints and copies for a member, one more as long as there may be hints that are not written yet. */
  heldFor(memberId: string): number {
    const member = this.#world.ring.indexOf(memberId)
    if (member === -1 || member === this.#world.self) return 0
    return this.book.held(memberId) + (this.#hinter.isBehind(member) ? 1 : 0)
  }

  factsOf(member: number): HandoffFacts {
    const { id } = this.#world.ring.members[member]
    const { hints, hintBytes, copies, copyBytes, dropped, possibleLosses, delivered } = this.book.of(id)
    const oldestHlc = this.book.oldestHlc(id)
    const oldestMs = oldestHlc === 0 ? null : Math.max(0, this.#world.clock.wallMs() - hlcToWallMs(oldestHlc))
    return { hints, hintBytes, copies, copyBytes, oldestMs, dropped, possibleLosses, delivered }
  }

  get totals(): HandoffTotals {
    return {
      heldForThisNode: this.#catchUp.held,
      isCatchingUp: this.isCatchingUp,
      passedOver: this.#hinter.passedOver,
      lastWriteOk: this.book.failure === null,
    }
  }

  // Time.

  readonly #look = (): void => {
    const { clock, peers } = this.#world
    this.#timer = clock.after(LOOK_MS, this.#look)
    for (const peer of peers) if (peer !== null && this.#isReady(peer)) this.#handovers[peer.member]?.look()
    this.#lookAtExchanges()
    this.#judge()
    this.#tellOldest()
    if (clock.monotonicMs() >= this.#sweepAtMs || this.#world.store.flushMark > this.#sweptMark) this.#sweep()
  }

  #lookAtExchanges(): void {
    const { clock, settings } = this.#world
    for (const member of this.#catchUp.waitedFor(clock.monotonicMs(), settings().catchUpMaxMs))
      this.#catchUp.peerExchanged(member, this.#world.exchangedAtMs(member))
  }

  #tellOldest(): void {
    const oldest = this.book.oldestHlc()
    if (oldest === this.#toldOldest) return
    this.#toldOldest = oldest
    const bytes = new Uint8Array(oldest === 0 ? 0 : 7)
    if (oldest !== 0) writeU53(bytes, 0, oldest)
    this.#world.gossipOldest(bytes)
  }

  #judge(): void {
    const { isCatchingUp } = this
    if (isCatchingUp === this.#wasCatchingUp) return
    this.#wasCatchingUp = isCatchingUp
    this.#world.fitnessChanged()
  }

  /** Drops what lies at or below the flush mark (RULES P4), and hints that are too old and known on W replicas (L4). */
  #sweep(): void {
    if (this.#isSweeping) return
    const { clock, store, settings } = this.#world
    this.#sweepAtMs = clock.monotonicMs() + SWEEP_MS
    this.#sweptMark = store.flushMark
    const oldest = wallMsToHlc(clock.wallMs() - settings().maxHintWindowMs) - 1
    for (const id of this.book.targetIds) {
      if (this.book.held(id) === 0) continue
      for (const kind of KINDS) {
        const flushed = store.flushMark === 0 ? [] : this.book.upTo(kind, id, store.flushMark)
        if (flushed.length > 0) return this.#drop(flushed)
      }
      const tooOld = this.book.upTo(HINT, id, oldest)
      if (tooOld.length === 0) continue
      this.book.lost(id, 'dropped', tooOld.length)
      return this.#drop(tooOld)
    }
  }

  #drop(entries: Parameters<HandoffBook['remove']>[0]): void {
    this.#isSweeping = true
    this.book.remove(entries, (error) => {
      this.#isSweeping = false
      // There may be more.
      if (error === null) this.#sweepAtMs = 0
    })
  }

  // Handing over.

  #isReady(peer: Peer): boolean {
    return peer.isLive && (peer.link.fitness & TAKES_NOTHING) === 0
  }

  #handoverTo(peer: Peer): Handover {
    const { clock, ring, store, settings } = this.#world
    const { id } = ring.members[peer.member]
    const handover = new Handover({
      clock,
      book: this.book,
      targetId: id,
      target: targetOf(id),
      isReady: () => this.#isReady(peer),
      listHash: (slot) => (ring.placeOf(slot, peer.member) === -1 ? null : ring.listHash(slot)),
      isStale: (slot) => this.#world.isStale(slot),
      flushMark: () => store.flushMark,
      send: (kind, listHash, bytes, start, end) =>
        kind === COPY && this.#isPurgeHeldFor(peer, maxHlc(bytes, start))
          ? peer.sendRecord(listHash, bytes, start, end)
          : peer.sendHint(listHash, bytes, start, end),
      covers: (bytes, record, done) => this.#covers(bytes, record, null, done),
      throttleBytes: () => settings().hintedHandoffThrottleBytes,
    })
    peer.others = handover
    return handover
  }

  /**
   * Whether purging has waited for a copy of this stamp (RULES L5), so that it may come however old it is. Not for one of an older
   * copy of the directory, which the others did not know of: that one is refused where it is older than what was purged, as a hint
   * is. Whether it is one is known once the peer was looked at.
   */
  #isPurgeHeldFor(peer: Peer, hlc: number): boolean {
    return peer.isJudged && hlc > this.#world.restoredHlc()
  }

  /** Whether the own record of the key, which may have to be read from the disk, covers the one at bytes[record]. */
  #covers(bytes: Buffer, record: number, before: BlockLoad | null, done: (covers: boolean) => void): void {
    const { merger, store } = this.#world
    const entry = new EntryRef()
    const key = keyStart(record)
    if (merger.find(bytes, key, key + keyLength(bytes, record), entry) === MERGE_COLD) {
      merger.startLoads((load) => {
        if (load.error === null) return this.#covers(bytes, record, load, done)
        load.release()
        done(false)
      }, before)
      return
    }
    const covers =
      entry.record !== 0 && absorbs(entry.bytes, entry.record, bytes, record, false, store.flushMark)
    before?.release()
    done(covers)
  }
}

function linkOf(peer: Peer): ConstructorParameters<typeof Hinter>[0]['links'][number] {
  return {
    get isLive() {
      return peer.isLive
    },
    get lastSequence() {
      return peer.link.lastSequence
    },
    get watermark() {
      return peer.link.watermark
    },
  }
}
