/**
 * Quartiles of the death times of a table's entries, from an even sample: entries come in token order, which knows
 * nothing of deaths, so every n-th of them is as good as a random choice. When the sample is full every other one is
 * thrown out and n doubles. The earliest and the latest death are exact, in the table's summary; the last quartile is made
 * exact here, since "all of them" must not be wrong.
 */
import { NEVER_DIES } from '../../record/layout.js'

const SAMPLE_MAX = 4096

export class DeathSample {
  readonly #deathsMs = new Float64Array(SAMPLE_MAX)
  #count = 0
  #seen = 0
  #stride = 1
  #latestMs = 0

  /** `deathMs`: a record's death time; those that never die do not count. */
  add(deathMs: number): void {
    if (deathMs === NEVER_DIES) return
    if (deathMs > this.#latestMs) this.#latestMs = deathMs
    if (this.#seen++ % this.#stride !== 0) return
    if (this.#count === SAMPLE_MAX) {
      this.#thin()
      if ((this.#seen - 1) % this.#stride !== 0) return
    }
    this.#deathsMs[this.#count++] = deathMs
  }

  /** Four times, or none when nothing dies: by the i-th, (i + 1)/4 of the entries that die have died. */
  quartilesMs(): readonly number[] {
    if (this.#count === 0) return []
    const sorted = this.#deathsMs.slice(0, this.#count).sort()
    const at = (quarter: number): number => sorted[Math.ceil((quarter * this.#count) / 4) - 1]
    return [at(1), at(2), at(3), this.#latestMs]
  }

  #thin(): void {
    for (let i = 0; i < SAMPLE_MAX / 2; i++) this.#deathsMs[i] = this.#deathsMs[2 * i]
    this.#count = SAMPLE_MAX / 2
    this.#stride *= 2
  }
}
