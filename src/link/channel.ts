/**
 * One connection between two nodes, at either end: first the handshake, then a HELLO in each direction, then frames. The
 * channel reads, checks and writes; what a peer's silence means, and when to dial again, is peer-link.ts's.
 *
 *     handshake  ->  hello  ->  open  ->  closed          any of them may go to closed
 *
 * The two roles differ in what may come: requests, pings and nothing else to the listener; answers, acks and pongs to the
 * dialer. Nothing that a peer sends throws: what is not as README.md says closes the connection, with a reason.
 */
import type { Stream, StreamHandler } from '../env/network.js'
import { assert } from '../util/assert.js'
import { readU16, readU24, readU48 } from '../util/bytes.js'
import { closeCode, closeReasonOf } from './close-reason.js'
import type { CloseReason } from './close-reason.js'
import {
  ACK,
  ACK_HEADER_BYTES,
  BATCH,
  FRAME_HEADER_BYTES,
  GOODBYE,
  HELLO,
  MESSAGE_HEADER_BYTES,
  PIECE,
  PING,
  PONG,
  REFUSAL_BYTES,
  sealFrame,
} from './frame-format.js'
import { FrameReader } from './frame-reader.js'
import type { FrameTarget } from './frame-reader.js'
import { Handshake } from './handshake.js'
import { HANDSHAKE_HEADER_BYTES, handshakeHeaderIsSound, printable, shortText } from './handshake-frame.js'
import { parseHello, writeHello } from './hello.js'
import type { Hello } from './hello.js'
import { LargeMessage } from './large-message.js'
import {
  ANSWERS_PAUSE_BYTES,
  HANDSHAKE_DEADLINE_MS,
  MESSAGES_ANNOUNCED,
  REASON_BYTES_MAX,
  SILENT_MS_MAX,
} from './limits.js'
import type { LinkEnv, LinkNode, LinkSettings } from './link-node.js'
import { Outbox } from './outbox.js'
import type { OutboxOwner } from './outbox.js'
import { OutgoingAcks } from './outgoing-acks.js'
import type { OutgoingBuffers } from './outgoing-buffers.js'
import { pingIsSound, pingToken, writePing } from './ping.js'

export type ChannelRole = 'dialer' | 'listener'

/** Told what happens on a channel. */
export interface ChannelOwner {
  /** Something readable came: the peer lives. Once per read. */
  onHeard(channel: Channel, nowMs: number): void
  /** The peer's HELLO; answers why it is not wanted, null when it is. The channel is open afterwards. */
  onHello(channel: Channel, hello: Hello): string | null
  onOpen(channel: Channel, hello: Hello): void
  /** Messages of a batch follow, each with its header, in bytes[start, end); nobody has checked them. */
  onBatch?(bytes: Buffer, start: number, end: number): void
  /** The bytes are the owner's until it returns. */
  onMessage(
    channel: Channel,
    kind: number,
    bytes: Buffer,
    start: number,
    end: number,
    sequence: number,
    hlc: number,
  ): void
  onRefused(channel: Channel, sequence: number, reason: number): void
  onAcked(channel: Channel, watermark: number): void
  /** A PING (to the listener) or PONG (to the dialer): a body as in ping.ts. False when it cannot be. */
  onPing(channel: Channel, body: Buffer, start: number, end: number): boolean
  onSealed(sequence: number, bytes: number): void
  /** The kernel has taken what it was given last. */
  onDrained?(): void
  /** Nothing comes after it. */
  onClosed(channel: Channel, reason: CloseReason, detail: string): void
}

export interface ChannelContext {
  readonly env: LinkEnv
  readonly node: LinkNode
  readonly settings: LinkSettings
  readonly buffers: OutgoingBuffers
}

export class Channel implements StreamHandler, FrameTarget, OutboxOwner {
  state: 'handshake' | 'hello' | 'open' | 'closed' = 'handshake'
  readonly role: ChannelRole
  readonly stream: Stream
  readonly startedAtMs: number
  hello: Hello | null = null
  lastHeardMs: number
  readonly #context: ChannelContext
  readonly #owner: ChannelOwner
  readonly #handshake: Handshake
  #partial: Buffer | null = null
  #partialLength = 0
  #reader: FrameReader | null = null
  #outbox: Outbox | null = null
  readonly #large: LargeMessage
  readonly #acks = new OutgoingAcks()
  #received = 0
  #watermark = 0
  #sendSeed = 0
  #isHelloDue = false
  #isPingDue = false
  /** Token of the PING to answer; -1 for none. */
  #pongToken = -1
  #isPausedByUser = false
  #isPausedByAnswers = false
  #stuckSinceMs = 0
  #lendings = 0

  constructor(
    role: ChannelRole,
    stream: Stream,
    context: ChannelContext,
    owner: ChannelOwner,
    expectedNodeId: string | null,
  ) {
    const { env, node, settings } = context
    this.role = role
    this.stream = stream
    this.#context = context
    this.#owner = owner
    this.startedAtMs = env.clock.monotonicMs()
    this.lastHeardMs = this.startedAtMs
    this.#large = new LargeMessage(settings.messageBytesMax)
    const { nodeId } = node
    const { secret, versions } = settings
    this.#handshake = new Handshake({ role, secret, nodeId, expectedNodeId, versions, random: env.random })
  }

  /** The dialer speaks first. */
  begin(): void {
    assert(this.role === 'dialer', 'the dialer begins')
    this.#send(this.#handshake.begin())
  }

  get outbox(): Outbox {
    assert(this.#outbox !== null, 'the handshake is done')
    return this.#outbox
  }

  /** Who the peer is, as far as is known. */
  get peerName(): string {
    return this.hello?.nodeId ?? this.#handshake.claimedPeerId
  }

  get isAuthenticated(): boolean {
    return this.#reader !== null
  }

  /** Sequence of the last message that was received. */
  get receivedSequence(): number {
    return this.#received
  }

  /** Bytes held for frames and messages that have not come whole. */
  get heldBytes(): number {
    return (this.#partial?.length ?? 0) + (this.#reader?.capacityBytes ?? 0) + this.#large.capacityBytes
  }

  get unsentBytes(): number {
    return this.#outbox?.unsentBytes ?? 0
  }

  // What the users of either end ask for.

  acknowledge(upTo: number): void {
    if (this.state !== 'open' || upTo === this.#acks.watermark) return
    assert(upTo <= this.#received, 'only what came is acknowledged')
    this.#acks.acknowledge(upTo)
    this.outbox.scheduleFlush()
  }

  refuse(sequence: number, reason: number): void {
    if (this.state !== 'open') return
    assert(sequence <= this.#received, 'only what came is refused')
    this.#acks.refuse(sequence, reason)
    this.outbox.scheduleFlush()
  }

  /** A PING leaves with the next flush, which is now unless the socket is busy. */
  ping(): void {
    this.#isPingDue = true
    this.outbox.flush()
  }

  /** Reads no further; what the current read brought still comes. Whoever pauses for 5 s counts as silent, at both ends. */
  pause(): void {
    this.#isPausedByUser = true
    this.stream.pause()
  }

  resume(): void {
    this.#isPausedByUser = false
    this.#goOnReading()
  }

  /** Looks after deadlines, and gives up memory that is only worth keeping while there is traffic. */
  tick(nowMs: number): void {
    if (this.state === 'closed') return
    if (this.state !== 'open' && nowMs - this.startedAtMs > HANDSHAKE_DEADLINE_MS) {
      return this.close('deadline', `no HELLO within ${HANDSHAKE_DEADLINE_MS} ms`, false)
    }
    const outbox = this.#outbox
    if (outbox === null) return
    if (!outbox.isBlocked || outbox.lendings !== this.#lendings) {
      this.#stuckSinceMs = nowMs
      this.#lendings = outbox.lendings
    }
    if (nowMs - this.#stuckSinceMs > SILENT_MS_MAX) {
      return this.close('not-reading', `nothing was read for ${SILENT_MS_MAX} ms`, false)
    }
    if (nowMs - this.lastHeardMs > SILENT_MS_MAX) {
      return this.close('silent', `nothing came for ${SILENT_MS_MAX} ms`, false)
    }
    this.#reader?.release()
    outbox.release()
  }

  /** This process stood still for so long: the peer's silence meanwhile is not its fault. */
  ownPause(durationMs: number, nowMs: number): void {
    this.lastHeardMs = Math.min(nowMs, this.lastHeardMs + durationMs)
    this.#stuckSinceMs = Math.min(nowMs, this.#stuckSinceMs + durationMs)
  }

  /** Ends the connection. `says`: the peer is told why, as far as that needs no waiting. */
  close(reason: CloseReason, detail: string, says: boolean): void {
    if (this.state === 'closed') return
    const wasAuthenticated = this.isAuthenticated
    this.state = 'closed'
    this.#reader?.stop()
    this.#outbox?.close()
    this.#large.clear()
    this.#partial = null
    if (says && wasAuthenticated && this.stream.unsentBytes() === 0) this.#sayGoodbye(reason, detail)
    else if (!says || wasAuthenticated) this.stream.destroy()
    else this.stream.end()
    this.#owner.onClosed(this, reason, detail)
  }

  // What the socket tells.

  onBytes(bytes: Buffer, length: number): void {
    if (this.state === 'closed') return
    let at = 0
    if (this.#reader === null) {
      at = this.#readHandshake(bytes, length)
      if (this.#reader === null) return
    }
    const nowMs = this.#context.env.clock.monotonicMs()
    this.lastHeardMs = nowMs
    if (this.state === 'open') this.#owner.onHeard(this, nowMs)
    const wrong = this.#reader.receive(bytes, at, length)
    if (wrong !== null) this.close(wrong, `unreadable frame: ${wrong}`, true)
    else if (this.role === 'listener') this.#pauseForAnswers()
  }

  nextBuffer(): Buffer | null {
    return this.#reader?.nextBuffer() ?? null
  }

  onDrain(): void {
    if (this.state === 'closed') return
    this.#outbox?.drained()
    this.#resumeAfterAnswers()
    this.#owner.onDrained?.()
  }

  onEnd(): void {
    this.close('lost', 'the peer closed the connection', false)
  }

  onClose(): void {
    this.close('lost', 'the connection broke', false)
  }

  // The handshake.

  /** Answers how much of the read was the handshake's. A frame's bytes are only kept once its first three were judged. */
  #readHandshake(bytes: Buffer, length: number): number {
    let at = 0
    while (at < length && this.#reader === null && this.state === 'handshake') {
      let partial = (this.#partial ??= Buffer.allocUnsafe(HANDSHAKE_HEADER_BYTES))
      at = this.#fill(partial, bytes, at, length)
      if (this.#partialLength === HANDSHAKE_HEADER_BYTES) {
        if (!handshakeHeaderIsSound(partial, 0, this.#handshake.expects)) return this.#garbage()
        const header = partial
        partial = Buffer.allocUnsafe(HANDSHAKE_HEADER_BYTES + readU16(header, 0))
        header.copy(partial, 0, 0, HANDSHAKE_HEADER_BYTES)
        this.#partial = partial
        at = this.#fill(partial, bytes, at, length)
      }
      if (this.#partialLength < partial.length) break
      this.#partial = null
      this.#partialLength = 0
      this.#handshakeStep(partial[2], partial)
    }
    return at
  }

  /** Copies as much of bytes[at, length) as the partial frame has room for; answers where it stopped. */
  #fill(partial: Buffer, bytes: Buffer, at: number, length: number): number {
    const count = Math.min(partial.length - this.#partialLength, length - at)
    bytes.copy(partial, this.#partialLength, at, at + count)
    this.#partialLength += count
    return at + count
  }

  #garbage(): number {
    this.close('garbage', 'what came is no handshake', false)
    return 0
  }

  #handshakeStep(type: number, whole: Buffer): void {
    const step = this.#handshake.receive(type, whole)
    this.#send(step.send)
    if (step.kind === 'refused') this.close(step.reason, step.detail, true)
    if (step.kind !== 'done') return
    const { env, buffers } = this.#context
    this.#partial = null
    this.#sendSeed = step.result.sendSeed
    this.#reader = new FrameReader(step.result.receiveSeed, this)
    const { stream } = this
    const { clock } = env
    this.#outbox = new Outbox({ stream, clock, buffers, owner: this, seed: step.result.sendSeed })
    this.state = 'hello'
    this.#isHelloDue = true
    this.outbox.flush()
  }

  #send(bytes: Buffer): void {
    if (bytes.length > 0) this.stream.write(bytes, 0, bytes.length)
  }

  // Frames that come.

  onFrame(
    type: number,
    bytes: Buffer,
    start: number,
    end: number,
    sequence: number,
    hlc: number,
  ): CloseReason | null {
    if (this.state === 'hello') {
      return type === HELLO ? this.#onHello(bytes, start, end, hlc) : 'malformed'
    }
    this.#context.node.witness(hlc)
    if (type === BATCH) return this.#onBatch(bytes, start, end, sequence, hlc)
    if (type === PIECE) return this.#onPiece(bytes, start, end, sequence, hlc)
    if (type === ACK) return this.#onAck(bytes, start, end)
    if (type === PING || type === PONG) return this.#onPing(type, bytes, start, end)
    if (type === GOODBYE) return this.#onGoodbye(bytes, start, end)
    return 'malformed'
  }

  #onHello(bytes: Buffer, start: number, end: number, hlc: number): CloseReason | null {
    const hello = parseHello(bytes, start, end, this.#handshake.claimedPeerId, hlc)
    if (hello === null) return 'malformed'
    const refusal = this.#owner.onHello(this, hello)
    if (this.state === 'closed') return null
    if (refusal !== null) {
      this.close('hello-refused', refusal, true)
      return null
    }
    this.#context.node.witness(hlc)
    this.hello = hello
    this.state = 'open'
    this.#owner.onOpen(this, hello)
    return null
  }

  #onBatch(bytes: Buffer, start: number, end: number, sequence: number, hlc: number): CloseReason | null {
    if (this.#large.isOpen) return 'malformed'
    if (sequence !== (this.#received + 1) % TWO_32) return 'sequence'
    let at = start
    let announced = 0
    while (at < end) {
      if (announced-- === 0) {
        announced = MESSAGES_ANNOUNCED - 1
        this.#owner.onBatch?.(bytes, at, end)
      }
      if (end - at < MESSAGE_HEADER_BYTES) return 'malformed'
      const from = at + MESSAGE_HEADER_BYTES
      const to = from + readU24(bytes, at + 1)
      if (to > end) return 'malformed'
      this.#owner.onMessage(this, bytes[at], bytes, from, to, ++this.#received, hlc)
      if (this.state === 'closed') return null
      at = to
    }
    return at === start ? 'malformed' : null
  }

  #onPiece(bytes: Buffer, start: number, end: number, sequence: number, hlc: number): CloseReason | null {
    const large = this.#large
    if (sequence !== (this.#received + 1) % TWO_32) return 'sequence'
    if (!large.add(bytes, start, end)) return 'malformed'
    if (!large.isComplete) return null
    this.#owner.onMessage(this, large.kind, large.bytes, 0, large.total, ++this.#received, hlc)
    large.clear()
    return null
  }

  #onAck(bytes: Buffer, start: number, end: number): CloseReason | null {
    const length = end - start - ACK_HEADER_BYTES
    if (this.role !== 'dialer' || length < 0 || length % REFUSAL_BYTES !== 0) return 'malformed'
    const watermark = readU48(bytes, start)
    const handed = this.outbox.handedSequence
    if (readU16(bytes, start + 6) !== 0) return 'malformed'
    if (watermark < this.#watermark || watermark > handed) return 'sequence'
    for (let at = start + ACK_HEADER_BYTES; at < end; at += REFUSAL_BYTES) {
      const sequence = readU48(bytes, at)
      if (bytes[at + 7] !== 0) return 'malformed'
      if (sequence <= this.#watermark || sequence > handed) return 'sequence'
      this.#owner.onRefused(this, sequence, bytes[at + 6])
      if (this.state !== 'open') return null
    }
    if (watermark === this.#watermark) return null
    this.#watermark = watermark
    this.#owner.onAcked(this, watermark)
    return null
  }

  #onPing(type: number, bytes: Buffer, start: number, end: number): CloseReason | null {
    if ((type === PING) !== (this.role === 'listener') || !pingIsSound(bytes, start, end)) return 'malformed'
    if (!this.#owner.onPing(this, bytes, start, end)) return 'malformed'
    if (type === PONG || this.state !== 'open') return null
    this.#pongToken = pingToken(bytes, start)
    this.outbox.scheduleFlush()
    return null
  }

  #onGoodbye(bytes: Buffer, start: number, end: number): CloseReason | null {
    if (end === start || end - start > 1 + REASON_BYTES_MAX) return 'malformed'
    const text = printable(bytes.toString('utf8', start + 1, end))
    this.close('refused-by-peer', `the peer closed: ${closeReasonOf(bytes[start])}: ${text}`, false)
    return null
  }

  // Frames that go.

  stamp(): number {
    return this.#context.node.stamp()
  }

  onSealed(sequence: number, bytes: number): void {
    this.#owner.onSealed(sequence, bytes)
  }

  writeControl(bytes: Buffer, at: number): number {
    let end = at
    if (this.#isHelloDue) end = this.#writeHello(bytes, end)
    if (this.#isPingDue) end = this.#writePing(bytes, end, PING)
    if (this.#pongToken >= 0) end = this.#writePing(bytes, end, PONG)
    if (this.#acks.isDue) {
      const bodyEnd = this.#acks.write(bytes, end + FRAME_HEADER_BYTES)
      end = this.#seal(bytes, end, bodyEnd, ACK)
      if (this.#acks.isDue) this.outbox.scheduleFlush()
    }
    return end
  }

  #writeHello(bytes: Buffer, at: number): number {
    this.#isHelloDue = false
    const { node } = this.#context
    const hello = {
      bootId: node.bootId,
      flushMark: node.flushMark(),
      ringVersion: node.ringVersion(),
      state: node.helloState(),
    }
    return this.#seal(bytes, at, writeHello(bytes, at + FRAME_HEADER_BYTES, hello), HELLO)
  }

  #writePing(bytes: Buffer, at: number, type: number): number {
    const { env, node } = this.#context
    const token = type === PING ? Math.floor(env.clock.monotonicMs() * 1000) : this.#pongToken
    if (type === PING) this.#isPingDue = false
    else this.#pongToken = -1
    const bodyAt = at + FRAME_HEADER_BYTES
    const state = node.pingState(this.hello?.nodeId ?? '')
    const end = writePing(bytes, bodyAt, token, env.clock.wallMs(), node.fitness(), state)
    return this.#seal(bytes, at, end, type)
  }

  #seal(bytes: Buffer, at: number, end: number, type: number): number {
    sealFrame(bytes, at, end, type, 0, this.stamp(), this.#sendSeed)
    return end
  }

  #sayGoodbye(reason: CloseReason, detail: string): void {
    const text = shortText(detail)
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + 1 + text.length)
    frame[FRAME_HEADER_BYTES] = closeCode(reason)
    text.copy(frame, FRAME_HEADER_BYTES + 1)
    this.#seal(frame, 0, frame.length, GOODBYE)
    this.#send(frame)
    this.stream.end()
  }

  // A peer that asks and does not read the answers is not asked for more work.

  #pauseForAnswers(): void {
    if (this.#isPausedByAnswers || this.#outbox?.isBlocked !== true) return
    if (this.unsentBytes < ANSWERS_PAUSE_BYTES) return
    this.#isPausedByAnswers = true
    this.stream.pause()
  }

  #resumeAfterAnswers(): void {
    if (!this.#isPausedByAnswers || this.unsentBytes > ANSWERS_PAUSE_BYTES / 2) return
    this.#isPausedByAnswers = false
    this.#goOnReading()
  }

  /** The silence until now was ours. */
  #goOnReading(): void {
    if (this.#isPausedByUser || this.#isPausedByAnswers) return
    this.lastHeardMs = this.#context.env.clock.monotonicMs()
    this.stream.resume()
  }
}

const TWO_32 = 0x1_0000_0000
