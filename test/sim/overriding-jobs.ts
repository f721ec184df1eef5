/** Storage jobs that fail, wait or never end, for tests of what the engine makes of it. */
import type { StorageJobs } from '../../src/storage/jobs/storage-jobs.js'

/** The jobs, with some of them replaced. */
export function overriding(jobs: StorageJobs, replaced: Partial<StorageJobs>): StorageJobs {
  return {
    flush: (job) => jobs.flush(job),
    compact: (job) => jobs.compact(job),
    dropWindow: (job) => jobs.dropWindow(job),
    prepare: (job) => jobs.prepare(job),
    writeManifest: (job) => jobs.writeManifest(job),
    readBlocks: (job) => jobs.readBlocks(job),
    countTrees: (job) => jobs.countTrees(job),
    snapshot: (job) => jobs.snapshot(job),
    salvage: (job) => jobs.salvage(job),
    scrub: (job) => jobs.scrub(job),
    setCompactionRate: (rate) => jobs.setCompactionRate(rate),
    close: () => jobs.close(),
    ...replaced,
  }
}
