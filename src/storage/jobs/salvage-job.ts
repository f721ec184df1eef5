/**
 * Copies what is sound of a damaged table into new ones, and says which tokens the rest was about. Every block is checked
 * before an entry of it is copied, as in a merge; one that fails, or that the disk does not give, is passed over.
 */
import type { Disk } from '../../env/disk.js'
import type { Pace } from '../compaction/pace.js'
import { TableRun } from '../compaction/table-run.js'
import { pathOf, tableFileName } from '../file-names.js'
import { TableScanner } from '../table/table-scanner.js'
import type { SalvageJob, SalvageResult, TokenInterval } from './storage-jobs.js'

/** Runs the job to its end in this thread. Throws CorruptionError when the table cannot be opened, and the disk's errors. */
export function runSalvage(disk: Disk, job: SalvageJob, pace: Pace): SalvageResult {
  const { fileNumber, purgedUntilMs, purgedMark } = job.table
  const missing: TokenInterval[] = []
  const scanner = new TableScanner(
    disk,
    pathOf(job.directory, tableFileName(fileNumber)),
    0,
    (_error, block) => missing.push(scanner.index.tokensOf(block, scanner.summary.maxToken)),
  )
  const output = new TableRun(disk, { ...job, purgedUntilMs, purgedMark }, pace)
  try {
    while (scanner.next()) {
      const { bytes, record } = scanner.entry
      output.add(scanner.token, scanner.first, scanner.second, bytes, record)
    }
    return { tables: output.finish(), missing }
  } catch (error) {
    output.abandon()
    throw error
  } finally {
    scanner.close()
  }
}
