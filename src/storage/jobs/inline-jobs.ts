import type { Disk } from '../../env/disk.js'
import { UNLIMITED_PACE } from '../compaction/pace.js'
import { runMerge } from '../compaction/merge-job.js'
import { runFlush, runPrepare } from './flush-job.js'
import type {
  CompactJob,
  CompactResult,
  FlushJob,
  FlushResult,
  PrepareJob,
  StorageJobs,
} from './storage-jobs.js'

export class InlineJobs implements StorageJobs {
  readonly #disk: Disk

  constructor(disk: Disk) {
    this.#disk = disk
  }

  async flush(job: FlushJob): Promise<FlushResult> {
    return runFlush(this.#disk, job, UNLIMITED_PACE)
  }

  async compact(job: CompactJob): Promise<CompactResult> {
    return runMerge(this.#disk, job, UNLIMITED_PACE)
  }

  async prepare(job: PrepareJob): Promise<void> {
    runPrepare(this.#disk, job, UNLIMITED_PACE)
  }

  setCompactionRate(): void {}

  async close(): Promise<void> {}
}
