/**
 * P, the purge horizon, by range of the ring: the end of the last hour of deaths that is gone (RULES P1). What is dead at or below it
 * counts as absent on this node, whether its bytes are still there or not (P3), so it is asked wherever records are read,
 * merged and digested. It is on disk before it stands here.
 */
import type { Ring } from '../ring/ring.js'

export class PurgeHorizons {
  readonly #rangeOfSlot: Uint16Array
  /** By range, milliseconds since 1970; 0 for none. */
  readonly #untilMs: Float64Array

  constructor(ring: Pick<Ring, 'rangeOfSlot' | 'rangeCount'>) {
    this.#rangeOfSlot = ring.rangeOfSlot
    this.#untilMs = new Float64Array(ring.rangeCount)
  }

  /** Milliseconds since 1970, the end of an hour; 0 for none. */
  ofSlot(slot: number): number {
    return this.#untilMs[this.#rangeOfSlot[slot]]
  }

  ofRange(range: number): number {
    return this.#untilMs[range]
  }

  /** A horizon never sinks. */
  raise(range: number, untilMs: number): void {
    if (untilMs > this.#untilMs[range]) this.#untilMs[range] = untilMs
  }
}
