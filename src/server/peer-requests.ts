/**
 * Requests that other nodes have forwarded to this one, as the home of their keys: each becomes an operation, and its reply
 * goes back on the link that it came on, once the own log has what it stands on (RULES R2).
 */
import type { Clock } from '../env/clock.js'
import type { CommandRegistry } from '../commands/registry.js'
import { arityFits } from '../commands/command.js'
import { effectOf, lastKeyOf } from '../commands/key-routing.js'
import { isLevel } from '../coordinator/consistency.js'
import type { Coordinator } from '../coordinator/coordinator.js'
import {
  ANSWER_HEAD_BYTES,
  CANNOT,
  CANNOT_BYTES,
  COMMAND_HEAD_BYTES,
  MODE_HOME,
  REASON_MALFORMED,
  REASON_STOPPING,
  REPLY_IS,
  requestOf,
  writeAnswerHead,
  writeCannot,
} from '../coordinator/messages.js'
import type { Operation, ReplySink } from '../coordinator/operation.js'
import { QUEUED } from '../coordinator/operation.js'
import type { IncomingLink } from '../link/incoming-link.js'
import { INLINE_MESSAGE_BYTES_MAX } from '../link/limits.js'
import { slotOf } from '../ring/slot.js'
import { keyHashOf } from '../ring/token.js'
import type { Store } from '../storage/store.js'
import { copyBytes, readU32 } from '../util/bytes.js'
import type { KeyedRequests } from './keyed-requests.js'

const ARGUMENTS_FIRST = 64

/** Runs a request over this node's own data only, for commands that cover the cluster; answers with the reply. */
export type LocalCalls = (args: readonly Buffer[], protocol: number) => Promise<Buffer>

export class PeerRequests {
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
    if (end - start < COMMAND_HEAD_BYTES) return
    const sink = this.#sinkOf(link)
    const request = requestOf(bytes, start)
    const { operations, counters } = this.#coordinator
    if (this.#isStopped || !operations.hasRoom(1)) return sink.cannot(request, REASON_STOPPING)
    const argc = this.#readOffsets(bytes, start, end)
    if (argc === 0) return sink.cannot(request, REASON_MALFORMED)
    counters.receivedRequests++
    const offsets = this.#offsets
    const protocol = bytes[start + 5] === 3 ? 3 : 2
    if (bytes[start + 4] !== MODE_HOME) {
      return this.#runLocally(sink, request, bytes, offsets, argc, protocol)
    }
    const command = this.#registry.resolve(bytes, offsets, argc)
    if (command === null || !arityFits(command, argc) || command.firstKey === 0) {
      return sink.cannot(request, REASON_MALFORMED)
    }
    const operation = operations.take(sink, QUEUED, this.#clock.monotonicMs())
    operation.keepRequest(bytes, offsets, argc)
    operation.tag = request
    operation.isFromPeer = true
    operation.protocol = protocol
    const readLevel = bytes[start + 6]
    const writeLevel = bytes[start + 7]
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
    const argc = readU32(bytes, start + 8)
    const lengthsAt = start + COMMAND_HEAD_BYTES
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

  #runLocally(
    sink: PeerReplies,
    request: number,
    bytes: Buffer,
    offsets: Int32Array,
    argc: number,
    protocol: number,
  ): void {
    const args: Buffer[] = []
    for (let i = 0; i < argc; i++) {
      args.push(Buffer.from(bytes.subarray(offsets[2 * i], offsets[2 * i + 1])))
    }
    this.#local(args, protocol).then(
      (reply) => sink.reply(request, reply, reply.length),
      () => sink.cannot(request, REASON_STOPPING),
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
    const link = this.#link
    if (length + ANSWER_HEAD_BYTES <= INLINE_MESSAGE_BYTES_MAX) {
      const at = link.begin(REPLY_IS, ANSWER_HEAD_BYTES + length)
      if (at === -1) return
      writeAnswerHead(link.bytes, at, request)
      copyBytes(bytes, 0, length, link.bytes, at + ANSWER_HEAD_BYTES)
      link.end(at + ANSWER_HEAD_BYTES + length)
      return
    }
    const at = link.begin(REPLY_IS, ANSWER_HEAD_BYTES, length)
    if (at === -1) return
    writeAnswerHead(link.bytes, at, request)
    link.endWith(at + ANSWER_HEAD_BYTES, Buffer.from(bytes.subarray(0, length)), 0, length)
  }

  cannot(request: number, reason: number): void {
    const link = this.#link
    const at = link.begin(CANNOT, CANNOT_BYTES)
    if (at !== -1) link.end(writeCannot(link.bytes, at, request, reason))
  }

  /** The link is closed: what is under way comes to its end for nobody. */
  drop(): void {
    this.#isDropped = true
    for (const operation of this.#waiting) this.#coordinator.operations.release(operation)
    this.#waiting = []
  }
}
