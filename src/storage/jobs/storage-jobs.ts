/**
 * The heavy work of the engine, as the store asks for it: sort a full segment into tables, merge tables, prepare the next
 * log file. The store decides what is to be done (compaction/picker.ts) and records what was done (manifest.ts); a
 * job only reads files that the manifest names and writes files that nothing names yet. So a job that fails, is
 * cancelled or dies with its thread has changed nothing: it removes its own outputs where it still can, and the next
 * start removes the rest.
 *
 * Jobs are plain data, so that they can be posted to a thread. Two implementations: InlineJobs in this thread for
 * simulation and tests, WorkerJobs in worker threads; one contract suite runs over both.
 *
 * Failures reject the promise, with a CorruptionError (file and offset of bytes that fail their checksum) or with a
 * JobError. In both cases no output is left for the caller to use.
 */
import type { KeyCounts } from '../counts-file.js'
import type { DropCounts } from '../compaction/drop-rule.js'
import type { FamilyPolicies } from '../families.js'
import type { SequenceRange } from '../compaction/older-elsewhere.js'
import type { PurgeRange } from '../purge-ranges.js'
import type { ManifestState, ManifestTable, WrittenTable } from '../manifest.js'
import type { Partitions } from '../partitions.js'
import type { SnapshotOrigin } from '../snapshot/snapshot-file.js'
import { windowsMax } from '../windows/window-tiers.js'
import type { BlockCompression } from '../table/block-compression.js'

export interface StorageJobs {
  /** Writes a segment's newest entries to tables of level 0. Jobs of this kind and `prepare` run in the order asked for. */
  flush(job: FlushJob): Promise<FlushResult>
  /** Merges tables. Runs beside flushes, one compaction after the other. */
  compact(job: CompactJob): Promise<CompactResult>
  /** Writes what a window's flagged entries leave behind; see windows/drop-window-job.ts. Between compactions. */
  dropWindow(job: DropWindowJob): Promise<DropWindowResult>
  /**
   * Makes the file of the next log segment: zero-filled and synced, or a log's that is not needed any more, marked and renamed.
   * The caller syncs the directory.
   */
  prepare(job: PrepareJob): Promise<void>
  /**
   * Manifest.write off the event loop, behind earlier flushes and preparations: its two syncs take milliseconds, and a
   * tenth of a second on a busy device. Rejects with ManifestWriteError. One at a time: the caller waits before the next edit.
   */
  writeManifest(job: ManifestJob): Promise<void>
  /** Reads, checks and expands blocks of a table off the event loop, between flushes. Rejects with CorruptionError for damage. */
  readBlocks(job: ReadBlocksJob): Promise<ReadBlocksResult>
  /** Counts records for trees: see count-trees-job.ts. Runs beside flushes and compactions, at the compaction rate, one after the other. */
  countTrees(job: CountTreesJob): Promise<CountTreesResult>
  /** Copies what is sound of a damaged table; between compactions. Rejects with CorruptionError when nothing can be. */
  salvage(job: SalvageJob): Promise<SalvageResult>
  /** Checks a piece of a table, or a file of counts or trees, between flushes: the caller keeps pieces small. */
  scrub(job: ScrubJob): Promise<ScrubResult>
  /** Makes a snapshot of files that the caller holds, beside everything else. Rejects with JobError and the disk's errors. */
  snapshot(job: SnapshotJob): Promise<SnapshotResult>
  /** The compaction rate from now on, running jobs included; 0 takes the limit away (writers are waiting for it). */
  setCompactionRate(bytesPerSecond: number): void
  /** Cancels what runs and what waits (both reject with JobError 'cancelled'); resolves when no job touches a file any more. */
  close(): Promise<void>
}

/** A run of file numbers, [first, first + count), that the job may use and nobody else will. */
export interface FileNumbers {
  readonly first: number
  readonly count: number
}

export interface FlushJob {
  readonly directory: string
  /** The segment: entries lie in its first `arenaBytes` bytes, each record behind its eight bytes of entry header. */
  readonly arena: SharedArrayBuffer
  readonly arenaBytes: number
  /** Slots of the segment's index, over shared memory: 0 is empty, otherwise the offset of the key's newest record. */
  readonly recordOffsets: Uint32Array
  readonly fileNumbers: FileNumbers
  /** A table is closed at the first token boundary at or above this size. */
  readonly targetBytes: number
  /** Which entries go to which tables, as of `nowMs` (milliseconds since 1970). */
  readonly families: FamilyPolicies
  readonly nowMs: number
  /** Of the blocks that are written; none unless said. */
  readonly compression?: BlockCompression
  /** Key counts as of the end of the segment, written beside the tables; null for none. */
  readonly counts: { readonly fileNumber: number; readonly counts: KeyCounts } | null
  /** Trees as of then, by encodeTrees(), written likewise; null for none. */
  readonly trees: { readonly fileNumber: number; readonly bytes: Uint8Array } | null
}

export interface FlushResult {
  /** Of each family and window in token order, not overlapping; synced, their names too. */
  readonly tables: readonly ManifestTable[]
  readonly entries: number
  readonly bytesWritten: number
}

export interface CompactJob {
  readonly directory: string
  readonly inputs: readonly ManifestTable[]
  /** Everything else that may hold entries: all tables that are not inputs, of every level, and unflushed segments (RULES T4). */
  readonly others: readonly SequenceRange[]
  /** Entries that died at or before this time may be purged, milliseconds since 1970; on a single node that is now (RULES P1). */
  readonly purgeableUntilMs: number
  /** On a node with replicas: what may be purged where, instead of that time, which is then the earliest of the tables'. */
  readonly purgeRanges?: readonly PurgeRange[]
  /** Records whose dots all lie at or below this HLC are gone (FLUSHALL); 0 for none. Must be durable already. */
  readonly flushMark: number
  readonly fileNumbers: FileNumbers
  readonly targetBytes: number
  readonly compression?: BlockCompression
  /** Over shared memory: word 0 says how much of the inputs has been read, in KiB. */
  readonly progress?: Int32Array
}

export interface CompactResult {
  /** In token order, not overlapping; synced, their names too. Empty when everything was dropped. */
  readonly tables: readonly WrittenTable[]
  readonly entriesRead: number
  readonly entriesWritten: number
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly dropped: DropCounts
}

export interface DropWindowJob {
  readonly directory: string
  /** All tables of the window. */
  readonly inputs: readonly ManifestTable[]
  /** As for a compaction (RULES T4). */
  readonly others: readonly SequenceRange[]
  readonly fileNumbers: FileNumbers
  readonly targetBytes: number
}

export interface DropWindowResult {
  /** Local tombstones, for level 0: in token order, not overlapping; synced, their names too. */
  readonly tables: readonly WrittenTable[]
  readonly tombstones: number
  readonly bytesWritten: number
}

export interface ManifestJob {
  readonly directory: string
  readonly state: ManifestState
}

export interface PrepareJob {
  readonly path: string
  readonly sizeBytes: number
  /** A log of that size, all of it written, that nothing names any more; null where there is none. */
  readonly oldPath: string | null
}

export interface ReadBlocksJob {
  readonly path: string
  /** Of each block: where it lies in the file, its stored length, and its checksum as the index has it. */
  readonly offsets: Float64Array
  readonly lengths: Uint32Array
  readonly checksums: Uint32Array
  /** The blocks are written here, as they are in memory, one behind the other; at least as long as the first of them is in the file. */
  readonly into: SharedArrayBuffer
}

export interface ReadBlocksResult {
  /** Bytes in memory of each block that was written, in the order asked for: fewer blocks than that where `into` is full. */
  readonly byteLengths: Uint32Array
}

export interface CountTreesJob {
  readonly directory: string
  /** Runs of slots: the ranges that trees are kept of. */
  readonly partitions: Partitions
  /** Those to count, ascending. */
  readonly ranges: readonly number[]
  /** Of their keys the newest entry in these, and in the segments, is added … */
  readonly newer: readonly ManifestTable[]
  readonly segments: readonly CountedSegment[]
  /** … and the newest in these, which hold no higher sequence than any of those, taken away. */
  readonly older: readonly ManifestTable[]
  /** Dots at or below this HLC add nothing. */
  readonly flushMark: number
  /** By range: entries up to this sequence count as absent. */
  readonly floors: Float64Array
  /** The live keys of the newer inputs are counted as well. */
  readonly countsKeys: boolean
}

/** A segment, or what it was at some moment: arenas are only appended to. */
export interface CountedSegment {
  readonly arena: SharedArrayBuffer
  /** Offsets of the newest record of every key, 0 for none, in any order. */
  readonly records: Uint32Array
}

export interface CountTreesResult {
  /** To be added to what is known: sealed bytes, see trees/trees-file.ts. */
  readonly trees: Uint8Array
  /** Of the ranges that were asked for; null when keys were not to be counted. */
  readonly counts: KeyCounts | null
  readonly entriesRead: number
}

export interface SalvageJob {
  readonly directory: string
  readonly table: ManifestTable
  readonly fileNumbers: FileNumbers
  readonly targetBytes: number
  readonly compression?: BlockCompression
}

export interface SalvageResult {
  /** In token order, not overlapping; synced, their names too. Empty when no block is sound. */
  readonly tables: readonly WrittenTable[]
  /** Tokens of the blocks that are not. */
  readonly missing: readonly TokenInterval[]
}

/** Both inclusive. */
export interface TokenInterval {
  readonly minToken: number
  readonly maxToken: number
}

export interface ScrubJob {
  readonly path: string
  /** Of each block, as the index has it; none: everything but a table's blocks is checked. */
  readonly offsets: Float64Array
  readonly lengths: Uint32Array
  readonly checksums: Uint32Array
}

export interface ScrubResult {
  readonly damage: readonly FoundDamage[]
}

export interface SnapshotJob {
  readonly directory: string
  /** Where snapshots are, and what this one is to be called (snapshot/snapshot-folder.ts). */
  readonly folder: string
  readonly name: string
  /** What is live; its files but the logs are taken, and so are these, where they are there, by copying them. */
  readonly state: ManifestState
  readonly besides: readonly string[]
  readonly madeAtMs: number
  readonly origin: SnapshotOrigin
  /** All entries up to this one are in the tables. */
  readonly sequence: number
  /** So many whole snapshots stay in the folder, this one included; 0 for all. */
  readonly keep: number
}

export interface SnapshotResult {
  /** Bytes of all files. */
  readonly totalBytes: number
  /** Of tables, counts and trees that could not be given a second name. */
  readonly copiedBytes: number
  /** Names of older snapshots that went for this one. */
  readonly removed: readonly string[]
  /** Why old ones may not all have gone that should have; '' when they have. */
  readonly keptBecause: string
}

export interface FoundDamage {
  /** Where in the file. */
  readonly offset: number
  readonly what: string
}

/**
 * How many file numbers to reserve for a job that reads `inputBytes`: outputs are closed at or above the target, the
 * last may be short, and framing may make outputs a little larger than their inputs.
 */
export function fileNumbersFor(inputBytes: number, targetBytes: number): number {
  return 2 + 2 * Math.ceil(inputBytes / targetBytes)
}

/** The same for a flush of at most `entriesMax` entries: every family and window may end in a short table. */
export function flushNumbersFor(
  inputBytes: number,
  entriesMax: number,
  targetBytes: number,
  { windowTiers, prefixes }: FamilyPolicies,
): number {
  const windows = windowTiers.length === 0 ? 0 : Math.min(entriesMax, windowsMax(windowTiers))
  return fileNumbersFor(inputBytes, targetBytes) + windows + Math.min(1, prefixes.length)
}
