/** From a job's description to the function that does it: the same in a worker thread and, in simulations, in this one. */
import type { Disk } from '../../env/disk.js'
import { runMerge } from '../compaction/merge-job.js'
import type { Pace } from '../compaction/pace.js'
import { Manifest } from '../manifest.js'
import { runSnapshot } from '../snapshot/snapshot-job.js'
import { runDropWindow } from '../windows/drop-window-job.js'
import { runCountTrees } from './count-trees-job.js'
import { runFlush } from './flush-job.js'
import { failureOf } from './job-failure.js'
import type { JobReply, JobRequest, JobResult } from './job-message.js'
import { runPrepare } from './prepare-job.js'
import { runReadBlocks } from './read-blocks-job.js'
import { runSalvage } from './salvage-job.js'
import { runScrub } from './scrub-job.js'

/** Runs a job to its end in this thread; whatever it throws becomes a reply. */
export function replyTo(disk: Disk, request: JobRequest, pace: Pace): JobReply {
  try {
    return { kind: 'done', result: runJob(disk, request, pace) }
  } catch (error) {
    return { kind: 'failed', failure: failureOf(error) }
  }
}

/** Runs a job to its end in this thread. */
export function runJob(disk: Disk, request: JobRequest, pace: Pace): JobResult {
  switch (request.kind) {
    case 'flush':
      return runFlush(disk, request.job, pace)
    case 'compact':
      return runMerge(disk, request.job, pace)
    case 'count-trees':
      return runCountTrees(disk, request.job, pace)
    case 'drop-window':
      return runDropWindow(disk, request.job, pace)
    case 'prepare':
      runPrepare(disk, request.job, pace)
      return null
    case 'read-blocks':
      return runReadBlocks(disk, request.job)
    case 'salvage':
      return runSalvage(disk, request.job, pace)
    case 'scrub':
      return runScrub(disk, request.job)
    case 'snapshot':
      return runSnapshot(disk, request.job, pace)
    case 'write-manifest':
      Manifest.write(disk, request.job.directory, request.job.state)
      return null
  }
}
