import type { Disk } from '../../env/disk.js'
import type { Pace } from '../compaction/pace.js'
import type { FlushJob, FlushResult, PrepareJob } from './storage-jobs.js'

export function runFlush(disk: Disk, job: FlushJob, pace: Pace): FlushResult {
  throw new Error(`not yet built ${String(disk)} ${job.directory} ${String(pace)}`)
}

export function runPrepare(disk: Disk, job: PrepareJob, pace: Pace): void {
  throw new Error(`not yet built ${String(disk)} ${job.path} ${String(pace)}`)
}
