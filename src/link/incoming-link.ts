/**
 * A peer's link to us: its requests come in order, and are answered, refused, acknowledged here. There is one per peer: a new
 * connection of the same node closes the older one, and what that one had not yet delivered is discarded (RULES V6).
 */
import { assert } from '../util/assert.js'
import { Channel } from './channel.js'
import type { ChannelContext, ChannelOwner } from './channel.js'
import type { Stream } from '../env/network.js'
import type { CloseReason } from './close-reason.js'
import type { Hello } from './hello.js'
import { pingFitness } from './ping.js'

/** Told by the links of peers. Messages' bytes are the user's until it returns. */
export interface IncomingLinkUser {
  /** Why this peer is not wanted; null when it is. Comes before anything else of it (RULES P4). */
  judge(hello: Hello): string | null
  onOpened(link: IncomingLink): void
  /** Requests follow, each with the header of a message, in bytes[start, end); nobody has checked them. */
  onBatch?(bytes: Buffer, start: number, end: number): void
  onRequest(
    link: IncomingLink,
    kind: number,
    bytes: Buffer,
    start: number,
    end: number,
    sequence: number,
    hlc: number,
  ): void
  /** Some of the answers that were waiting have left. */
  onDrained?(link: IncomingLink): void
  onClosed(link: IncomingLink, reason: CloseReason): void
}

export interface IncomingLinkHost extends ChannelContext {
  /** An authenticated peer is welcome: older links of it are to be closed now. */
  accepted(link: IncomingLink, hello: Hello): void
  ended(link: IncomingLink, reason: CloseReason, detail: string): void
}

export class IncomingLink implements ChannelOwner {
  readonly channel: Channel
  /** Fitness flags (ping.ts) of the peer's latest PING. */
  fitness = 0
  readonly #host: IncomingLinkHost
  readonly #user: IncomingLinkUser

  constructor(stream: Stream, host: IncomingLinkHost, user: IncomingLinkUser) {
    this.#host = host
    this.#user = user
    this.channel = new Channel('listener', stream, host, this, null)
  }

  get isOpen(): boolean {
    return this.channel.state === 'open'
  }

  /** Null until the peer has introduced itself. */
  get hello(): Hello | null {
    return this.channel.hello
  }

  /** Sequence of the last request that came. */
  get receivedSequence(): number {
    return this.channel.receivedSequence
  }

  /** Everything up to `upTo` has been dealt with: is as durable as it has to be, or refused, or answered. */
  acknowledge(upTo: number): void {
    this.channel.acknowledge(upTo)
  }

  /** This request, which is above the watermark, was not applied (RULES L2); reasons are the users'. */
  refuse(sequence: number, reason: number): void {
    this.channel.refuse(sequence, reason)
  }

  /** Where begin() puts an answer. Changes with every begin(). */
  get bytes(): Buffer {
    return this.channel.outbox.bytes
  }

  get unsentBytes(): number {
    return this.channel.unsentBytes
  }

  /** Whether an answer of so many bytes is taken now. One alone always is, however large. */
  canSend(bytes: number): boolean {
    if (!this.isOpen) return false
    const held = this.channel.unsentBytes
    return held === 0 || held + bytes <= this.#host.settings.unacknowledgedBytesMax
  }

  /** As PeerLink.begin, for an answer. */
  begin(kind: number, room: number, more = 0): number {
    return this.canSend(room + more) ? this.channel.outbox.begin(kind, room) : -1
  }

  end(at: number): number {
    return this.channel.outbox.end(at)
  }

  /** The answer goes on with bytes[start, end), which stay as they are until they were sent. */
  endWith(at: number, bytes: Uint8Array, start: number, end: number): number {
    return this.channel.outbox.endWith(at, bytes, start, end)
  }

  /** Sends answers and acks; otherwise that happens at the end of the turn. */
  flush(): void {
    if (this.isOpen) this.channel.outbox.flush()
  }

  /** Stops reading; up to one read's worth of requests still comes. The peer then notices by itself. */
  pause(): void {
    this.channel.pause()
  }

  resume(): void {
    this.channel.resume()
  }

  close(reason: CloseReason, detail: string): void {
    this.channel.close(reason, detail, true)
  }

  // What the channel tells.

  onHeard(): void {}

  onHello(_channel: Channel, hello: Hello): string | null {
    return this.#user.judge(hello)
  }

  onOpen(_channel: Channel, hello: Hello): void {
    this.#host.accepted(this, hello)
    this.#user.onOpened(this)
  }

  onBatch(bytes: Buffer, start: number, end: number): void {
    this.#user.onBatch?.(bytes, start, end)
  }

  onMessage(
    _channel: Channel,
    kind: number,
    bytes: Buffer,
    start: number,
    end: number,
    sequence: number,
    hlc: number,
  ): void {
    this.#user.onRequest(this, kind, bytes, start, end, sequence, hlc)
  }

  onRefused(): void {
    assert(false, 'a listener takes no acks')
  }

  onAcked(): void {
    assert(false, 'a listener takes no acks')
  }

  onPing(_channel: Channel, body: Buffer, start: number): boolean {
    this.fitness = pingFitness(body, start)
    return true
  }

  onSealed(): void {}

  onDrained(): void {
    this.#user.onDrained?.(this)
  }

  onClosed(channel: Channel, reason: CloseReason, detail: string): void {
    this.#host.ended(this, reason, detail)
    if (channel.hello !== null) this.#user.onClosed(this, reason)
  }
}
