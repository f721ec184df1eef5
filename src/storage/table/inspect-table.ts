/**
 * A table as text, for `kindred inspect`: what its footer says, and with `entries` what is in it. Opening checks everything
 * but the blocks; listing entries reads and checks those too, so it is also the way to find out whether a table is sound.
 */
import type { Disk } from '../../env/disk.js'
import { hlcToWallMs } from '../../record/hlc.js'
import { slotOfToken } from '../../ring/token.js'
import { describeEntry, timeText } from '../describe-entry.js'
import { TableScanner } from './table-scanner.js'
import type { TableSummary } from './table-summary.js'

export interface InspectOptions {
  /** Also a line per entry. */
  readonly entries: boolean
}

/** The lines that `kindred inspect FILE` prints for a table. Throws CorruptionError or what the disk throws. */
export function* inspectTable(disk: Disk, path: string, options: InspectOptions): Generator<string> {
  const scanner = new TableScanner(disk, path)
  try {
    yield* summaryLines(path, scanner.summary)
    if (!options.entries) return
    while (scanner.next()) yield* describeEntry(scanner.token, scanner.entry.bytes, scanner.entry.record)
  } finally {
    scanner.close()
  }
}

function* summaryLines(path: string, summary: TableSummary): Generator<string> {
  const { minToken, maxToken, minHlc, maxHlc } = summary
  yield `table      ${path}`
  yield `number     ${summary.fileNumber}`
  yield `size       ${summary.sizeBytes} bytes in ${summary.blockCount} blocks`
  yield `entries    ${summary.entryCount}: ${summary.deletionCount} deletions, ${summary.expiringCount} that expire`
  yield `flagged    ${summary.flaggedCount} hide an older version that dies later`
  yield `sequences  ${summary.minSequence} to ${summary.maxSequence}`
  yield `tokens     ${minToken} to ${maxToken} (slots ${slotOfToken(minToken)} to ${slotOfToken(maxToken)})`
  yield `HLC        ${minHlc} to ${maxHlc} (${timeText(hlcToWallMs(minHlc))} to ${timeText(hlcToWallMs(maxHlc))})`
  yield `deaths     ${timeText(summary.minDeathMs)} to ${timeText(summary.maxDeathMs)}`
}
