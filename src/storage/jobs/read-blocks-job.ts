/**
 * Reads some blocks of a table into shared memory and checks them, so that the event loop need not: a checksum costs
 * more than the read. Blocks that are neighbours in the file come with one read.
 */
import type { Disk } from '../../env/disk.js'
import { blockDamage } from '../table/block-format.js'
import { tableCorruption } from '../table/table-file.js'
import type { ReadBlocksJob } from './storage-jobs.js'

/** Runs the job to its end in this thread. Throws CorruptionError and the disk's errors. */
export function runReadBlocks(disk: Disk, job: ReadBlocksJob): void {
  const into = Buffer.from(job.into)
  const { offsets, lengths } = job
  const file = disk.open(job.path, 'read')
  try {
    let at = 0
    for (let first = 0; first < lengths.length;) {
      let next = first + 1
      let length = lengths[first]
      while (next < lengths.length && offsets[next] === offsets[first] + length) length += lengths[next++]
      const bytes = disk.readSync(file, into, at, length, offsets[first])
      for (let i = first; i < next; i++) {
        checkBlock(job, i, into, at, bytes - (offsets[i] - offsets[first]))
        at += lengths[i]
      }
      first = next
    }
  } finally {
    disk.close(file)
  }
}

function checkBlock(job: ReadBlocksJob, i: number, bytes: Buffer, at: number, available: number): void {
  const damage =
    available < job.lengths[i] ? 'it ends early' : blockDamage(bytes, at, job.lengths[i], job.checksums[i])
  if (damage !== null) throw tableCorruption(job.path, job.offsets[i], `a block: ${damage}`)
}
