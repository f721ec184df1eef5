/**
 * How many clients the limit of open files leaves room for. Redis keeps 32 files for itself; here tables are files too: each
 * is open for reads, a compaction opens its inputs once more, and there will be more of them later.
 */

/** Log, listeners, the threads' own: what Redis keeps as well. */
const RESERVED_FILES = 32
/** Tables that may come, beside those that are there at the start. */
const FUTURE_TABLES = 32

/** At least 1. `tables`: how many there are at the start. */
export function clientsWithin(openFilesMax: number, tables: number): number {
  return Math.max(1, openFilesMax - RESERVED_FILES - 2 * (tables + FUTURE_TABLES))
}
