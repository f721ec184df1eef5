import type { Disk } from '../../env/disk.js'
import type { CompactJob, CompactResult } from '../jobs/storage-jobs.js'
import type { Pace } from './pace.js'

/** Entries that a merge left out, by reason. */
export interface DropCounts {
  /** A newer entry of the key was among the inputs. */
  readonly superseded: number
  readonly deleted: number
  readonly expired: number
  /** All dots at or below the flush mark. */
  readonly flushed: number
}

export function runMerge(disk: Disk, job: CompactJob, pace: Pace): CompactResult {
  throw new Error(`not yet built ${String(disk)} ${job.directory} ${String(pace)}`)
}
