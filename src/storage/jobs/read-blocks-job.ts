/**
 * Reads some blocks of a table into shared memory, checked and expanded, so that the event loop need not: a checksum costs
 * more than the read, and expanding more than the checksum. Blocks that are neighbours in the file come with one read.
 */
import type { Disk } from '../../env/disk.js'
import { blockDamage, byteLengthOf, expandBlock, isCompressed } from '../table/block-format.js'
import { tableCorruption } from '../table/table-file.js'
import type { ReadBlocksJob, ReadBlocksResult } from './storage-jobs.js'

/** Runs the job to its end in this thread. Throws CorruptionError and the disk's errors. */
export function runReadBlocks(disk: Disk, job: ReadBlocksJob): ReadBlocksResult {
  const file = disk.open(job.path, 'read')
  try {
    return { byteLengths: readAll(disk, file, job) }
  } finally {
    disk.close(file)
  }
}

function readAll(disk: Disk, file: number, job: ReadBlocksJob): Uint32Array {
  const { offsets, lengths } = job
  const into = Buffer.from(job.into)
  const byteLengths: number[] = []
  let at = 0
  for (let first = 0; first < lengths.length;) {
    const next = endOfRun(job, first, into.length)
    const length = offsets[next - 1] + lengths[next - 1] - offsets[first]
    const stored = Buffer.allocUnsafeSlow(length)
    const got = disk.readSync(file, stored, 0, length, offsets[first])
    for (let i = first; i < next; i++) {
      const storedAt = offsets[i] - offsets[first]
      checkBlock(job, i, stored, storedAt, got - storedAt)
      const byteLength = byteLengthOf(stored, storedAt)
      if (at + byteLength > into.length) return Uint32Array.from(byteLengths)
      copyBlock(job, i, stored, storedAt, into, at)
      byteLengths.push(byteLength)
      at += byteLength
    }
    first = next
  }
  return Uint32Array.from(byteLengths)
}

/** Where the run of neighbours ends that begins with block `first`: no longer than what is to be filled. */
function endOfRun({ offsets, lengths }: ReadBlocksJob, first: number, bytesMax: number): number {
  let next = first + 1
  let end = offsets[first] + lengths[first]
  while (next < lengths.length && offsets[next] === end && end + lengths[next] - offsets[first] <= bytesMax)
    end += lengths[next++]
  return next
}

function copyBlock(
  job: ReadBlocksJob,
  i: number,
  stored: Buffer,
  storedAt: number,
  into: Buffer,
  at: number,
): void {
  if (!isCompressed(stored, storedAt)) {
    stored.copy(into, at, storedAt, storedAt + job.lengths[i])
    return
  }
  const misfit = expandBlock(stored, storedAt, into, at)
  if (misfit !== null) throw tableCorruption(job.path, job.offsets[i], `a block: ${misfit}`)
}

function checkBlock(job: ReadBlocksJob, i: number, bytes: Buffer, at: number, available: number): void {
  const damage =
    available < job.lengths[i] ? 'it ends early' : blockDamage(bytes, at, job.lengths[i], job.checksums[i])
  if (damage !== null) throw tableCorruption(job.path, job.offsets[i], `a block: ${damage}`)
}
