/** What the two sides of a worker thread say to each other. One job at a time: a request, then its reply. */
import type { JobFailure } from './job-failure.js'
import type {
  CompactJob,
  CompactResult,
  CountTreesJob,
  CountTreesResult,
  DropWindowJob,
  DropWindowResult,
  FlushJob,
  FlushResult,
  ManifestJob,
  PrepareJob,
  ReadBlocksJob,
  ReadBlocksResult,
  SalvageJob,
  SalvageResult,
  ScrubJob,
  ScrubResult,
  SnapshotJob,
  SnapshotResult,
} from './storage-jobs.js'

export type JobRequest =
  | { readonly kind: 'drop-window'; readonly job: DropWindowJob }
  | { readonly kind: 'flush'; readonly job: FlushJob }
  | { readonly kind: 'compact'; readonly job: CompactJob }
  | { readonly kind: 'count-trees'; readonly job: CountTreesJob }
  | { readonly kind: 'prepare'; readonly job: PrepareJob }
  | { readonly kind: 'read-blocks'; readonly job: ReadBlocksJob }
  | { readonly kind: 'salvage'; readonly job: SalvageJob }
  | { readonly kind: 'scrub'; readonly job: ScrubJob }
  | { readonly kind: 'snapshot'; readonly job: SnapshotJob }
  | { readonly kind: 'write-manifest'; readonly job: ManifestJob }

export type JobResult =
  | FlushResult
  | DropWindowResult
  | CompactResult
  | CountTreesResult
  | ReadBlocksResult
  | SalvageResult
  | ScrubResult
  | SnapshotResult
  | null

export type JobReply =
  | { readonly kind: 'done'; readonly result: JobResult }
  | { readonly kind: 'failed'; readonly failure: JobFailure }

/** workerData of worker-entry.ts. */
export interface WorkerSetup {
  /** Words of the PaceControl. */
  readonly paceWords: Int32Array
}
