/**
 * Storage jobs in worker threads, four of them: one flushes segments, prepares log files, reads new tables for the cache and writes the
 * manifest, one compacts, one counts records for trees, one makes snapshots. A flush must never wait behind a compaction of gigabytes,
 * because writers wait behind flushes when memory runs out; two compactions side by side would only share the same disk; a count, or
 * a snapshot that has to be copied, may take long, and hardly ever comes. Threads start with their first job. Arenas and
 * indexes are shared, not copied.
 */
import type { Clock } from '../../env/clock.js'
import { startWorker } from '../../env/node-worker.js'
import { JobThread, type StartThread } from './job-thread.js'
import type { WorkerSetup } from './job-message.js'
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
  StorageJobs,
} from './storage-jobs.js'

const ENTRY = new URL('./worker-entry.js', import.meta.url)

const startStorageWorker: StartThread = (paceWords, events) => {
  const setup: WorkerSetup = { paceWords }
  return startWorker(ENTRY, setup, events)
}

export class WorkerJobs implements StorageJobs {
  readonly #flushes: JobThread
  readonly #compactions: JobThread
  readonly #treeCounts: JobThread
  readonly #snapshots: JobThread

  /** `compactionBytesPerSecond`, read and written together: 0 for no limit. `start` is there for tests. */
  constructor(clock: Clock, compactionBytesPerSecond: number, start: StartThread = startStorageWorker) {
    this.#flushes = new JobThread(start, clock)
    this.#compactions = new JobThread(start, clock)
    this.#treeCounts = new JobThread(start, clock)
    this.#snapshots = new JobThread(start, clock)
    this.setCompactionRate(compactionBytesPerSecond)
  }

  flush(job: FlushJob): Promise<FlushResult> {
    return this.#flushes.run({ kind: 'flush', job }) as Promise<FlushResult>
  }

  compact(job: CompactJob): Promise<CompactResult> {
    return this.#compactions.run({ kind: 'compact', job }) as Promise<CompactResult>
  }

  dropWindow(job: DropWindowJob): Promise<DropWindowResult> {
    return this.#compactions.run({ kind: 'drop-window', job }) as Promise<DropWindowResult>
  }

  async prepare(job: PrepareJob): Promise<void> {
    await this.#flushes.run({ kind: 'prepare', job })
  }

  async writeManifest(job: ManifestJob): Promise<void> {
    await this.#flushes.run({ kind: 'write-manifest', job })
  }

  readBlocks(job: ReadBlocksJob): Promise<ReadBlocksResult> {
    return this.#flushes.run({ kind: 'read-blocks', job }) as Promise<ReadBlocksResult>
  }

  countTrees(job: CountTreesJob): Promise<CountTreesResult> {
    return this.#treeCounts.run({ kind: 'count-trees', job }) as Promise<CountTreesResult>
  }

  salvage(job: SalvageJob): Promise<SalvageResult> {
    return this.#compactions.run({ kind: 'salvage', job }) as Promise<SalvageResult>
  }

  scrub(job: ScrubJob): Promise<ScrubResult> {
    return this.#flushes.run({ kind: 'scrub', job }) as Promise<ScrubResult>
  }

  snapshot(job: SnapshotJob): Promise<SnapshotResult> {
    return this.#snapshots.run({ kind: 'snapshot', job }) as Promise<SnapshotResult>
  }

  setCompactionRate(bytesPerSecond: number): void {
    this.#compactions.pace.setRate(bytesPerSecond)
    this.#treeCounts.pace.setRate(bytesPerSecond)
    this.#snapshots.pace.setRate(bytesPerSecond)
  }

  async close(): Promise<void> {
    const threads = [this.#flushes, this.#compactions, this.#treeCounts, this.#snapshots]
    await Promise.all(threads.map((thread) => thread.close()))
  }
}
