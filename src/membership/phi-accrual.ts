/**
 * How likely is it that a peer is gone? After Hayashibara, Défago, Yared and Katayama, "The phi accrual failure
 * detector", 2004. The times between heartbeats are taken as normally distributed, and
 *
 *     phi(now) = -log10 P(the next heartbeat comes even later than now)
 *
 * so phi 8 means: calling it dead would be wrong once in 10^8. Pure: arrivals and `now` come from the caller, in milliseconds
 * of a monotonic clock. A ring of intervals with running sums, so an arrival allocates nothing.
 *
 * Where this departs from the paper, and why:
 *
 * - Every frame shows that the peer lives, but frames of a busy link come microseconds apart; a window full of those would make
 *   a pause of 10 ms look like death. So an arrival is entered as an interval only when `sampleEveryMs` have passed since the last
 *   one that was; those between only say "alive at". Heartbeats are promised every 100 ms at all loads.
 * - The deviation has a floor. Over loopback it would otherwise be microseconds.
 * - The interval that ends a silence which had counted as death is not entered: it says nothing about heartbeats.
 * - `pause` takes out the time during which the observer itself stood still (SIGSTOP, a laptop's sleep): silence that nobody was
 *   there to hear is no silence.
 *
 * The tail is computed properly, in logarithms: the logistic approximation that Akka uses calls 8 what is 7.
 */
import { assert } from '../util/assert.js'

export interface PhiAccrualOptions {
  /** Intervals that are remembered. */
  readonly windowSize: number
  /** The deviation is never taken to be less. */
  readonly deviationMsMin: number
  /** What the first interval is guessed to be, before any was seen. */
  readonly firstIntervalMs: number
  /** Arrivals closer together than this are one heartbeat. */
  readonly sampleEveryMs: number
  /** From this phi on a silence counts as death, and its length is not learnt from. */
  readonly threshold: number
}

export const PHI_ACCRUAL_DEFAULTS: PhiAccrualOptions = {
  windowSize: 200,
  deviationMsMin: 100,
  firstIntervalMs: 100,
  sampleEveryMs: 50,
  threshold: 8,
}

export class PhiAccrual {
  readonly #options: PhiAccrualOptions
  readonly #intervals: Float64Array
  #count = 0
  #next = 0
  #sum = 0
  #squares = 0
  #lastArrivalMs: number
  #lastSampleMs: number

  /** Begins as if a heartbeat had come at `nowMs`. */
  constructor(options: PhiAccrualOptions, nowMs: number) {
    assert(options.windowSize >= 1, 'a window holds an interval')
    assert(options.deviationMsMin > 0, 'the deviation has a floor')
    this.#options = options
    this.#intervals = new Float64Array(options.windowSize)
    this.#lastArrivalMs = nowMs
    this.#lastSampleMs = nowMs
    // The guess stands for two intervals, a quarter to each side of it, so that it brings a deviation along.
    this.#enter(options.firstIntervalMs * 0.75)
    this.#enter(options.firstIntervalMs * 1.25)
  }

  get lastArrivalMs(): number {
    return this.#lastArrivalMs
  }

  get meanMs(): number {
    return this.#sum / this.#count
  }

  get deviationMs(): number {
    const mean = this.meanMs
    const variance = this.#squares / this.#count - mean * mean
    return Math.max(this.#options.deviationMsMin, Math.sqrt(Math.max(0, variance)))
  }

  /** Something of the peer arrived. */
  arrive(nowMs: number): void {
    const interval = nowMs - this.#lastSampleMs
    if (interval >= this.#options.sampleEveryMs) {
      if (this.phi(nowMs) < this.#options.threshold) this.#enter(interval)
      this.#lastSampleMs = nowMs
    }
    if (nowMs > this.#lastArrivalMs) this.#lastArrivalMs = nowMs
  }

  /** The observer stood still for `durationMs` until `nowMs`: that time does not count as the peer's silence. */
  pause(durationMs: number, nowMs: number): void {
    this.#lastArrivalMs = Math.min(nowMs, this.#lastArrivalMs + durationMs)
    this.#lastSampleMs = Math.min(nowMs, this.#lastSampleMs + durationMs)
  }

  /** From 0 (just heard of) upwards without bound. */
  phi(nowMs: number): number {
    return minusLog10Tail((nowMs - this.#lastArrivalMs - this.meanMs) / this.deviationMs)
  }

  #enter(intervalMs: number): void {
    const at = this.#next
    if (this.#count === this.#intervals.length) {
      const oldest = this.#intervals[at]
      this.#sum -= oldest
      this.#squares -= oldest * oldest
    } else {
      this.#count++
    }
    this.#intervals[at] = intervalMs
    this.#next = at + 1 === this.#intervals.length ? 0 : at + 1
    // Running sums gather rounding errors; each time round they are taken anew.
    if (this.#next === 0) this.#sumUp()
    else {
      this.#sum += intervalMs
      this.#squares += intervalMs * intervalMs
    }
  }

  #sumUp(): void {
    let sum = 0
    let squares = 0
    for (let i = 0; i < this.#count; i++) {
      sum += this.#intervals[i]
      squares += this.#intervals[i] * this.#intervals[i]
    }
    this.#sum = sum
    this.#squares = squares
  }
}

const LOG10_SQRT_2_PI = Math.log10(Math.sqrt(2 * Math.PI))
const FRACTION_FROM = 2
const FRACTION_DEPTH = 40

/** -log10 of the probability that a normally distributed value lies more than y deviations above its mean. */
function minusLog10Tail(y: number): number {
  if (y < FRACTION_FROM) return -Math.log10(1 - cumulative(y))
  // Laplace's continued fraction: the tail is the density over y + 1/(y + 2/(y + 3/(y + …))).
  let fraction = y
  for (let n = FRACTION_DEPTH; n > 0; n--) fraction = y + n / fraction
  return (y * y) / (2 * Math.LN10) + LOG10_SQRT_2_PI + Math.log10(fraction)
}

/** The normal distribution, to 1e-7: Abramowitz and Stegun, 26.2.17. */
function cumulative(y: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(y))
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  const tail = (Math.exp((-y * y) / 2) / Math.sqrt(2 * Math.PI)) * series
  return y >= 0 ? 1 - tail : tail
}
