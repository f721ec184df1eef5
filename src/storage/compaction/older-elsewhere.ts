/**
 * "May anything outside this compaction hold an older version of this key?" (RULES T4): the question that decides whether
 * a dead entry may leave the disk.
 *
 * The answer is given by ranges: every other table, of whatever level or family, and every unflushed segment is known
 * by the tokens it spans and by its lowest sequence. A dead entry of sequence s at token t may go when no range that
 * spans t starts below s. Why that is enough:
 *
 *   - An older version of the key has the key's token and a sequence below s. A file that holds it spans t and has
 *     a lowest sequence below s, so it is found. Ranges err only towards "may hold", which keeps the entry a while longer.
 *   - Nothing older can turn up while the job runs. New entries get higher sequences than all that exist. Files that
 *     flushes and other compactions write meanwhile hold entries of segments and tables that were on the list when
 *     the job was made. (A tombstone left by a dropped window keeps an old sequence, RULES T2, but its original was in a
 *     table on the list, and it hides exactly what that hid.)
 *   - Older versions among the inputs themselves do no harm: all inputs leave in the same manifest edit.
 *
 * Rejected: asking only the levels below the output. It is what LevelDB does and right for a tree that is the
 * only place where entries live; here windows, quarantined tables being refetched and segments lie beside the levels.
 * Rejected: asking the other tables' bloom filters. It would drop more, but costs random reads in a sequential job;
 * the picker orders compactions so that ranges suffice in the end.
 */
import { MinHeap } from '../../util/heap.js'

/** Tokens [minToken, maxToken] may hold entries with sequences from minSequence on. */
export interface SequenceRange {
  readonly minToken: number
  readonly maxToken: number
  readonly minSequence: number
}

export class OlderElsewhere {
  readonly #byToken: readonly SequenceRange[]
  /** Ranges that start at or before the last token asked for, lowest sequence on top; those already passed linger below it. */
  readonly #open = new MinHeap<SequenceRange>((a, b) => a.minSequence - b.minSequence)
  #next = 0

  constructor(others: readonly SequenceRange[]) {
    this.#byToken = others.toSorted((a, b) => a.minToken - b.minToken)
  }

  /** Whether a sequence below `sequence` may exist at `token`. Tokens must be asked for in ascending order. */
  mayHold(token: number, sequence: number): boolean {
    while (this.#next < this.#byToken.length && this.#byToken[this.#next].minToken <= token) {
      this.#open.push(this.#byToken[this.#next++])
    }
    let lowest = this.#open.peek()
    while (lowest !== undefined && lowest.maxToken < token) {
      this.#open.pop()
      lowest = this.#open.peek()
    }
    return lowest !== undefined && lowest.minSequence < sequence
  }
}
