/**
 * What the engine has to know of a table without reading it: which tables to ask for a key, in which order, what a
 * compaction would gain, and when everything in it is dead. Stands in the table's footer and, as JSON, in the manifest.
 * All fields are safe integers.
 */
export interface TableSummary {
  /** Number of the file, unique in a data directory and never reused. */
  readonly fileNumber: number
  readonly sizeBytes: number
  /** Entries; one per key. */
  readonly entryCount: number
  readonly blockCount: number
  /** Entries that die: deletionCount + expiringCount. */
  readonly deadCount: number
  /** Entries all of whose siblings are deletions. */
  readonly deletionCount: number
  /** Entries that die because the last of their values expires. */
  readonly expiringCount: number
  readonly minSequence: number
  readonly maxSequence: number
  readonly minToken: number
  readonly maxToken: number
  /** Lowest HLC of the entries' winning siblings. */
  readonly minHlc: number
  /** Highest HLC anywhere in the entries, contexts included: no stamp in this table is above it. */
  readonly maxHlc: number
  /** Earliest death time, milliseconds since 1970; NEVER_DIES when no entry dies. */
  readonly minDeathMs: number
  /** Latest death time; NEVER_DIES when any entry never dies. */
  readonly maxDeathMs: number
  /** Entries with FLAG_SHADOWS, which the flagged section lists. */
  readonly flaggedCount: number
}
