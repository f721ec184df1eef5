/**
 * Medians, and a histogram of latencies: linear, 10 us wide, up to one second. Linear because the figures asked for lie
 * between 0.1 and 10 ms, where ten microseconds are exact enough, and because recording is then one division and one
 * increment, cheap enough for half a million requests a second.
 */
import { assert } from '../../src/util/assert.js'

const BIN_MS = 0.01
const BINS = 100_000

export class LatencyHistogram {
  readonly #bins = new Uint32Array(BINS)
  #count = 0
  #maxMs = 0

  get count(): number {
    return this.#count
  }

  get maxMs(): number {
    return this.#maxMs
  }

  /** `times` requests that took `latencyMs` each. */
  record(latencyMs: number, times: number): void {
    const bin = Math.min(BINS - 1, Math.floor(latencyMs / BIN_MS))
    this.#bins[bin] += times
    this.#count += times
    if (latencyMs > this.#maxMs) this.#maxMs = latencyMs
  }

  /** Takes over what `other` has recorded. */
  add(other: LatencyHistogram): void {
    for (let bin = 0; bin < BINS; bin++) this.#bins[bin] += other.#bins[bin]
    this.#count += other.#count
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs)
  }

  /** The upper end of the bin that `share` (0 to 1) of the requests did not exceed, in milliseconds; 0 when empty. */
  percentileMs(share: number): number {
    let left = Math.ceil(this.#count * share)
    for (let bin = 0; bin < BINS && left > 0; bin++) {
      left -= this.#bins[bin]
      if (left <= 0) return bin === BINS - 1 ? this.#maxMs : (bin + 1) * BIN_MS
    }
    return 0
  }
}

export function median(values: readonly number[]): number {
  assert(values.length > 0, 'a median is of something')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Median of the ratios of the turns: what slows the machine down in one turn slows down both. */
export function medianRatio(ours: readonly number[], theirs: readonly number[]): number {
  const turns = Math.min(ours.length, theirs.length)
  return median(Array.from({ length: turns }, (_, turn) => ours[turn] / theirs[turn]))
}
