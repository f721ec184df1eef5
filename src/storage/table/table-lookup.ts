/** What a lookup in a table answers. Numbers, because the hot path compares them millions of times a second. */

/** The table holds nothing more: no entry of the key, or the end of the walk. */
export const ABSENT = 0
/** The entry was found; where, is in the EntryRef. */
export const FOUND = 1
/** The block that decides is not in memory: load `table.coldBlock`, then ask again. */
export const COLD = 2

export type TableLookup = typeof ABSENT | typeof FOUND | typeof COLD
