/** A compaction that was asked for, from the asking to its end: what is left of it, and when it was done. */
import type { CompactionOptions } from './compaction/compaction-options.js'
import type { WantedFacts } from './compaction-facts.js'
import { totalBytes } from './compaction/levels.js'
import type { CompactionPick, CompactionView } from './compaction/picker.js'
import { pickWanted, unfinished, wantedCompaction } from './compaction/wanted.js'
import type { CompactionScope, WantedCompaction } from './compaction/wanted.js'

export class WantedProgress {
  readonly #wanted: WantedCompaction
  readonly #askedAtMs: number
  readonly #totalBytes: number
  #doneAtMs = 0
  #compactions = 0

  /** `nowMs` since 1970. */
  constructor(
    scope: CompactionScope,
    view: CompactionView,
    nextFileNumber: number,
    untilSequence: number,
    nowMs: number,
  ) {
    this.#wanted = wantedCompaction(scope, view.tables, nextFileNumber, untilSequence)
    this.#askedAtMs = nowMs
    this.#totalBytes = totalBytes(unfinished(this.#wanted, view))
  }

  /** The next piece of it; null when nothing is left, which is then noted. */
  pick(view: CompactionView, options: CompactionOptions, nowMs: number): CompactionPick | null {
    if (this.#doneAtMs !== 0) return null
    const pick = pickWanted(this.#wanted, view, options)
    if (pick === null) this.#doneAtMs = nowMs
    return pick
  }

  /** A piece of it is done. */
  merged(): void {
    this.#compactions++
  }

  facts(view: CompactionView): WantedFacts {
    const isDone = this.#doneAtMs !== 0
    return {
      isDone,
      askedAtMs: this.#askedAtMs,
      doneAtMs: this.#doneAtMs,
      totalBytes: this.#totalBytes,
      leftBytes: isDone ? 0 : totalBytes(unfinished(this.#wanted, view)),
      compactions: this.#compactions,
    }
  }
}
