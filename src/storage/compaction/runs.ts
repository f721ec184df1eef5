/**
 * Runs: the sorted sequences of tables that a flush or a merge has written as one, cut at the size of a table. To size-tiered
 * compaction a run is what a file is to Cassandra's; the manifest does not name it. A job numbers what it writes one after
 * the other, by ascending tokens, and the numbers reserved for the next job come after some that stayed unused: so tables with
 * consecutive numbers that do not overlap are one run. Were two taken for one, or one for two, a pick would be less apt and
 * nothing else.
 */
import type { ManifestTable } from '../manifest.js'

export interface Run {
  /** By ascending token. */
  readonly tables: readonly ManifestTable[]
  readonly sizeBytes: number
  readonly maxSequence: number
}

/** The runs of tables of one family, by ascending file numbers. */
export function runsOf(tables: readonly ManifestTable[]): Run[] {
  const runs: ManifestTable[][] = []
  for (const table of tables.toSorted((a, b) => a.fileNumber - b.fileNumber)) {
    const last = runs.at(-1)
    const previous = last?.at(-1)
    const goesOn =
      previous !== undefined &&
      table.fileNumber === previous.fileNumber + 1 &&
      table.minToken > previous.maxToken
    if (goesOn) last?.push(table)
    else runs.push([table])
  }
  return runs.map((run) => ({
    tables: run,
    sizeBytes: run.reduce((sum, table) => sum + table.sizeBytes, 0),
    maxSequence: run.reduce((highest, table) => Math.max(highest, table.maxSequence), 0),
  }))
}
