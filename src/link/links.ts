/**
 * All links of a node: the peer port, one link to each peer, and the one timer that they share. Each ordered pair of nodes has a
 * connection of its own: A dials B for A's requests, B dials A for B's. README.md says why.
 */
import type { Timer } from '../env/clock.js'
import type { Listener, Stream, StreamHandler } from '../env/network.js'
import { assert } from '../util/assert.js'
import type { CloseReason } from './close-reason.js'
import type { Hello } from './hello.js'
import { IncomingLink } from './incoming-link.js'
import type { IncomingLinkHost, IncomingLinkUser } from './incoming-link.js'
import { OWN_PAUSE_MS_MIN, TICK_MS, UNAUTHENTICATED_MAX } from './limits.js'
import type { LinkEnv, LinkNode, LinkSettings } from './link-node.js'
import { OutgoingBuffers } from './outgoing-buffers.js'
import { PeerLink } from './peer-link.js'
import type { PeerLinkHost, PeerLinkUser } from './peer-link.js'

/** Refused connections are said once in so long, with how many were not said: strangers must not fill the log. */
const SAY_REFUSED_EVERY_MS = 1000
/** A wall clock that moved by more than this against the monotonic one was set. */
const WALL_JUMP_MS_MIN = 20

export class Links implements PeerLinkHost, IncomingLinkHost {
  readonly env: LinkEnv
  readonly node: LinkNode
  readonly settings: LinkSettings
  readonly buffers = new OutgoingBuffers()
  /** How many connections ended, or never came to be, by reason: for INFO. */
  readonly closeCounts = new Map<CloseReason, number>()
  readonly #user: IncomingLinkUser
  readonly #peers: PeerLink[] = []
  readonly #incoming = new Set<IncomingLink>()
  readonly #byNodeId = new Map<string, IncomingLink>()
  #listener: Listener | null = null
  #timer: Timer | null = null
  #lastRunMs: number
  #wallAheadMs: number
  #saidRefusedAtMs = -Infinity
  #refusedUnsaid = 0
  #isClosed = false

  constructor(env: LinkEnv, node: LinkNode, settings: LinkSettings, user: IncomingLinkUser) {
    this.env = env
    this.node = node
    this.settings = settings
    this.#user = user
    this.#lastRunMs = env.clock.monotonicMs()
    this.#wallAheadMs = env.clock.wallMs() - this.#lastRunMs
    this.#timer = env.clock.after(TICK_MS, this.#tick)
  }

  /** Peers that are linked to us, as far as they have introduced themselves. */
  get incoming(): Iterable<IncomingLink> {
    return this.#byNodeId.values()
  }

  get peers(): readonly PeerLink[] {
    return this.#peers
  }

  /** Opens the peer port; resolves with the bound port. */
  async listen(host: string, port: number): Promise<number> {
    assert(this.#listener === null, 'there is one peer port')
    this.#listener = await this.env.network.listen(host, port, (stream) => this.#accept(stream))
    return this.#listener.port
  }

  /** Makes the link to a peer and starts dialing. `expectedNodeId`: who has to answer there; null for whoever does. */
  peer(host: string, port: number, user: PeerLinkUser, expectedNodeId: string | null = null): PeerLink {
    const link = new PeerLink(host, port, this, user, expectedNodeId)
    this.#peers.push(link)
    link.dial()
    return link
  }

  /** Ends everything, and says so to the peers. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const link of this.#peers) link.close('the node stops')
    for (const link of this.#incoming) link.close('stopped', 'the node stops')
    await this.#listener?.close()
  }

  // Time.

  readonly #tick = (): void => {
    this.#timer = this.env.clock.after(TICK_MS, this.#tick)
    const nowMs = this.env.clock.monotonicMs()
    this.noticePause(nowMs)
    this.#noticeWallJump(nowMs)
    for (const link of this.#peers) link.tick(nowMs)
    for (const link of this.#incoming) link.channel.tick(nowMs)
  }

  noticePause(nowMs: number): void {
    const gapMs = nowMs - this.#lastRunMs
    this.#lastRunMs = nowMs
    if (gapMs < TICK_MS + OWN_PAUSE_MS_MIN) return
    const pausedMs = gapMs - TICK_MS
    this.env.log.warn('this process stood still', { pausedMs: Math.round(pausedMs) })
    for (const link of this.#peers) link.ownPause(pausedMs, nowMs)
    for (const link of this.#incoming) link.channel.ownPause(pausedMs, nowMs)
  }

  /** Offsets to the peers' clocks that were measured before ours was set are wrong now. */
  #noticeWallJump(nowMs: number): void {
    const aheadMs = this.env.clock.wallMs() - nowMs
    const jumpedMs = Math.abs(aheadMs - this.#wallAheadMs)
    this.#wallAheadMs = aheadMs
    if (jumpedMs >= WALL_JUMP_MS_MIN) for (const link of this.#peers) link.clock.clear()
  }

  // Incoming connections.

  #accept(stream: Stream): StreamHandler {
    const link = new IncomingLink(stream, this, this.#user)
    this.#incoming.add(link)
    let strangers = 0
    for (const { channel } of this.#incoming) if (!channel.isAuthenticated) strangers++
    if (this.#isClosed) link.channel.close('stopped', 'the node stops', false)
    else if (strangers > UNAUTHENTICATED_MAX) {
      link.channel.close('crowded', `${UNAUTHENTICATED_MAX} connections are unauthenticated`, false)
    }
    return link.channel
  }

  accepted(link: IncomingLink, hello: Hello): void {
    const older = this.#byNodeId.get(hello.nodeId)
    older?.close('replaced', 'a newer connection of the same node took its place')
    this.#byNodeId.set(hello.nodeId, link)
    const { remoteAddress } = link.channel.stream
    this.env.log.info('a peer linked itself', { peer: hello.nodeId, address: remoteAddress })
    // Whoever dials us can most likely be dialed; a peer that never answered yet may be this one.
    for (const peer of this.#peers) {
      if (peer.hello === null || peer.hello.nodeId === hello.nodeId) peer.dial()
    }
  }

  ended(link: IncomingLink, reason: CloseReason, detail: string): void {
    this.#incoming.delete(link)
    const { hello, channel } = link
    if (hello !== null && this.#byNodeId.get(hello.nodeId) === link) this.#byNodeId.delete(hello.nodeId)
    this.#count(reason)
    const facts = { reason, detail, peer: channel.peerName, address: channel.stream.remoteAddress }
    if (hello !== null) this.env.log.info('a peer’s link ended', facts)
    else this.#sayRefused(facts)
  }

  #sayRefused(facts: Record<string, string>): void {
    const nowMs = this.env.clock.monotonicMs()
    if (nowMs - this.#saidRefusedAtMs < SAY_REFUSED_EVERY_MS) {
      this.#refusedUnsaid++
      return
    }
    this.#saidRefusedAtMs = nowMs
    this.env.log.warn('a connection to the peer port was refused', { ...facts, unsaid: this.#refusedUnsaid })
    this.#refusedUnsaid = 0
  }

  // Links to peers.

  closed(link: PeerLink, reason: CloseReason, detail: string): void {
    this.#count(reason)
    const facts = { reason, detail, peer: link.hello?.nodeId ?? '', address: `${link.host}:${link.port}` }
    if (reason === 'unreachable' || reason === 'stopped') this.env.log.debug('no link to a peer', facts)
    else this.env.log.warn('the link to a peer was lost', facts)
  }

  #count(reason: CloseReason): void {
    this.closeCounts.set(reason, (this.closeCounts.get(reason) ?? 0) + 1)
  }
}
