import type {
  CompactJob,
  CompactResult,
  FlushJob,
  FlushResult,
  PrepareJob,
  StorageJobs,
} from './storage-jobs.js'

export class WorkerJobs implements StorageJobs {
  /** `compactionBytesPerSecond`: 0 for no limit. Threads start with their first job. */
  constructor(compactionBytesPerSecond: number) {
    throw new Error(`not yet built ${compactionBytesPerSecond}`)
  }

  async flush(job: FlushJob): Promise<FlushResult> {
    throw new Error(`not yet built ${job.directory}`)
  }

  async compact(job: CompactJob): Promise<CompactResult> {
    throw new Error(`not yet built ${job.directory}`)
  }

  async prepare(job: PrepareJob): Promise<void> {
    throw new Error(`not yet built ${job.path}`)
  }

  setCompactionRate(bytesPerSecond: number): void {
    throw new Error(`not yet built ${bytesPerSecond}`)
  }

  async close(): Promise<void> {}
}
