/**
 * Storage jobs in the calling thread, on an injected disk: for simulations, where threads would make every run different,
 * and for tests and tools. A job runs whole, in a microtask after the call; a simulation that wants time to pass in
 * between delays the call.
 */
import type { Disk } from '../../env/disk.js'
import { UNLIMITED_PACE } from '../compaction/pace.js'
import { JobError } from './job-error.js'
import { errorOf, failureOf } from './job-failure.js'
import type { JobRequest, JobResult } from './job-message.js'
import { runJob } from './run-job.js'
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

export class InlineJobs implements StorageJobs {
  readonly #disk: Disk
  #isClosed = false
  #last: Promise<unknown> = Promise.resolve()

  constructor(disk: Disk) {
    this.#disk = disk
  }

  flush(job: FlushJob): Promise<FlushResult> {
    return this.#run({ kind: 'flush', job }) as Promise<FlushResult>
  }

  compact(job: CompactJob): Promise<CompactResult> {
    return this.#run({ kind: 'compact', job }) as Promise<CompactResult>
  }

  dropWindow(job: DropWindowJob): Promise<DropWindowResult> {
    return this.#run({ kind: 'drop-window', job }) as Promise<DropWindowResult>
  }

  async prepare(job: PrepareJob): Promise<void> {
    await this.#run({ kind: 'prepare', job })
  }

  async writeManifest(job: ManifestJob): Promise<void> {
    await this.#run({ kind: 'write-manifest', job })
  }

  readBlocks(job: ReadBlocksJob): Promise<ReadBlocksResult> {
    return this.#run({ kind: 'read-blocks', job }) as Promise<ReadBlocksResult>
  }

  countTrees(job: CountTreesJob): Promise<CountTreesResult> {
    return this.#run({ kind: 'count-trees', job }) as Promise<CountTreesResult>
  }

  salvage(job: SalvageJob): Promise<SalvageResult> {
    return this.#run({ kind: 'salvage', job }) as Promise<SalvageResult>
  }

  scrub(job: ScrubJob): Promise<ScrubResult> {
    return this.#run({ kind: 'scrub', job }) as Promise<ScrubResult>
  }

  snapshot(job: SnapshotJob): Promise<SnapshotResult> {
    return this.#run({ kind: 'snapshot', job }) as Promise<SnapshotResult>
  }

  setCompactionRate(): void {}

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#last
  }

  #run(request: JobRequest): Promise<JobResult> {
    const done = Promise.resolve().then(() => this.#runNow(request))
    this.#last = done.catch(() => {})
    return done
  }

  #runNow(request: JobRequest): JobResult {
    if (this.#isClosed) throw new JobError('cancelled', 'the engine is closing')
    try {
      return runJob(this.#disk, request, UNLIMITED_PACE)
    } catch (error) {
      const failure = failureOf(error)
      // A bug, or the crash of a simulated disk, is better seen as it was thrown.
      throw failure.kind === 'bug' ? error : errorOf(failure)
    }
  }
}
