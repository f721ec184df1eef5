/**
 * This node's wall clock, and whether it can be trusted: it may differ from the clocks of live peers, and it may jump against the
 * monotonic clock, which never does. While it is in doubt the node mints nothing (RULES C1), nor while it has just found peers and
 * does not know their clocks yet: what it minted under a wrong clock then would stay with it.
 *
 * What has expired is judged by more than that (RULES T5), since whoever shows an expired value, or hides one before its time,
 * breaks a promise also where it mints nothing. Two peers that agree with each other refute the own clock: their median is the
 * time. Where all clocks that are heard of differ, of two or of more, nobody can say which one is wrong; but the node may know the
 * time from before, when a peer confirmed its clock, or two refuted it: the monotonic clock carries that on, whatever is done to
 * the wall clock. Only a node that has heard of nothing else since its start knows nothing: of two clocks it believes the one
 * behind, of more the peers' median.
 */
import type { Clock } from '../env/clock.js'
import { judgeClock, medianOf } from './clock-judge.js'

/** A wall clock that moved by more than this against the monotonic one was set, or the machine slept. */
const JUMP_MS_MIN = 50

/** What was last known of the own clock since the start. */
type Standing = 'unknown' | 'confirmed' | 'refuted'

export interface ClockEvents {
  /** The wall clock was set: what was known of peers' clocks is wrong. */
  jumped(): void
  /** `offsetsMs`: how far peers are ahead; empty when a jump alone is the reason. */
  doubtChanged(inDoubt: boolean, offsetsMs: readonly number[]): void
}

export class JudgedClock {
  readonly #clock: Clock
  readonly #driftMaxMs: number
  readonly #isAlone: boolean
  readonly #events: ClockEvents
  #inDoubt = false
  #hasJumped = false
  /** There are peers, and no clock but the own has been heard of since the start. */
  #isUnheard = false
  #hasHeard = false
  #standing: Standing = 'unknown'
  /** Whether expiry is judged by the wall clock, and not by the trusted time. */
  #expiresByWall = true
  /** Of the wall clock, against the monotonic one. */
  #wallAheadMs: number
  /** The same of the time that expiry is judged by where that is not the wall clock. */
  #trustedAheadMs: number
  #lastWallMs = 0
  #aheadMs = 0

  /** `isAlone`: nobody could confirm the clock, so it is never in doubt. */
  constructor(clock: Clock, driftMaxMs: number, isAlone: boolean, events: ClockEvents) {
    this.#clock = clock
    this.#driftMaxMs = driftMaxMs
    this.#isAlone = isAlone
    this.#events = events
    this.#wallAheadMs = clock.wallMs() - clock.monotonicMs()
    this.#trustedAheadMs = this.#wallAheadMs
  }

  /** As of the last judgement. */
  get wasInDoubt(): boolean {
    return this.#inDoubt || this.#isUnheard
  }

  /** Asked before every write: a clock that was set since the last judgement must not mint a single stamp (RULES C1). */
  get inDoubt(): boolean {
    this.#look()
    return this.wasInDoubt
  }

  /** How far foreign clocks are believed to be ahead, 0 or more (RULES C2). */
  get aheadMs(): number {
    return this.#aheadMs
  }

  /** The time by which expiry is judged, in whole milliseconds of the wall clock. */
  expiryMs(): number {
    const wallMs = this.#look()
    return this.#expiresByWall ? wallMs : Math.round(this.#clock.monotonicMs() + this.#trustedAheadMs)
  }

  /**
   * @param offsetsOf answers how far the clocks of live peers are ahead of this one, as far as they are known; asked when a jump
   *   has been noticed, after which they have to be measured anew.
   * @param hasPeers whether any peer is live.
   */
  judge(offsetsOf: () => readonly number[], hasPeers = true): void {
    if (!this.#noticeJump()) this.#wallAheadMs = this.#clock.wallMs() - this.#clock.monotonicMs()
    const offsetsMs = offsetsOf()
    if (offsetsMs.length > 0) this.#hasHeard = true
    this.#isUnheard = hasPeers && !this.#hasHeard
    const { inDoubt, aheadMs } = judgeClock(offsetsMs, this.#driftMaxMs, this.#hasJumped)
    const isConfirmed = offsetsMs.some((offset) => Math.abs(offset) <= this.#driftMaxMs)
    if (isConfirmed) this.#hasJumped = false
    this.#aheadMs = aheadMs
    this.#judgeExpiry(offsetsMs, isConfirmed, inDoubt)
    this.#become(inDoubt, offsetsMs)
  }

  #judgeExpiry(offsetsMs: readonly number[], isConfirmed: boolean, inDoubt: boolean): void {
    if (isConfirmed && !inDoubt) this.#standing = 'confirmed'
    else if (agree(offsetsMs, this.#driftMaxMs)) this.#standing = 'refuted'
    else if (this.#standing !== 'unknown' && offsetsMs.length > 0) return void (this.#expiresByWall = false)
    else if (this.#standing === 'refuted') return
    this.#expiresByWall = !inDoubt
    if (!inDoubt) this.#trustedAheadMs = this.#wallAheadMs
    else if (offsetsMs.length > 0) this.#trustedAheadMs = this.#wallAheadMs + medianOf(offsetsMs)
  }

  /** Reads the wall clock; a jump is cheap to suspect, and only then looked at closely. */
  #look(): number {
    const wallMs = this.#clock.wallMs()
    const isFarFromLast = wallMs < this.#lastWallMs || wallMs > this.#lastWallMs + JUMP_MS_MIN
    this.#lastWallMs = wallMs
    if (isFarFromLast && this.#noticeJump()) this.#become(this.#hasJumped, [])
    return wallMs
  }

  #noticeJump(): boolean {
    const wallAheadMs = this.#clock.wallMs() - this.#clock.monotonicMs()
    if (Math.abs(wallAheadMs - this.#wallAheadMs) <= JUMP_MS_MIN) return false
    this.#wallAheadMs = wallAheadMs
    this.#hasJumped = !this.#isAlone
    this.#expiresByWall = this.#isAlone
    this.#events.jumped()
    return true
  }

  #become(inDoubt: boolean, offsetsMs: readonly number[]): void {
    if (inDoubt === this.#inDoubt) return
    this.#inDoubt = inDoubt
    this.#events.doubtChanged(inDoubt, offsetsMs)
  }
}

/** Whether more than half of the peers, and two of them at least, show about the same time. */
function agree(offsetsMs: readonly number[], driftMaxMs: number): boolean {
  if (offsetsMs.length < 2) return false
  const median = medianOf(offsetsMs)
  const near = offsetsMs.filter((offset) => Math.abs(offset - median) <= driftMaxMs)
  return near.length > 1 && 2 * near.length > offsetsMs.length
}
