/**
 * How long the calls of one command took: counts by duration, in buckets that grow with it. Every power of two is cut
 * into eight equal buckets, so a percentile read from it is at most an eighth too high, and counting a call is one shift
 * and one increment. (A list of samples would grow; a mean alone hides what the slowest clients see.)
 *
 * Layout: bucket v for v < 8 µs; above that bucket = 8 x (exponent - 2) + the three bits that follow the highest one.
 * Durations of 2^31 µs (36 minutes) and more share the last bucket.
 */
const STEPS_PER_OCTAVE = 8
const HIGHEST_MICROSECONDS = 0x7fffffff
const BUCKETS = bucketOf(HIGHEST_MICROSECONDS) + 1

export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS)
  #total = 0

  get total(): number {
    return this.#total
  }

  /** `calls` is more than one where only one call in so many is timed and stands for the others. */
  add(microseconds: number, calls = 1): void {
    this.#counts[bucketOf(microseconds)] += calls
    this.#total += calls
  }

  reset(): void {
    this.#counts.fill(0)
    this.#total = 0
  }

  /** The upper edge, in microseconds, of the bucket that holds the given share of calls (0.99); 0 when there are none. */
  percentile(share: number): number {
    if (this.#total === 0) return 0
    const rank = Math.max(1, Math.ceil(share * this.#total))
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]
      if (seen >= rank) return highestOf(bucket)
    }
    return HIGHEST_MICROSECONDS
  }

  /**
   * Calls that took at most 1, 2, 4, … microseconds, as LATENCY HISTOGRAM shows them: from the first power of two
   * that has any to the first that has all.
   */
  cumulative(): { readonly atMostMicroseconds: number; readonly calls: number }[] {
    const steps = []
    let calls = 0
    let bucket = 0
    for (let edge = 1; calls < this.#total; edge *= 2) {
      const before = calls
      while (bucket < BUCKETS && highestOf(bucket) <= edge) calls += this.#counts[bucket++]
      if (edge > HIGHEST_MICROSECONDS) calls = this.#total
      if (calls > before) steps.push({ atMostMicroseconds: edge, calls })
    }
    return steps
  }
}

function bucketOf(microseconds: number): number {
  if (!(microseconds >= STEPS_PER_OCTAVE)) return microseconds > 0 ? microseconds | 0 : 0
  const whole = microseconds >= HIGHEST_MICROSECONDS ? HIGHEST_MICROSECONDS : microseconds | 0
  const exponent = 31 - Math.clz32(whole)
  return STEPS_PER_OCTAVE * (exponent - 2) + ((whole >>> (exponent - 3)) & (STEPS_PER_OCTAVE - 1))
}

/** The longest duration that falls into a bucket. */
function highestOf(bucket: number): number {
  if (bucket < STEPS_PER_OCTAVE) return bucket
  const exponent = Math.floor(bucket / STEPS_PER_OCTAVE) + 2
  const step = bucket % STEPS_PER_OCTAVE
  return (STEPS_PER_OCTAVE + step + 1) * 2 ** (exponent - 3) - 1
}
