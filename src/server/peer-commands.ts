/**
 * COMMANDs of other nodes (coordinator/messages.ts): what they forward to this one as the home of its keys, and what they ask of
 * its own data. The former become operations; the reply goes back on the link that it came on, once the own log has what it
 * stands on (RULES R2).
 *
 * A reply can be much larger than its request. So a link's requests run only while the replies of earlier ones that are still here
 * come to less than LINK_REPLY_BYTES_MAX; the others wait, in order, as long as their timeouts let them. Blind writes do not wait:
 * they answer little, and a later one of the same connection must not overtake them (RULES R3).
 */
import type { Clock } from '../env/clock.js'
import type { CommandRegistry } from '../commands/registry.js'
import { arityFits } from '../commands/command.js'
import { effectOf, lastKeyOf } from '../commands/key-routing.js'
import { isLevel } from '../coordinator/consistency.js'
import type { Coordinator } from '../coordinator/coordinator.js'
import { sendAnswer, sendCannot } from '../coordinator/answers.js'
import * as messages from '../coordinator/messages.js'
import type { Operation, ReplySink } from '../coordinator/operation.js'
import { QUEUED } from '../coordinator/operation.js'
import type { IncomingLink } from '../link/incoming-link.js'
import { slotOf } from '../ring/slot.js'
import { keyHashOf } from '../ring/token.js'
import type { Store } from '../storage/store.js'
import { readU32 } from '../util/bytes.js'
import type { KeyedRequests } from './keyed-requests.js'

const ARGUMENTS_FIRST = 64
/** Replies to one link, waiting or unsent, above which none of its requests is run. One reply may go beyond it. */
export const LINK_REPLY_BYTES_MAX = 8 * 1024 * 1024

/** Runs a request over this node's own data only, for commands that cover the cluster; answers with the reply. */
export type LocalCalls = (args: readonly Buffer[]) => Promise<Buffer>

export class PeerCommands {
  readonly #clock: Clock
  readonly #coordinator: Coordinator
  readonly #registry: CommandRegistry
  readonly #keyed: KeyedRequests
  readonly #store: Store
  readonly #local: LocalCalls
  readonly #sinks = new Map<IncomingLink, PeerReplies>()
  #offsets = new Int32Array(2 * ARGUMENTS_FIRST)
  #isStopped = false

  constructor(options: {
    clock: Clock
    coordinator: Coordinator
    registry: CommandRegistry
    keyed: KeyedRequests
    store: Store
    local: LocalCalls
  }) {
    this.#clock = options.clock
    this.#coordinator = options.coordinator
    this.#registry = options.registry
    this.#keyed = options.keyed
    this.#store = options.store
    this.#local = options.local
  }

  /** Takes no further requests: what comes is told so. */
  stop(): void {
    this.#isStopped = true
  }

  /** The body of a COMMAND; `bytes` are copied. */
  accept(link: IncomingLink, bytes: Buffer, start: number, end: number): void {
    if (end - start < messages.COMMAND_HEAD_BYTES) return
    const sink = this.#sinkOf(link)
    const request = messages.requestOf(bytes, start)
    const { operations, counters } = this.#coordinator
    if (this.#isStopped || !operations.hasRoom(1)) return sink.cannot(request, messages.REASON_STOPPING)
    const argc = this.#readOffsets(bytes, start, end)
    if (argc === 0) return sink.cannot(request, messages.REASON_MALFORMED)
    counters.receivedRequests++
    const offsets = this.#offsets
    if (messages.commandMode(bytes, start) !== messages.MODE_HOME) {
      return this.#runLocally(sink, request, bytes, offsets, argc)
    }
    const command = this.#registry.resolve(bytes, offsets, argc)
    if (command === null || !arityFits(command, argc) || command.firstKey === 0) {
      return sink.cannot(request, messages.REASON_MALFORMED)
    }
    const first = command.firstKey
    const slot = slotOf(bytes, offsets[2 * first], offsets[2 * first + 1])
    const { topology } = this.#coordinator
    if (topology.ownPlace(slot) !== -1 && !topology.servesHere(slot)) {
      return sink.cannot(request, messages.REASON_STALE)
    }
    const operation = operations.take(sink, QUEUED, this.#clock.monotonicMs())
    operation.keepRequest(bytes, offsets, argc)
    operation.tag = request
    operation.isFromPeer = true
    operation.protocol = messages.commandProtocol(bytes, start)
    const readLevel = messages.commandReadLevel(bytes, start)
    const writeLevel = messages.commandWriteLevel(bytes, start)
    operation.readLevel = isLevel(readLevel) ? readLevel : 0
    operation.writeLevel = isLevel(writeLevel) ? writeLevel : 0
    const effect = effectOf(command, bytes, offsets, argc)
    operation.isWrite = effect !== 'read'
    operation.keyFirst = first
    operation.keyLast = lastKeyOf(command, argc)
    operation.keyStep = command.keyStep
    operation.slot = slot
    operation.keyHash = keyHashOf(bytes, offsets[2 * first], offsets[2 * first + 1])
    if (effect === 'blind-write') this.#keyed.run(operation)
    else sink.run(operation)
  }

  /** Answers have left the link. */
  linkDrained(link: IncomingLink): void {
    this.#sinks.get(link)?.runQueued()
  }

  linkClosed(link: IncomingLink): void {
    this.#sinks.get(link)?.drop()
    this.#sinks.delete(link)
  }

  /** The store's onDurable. */
  durableAdvanced(): void {
    for (const sink of this.#sinks.values()) sink.durableAdvanced()
  }

  #sinkOf(link: IncomingLink): PeerReplies {
    let sink = this.#sinks.get(link)
    if (sink === undefined) {
      sink = new PeerReplies({
        link,
        clock: this.#clock,
        coordinator: this.#coordinator,
        store: this.#store,
        run: (operation) => this.#keyed.run(operation),
      })
      this.#sinks.set(link, sink)
    }
    return sink
  }

  /** Fills #offsets; answers how many arguments there are, 0 when the body is not sound. */
  #readOffsets(bytes: Buffer, start: number, end: number): number {
    const argc = messages.commandArguments(bytes, start)
    const lengthsAt = start + messages.COMMAND_HEAD_BYTES
    if (argc < 1 || argc > (end - lengthsAt) / 4) return 0
    if (2 * argc > this.#offsets.length) this.#offsets = new Int32Array(4 * argc)
    let at = lengthsAt + 4 * argc
    for (let i = 0; i < argc; i++) {
      this.#offsets[2 * i] = at
      at += readU32(bytes, lengthsAt + 4 * i)
      if (at > end) return 0
      this.#offsets[2 * i + 1] = at
    }
    return at === end ? argc : 0
  }

  #runLocally(sink: PeerReplies, request: number, bytes: Buffer, offsets: Int32Array, argc: number): void {
    const args: Buffer[] = []
    for (let i = 0; i < argc; i++) {
      args.push(Buffer.from(bytes.subarray(offsets[2 * i], offsets[2 * i + 1])))
    }
    this.#local(args).then(
      (reply) => sink.reply(request, reply, reply.length),
      () => sink.cannot(request, messages.REASON_STOPPING),
    )
  }
}

/** The requests of one link that wait for their turn, and the replies that go back on it. */
class PeerReplies implements ReplySink {
  readonly #link: IncomingLink
  readonly #clock: Clock
  readonly #coordinator: Coordinator
  readonly #store: Store
  readonly #run: (operation: Operation) => void
  /** Not run yet: too much of earlier replies is still here. */
  #queued: Operation[] = []
  /** Settled, and not durable enough yet. */
  #waiting: Operation[] = []
  /** What the replies of its operations hold. */
  #bytes = 0
  #isDropped = false
  #isTurnDue = false
  readonly #turn = (): void => {
    this.#isTurnDue = false
    this.runQueued()
  }

  constructor(options: {
    link: IncomingLink
    clock: Clock
    coordinator: Coordinator
    store: Store
    run: (operation: Operation) => void
  }) {
    this.#link = options.link
    this.#clock = options.clock
    this.#coordinator = options.coordinator
    this.#store = options.store
    this.#run = options.run
  }

  get #isFull(): boolean {
    return this.#bytes + this.#link.unsentBytes >= LINK_REPLY_BYTES_MAX
  }

  /** Runs the operation now, or when there is room for its reply. */
  run(operation: Operation): void {
    if (this.#queued.length === 0 && !this.#isFull) return this.#run(operation)
    operation.references++
    this.#queued.push(operation)
    this.#scheduleTurn()
  }

  /** Runs what waits, as far as there is room. */
  runQueued(): void {
    if (this.#queued.length === 0 || this.#isDropped) return
    // What the kernel takes at once is not waiting; for the rest it says when it has been taken.
    this.#link.flush()
    const queued = this.#queued
    this.#queued = []
    let done = 0
    while (done < queued.length && !this.#isFull) {
      const operation = queued[done++]
      const isWaiting = operation.state === QUEUED
      this.#coordinator.operations.unreference(operation)
      if (isWaiting) this.#run(operation)
    }
    this.#queued = done === 0 ? queued : queued.slice(done)
    // Their answers may have been given by now. When nothing was run, an answer that leaves has the next ones run.
    if (done > 0 && this.#queued.length > 0) this.#scheduleTurn()
  }

  #scheduleTurn(): void {
    if (this.#isTurnDue) return
    this.#isTurnDue = true
    this.#clock.endOfTurn(this.#turn)
  }

  settled(operation: Operation): void {
    if (!this.#isDropped && operation.needSequence > this.#store.durableSequence) {
      // After the log has failed nobody will ever know more: its sender gives up by itself.
      if (this.#store.logFailure !== null) this.#release(operation)
      else this.#waiting.push(operation)
      return
    }
    const { tag, cannotReason } = operation
    if (!this.#isDropped && cannotReason !== 0) this.cannot(tag, cannotReason)
    else if (!this.#isDropped) this.reply(tag, operation.reply, operation.replyLength)
    this.#release(operation)
  }

  #release(operation: Operation): void {
    this.#bytes -= operation.replyLength
    this.#coordinator.operations.release(operation)
    if (this.#queued.length > 0) this.#scheduleTurn()
  }

  holds(bytes: number): void {
    this.#bytes += bytes
  }

  takes(): boolean {
    return true
  }

  durableAdvanced(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const operation of waiting) this.settled(operation)
  }

  reply(request: number, bytes: Buffer, length: number): void {
    sendAnswer(this.#link, messages.REPLY_IS, request, bytes, 0, length)
  }

  cannot(request: number, reason: number): void {
    sendCannot(this.#link, request, reason)
  }

  /** The link is closed: what is under way comes to its end for nobody. */
  drop(): void {
    this.#isDropped = true
    const { operations } = this.#coordinator
    for (const operation of this.#waiting) operations.release(operation)
    this.#waiting = []
    for (const operation of this.#queued) operations.unreference(operation)
    this.#queued = []
  }
}
