/**
 * Turns what a command did on this node into something that enough replicas agree on. The server runs commands; this
 * decides where one runs, and after it has run here, what has to be awaited before its reply may leave:
 *
 *     read          digests of what it saw, from R-1 other replicas; where they differ, see read-repair.ts
 *     blind write   appended here already: the records go to the other replicas, W-1 watermarks
 *     conditional   proposed with the context it was based on; own append after enough have taken it (own-append.ts)
 *     elsewhere     sent to the home, which answers with the reply
 *
 * What is waited for is an Operation; when it settles, its reply leaves through its sink. Everything has an end: the
 * tick walks operations from the oldest on and ends those whose time is up, as honestly as can be: -NOREPLICAS where
 * nothing was applied, -UNCERTAIN where it may have been.
 */
import type { Clock } from '../env/clock.js'
import type { Random } from '../env/random.js'
import { recordLength } from '../record/layout.js'
import { Digest } from '../record/digest.js'
import type { Level } from './consistency.js'
import { proposalLevel, required } from './consistency.js'
import type { CoordinatorCounters } from './coordinator-counters.js'
import { KeyGates } from './key-gates.js'
import type { LocalKeyspace } from './local-keyspace.js'
import { MODE_HOME, MODE_LOCAL, REASON_FLUSHED, REASON_STALE } from './messages.js'
import type { MissedWrites } from './missed-writes.js'
import type { Operation, OperationTable } from './operation.js'
import {
  CONFIRMING,
  FORWARDED,
  PROPOSING,
  QUEUED,
  REPAIRING,
  SMALL_REPLY_BYTES,
  WRITING,
  proposedRecords,
} from './operation.js'
import type { Peer } from './peer.js'
import { OwnAppend } from './own-append.js'
import { ReadRepair } from './read-repair.js'
import type { AgreedRecord } from './read-repair.js'
import type { RecordMerger } from './record-merger.js'
import type { Topology } from './topology.js'
import { CorruptionError } from '../storage/corruption-error.js'
import { bitCount } from '../util/bits.js'
import { NOBODY } from './topology.js'

const TICK_MS = 20
/** A forwarded request may take this much longer than at its home, which is the one to say how it ended. */
const FORWARD_SLACK_MS = 500
const RETRY_MIN_MS = 1
const RETRY_MAX_MS = 128

export interface CoordinatorSettings {
  readonly writeTimeoutMs: number
  readonly readTimeoutMs: number
  readonly speculativeDelayMs: number
  /** Whether fallback copies count where fewer than W replicas live (RULES L5). */
  readonly sloppyQuorum: boolean
}

/** The server, as far as the coordinator needs it. */
export interface Runner {
  /** Runs an operation's request, which has not settled, from its start: the same as a new one, but for its sink. */
  run(operation: Operation): void
  /** Renders an error of the store as the operation's reply. */
  fail(operation: Operation, error: Error): void
}

export class Coordinator {
  readonly operations: OperationTable
  readonly gates = new KeyGates()
  readonly topology: Topology
  readonly keyspace: LocalKeyspace
  readonly merger: RecordMerger
  readonly counters: CoordinatorCounters
  readonly clock: Clock
  readonly stampLimit: () => number
  readonly #random: Random
  readonly #settings: () => CoordinatorSettings
  readonly #missed: MissedWrites
  readonly #digest = new Digest()
  #runner: Runner | null = null
  #stopped = false
  /** What goes on when the log has room again. */
  #waitingForRoom: (() => void)[] = []

  constructor(options: {
    clock: Clock
    random: Random
    operations: OperationTable
    topology: Topology
    keyspace: LocalKeyspace
    merger: RecordMerger
    counters: CoordinatorCounters
    settings: () => CoordinatorSettings
    missed: MissedWrites
    /** The highest stamp that is believed (RULES C2). */
    stampLimit: () => number
  }) {
    this.clock = options.clock
    this.#random = options.random
    this.operations = options.operations
    this.topology = options.topology
    this.keyspace = options.keyspace
    this.merger = options.merger
    this.counters = options.counters
    this.#settings = options.settings
    this.#missed = options.missed
    this.stampLimit = options.stampLimit
  }

  start(runner: Runner): void {
    this.#runner = runner
    this.clock.after(TICK_MS, this.#tick)
  }

  stop(): void {
    this.#stopped = true
  }

  // Rounds.

  /** The records that a blind write has just appended here go to the other replicas of `operation.slot`. */
  replicate(operation: Operation, level: Level): void {
    const { journal } = this.keyspace
    const { ring } = this.topology
    const { slot } = operation
    const needed = required(level, ring.replicas)
    operation.state = WRITING
    operation.needed = needed - 1
    // What it has written is the newest that there is.
    operation.ownLast = operation.needSequence
    operation.ownFirst = operation.needSequence - journal.writes + 1
    const listHash = ring.listHash(slot)
    for (let place = 0; place < ring.replicas; place++) {
      const peer = this.topology.livePeerAt(slot, place)
      if (peer === null) continue
      let first = -1
      let last = -1
      for (let i = 0; i < journal.writes; i++) {
        const bytes = journal.writtenIn[i]
        const at = journal.writtenAt[i]
        last = peer.sendRecord(listHash, bytes, at, at + recordLength(bytes, at))
        if (last === -1) break
        if (first === -1) first = last
      }
      if (last === -1 || last - first + 1 < journal.writes) this.#missedBy(peer.member, operation)
      if (last === -1) continue
      operation.asked |= 1 << place
      peer.acks.add(first, last, 1 << place, operation)
    }
    const missing = needed - this.topology.liveReplicas(slot)
    if (missing > 0) this.#sendFallbacks(operation, listHash, missing)
    this.#judgeWrite(operation)
  }

  /** Whether so many members can have a blind write of the slot now, fallback copies included. */
  reaches(slot: number, needed: number): boolean {
    if (!this.#settings().sloppyQuorum) return false
    return this.topology.liveReplicas(slot) + this.topology.fallbackPeers(slot).length >= needed
  }

  /**
   * Whom cluster clients are sent to with the slot: its home. But a node that is its home because it reaches too few others, for
   * reads at `readLevel` as for writes at `writeLevel`, names the next replica instead: on the other side of a partition that
   * one is home. A client that it kept would get nothing but errors, and a client's map of slots from here would lead all there.
   */
  namedHomeOf(slot: number, readLevel: Level, writeLevel: Level): number {
    const { topology } = this
    const home = topology.homeOf(slot)
    if (home !== topology.self) return home
    const { replicas } = topology.ring
    const [toRead, toWrite] = [required(readLevel, replicas), required(writeLevel, replicas)]
    const isOfUse = topology.liveReplicas(slot) >= Math.min(toRead, toWrite) || this.reaches(slot, toWrite)
    return isOfUse ? home : topology.replicaBeside(slot)
  }

  /** RULES L5: fewer replicas live than are needed, so others keep the records for those that do not; `wanted` have to take them. */
  #sendFallbacks(operation: Operation, listHash: number, wanted: number): void {
    const { journal } = this.keyspace
    const { ring } = this.topology
    const { slot } = operation
    let targets = 0
    for (let place = 0; place < ring.replicas; place++) {
      if (!this.topology.isLive(ring.memberAt(slot, place))) targets |= 1 << place
    }
    this.topology.fallbackPeers(slot).forEach((peer, i) => {
      const bit = 1 << (ring.replicas + i)
      let first = -1
      let last = -1
      for (let w = 0; w < journal.writes; w++) {
        const bytes = journal.writtenIn[w]
        const at = journal.writtenAt[w]
        last = peer.sendFallback(listHash, wanted, targets, bytes, at, at + recordLength(bytes, at))
        if (last === -1) return
        if (first === -1) first = last
      }
      this.counters.fallbackCopies += journal.writes
      operation.asked |= bit
      peer.acks.add(first, last, bit, operation)
    })
  }

  /** A replica may not have what the operation has written here. */
  #missedBy(member: number, { slot, ownFirst, ownLast }: Operation): void {
    if (ownLast === 0 || this.topology.ring.placeOf(slot, member) === NOBODY) return
    this.#missed.missed(member, ownFirst, ownLast)
  }

  /** Own log entries up to this sequence belong to writes that have ended; Infinity when all have. */
  get settledSequence(): number {
    let settled = Infinity
    for (let operation = this.operations.oldest; operation !== null; operation = operation.after) {
      if (operation.state === WRITING) settled = Math.min(settled, operation.ownFirst - 1)
    }
    return settled
  }

  /** What a read has just seen is compared with other replicas'. `key` is bytes[start, end). */
  confirm(operation: Operation, level: Level): void {
    const { journal } = this.keyspace
    const { ring } = this.topology
    operation.needed = required(level, ring.replicas) - 1
    if (operation.needed <= 0) return this.operations.settle(operation)
    operation.level = level
    if (journal.finds !== 1) {
      // Its keys have been read by a quorum just before it ran.
      if (operation.isPrepared) return this.operations.settle(operation)
      return this.#repair(operation)
    }
    operation.state = CONFIRMING
    this.keyspace.digestFound(0, this.#digest)
    operation.digestFirst = this.#digest.first
    operation.digestSecond = this.#digest.second
    const bytes = journal.keyIn[0]
    this.#askDigests(operation, bytes, journal.keyStarts[0], journal.keyEnds[0], operation.needed)
  }

  /** Proposes what the overlay holds, at a level that is one for proposals. The operation holds the keys until it is decided. */
  propose(operation: Operation, level: Level): void {
    const { overlay } = this.keyspace
    const { ring } = this.topology
    const { slot } = operation
    operation.state = PROPOSING
    operation.needed = required(level, ring.replicas) - 1
    operation.level = level
    operation.draft = proposedRecords(overlay)
    for (const keyHash of operation.draft.keyHashes) this.gates.hold(keyHash, operation)
    this.counters.proposals++
    const listHash = ring.listHash(slot)
    for (let place = 0; place < ring.replicas; place++) {
      const peer = this.topology.servingPeerAt(slot, place)
      if (peer === null) continue
      const sequence = peer.sendProposal(listHash, overlay)
      if (sequence === -1) continue
      operation.asked |= 1 << place
      peer.acks.add(sequence, sequence, 1 << place, operation)
    }
    overlay.clear()
    this.#judgeProposal(operation)
  }

  /** Sends an operation's request to `target`, which coordinates it, or answers it from its own data. */
  forward(operation: Operation, target: number): void {
    const peer = this.topology.peers[target]
    operation.state = FORWARDED
    operation.target = target
    operation.linkSequence = peer?.sendCommand(operation, operation.isCall ? MODE_LOCAL : MODE_HOME) ?? -1
    if (!operation.isCall) this.counters.forwardedRequests++
    if (operation.linkSequence !== -1) return
    if (operation.isCall) this.#noAnswer(operation)
    // The link has its fill for now.
    else if (peer?.isLive === true) this.routeAgain(operation)
    else this.noReplicas(operation)
  }

  // Settling.

  noReplicas(operation: Operation): void {
    this.counters.noReplicas++
    const what = operation.isWrite ? 'write' : 'read'
    operation.keepError(`NOREPLICAS Not enough good replicas to ${what}.`)
    this.operations.settle(operation)
  }

  /**
   * What this node holds of the operation's keys cannot be read; nothing was applied. Where it has become a gap, another replica
   * answers: whoever has forwarded the request here asks it.
   */
  unreadable(operation: Operation, error: Error): void {
    const isGap = error instanceof CorruptionError && !this.topology.servesHere(operation.slot)
    if (!isGap) return this.fail(operation, error)
    if (operation.isFromPeer) return this.notHere(operation)
    this.routeAgain(operation)
  }

  /** This node does not answer for the operation's slot any more: the one that has sent it here is told so, and asks another. */
  notHere(operation: Operation): void {
    operation.cannotReason = REASON_STALE
    this.operations.settle(operation)
  }

  /** The member that was called says nothing. */
  #noAnswer(operation: Operation): void {
    operation.keepError('NOREPLICAS the member did not answer')
    this.operations.settle(operation)
  }

  /** The own store refuses: nothing was applied. */
  fail(operation: Operation, error: Error): void {
    this.#runner?.fail(operation, error)
    this.operations.settle(operation)
  }

  /** The write may have been applied. `own`: copies of it on this node. */
  uncertain(operation: Operation, own = 1): void {
    this.counters.uncertainWrites++
    if (operation.ownLast > 0) this.#missed.uncertain(operation.ownFirst, operation.ownLast)
    const needSequence = operation.needSequence
    operation.keepError(operation.state === FORWARDED ? HOME_SILENT : uncertainText(operation, own))
    operation.needSequence = needSequence
    this.operations.settle(operation)
  }

  // Writes.

  /** A watermark, or a refusal below one. */
  acked(operation: Operation, bit: number): void {
    if (awaitsAck(operation, bit)) {
      operation.answered |= bit
      if ((operation.refused & bit) === 0) operation.agreed++
      this.#judge(operation)
    }
    this.operations.unreference(operation)
  }

  ackLost(operation: Operation, bit: number, mayHaveArrived: boolean): void {
    operation.lost |= bit
    if (awaitsAck(operation, bit)) {
      if (mayHaveArrived) operation.answered |= bit
      else operation.asked &= ~bit
      this.#judge(operation)
    }
    this.operations.unreference(operation)
  }

  #judge(operation: Operation): void {
    if (operation.state === WRITING) this.#judgeWrite(operation)
    else if (operation.state === PROPOSING) this.#judgeProposal(operation)
    else operation.repair?.judge()
  }

  #judgeWrite(operation: Operation): void {
    if (operation.agreed >= operation.needed) this.operations.settle(operation)
    else if (operation.answered === operation.asked) this.#unwritten(operation)
  }

  /**
   * Too few have taken the write. Where a flush mark above its dots was the reason, they are void, and the request runs again: the
   * refusal has brought the other's clock, so what is minted now lies above the mark (RULES P4).
   */
  #unwritten(operation: Operation): void {
    const ageMs = this.clock.monotonicMs() - operation.startedAtMs
    if (!operation.isFlushed || ageMs >= this.#settings().writeTimeoutMs) return this.uncertain(operation)
    operation.attempts++
    this.runAgain(operation)
  }

  #judgeProposal(operation: Operation): void {
    const { agreed, needed, asked, answered, refused } = operation
    if (agreed >= needed) return this.#appendOwn(operation, true)
    if (answered !== asked) return
    if (asked === refused) return this.#refusedByAll(operation)
    this.#appendOwn(operation, false)
  }

  /** RULES V10: the home's own append merges into the current record; then the keys are free again. */
  #appendOwn(operation: Operation, taken: boolean): void {
    const { draft } = operation
    if (draft === null) return
    // Whatever comes from now on changes nothing: the operation is decided.
    operation.answered = operation.asked
    operation.state = QUEUED
    // It may settle before, when its time is up: the keys are held in its name until the append is done.
    operation.references++
    const awaitRoom = (again: () => void): boolean => this.awaitRoom(operation, again)
    new OwnAppend(this.merger, draft, awaitRoom, (first, sequence, error) => {
      operation.ownFirst = first
      operation.ownLast = sequence
      this.#missedByOthers(operation)
      const waiting = draft.keyHashes.flatMap((keyHash) => this.gates.release(keyHash, operation))
      if (operation.state === QUEUED) {
        operation.needSequence = Math.max(operation.needSequence, sequence)
        if (taken && error === null) this.operations.settle(operation)
        else this.uncertain(operation, error === null ? 1 : 0)
      }
      this.operations.unreference(operation)
      this.#runWaiting(waiting)
    }).start()
  }

  /** RULES V10: only with its own append does what was proposed become a hint, for those that have not taken it. */
  #missedByOthers(operation: Operation): void {
    const { ring, self } = this.topology
    const { slot, asked, refused, lost } = operation
    for (let place = 0; place < ring.replicas; place++) {
      const member = ring.memberAt(slot, place)
      const isWithout = ((~asked | refused | lost) & (1 << place)) !== 0
      if (member !== self && isWithout) this.#missedBy(member, operation)
    }
  }

  /**
   * Calls back when the log may have room for what the operation has to append, and at the latest when its time is up; false
   * when it is up already.
   */
  awaitRoom(operation: Operation, again: () => void): boolean {
    const nowMs = this.clock.monotonicMs()
    if (nowMs - operation.startedAtMs >= this.#timeoutMs(operation)) return false
    this.#waitingForRoom.push(again)
    return true
  }

  /** The store's onRoom; also called by the tick, so that waits end. */
  roomChanged(): void {
    const waiting = this.#waitingForRoom
    if (waiting.length === 0) return
    this.#waitingForRoom = []
    for (const again of waiting) again()
  }

  /** Nothing was applied anywhere: what the others hold is read, and the request runs again. */
  #refusedByAll(operation: Operation): void {
    const keyHashes = operation.draft?.keyHashes ?? []
    const waiting = keyHashes.flatMap((keyHash) => this.gates.release(keyHash, operation))
    this.#beginAnew(operation)
    this.#runWaiting(waiting)
  }

  #beginAnew(operation: Operation): void {
    if (operation.asked === 0) return this.noReplicas(operation)
    this.counters.proposalRetries++
    const nowMs = this.clock.monotonicMs()
    const attempt = ++operation.attempts
    const delayMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(attempt, 16))
    const { id } = operation
    operation.state = QUEUED
    operation.clearRound()
    if (nowMs - operation.startedAtMs >= this.#settings().writeTimeoutMs) return this.noReplicas(operation)
    this.clock.after(delayMs / 2 + this.#random.below(Math.ceil(delayMs / 2) + 1), () => {
      const again = this.operations.find(id)
      if (again !== null && again.state === QUEUED) this.#repair(again)
    })
  }

  /** Gives a key back; who waited for it runs. */
  releaseKey(keyHash: number, operation: Operation): void {
    this.#runWaiting(this.gates.release(keyHash, operation))
  }

  #runWaiting(waiting: readonly Operation[]): void {
    for (const next of waiting) {
      const isWaiting = next.state === QUEUED
      this.operations.unreference(next)
      if (isWaiting) this.runAgain(next)
    }
  }

  /** The operation runs once the key is free. */
  awaitKey(keyHash: number, operation: Operation): void {
    operation.state = QUEUED
    // What was read for it may be old by the time it runs.
    operation.isPrepared = false
    operation.references++
    this.gates.wait(keyHash, operation)
  }

  /** There is room for the reply of what was set aside. */
  runSetAside(operation: Operation): void {
    this.operations.takeBack(operation, this.clock.monotonicMs())
    this.runAgain(operation)
  }

  runAgain(operation: Operation): void {
    operation.clearRound()
    operation.state = QUEUED
    this.#runner?.run(operation)
  }

  // Reads.

  #askDigests(operation: Operation, bytes: Buffer, start: number, end: number, count: number): void {
    const { slot } = operation
    const { ring } = this.topology
    const listHash = ring.listHash(slot)
    let left = count
    for (let place = 0; place < ring.replicas && left > 0; place++) {
      const bit = 1 << place
      const peer = this.topology.servingPeerAt(slot, place)
      if (peer === null || (operation.asked & bit) !== 0) continue
      if (peer.askDigest(operation.id, listHash, bytes, start, end) === -1) continue
      operation.asked |= bit
      left--
    }
    const possible = operation.agreed + bitCount(operation.asked & ~operation.answered)
    if (possible < operation.needed) this.noReplicas(operation)
  }

  digestIs(peer: Peer, request: number, first: number, second: number): void {
    const operation = this.operations.find(request)
    if (operation === null || operation.state !== CONFIRMING) return
    const bit = this.#bitOf(operation, peer.member)
    if ((operation.asked & bit) === 0 || (operation.answered & bit) !== 0) return
    operation.answered |= bit
    if (first !== operation.digestFirst || second !== operation.digestSecond) {
      this.counters.readMismatches++
      return this.#repair(operation)
    }
    operation.agreed++
    if (operation.agreed >= operation.needed) this.operations.settle(operation)
  }

  /** Reads whole records of the operation's keys from enough replicas, merges them here, and runs the request again. */
  #repair(operation: Operation): void {
    const { ring } = this.topology
    const level = operation.isWrite ? proposalLevel(operation.level, ring.replicas) : operation.level
    const needed = required(level, ring.replicas)
    operation.clearRound()
    operation.state = REPAIRING
    operation.repair = new ReadRepair(this, operation, this.#keysOfRequest(operation), needed)
    operation.repair.start()
  }

  /** Has a conditional write on several keys read all of them before it runs: not all need be among those it proposes. */
  prepare(operation: Operation, level: Level): void {
    operation.level = level
    this.#repair(operation)
  }

  /** The keys of the operation have been read: it runs again, a read on exactly what the quorum holds. */
  repaired(operation: Operation, agreed: readonly AgreedRecord[]): void {
    if (operation.isWrite) operation.isPrepared = true
    else operation.agreedRecords = agreed
    this.runAgain(operation)
  }

  #keysOfRequest(operation: Operation): Buffer[] {
    const keys: Buffer[] = []
    const { bytes, offsets, keyFirst, keyLast, keyStep } = operation
    for (let i = keyFirst; i <= keyLast; i += keyStep) {
      keys.push(Buffer.from(bytes.subarray(offsets[2 * i], offsets[2 * i + 1])))
    }
    return keys
  }

  recordIs(peer: Peer, request: number, bytes: Buffer, start: number, end: number): void {
    const operation = this.operations.find(request)
    if (operation === null || operation.state !== REPAIRING) return
    operation.repair?.answered(peer.member, Buffer.from(bytes.subarray(start, end)))
  }

  replyIs(peer: Peer, request: number, bytes: Buffer, start: number, end: number): void {
    const operation = this.operations.find(request)
    if (operation === null || operation.state !== FORWARDED || operation.target !== peer.member) return
    const length = end - start
    if (length > SMALL_REPLY_BYTES && !operation.isWrite && !operation.sink.takes(operation, length)) {
      this.operations.setAside(operation)
      return
    }
    operation.keepReply(bytes, start, end)
    this.operations.settle(operation)
  }

  cannot(peer: Peer, request: number, _reason: number): void {
    const operation = this.operations.find(request)
    if (operation === null) return
    if (operation.state === FORWARDED && operation.target === peer.member) return this.routeAgain(operation)
    this.#noAnswerFrom(operation, peer)
  }

  /** RULES L2: a peer does not have what it refused. */
  refused(peer: Peer, operation: Operation | null, reason: number): void {
    this.counters.refused(reason)
    if (operation !== null && reason !== REASON_FLUSHED) this.#missedBy(peer.member, operation)
  }

  /** Everything that waits for answers of this peer has to do without. */
  answersLost(peer: Peer, handed: number): void {
    this.#doWithout(peer, (operation) => {
      if (operation.isWrite && operation.linkSequence <= handed) this.uncertain(operation)
      else this.routeAgain(operation)
    })
  }

  /**
   * The peer may only be standing still for a moment. Reads need not wait for it; a write that was forwarded has its answer coming,
   * or ends when its time is up.
   */
  answersOverdue(peer: Peer): void {
    this.#doWithout(peer, (operation) => {
      if (!operation.isWrite) this.routeAgain(operation)
    })
  }

  #doWithout(peer: Peer, forwarded: (operation: Operation) => void): void {
    const concerned: Operation[] = []
    for (let operation = this.operations.oldest; operation !== null; operation = operation.after) {
      const isForwarded = operation.state === FORWARDED && operation.target === peer.member
      if (isForwarded || operation.state === CONFIRMING || operation.state === REPAIRING) {
        concerned.push(operation)
      }
    }
    this.#withEach(concerned, (operation) => {
      if (operation.state !== FORWARDED) this.#noAnswerFrom(operation, peer)
      else if (operation.target === peer.member) forwarded(operation)
    })
  }

  /** What one of them comes to may end others, or have them begin anew: those are left out. */
  #withEach(operations: readonly Operation[], act: (operation: Operation) => void): void {
    const ids = operations.map(({ id }) => id)
    operations.forEach((operation, i) => {
      if (this.operations.find(ids[i]) === operation) act(operation)
    })
  }

  #noAnswerFrom(operation: Operation, peer: Peer): void {
    const bit = this.#bitOf(operation, peer.member)
    if (operation.state === REPAIRING) return operation.repair?.lost(peer.member)
    if (operation.state !== CONFIRMING) return
    if ((operation.asked & bit) === 0 || (operation.answered & bit) !== 0) return
    operation.answered |= bit
    this.#askAnother(operation)
  }

  #askAnother(operation: Operation): void {
    const { bytes, offsets, keyFirst } = operation
    this.#askDigests(operation, bytes, offsets[2 * keyFirst], offsets[2 * keyFirst + 1], 1)
  }

  /** The request did not run where it was sent, or ran on what is void by now: it is routed anew. */
  routeAgain(operation: Operation): void {
    if (operation.isCall) return this.#noAnswer(operation)
    const timeoutMs = this.#timeoutMs(operation)
    if (this.clock.monotonicMs() - operation.startedAtMs >= timeoutMs) return this.noReplicas(operation)
    operation.attempts++
    operation.state = QUEUED
    const { id } = operation
    // Not at once: links and homes settle first, and what is refused at once is not asked again at once.
    this.clock.after(TICK_MS, () => {
      const again = this.operations.find(id)
      if (again !== null && again.state === QUEUED) this.runAgain(again)
    })
  }

  #bitOf(operation: Operation, member: number): number {
    const place = this.topology.ring.placeOf(operation.slot, member)
    return place === NOBODY ? 0 : 1 << place
  }

  // Time.

  readonly #tick = (): void => {
    if (this.#stopped) return
    this.clock.after(TICK_MS, this.#tick)
    this.roomChanged()
    const nowMs = this.clock.monotonicMs()
    const { speculativeDelayMs } = this.#settings()
    const late: Operation[] = []
    const slow: Operation[] = []
    for (let operation = this.operations.oldest; operation !== null; operation = operation.after) {
      const ageMs = nowMs - operation.startedAtMs
      if (ageMs < speculativeDelayMs) break
      if (ageMs >= this.#timeoutMs(operation)) late.push(operation)
      else slow.push(operation)
    }
    if (late.length > 0) this.#withEach(late, (operation) => this.#timeOut(operation))
    if (slow.length > 0) this.#withEach(slow, (operation) => this.#hurry(operation))
  }

  /** Asks further replicas where those that were asked take their time. */
  #hurry(operation: Operation): void {
    if (operation.state === CONFIRMING && !operation.speculated) this.#speculate(operation)
    else if (operation.state === REPAIRING) operation.repair?.widen()
  }

  /** write-timeout or read-timeout. */
  requestTimeoutMs(isWrite: boolean): number {
    const { writeTimeoutMs, readTimeoutMs } = this.#settings()
    return isWrite ? writeTimeoutMs : readTimeoutMs
  }

  #timeoutMs(operation: Operation): number {
    // Within read-timeout another member can still be asked.
    if (operation.isCall) return this.requestTimeoutMs(false) / 2
    const timeoutMs = this.requestTimeoutMs(operation.isWrite)
    return operation.state === FORWARDED ? timeoutMs + FORWARD_SLACK_MS : timeoutMs
  }

  #speculate(operation: Operation): void {
    operation.speculated = true
    this.counters.speculativeReads++
    const before = operation.asked
    this.#askAnother(operation)
    if (operation.asked === before) this.counters.speculativeReads--
  }

  #timeOut(operation: Operation): void {
    if (operation.isCall) return this.#noAnswer(operation)
    // Its parts have ends of their own.
    if (operation.isSplit) return
    if (operation.state === WRITING) return this.uncertain(operation)
    if (operation.state === PROPOSING) return this.#appendOwn(operation, false)
    if (operation.state === FORWARDED && operation.isWrite) return this.uncertain(operation)
    // Its own append waits for blocks, and goes on without it: the key stays held until then.
    if (operation.draft !== null) return this.uncertain(operation, 0)
    this.noReplicas(operation)
  }
}

const HOME_SILENT = 'UNCERTAIN the home of the key did not answer; the write may have been applied'

function uncertainText({ agreed, needed }: Operation, own: number): string {
  return `UNCERTAIN ${agreed + own} of ${needed + 1} replicas are known to have the write; it may have been applied`
}

/** Whether an acknowledgement of the replica with this bit changes anything. */
function awaitsAck({ state, asked, answered }: Operation, bit: number): boolean {
  if (state !== WRITING && state !== PROPOSING && state !== REPAIRING) return false
  return (asked & ~answered & bit) !== 0
}
