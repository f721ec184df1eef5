/**
 * Gossip on the links of a node: when a round is due, who carries its messages, what this node says of itself. What it means is
 * membership/gossip.ts's; this part has the timers.
 *
 *     round   every gossip-interval, to one live member, by chance to a dead one and a seed
 *     news    whom this node holds down has changed, or it stops: told to a few at once, since failures are agreed by it
 *
 * Other parts say things of this node with `setOwn`, read what others said with `stateOf`, and hear of changes by `onChanged`.
 */
import type { Clock, Timer } from '../env/clock.js'
import type { Random } from '../env/random.js'
import { sendAnswer } from '../coordinator/answers.js'
import type { AnsweringLink } from '../coordinator/answers.js'
import { ANSWER_HEAD_BYTES, GOSSIP, GOSSIP_IS, requestOf, writeAnswerHead } from '../coordinator/messages.js'
import type { Peer } from '../coordinator/peer.js'
import type { GossipCounters, GossipFacts } from '../commands/cluster-view.js'
import { printable } from '../link/handshake-frame.js'
import { holdersOf, isFailed } from '../membership/failure-agreement.js'
import type { Judgements } from '../membership/failure-agreement.js'
import { Gossip } from '../membership/gossip.js'
import type { StateListener } from '../membership/gossip.js'
import type { Moment } from '../membership/member-table.js'
import { encodeHoldsDown, namesMember } from '../membership/holds-down.js'
import { FRESH_ROUNDS, NEWS_FANOUT } from '../membership/limits.js'
import type { StateName } from '../membership/state-names.js'
import { isAddress } from './knob-type.js'

/** Of a text that a member says of itself and that is shown. */
const TEXT_BYTES_MAX = 255
/** News of so long are told together. */
const NEWS_DELAY_MS = 100

export class GossipPart {
  readonly #clock: Clock
  readonly #random: Random
  readonly #gossip: Gossip
  /** By member; null at this node. */
  readonly #peers: readonly (Peer | null)[]
  readonly #intervalMs: number
  readonly #judgements: Judgements
  readonly #listeners: StateListener[] = []
  readonly #counters = {
    rounds: 0,
    messagesSent: 0,
    messagesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    malformed: 0,
  }
  #roundTimer: Timer | null = null
  #newsTimer: Timer | null = null
  #requests = 0
  #isStopped = false

  constructor(options: {
    clock: Clock
    random: Random
    peers: readonly (Peer | null)[]
    intervalMs: number
    directoryId: string
    announceAddress: string
  }) {
    const { clock, peers, intervalMs } = options
    this.#clock = clock
    this.#random = options.random
    this.#peers = peers
    this.#intervalMs = intervalMs
    const self = peers.indexOf(null)
    this.#gossip = new Gossip(
      peers.length,
      self,
      Math.max(1, clock.wallMs()),
      options.random,
      (member, name) => {
        for (const listener of this.#listeners) listener(member, name)
      },
    )
    this.#judgements = {
      members: peers.length,
      self,
      isDown: (member) => this.#isDown(member),
      isFresh: (member) => this.#isFresh(member),
      holdsDown: (holder, member) => namesMember(this.#gossip.stateOf(holder, 'HOLDS_DOWN'), member),
    }
    this.setOwn('STATUS', Buffer.from('running'))
    this.setOwn('ADDRESS', Buffer.from(options.announceAddress))
    this.setOwn('DIRECTORY', Buffer.from(options.directoryId))
  }

  start(): void {
    if (this.#peers.length === 1) return
    // Nodes that are started together do not all gossip at the same moment.
    this.#roundTimer = this.#clock.after(1 + this.#random.below(this.#intervalMs), this.#round)
  }

  /** The links close soon: says so, as long as they stand. */
  leave(): void {
    if (this.#gossip.setOwn('STATUS', Buffer.from('stopped'))) this.#tellNews()
  }

  stop(): void {
    this.#isStopped = true
    this.#roundTimer?.cancel()
    this.#newsTimer?.cancel()
  }

  // What is said and known.

  /** Says something of this node to all others, from the next round on. The bytes are copied; see limits.ts for how many there may be. */
  setOwn(name: StateName, bytes: Uint8Array): void {
    this.#gossip.setOwn(name, bytes)
  }

  /** What a member, this node too, last said; null for nothing, or when it was never heard from. Not to be changed. */
  stateOf(member: number, name: StateName): Buffer | null {
    return this.#gossip.stateOf(member, name)
  }

  /** Has `listener` told when another member says something new, or something again after a start. */
  onChanged(listener: StateListener): void {
    this.#listeners.push(listener)
  }

  /** Null for a member that was never heard from. */
  factsOf(member: number): GossipFacts | null {
    const generation = this.#gossip.generationOf(member)
    if (generation === 0) return null
    return { generation, status: textIn(this.stateOf(member, 'STATUS')) }
  }

  /** Where clients are to be sent to reach the member; null when it has not said, or nothing that could be one. */
  addressOf(member: number): string | null {
    const address = textIn(this.stateOf(member, 'ADDRESS'))
    return isAddress(address) ? address : null
  }

  /**
   * When, at the earliest, the other member said what is known of it, milliseconds since 1970: it comes through others, and may have
   * been on its way for as long as it is believed. -Infinity for one that was never heard from.
   */
  saidAtMs(member: number): number {
    return this.#gossip.heardAtMs(member, this.#now()) - FRESH_ROUNDS * this.#intervalMs
  }

  /** The members that hold this one down, as far as they can be believed. */
  holdersOf(member: number): readonly number[] {
    return holdersOf(member, this.#judgements)
  }

  /** Held down by two members, or by the only live one (RULES P1). */
  isFailed(member: number): boolean {
    return isFailed(member, this.#judgements)
  }

  get counters(): GossipCounters {
    return { ...this.#counters, malformed: this.#gossip.malformed }
  }

  #isDown(member: number): boolean {
    const peer = this.#peers[member]
    return peer !== null && !peer.isLive
  }

  #isFresh(member: number): boolean {
    const silentMs = this.#gossip.silenceMs(member, this.#clock.monotonicMs())
    return silentMs <= FRESH_ROUNDS * this.#intervalMs
  }

  #holdsDown(): Buffer {
    return encodeHoldsDown(this.#peers.flatMap((_, member) => (this.#isDown(member) ? [member] : [])))
  }

  // Rounds and news.

  /** A link was lost or made, or a peer has become silent. */
  peersChanged(): void {
    if (this.#gossip.setOwn('HOLDS_DOWN', this.#holdsDown())) this.#tellNews()
  }

  readonly #round = (): void => {
    this.#roundTimer = this.#clock.after(this.#intervalMs, this.#round)
    this.#counters.rounds++
    for (const member of this.#gossip.targets((one) => !this.#isDown(one))) this.#sendSyn(member)
  }

  #tellNews(): void {
    if (this.#isStopped) return
    this.#newsTimer ??= this.#clock.after(NEWS_DELAY_MS, () => {
      this.#newsTimer = null
      const live = this.#peers.flatMap((peer) => (peer?.isLive === true ? [peer.member] : []))
      for (let left = Math.min(NEWS_FANOUT, live.length); left > 0; left--) {
        this.#sendSyn(live.splice(this.#random.below(live.length), 1)[0])
      }
    })
  }

  #sendSyn(member: number): void {
    const peer = this.#peers[member]
    if (peer?.link.isOpen !== true) return
    this.#requests = (this.#requests + 1) >>> 0
    this.#send(peer, this.#requests, this.#gossip.syn())
  }

  #send(peer: Peer, request: number, message: Buffer): void {
    const { link } = peer
    const at = link.begin(GOSSIP, ANSWER_HEAD_BYTES + message.length)
    if (at === -1) return
    writeAnswerHead(link.bytes, at, request)
    message.copy(link.bytes, at + ANSWER_HEAD_BYTES)
    link.end(at + ANSWER_HEAD_BYTES + message.length)
    this.#countSent(message)
  }

  /** A GOSSIP came. */
  onRequest(link: AnsweringLink, bytes: Buffer, start: number, end: number): void {
    if (end - start < ANSWER_HEAD_BYTES) return
    this.#countReceived(end - start)
    const answer = this.#gossip.takeRequest(bytes, start + ANSWER_HEAD_BYTES, end, this.#now())
    if (answer === null) return
    sendAnswer(link, GOSSIP_IS, requestOf(bytes, start), answer, 0, answer.length)
    this.#countSent(answer)
  }

  /** A GOSSIP_IS came, with bytes[start, end) behind its head. */
  onAnswer(peer: Peer, request: number, bytes: Buffer, start: number, end: number): void {
    this.#countReceived(end - start + ANSWER_HEAD_BYTES)
    const ack2 = this.#gossip.takeAnswer(bytes, start, end, this.#now())
    if (ack2 !== null && peer.link.isOpen) this.#send(peer, request, ack2)
  }

  #now(): Moment {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() }
  }

  #countSent({ length }: Buffer): void {
    this.#counters.messagesSent++
    this.#counters.bytesSent += length + ANSWER_HEAD_BYTES
  }

  #countReceived(bytes: number): void {
    this.#counters.messagesReceived++
    this.#counters.bytesReceived += bytes
  }
}

/** '' for what is no plain text: it is shown to people. */
function textIn(bytes: Buffer | null): string {
  if (bytes === null || bytes.length > TEXT_BYTES_MAX) return ''
  return printable(bytes.toString('latin1'))
}
