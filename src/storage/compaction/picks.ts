/** What a pick for a merge carries, whichever strategy it is of (picker.ts, size-tiered.ts, wanted.ts). */
import type { ManifestTable } from '../manifest.js'
import type { SequenceRange } from './older-elsewhere.js'
import type { CompactionPick, CompactionView } from './picker.js'

/** A merge of `inputs`, which are of one family and window; the cursors stay where they are. */
export function mergeOf(
  view: CompactionView,
  reason: CompactionPick['reason'],
  inputs: readonly ManifestTable[],
  outputLevel: number,
): CompactionPick {
  const { cursors } = view
  return { kind: 'merge', reason, inputs, outputLevel, others: othersThan(view, inputs), cursors }
}

/** What a job needs to judge RULES T4: the segments, and all tables of all families that are not inputs. */
export function othersThan(view: CompactionView, inputs: readonly ManifestTable[]): SequenceRange[] {
  const chosen = new Set(inputs)
  const others = [...view.segments, ...view.tables.filter((table) => !chosen.has(table))]
  return others.map(({ minToken, maxToken, minSequence }) => ({ minToken, maxToken, minSequence }))
}
