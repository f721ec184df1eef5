/**
 * How many keys are alive, without asking any of them (RULES R5). Every write knows what it displaced, so a running total
 * suffices; keys with a time to live are also counted by the second they die in, and a second that is over is
 * subtracted whole. So the count is exact to within a second, and DBSIZE costs nothing.
 *
 * What a write displaced stands in its log entry: replaying a log onto the counts of its start gives the counts of its
 * end, without a single read. The snapshot at a segment's end goes to disk with the segment's flush.
 *
 * Bound: one histogram entry per second in which some key dies, hence never more than there are keys with a TTL.
 */
import type { KeyCounts } from './counts-file.js'
import { DISPLACED_FOREVER, DISPLACED_NOTHING } from './log/segment-format.js'

export class LiveCounts {
  /** Keys whose newest record is a value that dies in second #horizon or later, or never. */
  #total = 0
  #expiring = 0
  /** Deaths by second, for seconds >= #horizon. */
  #bySecond = new Map<number, number>()
  /** Seconds below are over and subtracted. */
  #horizon = 0
  /** Keys that were counted out because their second was over, since the start (INFO's expired_keys). */
  expired = 0

  /** A live key was written: `displaced` as the log entry says it, `expireAtMs` 0 for no TTL. */
  wrote(displaced: number, expireAtMs: number): void {
    this.#leave(displaced)
    if (expireAtMs === 0) {
      this.#total++
      return
    }
    const second = Math.floor(expireAtMs / 1000)
    if (second < this.#horizon) return
    this.#total++
    this.#expiring++
    this.#bySecond.set(second, (this.#bySecond.get(second) ?? 0) + 1)
  }

  /** A deletion was written over `displaced`. */
  deleted(displaced: number): void {
    this.#leave(displaced)
  }

  #leave(displaced: number): void {
    if (displaced === DISPLACED_NOTHING) return
    if (displaced === DISPLACED_FOREVER) {
      this.#total--
      return
    }
    const second = Math.floor(displaced / 1000)
    if (second < this.#horizon) return
    const deaths = this.#bySecond.get(second)
    // Nobody is left in that second: it was over, by the clock of then, when the counts were saved.
    if (deaths === undefined) return
    if (deaths === 1) this.#bySecond.delete(second)
    else this.#bySecond.set(second, deaths - 1)
    this.#total--
    this.#expiring--
  }

  /** FLUSHALL. */
  clear(): void {
    this.#total = 0
    this.#expiring = 0
    this.#bySecond.clear()
  }

  /** Live keys at `nowMs`. */
  total(nowMs: number): number {
    this.#advance(Math.floor(nowMs / 1000))
    return this.#total
  }

  /** Live keys with a time to live at `nowMs`. */
  expiring(nowMs: number): number {
    this.#advance(Math.floor(nowMs / 1000))
    return this.#expiring
  }

  /** Subtracts the seconds before `second`; called often enough, it looks at a few of them. */
  #advance(second: number): void {
    if (second <= this.#horizon) return
    if (second - this.#horizon > this.#bySecond.size) {
      for (const [at, deaths] of this.#bySecond) if (at < second) this.#die(at, deaths)
    } else {
      for (let at = this.#horizon; at < second; at++) {
        const deaths = this.#bySecond.get(at)
        if (deaths !== undefined) this.#die(at, deaths)
      }
    }
    this.#horizon = second
  }

  #die(second: number, deaths: number): void {
    this.#bySecond.delete(second)
    this.#total -= deaths
    this.#expiring -= deaths
    this.expired += deaths
  }

  snapshot(): KeyCounts {
    const seconds = Float64Array.from(this.#bySecond.keys()).sort()
    const deaths = Uint32Array.from(seconds, (second) => this.#bySecond.get(second) ?? 0)
    return { live: this.#total, seconds, deaths }
  }

  restore(snapshot: KeyCounts): void {
    this.clear()
    this.#horizon = 0
    this.#total = snapshot.live
    for (let i = 0; i < snapshot.seconds.length; i++) {
      this.#bySecond.set(snapshot.seconds[i], snapshot.deaths[i])
      this.#expiring += snapshot.deaths[i]
    }
  }
}
