/**
 * Reads a piece of a file to see whether it is still what was written: of a table its frame, or some blocks, and in them every record
 * by its own checksum, which is older than the table; a file of counts or trees whole. What it finds is answered, not thrown: one damaged block does not keep the
 * next one from being looked at.
 */
import type { Disk } from '../../env/disk.js'
import { verifyRecord } from '../../record/record.js'
import { readCounts } from '../counts-file.js'
import { CorruptionError } from '../corruption-error.js'
import { diskErrorCode } from '../disk-error.js'
import {
  blockDamage,
  blockEntryCount,
  blockRecord,
  byteLengthOf,
  expandBlock,
  isCompressed,
} from '../table/block-format.js'
import { openTableFile } from '../table/table-file.js'
import { readTrees } from '../trees/trees-file.js'
import type { FoundDamage, ScrubJob, ScrubResult } from './storage-jobs.js'

/** Runs the job to its end in this thread. Throws the disk's errors, but for EIO, which is damage. */
export function runScrub(disk: Disk, job: ScrubJob): ScrubResult {
  return { damage: job.offsets.length === 0 ? scrubWhole(disk, job.path) : scrubBlocks(disk, job) }
}

function scrubWhole(disk: Disk, path: string): FoundDamage[] {
  try {
    if (path.endsWith('.counts')) readCounts(disk, path)
    else if (path.endsWith('.trees')) readTrees(disk, path)
    else disk.close(openTableFile(disk, path).file)
    return []
  } catch (error) {
    if (error instanceof CorruptionError) return [{ offset: error.offset, what: error.what }]
    if (diskErrorCode(error) === 'EIO') return [{ offset: 0, what: UNREADABLE }]
    throw error
  }
}

function scrubBlocks(disk: Disk, { path, offsets, lengths, checksums }: ScrubJob): FoundDamage[] {
  const found: FoundDamage[] = []
  const file = disk.open(path, 'read')
  try {
    for (let i = 0; i < offsets.length; i++) {
      const what = damageOfBlock(disk, file, offsets[i], lengths[i], checksums[i])
      if (what !== null) found.push({ offset: offsets[i], what })
    }
  } finally {
    disk.close(file)
  }
  return found
}

function damageOfBlock(
  disk: Disk,
  file: number,
  offset: number,
  length: number,
  checksum: number,
): string | null {
  const bytes = Buffer.allocUnsafeSlow(length)
  try {
    if (disk.readSync(file, bytes, 0, length, offset) < length) return 'a block ends in the middle'
  } catch (error) {
    if (diskErrorCode(error) === 'EIO') return UNREADABLE
    throw error
  }
  const what = blockDamage(bytes, 0, length, checksum)
  if (what !== null) return `a block: ${what}`
  if (!isCompressed(bytes, 0)) return damageOfRecords(bytes)
  const expanded = Buffer.allocUnsafeSlow(byteLengthOf(bytes, 0))
  const misfit = expandBlock(bytes, 0, expanded, 0)
  return misfit === null ? damageOfRecords(expanded) : `a block: ${misfit}`
}

/** The block was written so: a record was damaged before, in memory. */
function damageOfRecords(block: Buffer): string | null {
  const count = blockEntryCount(block, 0)
  for (let i = 0; i < count; i++) {
    const record = blockRecord(block, 0, count, i)
    const what = verifyRecord(block, record, block.length - record)
    if (what !== null) return `record ${i} of a block: ${what}`
  }
  return null
}

const UNREADABLE = 'it cannot be read (EIO)'
