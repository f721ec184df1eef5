/** What INFO's section `storage` says of compactions. */
import type { CompactionFacts } from '../storage/compaction-facts.js'
import type { StoreFacts } from '../storage/store.js'

/** Names and values, in the order of INFO. */
export function compactionLines(facts: StoreFacts): (readonly [string, string | number])[] {
  const { compaction, flushedBytes, compactionWrittenBytes } = facts
  const families = Object.entries(compaction.byFamily)
  const reasons = Object.entries(compaction.byReason)
  const amplification = flushedBytes === 0 ? 0 : (flushedBytes + compactionWrittenBytes) / flushedBytes
  return [
    ['storage_compactions_by_family', listed(families.map(([name, { compactions }]) => [name, compactions]))],
    ['storage_compactions_by_reason', listed(reasons)],
    ['storage_compaction_read_bytes_by_family', listed(families.map(([name, one]) => [name, one.readBytes]))],
    [
      'storage_compaction_written_bytes_by_family',
      listed(families.map(([name, one]) => [name, one.writtenBytes])),
    ],
    ['storage_write_amplification', amplification.toFixed(2)],
    ['storage_compaction_running', runningText(compaction)],
    ['storage_compaction_wanted', wantedText(compaction)],
  ]
}

function listed(pairs: readonly (readonly [string, number])[]): string {
  return pairs.map(([name, value]) => `${name}=${value}`).join(',')
}

/** Empty while none runs. */
function runningText({ running }: CompactionFacts): string {
  if (running === null) return ''
  const { family, reason, tables, inputBytes, readBytes, runsForMs } = running
  const seconds = (runsForMs / 1000).toFixed(1)
  return `${family}, ${reason}, ${tables} tables of ${inputBytes} bytes, ${percent(readBytes, inputBytes)} % in ${seconds} s`
}

/** Empty when none was asked for. */
function wantedText({ wanted }: CompactionFacts): string {
  if (wanted === null) return ''
  const { isDone, doneAtMs, totalBytes, leftBytes, compactions } = wanted
  if (isDone)
    return `done ${new Date(doneAtMs).toISOString()}, ${compactions} compactions of ${totalBytes} bytes`
  return `${leftBytes} of ${totalBytes} bytes left, ${compactions} compactions done`
}

function percent(part: number, whole: number): number {
  return Math.floor((100 * part) / Math.max(1, whole))
}
