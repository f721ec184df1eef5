/**
 * Requests for keys in a cluster: where each one runs, and what its reply waits for. The dispatcher hands over every request
 * that names keys; one that settles at once costs no more than on a node that is alone, all others become operations.
 *
 *     client  -> start()   run here, forwarded to the home, split into requests of one key each
 *     again   -> run()     an operation whose turn has come: another node has sent it to its home (peer-commands.ts), its key is
 *                          free, its blocks are there, its replicas agree
 */
import type { Clock } from '../env/clock.js'
import type { Command } from '../commands/command.js'
import {
  CROSS_SLOT,
  KeyRouting,
  SLOT_NOT_SERVED,
  effectOf,
  lastKeyOf,
  movedText,
} from '../commands/key-routing.js'
import type { CommandRegistry } from '../commands/registry.js'
import { COLD_BLOCKS, DEFERRED, DONE } from '../commands/request.js'
import type { Effect } from '../commands/table/command-row.js'
import type { Outcome } from '../commands/request.js'
import type { Level } from '../coordinator/consistency.js'
import { isLevel, proposalLevel, required } from '../coordinator/consistency.js'
import type { Coordinator, Runner } from '../coordinator/coordinator.js'
import type { KeyPolicies } from '../coordinator/key-policies.js'
import type { LocalKeyspace } from '../coordinator/local-keyspace.js'
import type { Operation } from '../coordinator/operation.js'
import { QUEUED } from '../coordinator/operation.js'
import type { AgreedRecord } from '../coordinator/read-repair.js'
import { DRAFT, OFF, WATCH } from '../coordinator/request-journal.js'
import type { JournalMode } from '../coordinator/request-journal.js'
import { NOBODY } from '../coordinator/topology.js'
import type { Topology } from '../coordinator/topology.js'
import type { ReplyWriter } from '../resp/reply-writer.js'
import { keyHashOf } from '../ring/token.js'
import { CorruptionError } from '../storage/corruption-error.js'
import { NoRoomYet } from '../storage/store-error.js'
import { assert } from '../util/assert.js'
import type { Connection } from './connection.js'
import { errorText, isUnexpected } from './error-text.js'
import { NOT_YET, NO_ROOM, PENDING, UNREADABLE } from './keyed-result.js'
import type { KeyedResult } from './keyed-result.js'
import { ManyKeyRequests, TOO_MANY_WAIT } from './many-keys.js'
import { FREE_KEY } from './reply-queue.js'
import type { ReplyQueue } from './reply-queue.js'
import type { ServerRequest } from './server-request.js'

const CLOCK_TEXT = 'CLOCK This node’s clock is in doubt, nothing was written'
const NO_WRITE_TEXT = 'NOREPLICAS Not enough good replicas to write.'
const NO_READ_TEXT = 'NOREPLICAS Not enough good replicas to read.'

export interface KeyedSettings {
  readonly readLevel: Level
  readonly writeLevel: Level
}

export class KeyedRequests implements Runner {
  readonly #coordinator: Coordinator
  readonly #topology: Topology
  readonly #keyspace: LocalKeyspace
  readonly #registry: CommandRegistry
  readonly #writer: ReplyWriter
  readonly #request: ServerRequest
  readonly #policies: KeyPolicies
  readonly #settings: () => KeyedSettings
  readonly #clockInDoubt: () => boolean
  readonly #smartAddress: (member: number) => { readonly address: string; readonly port: number }
  readonly #admits: (bytes: number) => boolean
  readonly #unexpected: (error: unknown) => void
  readonly #routing = new KeyRouting()
  readonly #manyKeys: ManyKeyRequests
  /** Operations that wait for room in the log; what comes behind them waits, too. */
  #waitingForRoom: Operation[] = []

  constructor(options: {
    clock: Clock
    coordinator: Coordinator
    keyspace: LocalKeyspace
    registry: CommandRegistry
    writer: ReplyWriter
    request: ServerRequest
    policies: KeyPolicies
    settings: () => KeyedSettings
    /** Whether this node's clock is in doubt (RULES C1). */
    clockInDoubt: () => boolean
    /** Where cluster clients find a member. */
    smartAddress: (member: number) => { readonly address: string; readonly port: number }
    /** Whether writes of so many bytes may go ahead now; throws StoreError when none may. */
    admits: (bytes: number) => boolean
    unexpected: (error: unknown) => void
  }) {
    this.#coordinator = options.coordinator
    this.#topology = options.coordinator.topology
    this.#keyspace = options.keyspace
    this.#registry = options.registry
    this.#writer = options.writer
    this.#request = options.request
    this.#policies = options.policies
    this.#settings = options.settings
    this.#clockInDoubt = options.clockInDoubt
    this.#smartAddress = options.smartAddress
    this.#admits = options.admits
    this.#unexpected = options.unexpected
    this.#manyKeys = new ManyKeyRequests({
      clock: options.clock,
      operations: options.coordinator.operations,
      registry: options.registry,
      writer: options.writer,
      request: options.request,
      run: (operation) => this.run(operation),
      unexpected: options.unexpected,
    })
  }

  /** A client's request, which #request holds. Its reply is rendered when the answer is DONE. */
  start(command: Command, connection: Connection): KeyedResult {
    const { bytes, offsets, argc } = this.#request
    const first = command.firstKey
    const last = lastKeyOf(command, argc)
    const routing = this.#routing
    routing.of(command, bytes, offsets, argc)
    const { slot } = routing
    if (connection.listener === 'smart') {
      const elsewhere = this.#redirection(command, connection, first)
      if (elsewhere !== null) return this.#refuse(elsewhere)
    }
    if (routing.keys > 1 && !(routing.isOneSlot && command.split === 'ok')) {
      if (this.#manyKeys.canSplit(command)) return this.#manyKeys.split(command, connection)
      // An MSET whose keys and values do not pair up is run as it is, and says so.
      if (!routing.isOneSlot && command.split !== 'ok') {
        const { split } = command
        if (split === 'two-keys' || split === 'read-two') return this.#manyKeys.twoKeys(command, connection)
        return this.#refuse(CROSS_SLOT)
      }
    }
    const effect = effectOf(command, bytes, offsets, argc)
    const isWrite = effect !== 'read'
    const { topology, operations } = this.#coordinator
    const target = isWrite ? topology.homeOf(slot) : topology.readerOf(slot)
    if (target === NOBODY) return this.#refuse(isWrite ? this.#noHomeText() : NO_READ_TEXT)
    if (!operations.hasRoom(1)) return this.#refuse(TOO_MANY_WAIT)
    const { replies } = connection
    if (replies.count > 0) {
      if (routing.keys > 1 && replies.mustWait(isWrite, connection.readLevel)) return NOT_YET
      const keyHash = this.#keyspace.announced.keyHashOf(bytes, offsets[2 * first], offsets[2 * first + 1])
      const where = replies.whereIs(keyHash, isWrite, effect === 'blind-write', connection.readLevel)
      if (where !== FREE_KEY && where !== target) return NOT_YET
    }
    if (target !== topology.self) {
      const operation = this.#take(command, effect, connection, slot, first, last)
      this.#coordinator.forward(operation, target)
      return PENDING
    }
    return this.#runHere(command, effect, slot, connection, null, first, last)
  }

  #noHomeText(): string {
    return this.#clockInDoubt() ? CLOCK_TEXT : NO_WRITE_TEXT
  }

  /** What sends a cluster client elsewhere with the request of #routing; null when it is right here. */
  #redirection(command: Command, connection: Connection, first: number): string | null {
    const { slot, isOneSlot } = this.#routing
    if (!isOneSlot) return CROSS_SLOT
    const topology = this.#topology
    const { readLevel, writeLevel } = this.#settings()
    const home = this.#coordinator.namedHomeOf(slot, readLevel, writeLevel)
    if (home === topology.self) return null
    if (topology.homeOf(slot) === topology.self && this.#isReached(command, connection, first)) return null
    if (command.isReadOnly && connection.readsFromReplicas && topology.servesHere(slot)) return null
    if (home === NOBODY) return SLOT_NOT_SERVED
    const { address, port } = this.#smartAddress(home)
    return movedText(slot, address, port)
  }

  /** Whether this node reaches as many replicas as the request of #routing needs, which has a level of its own perhaps. */
  #isReached(command: Command, connection: Connection, first: number): boolean {
    const { bytes, offsets, argc } = this.#request
    const effect = effectOf(command, bytes, offsets, argc)
    const { replicas } = this.#topology.ring
    const level = this.#levelOf(effect !== 'read', connection, first)
    const needed = required(effect === 'conditional' ? proposalLevel(level, replicas) : level, replicas)
    return needed <= this.#topology.liveReplicas(this.#routing.slot)
  }

  /** An operation whose turn has come. */
  run(operation: Operation): void {
    const request = this.#request
    const { bytes, offsets, argc, slot, isWrite } = operation
    const command = this.#registry.resolve(bytes, offsets, argc)
    assert(command !== null, 'what waits is a request for a known command')
    if (!operation.isFromPeer) {
      const target = isWrite ? this.#topology.homeOf(slot) : this.#topology.readerOf(slot)
      if (target === NOBODY) return this.#coordinator.noReplicas(operation)
      if (target !== this.#topology.self) return this.#coordinator.forward(operation, target)
    } else if (!this.#topology.servesHere(slot)) {
      // The sender has another ring, or the range has become stale since.
      return this.#coordinator.notHere(operation)
    }
    request.bytes = bytes
    request.offsets = offsets
    request.argc = argc
    const writer = this.#writer
    const protocolBefore = writer.protocol
    const needBefore = this.#keyspace.needSequence
    writer.protocol = operation.protocol
    this.#keyspace.beginBatch()
    const mark = writer.length
    const { keyFirst, keyLast } = operation
    const effect = effectOf(command, bytes, offsets, argc)
    const result = this.#runHere(command, effect, slot, null, operation, keyFirst, keyLast)
    if (result === DONE) {
      operation.keepReply(writer.buffer, mark, writer.length)
      operation.needSequence = Math.max(operation.needSequence, this.#keyspace.needSequence)
      writer.length = mark
      this.#coordinator.operations.settle(operation)
    } else if (result === COLD_BLOCKS) {
      this.#awaitBlocks(operation)
    } else if (result === NO_ROOM) {
      operation.state = QUEUED
      this.#waitingForRoom.push(operation)
      operation.references++
    }
    writer.protocol = protocolBefore
    // Other requests of the same batch may still have to be held back.
    this.#keyspace.needSequence = needBefore
  }

  /** Renders an error of the store as the operation's reply. */
  fail(operation: Operation, error: Error): void {
    if (isUnexpected(error)) this.#unexpected(error)
    operation.keepError(errorText(error))
  }

  /** How long a request may take. */
  timeoutMs(isWrite: boolean): number {
    return this.#coordinator.requestTimeoutMs(isWrite)
  }

  /** Renders the error of a request that was not run in that time. */
  refuseOverdue(isWrite: boolean): void {
    this.#refuse(isWrite ? NO_WRITE_TEXT : NO_READ_TEXT)
  }

  /** Requests whose replies had found no room are sent again, as far as there is room now. */
  runSetAside(replies: ReplyQueue): void {
    replies.runSetAside((operation) => this.#coordinator.runSetAside(operation))
  }

  /** The store's onRoom. */
  roomChanged(): void {
    const waiting = this.#waitingForRoom
    if (waiting.length === 0) return
    this.#waitingForRoom = []
    for (const operation of waiting) {
      const isWaiting = operation.state === QUEUED
      this.#coordinator.operations.unreference(operation)
      if (isWaiting) this.run(operation)
    }
  }

  #refuse(text: string): typeof DONE {
    if (text === NO_WRITE_TEXT || text === NO_READ_TEXT) this.#coordinator.counters.noReplicas++
    this.#writer.error(text)
    return DONE
  }

  /** An operation for the request that #request holds; its reply has its place in the connection's queue. */
  #take(
    command: Command,
    effect: Effect,
    connection: Connection | null,
    slot: number,
    first: number,
    last: number,
  ): Operation {
    const { bytes, offsets, argc } = this.#request
    assert(connection !== null, 'only a new request needs an operation')
    const operation = this.#coordinator.operations.take(
      connection.replies,
      QUEUED,
      connection.lastRequestAtMs,
    )
    operation.keepRequest(bytes, offsets, argc)
    operation.isWrite = effect !== 'read'
    operation.isBlind = effect === 'blind-write'
    operation.slot = slot
    operation.keyFirst = first
    operation.keyLast = last
    operation.keyStep = command.keyStep
    operation.protocol = connection.protocol
    operation.readLevel = connection.readLevel
    operation.writeLevel = connection.writeLevel
    const { announced } = this.#keyspace
    operation.keyHash = announced.keyHashOf(bytes, offsets[2 * first], offsets[2 * first + 1])
    connection.replies.push(operation)
    return operation
  }

  /**
   * Runs the request that #request holds on this node. Exactly one of `connection` (a new request) and `operation` (one that has
   * waited) is given.
   */
  #runHere(
    command: Command,
    effect: Effect,
    slot: number,
    connection: Connection | null,
    operation: Operation | null,
    first: number,
    last: number,
  ): KeyedResult {
    const topology = this.#topology
    const isWrite = effect !== 'read'
    const { replicas } = topology.ring
    let level = this.#levelOf(isWrite, connection ?? operation, first)
    if (effect === 'conditional') level = proposalLevel(level, replicas)
    const needed = required(level, replicas)
    if (!topology.servesHere(slot)) return this.#refuse(isWrite ? NO_WRITE_TEXT : NO_READ_TEXT)
    if (needed > topology.liveReplicas(slot)) {
      const isReached = effect === 'blind-write' && this.#coordinator.reaches(slot, needed)
      if (!isReached) return this.#refuse(isWrite ? NO_WRITE_TEXT : NO_READ_TEXT)
    }
    if (isWrite) {
      // A smaller one that still fits must not overtake an earlier one of its key (RULES R3).
      if (operation !== null && this.#waitingForRoom.length > 0) return NO_ROOM
      if (this.#clockInDoubt()) {
        this.#coordinator.counters.clockRefusals++
        return this.#refuse(CLOCK_TEXT)
      }
      const held = this.#heldKey(first, last, command.keyStep, operation)
      if (held !== null) {
        const waiting = operation ?? this.#take(command, effect, connection, slot, first, last)
        this.#coordinator.awaitKey(held, waiting)
        return PENDING
      }
      if (effect === 'conditional' && last > first && operation?.isPrepared !== true) {
        const preparing = operation ?? this.#take(command, effect, connection, slot, first, last)
        this.#coordinator.prepare(preparing, level)
        return PENDING
      }
    }
    const agreed = operation === null ? null : operation.agreedRecords
    const confirms = needed > 1 && agreed === null
    const writer = this.#writer
    const keyspace = this.#keyspace
    const { journal } = keyspace
    const mark = writer.length
    const result = this.#handle(command, modeOf(effect, confirms), agreed, slot)
    if (result === UNREADABLE) {
      const again = operation ?? this.#take(command, effect, connection, slot, first, last)
      if (again.isFromPeer) this.#coordinator.notHere(again)
      else this.#coordinator.routeAgain(again)
      return PENDING
    }
    if (result !== DONE) return result
    const hasRound =
      effect === 'blind-write' ? journal.writes > 0 : journal.finds > 0 && (isWrite || confirms)
    if (!hasRound) {
      keyspace.overlay.clear()
      return DONE
    }
    const waits = operation ?? this.#take(command, effect, connection, slot, first, last)
    waits.keepReply(writer.buffer, mark, writer.length)
    waits.needSequence = Math.max(waits.needSequence, keyspace.needSequence)
    writer.length = mark
    if (effect === 'blind-write') this.#coordinator.replicate(waits, level)
    else if (keyspace.overlay.count > 0) this.#coordinator.propose(waits, level)
    else this.#coordinator.confirm(waits, level)
    return PENDING
  }

  /** Runs the handler. DONE: what it rendered stands in the writer, what it found and wrote in journal and overlay. */
  #handle(
    command: Command,
    mode: JournalMode,
    agreed: readonly AgreedRecord[] | null,
    slot: number,
  ): typeof DONE | typeof COLD_BLOCKS | typeof NO_ROOM | typeof UNREADABLE {
    const writer = this.#writer
    const keyspace = this.#keyspace
    const { journal, overlay } = keyspace
    const mark = writer.length
    let result: Outcome
    try {
      if (command.isWrite && !this.#admits(this.#request.logBytesMax)) return NO_ROOM
      keyspace.countsLookups = command.isReadOnly
      keyspace.beginRequest()
      if (agreed !== null) for (const { hash, token, bytes } of agreed) overlay.putRecord(hash, token, bytes)
      journal.begin(mode)
      result = command.handler(this.#request)
    } catch (error) {
      writer.length = mark
      journal.begin(OFF)
      overlay.clear()
      if (error instanceof NoRoomYet) return NO_ROOM
      if (error instanceof CorruptionError && !this.#topology.servesHere(slot)) return UNREADABLE
      if (isUnexpected(error)) this.#unexpected(error)
      writer.error(errorText(error))
      return DONE
    }
    journal.mode = OFF
    assert(result !== DEFERRED, 'commands on keys do not defer')
    if (result === COLD_BLOCKS) {
      overlay.clear()
      writer.length = mark
    }
    return result
  }

  /** The level of the request, of its connection, of the key's prefix, or of the node. */
  #levelOf(isWrite: boolean, asked: Connection | Operation | null, first: number): Level {
    const own = isWrite ? asked?.writeLevel : asked?.readLevel
    if (own !== undefined && isLevel(own)) return own
    const { bytes, offsets } = this.#request
    const policy = this.#policies.of(bytes, offsets[2 * first], offsets[2 * first + 1])
    const { readLevel, writeLevel } = this.#settings()
    return isWrite ? (policy.write ?? writeLevel) : (policy.read ?? readLevel)
  }

  /** The hash of the first of the request's keys that something else holds, null when none is held. */
  #heldKey(first: number, last: number, step: number, operation: Operation | null): number | null {
    const { gates } = this.#coordinator
    if (gates.isEmpty) return null
    const { bytes, offsets } = this.#request
    for (let i = first; i <= last; i += step) {
      const keyHash = keyHashOf(bytes, offsets[2 * i], offsets[2 * i + 1])
      if (gates.isHeldByOther(keyHash, operation)) return keyHash
    }
    return null
  }

  /** The operation's blocks load; later writes of its key queue up behind it. */
  #awaitBlocks(operation: Operation): void {
    const coordinator = this.#coordinator
    const { keyHash } = operation
    operation.state = QUEUED
    operation.awaitsBlocks = true
    operation.references++
    if (!coordinator.gates.isHeld(keyHash)) coordinator.gates.hold(keyHash, operation)
    const load = this.#keyspace.startLoads((done) => {
      const isWaiting = operation.state === QUEUED
      operation.awaitsBlocks = false
      coordinator.operations.unreference(operation)
      if (isWaiting && done.error !== null) coordinator.unreadable(operation, done.error)
      else if (isWaiting) this.run(operation)
      // A proposal has taken the key over, and gives it back itself; so does the wait for further blocks.
      if (operation.draft === null && !operation.awaitsBlocks) coordinator.releaseKey(keyHash, operation)
      done.release()
    })
    assert(load !== null, 'a COLD command has asked for blocks')
  }
}

function modeOf(effect: Effect, confirms: boolean): JournalMode {
  if (effect === 'conditional') return DRAFT
  return effect === 'blind-write' || confirms ? WATCH : OFF
}
