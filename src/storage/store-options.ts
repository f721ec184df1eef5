/** What a store is built from: its settings, the world it may touch, and whom it tells about changes. */
import type { Clock } from '../env/clock.js'
import type { Disk } from '../env/disk.js'
import type { Log } from '../env/log.js'
import type { Random } from '../env/random.js'
import type { CompactionOptions } from './compaction/compaction-options.js'
import type { FamilyPolicies } from './families.js'
import type { Gap } from './gap.js'
import type { StorageJobs } from './jobs/storage-jobs.js'
import type { AppendFsync } from './log/log-writer.js'
import type { Partitions } from './partitions.js'
import type { ScrubSettings } from './scrub.js'
import type { TableCompression } from './table/block-compression.js'

export interface StoreOptions {
  readonly directory: string
  readonly appendfsync: AppendFsync
  /** Size of a log segment, hence of a memtable. */
  readonly segmentBytes: number
  /**
   * Most segments in memory, the active one included. One of them may be larger than segmentBytes, for a value that is:
   * the memtables take at most segmentsMax x segmentBytes plus one such value.
   */
  readonly segmentsMax: number
  readonly blockCacheBytes: number
  readonly tableTargetBytes: number
  /** How the blocks of tables are compressed; not at all unless said. */
  readonly compression?: TableCompression
  readonly compaction: CompactionOptions
  /** Which entries go to windows, and which to size-tiered tables; all are leveled unless said. */
  readonly families?: FamilyPolicies
  /** For how long after its wall clock was set ahead a node that is alone purges nothing by it (RULES T5); not at all unless said. */
  readonly clockGraceMs?: number
  /** Compaction's reads and writes together, bytes a second; 0 for no limit. */
  readonly compactionBytesPerSecond: number
  /** Acknowledgements of writes are delayed once so many tables of level 0 lie over each other … */
  readonly slowdownDepth: number
  /** … and by writeDelayMaxMs once it is so many; then no new segment is begun. Counts as l0Trigger when that is more. */
  readonly stopDepth: number
  readonly writeDelayMaxMs: number
  /** Client writes are refused while less than this is free. */
  readonly diskReserveBytes: number
  /** Under always, syncs that prove quick are made on the event loop; off unless said, for simulations. */
  readonly syncsOnEventLoop?: boolean
  /**
   * Nothing leaves the disk because it is dead. With replicas a deletion may only go when every one of them is known to have it
   * (RULES P1), or the one that missed it brings the value back.
   */
  readonly keepsDead?: boolean
  /** Tables of every family go to the levels, where a newer version meets an older one wherever that lay. */
  readonly gathersFamilies?: boolean
  /**
   * What damage to a file means: the only copy is harmed, so a start refuses and everything stays in its place; or the file
   * is taken out, and StoreEvents.onGap asks for what is missing. 'refuse' unless said.
   */
  readonly onDamage?: 'refuse' | 'quarantine'
  /** Names of files that may be taken out nevertheless; their blocks are all read at the start. */
  readonly discards?: ReadonlySet<string>
  /** How fast and how often all tables are read to see whether they are damaged; not at all unless said. */
  readonly scrub?: ScrubSettings
  /** How keys are told apart when they are counted; all together unless said. Counted anew at a start when it changed. */
  readonly partitions?: Partitions
  /** Merkle trees are kept, of each partition: those are runs of slots then, in the order of slots. */
  readonly keepsTrees?: boolean
}

export interface StoreEnv {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly jobs: StorageJobs
}

export interface StoreEvents {
  /** `durableSequence` has grown: replies that waited for it may leave. */
  onDurable(): void
  /** Room for writes that had to wait may have come. */
  onRoom(): void
  /** Writes above durableSequence will never be acknowledged; their outcome is unknown. */
  onLogFailed(error: Error): void
  /** The log was re-read after a failure: what was not in it is forgotten, so a new actor must be minted (RULES V6). */
  onReopened(): void
  /**
   * From now on nothing is known of what lies between the gap's tokens at or below its floor. It may have been known for longer
   * to the store than to the caller, as at a start: see Store.gaps. A new actor must be minted (V6).
   */
  onGap?(gap: Gap): void
}

/** Whether the store goes on without the file of this name when it is damaged. */
export function mayLose({ onDamage, discards }: StoreOptions, name: string): boolean {
  return onDamage === 'quarantine' || (discards?.has(name) ?? false)
}
