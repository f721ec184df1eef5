/**
 * Broken variants of the storage engine that a cluster shows too seldom, since what they uncover has to have been purged first: caught by random
 * lives of one engine (test/sim/storage-windows.test.ts), whose windows end within seconds.
 */
import type { MutantEdit } from './mutant.js'

export interface StorageMutant {
  readonly name: string
  /** What is broken, and which rule forbids it. */
  readonly what: string
  readonly edits: readonly MutantEdit[]
}

export const STORAGE_MUTANTS: readonly StorageMutant[] = [
  {
    name: 'flags-not-inherited',
    what: 'an entry over a flagged one that dies before it is not flagged (T1)',
    edits: [
      {
        file: 'storage/entry.js',
        find: '(entryFlags(bytes, record) & FLAG_SHADOWS) !== 0 || deathTime',
        replace: 'deathTime',
      },
    ],
  },
  {
    name: 'local-tombstone-fresh-sequence',
    what: 'a dropped window leaves tombstones that are newer than what was written since (T2)',
    edits: [
      {
        file: 'storage/windows/drop-window-job.js',
        find: 'writeEntryHeader(into, at, entrySequence(bytes, record),',
        replace: 'writeEntryHeader(into, at, Math.max(...job.others.map((one) => one.minSequence)) + 1000,',
      },
      {
        file: 'storage/windows/drop-window-job.js',
        find: 'localTombstone(newest.bytes, newest.record)',
        replace: 'localTombstone(newest.bytes, newest.record, job)',
      },
      {
        file: 'storage/windows/drop-window-job.js',
        find: 'function localTombstone(bytes, record)',
        replace: 'function localTombstone(bytes, record, job)',
      },
    ],
  },
  {
    name: 'tombstone-purged-by-levels-only',
    what: 'a tombstone leaves the levels although a window holds what it hides (T4)',
    edits: [
      {
        file: 'storage/compaction/picks.js',
        find: '...view.tables.filter((table) => !chosen.has(table))]',
        replace: '...view.tables.filter((table) => !chosen.has(table) && table.family === 0)]',
      },
    ],
  },
]
