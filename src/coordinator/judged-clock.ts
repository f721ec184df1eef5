/**
 * This node's wall clock, and whether it can be trusted: it may differ from the clocks of live peers, and it may jump against the
 * monotonic clock, which never does. While it is in doubt the node mints nothing (RULES C1), and what has expired is
 * judged by the peers' median; before these are known, by the time that the clock would show had it not jumped (RULES T5).
 */
import type { Clock } from '../env/clock.js'
import { judgeClock, medianOf } from './clock-judge.js'

/** A wall clock that moved by more than this against the monotonic one was set, or the machine slept. */
const JUMP_MS_MIN = 50

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
  /** Of the wall clock, against the monotonic one. */
  #wallAheadMs: number
  /** The same of the time that expiry is judged by while the wall clock is in doubt. */
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
    return this.#inDoubt
  }

  /** Asked before every write: a clock that was set since the last judgement must not mint a single stamp (RULES C1). */
  get inDoubt(): boolean {
    this.#look()
    return this.#inDoubt
  }

  /** How far foreign clocks are believed to be ahead, 0 or more (RULES C2). */
  get aheadMs(): number {
    return this.#aheadMs
  }

  /** The time by which expiry is judged, in whole milliseconds of the wall clock. */
  expiryMs(): number {
    const wallMs = this.#look()
    return this.#inDoubt ? Math.round(this.#clock.monotonicMs() + this.#trustedAheadMs) : wallMs
  }

  /**
   * @param offsetsOf answers how far the clocks of live peers are ahead of this one, as far as they are known; asked when a jump
   *   has been noticed, after which they have to be measured anew.
   */
  judge(offsetsOf: () => readonly number[]): void {
    if (!this.#noticeJump()) this.#wallAheadMs = this.#clock.wallMs() - this.#clock.monotonicMs()
    const offsetsMs = offsetsOf()
    const { inDoubt, aheadMs } = judgeClock(offsetsMs, this.#driftMaxMs, this.#hasJumped)
    if (offsetsMs.some((offset) => Math.abs(offset) <= this.#driftMaxMs)) this.#hasJumped = false
    this.#aheadMs = aheadMs
    if (!inDoubt) this.#trustedAheadMs = this.#wallAheadMs
    else if (offsetsMs.length > 0) this.#trustedAheadMs = this.#wallAheadMs + medianOf(offsetsMs)
    this.#become(inDoubt, offsetsMs)
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
    this.#events.jumped()
    return true
  }

  #become(inDoubt: boolean, offsetsMs: readonly number[]): void {
    if (inDoubt === this.#inDoubt) return
    this.#inDoubt = inDoubt
    this.#events.doubtChanged(inDoubt, offsetsMs)
  }
}
