/**
 * The link to one peer for our own requests: dials, dials again when it is lost, and knows how the peer is.
 *
 *     down        no open connection, or phi >= threshold (8)
 *     suspicious  phi >= 5
 *     up          otherwise
 *
 * Phi is fed by what comes on this connection alone, so "up" means that requests get there *and* answers come back; what the
 * peer sends on its own link to us says nothing about the first half.
 *
 * Requests are written with begin/end (outbox.ts) and numbered from 1 on each connection. When one is lost, `onLost` tells which
 * are in doubt: (acked, handed] may have been applied, (handed, last] never left.
 */
import type { Dialing, Stream, StreamHandler } from '../env/network.js'
import { PhiAccrual } from '../membership/phi-accrual.js'
import { assert } from '../util/assert.js'
import type { Timer } from '../env/clock.js'
import { Channel } from './channel.js'
import type { ChannelContext, ChannelOwner } from './channel.js'
import { ClockOffset, ROUND_TRIP_MS_MAX } from './clock-offset.js'
import type { CloseReason } from './close-reason.js'
import type { Hello } from './hello.js'
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  CONNECT_TIMEOUT_MS,
  INLINE_MESSAGE_BYTES_MAX,
  TICK_MS,
} from './limits.js'
import { CATCHING_UP, PING_FIXED_BYTES, pingFitness, pingToken, pingWallMs } from './ping.js'
import { Unacknowledged } from './unacknowledged.js'

const NOTHING = Buffer.alloc(0)

export type PeerState = 'up' | 'suspicious' | 'down'

/** Told by a link to a peer. Messages' bytes are the user's until it returns. */
export interface PeerLinkUser {
  /** Why this peer is not wanted; null when it is. Comes before anything else of it (RULES P4). */
  judge(hello: Hello): string | null
  /** A new connection: the next request has sequence 1. */
  onConnected(link: PeerLink, hello: Hello): void
  onAnswer(
    link: PeerLink,
    kind: number,
    bytes: Buffer,
    start: number,
    end: number,
    sequence: number,
    hlc: number,
  ): void
  /** The peer refused this request, and did not apply it. Comes before the watermark that covers it. */
  onRefused(link: PeerLink, sequence: number, reason: number): void
  onAcked(link: PeerLink, watermark: number): void
  /** Of the requests above `acked`, those up to `handed` may have been applied; those above, up to `last`, were not. */
  onLost(link: PeerLink, acked: number, handed: number, last: number): void
  onState(link: PeerLink, state: PeerState): void
  /** A connection could not be made, or ended before the peer had introduced itself. */
  onUnreachable?(link: PeerLink): void
  /** Fitness flags (ping.ts) or the state of the peer's pings have changed. */
  onFitness(link: PeerLink): void
}

/** What a link needs of the other links. */
export interface PeerLinkHost extends ChannelContext {
  /** Has the process stood still? Called before a peer's silence is judged. */
  noticePause(nowMs: number): void
  closed(link: PeerLink, reason: CloseReason, detail: string): void
}

export class PeerLink implements ChannelOwner {
  readonly host: string
  readonly port: number
  readonly clock = new ClockOffset()
  state: PeerState = 'down'
  /** Of the latest connection; null before the first. */
  hello: Hello | null = null
  fitness = 0
  /** Of the peer's latest pong on this connection; empty before the first. */
  pingState: Buffer = NOTHING
  /** clock.monotonicMs() of the first ping that has not been answered; 0 when all have. */
  pingSentAtMs = 0
  readonly #host: PeerLinkHost
  readonly #user: PeerLinkUser
  readonly #expectedNodeId: string | null
  #channel: Channel | null = null
  #dialing: Dialing | null = null
  #retry: Timer | null = null
  #backoffMs = BACKOFF_MS_MIN
  #pingedAtMs = -Infinity
  #phi: PhiAccrual | null = null
  #unacknowledged = new Unacknowledged()
  #isClosed = false

  constructor(
    host: string,
    port: number,
    links: PeerLinkHost,
    user: PeerLinkUser,
    expectedNodeId: string | null,
  ) {
    this.host = host
    this.port = port
    this.#host = links
    this.#user = user
    this.#expectedNodeId = expectedNodeId
  }

  /** Whether there is a connection that takes requests. */
  get isOpen(): boolean {
    return this.#channel?.state === 'open'
  }

  /** Where begin() puts a request. Changes with every begin(). */
  get bytes(): Buffer {
    return this.#open.outbox.bytes
  }

  /** clock.monotonicMs() when the connection was made, and when anything last came on it; 0 without one. */
  get connectedAtMs(): number {
    return this.#channel?.startedAtMs ?? 0
  }

  get heardAtMs(): number {
    return this.#channel?.lastHeardMs ?? 0
  }

  /** Bytes of requests that are not known to have been dealt with. */
  get unacknowledgedBytes(): number {
    return this.isOpen ? this.#unacknowledged.bytes(this.#open.outbox.messageBytes) : 0
  }

  /** Of them, the bytes that have not left. */
  get unsentBytes(): number {
    return this.#channel?.unsentBytes ?? 0
  }

  /** Sequence of the last request on this connection, and the last one that the watermark has passed. */
  get lastSequence(): number {
    return this.isOpen ? this.#open.outbox.sequence : 0
  }

  get watermark(): number {
    return this.#unacknowledged.watermark
  }

  phi(nowMs: number): number {
    return this.isOpen && this.#phi !== null ? this.#phi.phi(nowMs) : Infinity
  }

  /** Whether a request of so many bytes is taken now. One alone always is, however large. */
  canSend(bytes: number): boolean {
    if (!this.isOpen) return false
    const held = this.unacknowledgedBytes
    return held === 0 || held + bytes <= this.#host.settings.unacknowledgedBytesMax
  }

  /**
   * Room for a request of up to `room` bytes (64 KB at most), `more` of which may follow by reference: answers where in `bytes`
   * it begins, -1 when there is no connection or too much is unacknowledged.
   */
  begin(kind: number, room: number, more = 0): number {
    assert(room <= INLINE_MESSAGE_BYTES_MAX, 'larger requests are given by reference')
    return this.canSend(room + more) ? this.#open.outbox.begin(kind, room) : -1
  }

  /** The request ends at `at`; answers its sequence. */
  end(at: number): number {
    return this.#open.outbox.end(at)
  }

  /** The request goes on with bytes[start, end), which stay as they are until it was acknowledged; answers its sequence. */
  endWith(at: number, bytes: Uint8Array, start: number, end: number): number {
    return this.#open.outbox.endWith(at, bytes, start, end)
  }

  /** Sends what was written; otherwise that happens at the end of the turn. */
  flush(): void {
    if (this.isOpen) this.#open.outbox.flush()
  }

  /** Starts dialing, or does so at once instead of after the back-off: there is reason to believe that the peer is there. */
  dial(): void {
    if (this.#isClosed || this.#dialing !== null || this.#channel !== null) return
    this.#retry?.cancel()
    this.#retry = null
    const { network } = this.#host.env
    this.#dialing = network.dial(this.host, this.port, CONNECT_TIMEOUT_MS, {
      onConnected: (stream) => this.#connected(stream),
      onFailed: (reason) => {
        this.#dialing = null
        this.#host.closed(this, 'unreachable', reason)
        this.#user.onUnreachable?.(this)
        this.#dialLater()
      },
    })
  }

  /** Ends the link for good. */
  close(detail: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#retry?.cancel()
    this.#dialing?.cancel()
    this.#dialing = null
    if (this.isOpen) this.#open.outbox.flush()
    this.#channel?.close('stopped', detail, true)
  }

  /** Every TICK_MS: a ping when it is due, deadlines, and the peer's state. */
  tick(nowMs: number): void {
    const channel = this.#channel
    if (channel === null) return
    channel.tick(nowMs)
    if (channel.state !== 'open') return
    if (nowMs - this.#pingedAtMs > this.#host.settings.pingIntervalMs - TICK_MS / 2) {
      if (this.pingSentAtMs === 0) this.pingSentAtMs = nowMs
      this.#ping(channel, nowMs)
    }
    this.#judge(nowMs)
  }

  #ping(channel: Channel, nowMs: number): void {
    this.#pingedAtMs = nowMs
    channel.ping()
  }

  ownPause(durationMs: number, nowMs: number): void {
    if (durationMs > ROUND_TRIP_MS_MAX) this.clock.clear()
    this.#phi?.pause(durationMs, nowMs)
    this.#channel?.ownPause(durationMs, nowMs)
  }

  get #open(): Channel {
    assert(this.#channel !== null, 'the link is open')
    return this.#channel
  }

  #connected(stream: Stream): StreamHandler {
    this.#dialing = null
    const channel = new Channel('dialer', stream, this.#host, this, this.#expectedNodeId)
    this.#channel = channel
    channel.begin()
    return channel
  }

  #dialLater(): void {
    if (this.#isClosed) return
    const { clock, random } = this.#host.env
    const jitteredMs = this.#backoffMs / 2 + random.below(Math.ceil(this.#backoffMs / 2) + 1)
    this.#backoffMs = Math.min(BACKOFF_MS_MAX, 2 * this.#backoffMs)
    this.#retry = clock.after(jitteredMs, () => {
      this.#retry = null
      this.dial()
    })
  }

  #judge(nowMs: number): void {
    const { settings } = this.#host
    const phi = this.phi(nowMs)
    const state = phi >= settings.phi.threshold ? 'down' : phi >= settings.phiSuspicious ? 'suspicious' : 'up'
    this.#become(state)
  }

  #become(state: PeerState): void {
    if (state === this.state) return
    this.state = state
    // When it is heard again, what it said before is old.
    if (state === 'down') this.pingState = NOTHING
    this.#user.onState(this, state)
  }

  // What the channel tells.

  onHeard(_channel: Channel, nowMs: number): void {
    this.#host.noticePause(nowMs)
    this.#phi?.arrive(nowMs)
    if (this.state !== 'up') this.#judge(nowMs)
  }

  onHello(_channel: Channel, hello: Hello): string | null {
    return this.#user.judge(hello)
  }

  onOpen(channel: Channel, hello: Hello): void {
    const isOtherBoot = this.hello === null || hello.bootId !== this.hello.bootId
    if (isOtherBoot) this.clock.clear()
    this.hello = hello
    this.#backoffMs = BACKOFF_MS_MIN
    this.#unacknowledged = new Unacknowledged()
    this.pingSentAtMs = 0
    // It has not said how it is; what it said on another connection may be long ago (RULES H1).
    this.fitness = CATCHING_UP
    this.pingState = NOTHING
    const nowMs = channel.lastHeardMs
    this.#phi = new PhiAccrual(this.#host.settings.phi, nowMs)
    this.#user.onConnected(this, hello)
    if (channel.state !== 'open') return
    this.#ping(channel, nowMs)
    this.#judge(nowMs)
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
    this.#user.onAnswer(this, kind, bytes, start, end, sequence, hlc)
  }

  onRefused(_channel: Channel, sequence: number, reason: number): void {
    this.#user.onRefused(this, sequence, reason)
  }

  onAcked(_channel: Channel, watermark: number): void {
    this.#unacknowledged.acknowledge(watermark)
    this.#user.onAcked(this, watermark)
  }

  onPing(_channel: Channel, body: Buffer, start: number, end: number): boolean {
    const { clock } = this.#host.env
    const roundTripMs = clock.monotonicMs() - pingToken(body, start) / 1000
    if (roundTripMs < 0) return false
    this.pingSentAtMs = 0
    this.clock.add(pingWallMs(body, start), clock.wallMs(), roundTripMs)
    const fitness = pingFitness(body, start)
    const stateAt = start + PING_FIXED_BYTES
    const isSame =
      fitness === this.fitness &&
      this.pingState.length === end - stateAt &&
      this.pingState.compare(body, stateAt, end) === 0
    if (isSame) return true
    this.fitness = fitness
    this.pingState = Buffer.from(body.subarray(stateAt, end))
    this.#user.onFitness(this)
    return true
  }

  onSealed(sequence: number, bytes: number): void {
    this.#unacknowledged.add(sequence, bytes)
  }

  onClosed(channel: Channel, reason: CloseReason, detail: string): void {
    if (channel !== this.#channel) return
    this.#channel = null
    this.#host.closed(this, reason, detail)
    this.#become('down')
    if (channel.hello !== null) {
      const { handedSequence, sequence } = channel.outbox
      this.#user.onLost(this, this.#unacknowledged.watermark, handedSequence, sequence)
    } else {
      this.#user.onUnreachable?.(this)
    }
    this.#dialLater()
  }
}
