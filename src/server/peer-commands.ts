/**
 * COMMANDs of other nodes (coordinator/messages.ts): what they forward to this one as the home of its keys, and what they ask of
 * its own data. The former become operations; the reply goes back on the link that it came on, once the own log has what it
 * stands on (RULES R2).
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
    const operation = operations.take(sink, QUEUED, this.#clock.monotonicMs())
    operation.keepRequest(bytes, offsets, argc)
    operation.tag = request
    operation.isFromPeer = true
    operation.protocol = messages.commandProtocol(bytes, start)
    const readLevel = messages.commandReadLevel(bytes, start)
    const writeLevel = messages.commandWriteLevel(bytes, start)
    operation.readLevel = isLevel(readLevel) ? readLevel : 0
    operation.writeLevel = isLevel(writeLevel) ? writeLevel : 0
    operation.isWrite = effectOf(command, bytes, offsets, argc) !== 'read'
    const first = command.firstKey
    operation.keyFirst = first
    operation.keyLast = lastKeyOf(command, argc)
    operation.keyStep = command.keyStep
    operation.slot = slotOf(bytes, offsets[2 * first], offsets[2 * first + 1])
    operation.keyHash = keyHashOf(bytes, offsets[2 * first], offsets[2 * first + 1])
    this.#keyed.run(operation)
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
      sink = new PeerReplies(link, this.#coordinator, this.#store)
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

/** The replies that go back on one link. */
class PeerReplies implements ReplySink {
  readonly #link: IncomingLink
  readonly #coordinator: Coordinator
  readonly #store: Store
  /** Settled, and not durable enough yet. */
  #waiting: Operation[] = []
  #isDropped = false

  constructor(link: IncomingLink, coordinator: Coordinator, store: Store) {
    this.#link = link
    this.#coordinator = coordinator
    this.#store = store
  }

  settled(operation: Operation): void {
    if (!this.#isDropped && operation.needSequence > this.#store.durableSequence) {
      // After the log has failed nobody will ever know more: its sender gives up by itself.
      if (this.#store.logFailure !== null) this.#coordinator.operations.release(operation)
      else this.#waiting.push(operation)
      return
    }
    if (!this.#isDropped) this.reply(operation.tag, operation.reply, operation.replyLength)
    this.#coordinator.operations.release(operation)
  }

  holds(): void {}

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
    for (const operation of this.#waiting) this.#coordinator.operations.release(operation)
    this.#waiting = []
  }
}
