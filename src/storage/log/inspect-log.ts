/**
 * A log segment as text, for `kindred inspect`: its header, its batches, where it ends and why; with `entries` what is in
 * it. It reads as recovery does, but says what it finds instead of judging it, and changes nothing.
 */
import type { Disk } from '../../env/disk.js'
import { contextHlc, contextStart, recordLength } from '../../record/layout.js'
import { verifyRecord } from '../../record/record.js'
import { readWhole } from '../checked-file.js'
import { describeEntry } from '../describe-entry.js'
import { entryKind, entrySequence, KIND_FLUSH_MARK } from '../entry.js'
import {
  BATCH_HEADER_BYTES,
  batchByteLength,
  batchEntryCount,
  batchMagic,
  batchSyncedTo,
  ENTRY_FRAME_BYTES,
  entryFrameHolds,
  hasSpareMark,
  isBatchHeader,
  isUnusedHead,
  readSegmentHeader,
  SEAL_MAGIC,
  SEGMENT_HEADER_BYTES,
} from './segment-format.js'
import type { SegmentHeader } from './segment-format.js'

/** The lines for the segment at `path`. Throws what the disk throws. */
export function* inspectLog(
  disk: Disk,
  path: string,
  options: { readonly entries: boolean },
): Generator<string> {
  const bytes = readWhole(disk, path)
  yield `log        ${path}`
  yield `size       ${bytes.length} bytes`
  if (bytes.length < SEGMENT_HEADER_BYTES || isUnusedHead(bytes.subarray(0, SEGMENT_HEADER_BYTES))) {
    yield `state      made ahead${hasSpareMark(bytes) ? ' of an older log' : ''}, never written`
    return
  }
  const header = readSegmentHeader(bytes)
  if (typeof header === 'string') {
    yield `state      damaged: ${header}`
    return
  }
  yield `number     ${header.fileNumber}, after ${header.previousFileNumber}`
  yield `id         ${header.id}`
  yield `sequences  from ${header.firstSequence}`
  yield* batchLines(bytes, header, options.entries)
}

function* batchLines(bytes: Buffer, { id, isReused }: SegmentHeader, entries: boolean): Generator<string> {
  let at = SEGMENT_HEADER_BYTES
  let batches = 0
  let syncedTo = 0
  while (at + BATCH_HEADER_BYTES <= bytes.length && isBatchHeader(bytes, at, id)) {
    syncedTo = Math.max(syncedTo, batchSyncedTo(bytes, at))
    if (batchMagic(bytes, at) === SEAL_MAGIC) {
      yield `end        sealed at byte ${at}, ${batches} batches, known synced to ${syncedTo}`
      return
    }
    const end = at + BATCH_HEADER_BYTES + batchByteLength(bytes, at)
    if (entries)
      yield `batch at ${at}: ${batchEntryCount(bytes, at)} entries, ${end - at} bytes, synced to ${syncedTo}`
    const damage = end > bytes.length ? 'it is cut short' : entryDamage(bytes, at + BATCH_HEADER_BYTES, end)
    if (damage !== null) {
      yield `end        in the batch at byte ${at}: ${damage}; ${batches} whole batches, known synced to ${syncedTo}`
      return
    }
    if (entries) yield* entryLines(bytes, at + BATCH_HEADER_BYTES, end)
    batches++
    at = end
  }
  const isEmpty = bytes.subarray(at).every((byte) => byte === 0)
  const rest = isEmpty ? 'zeros' : isReused ? 'what an older log has left' : 'something that is no batch'
  yield `end        at byte ${at}, ${batches} batches, known synced to ${syncedTo}; ${rest} behind it`
}

function entryDamage(bytes: Buffer, from: number, end: number): string | null {
  for (let at = from; at < end;) {
    const record = at + ENTRY_FRAME_BYTES
    if (at + 28 > end || !entryFrameHolds(bytes, at)) return `the entry at ${at} fails its checksum`
    const fault = verifyRecord(bytes, record, end - record)
    if (fault !== null) return `the record at ${record} is damaged: ${String(fault)}`
    at = record + recordLength(bytes, record)
  }
  return null
}

function* entryLines(bytes: Buffer, from: number, end: number): Generator<string> {
  for (let at = from; at < end;) {
    const record = at + ENTRY_FRAME_BYTES
    if (entryKind(bytes, record) === KIND_FLUSH_MARK) {
      const mark = contextHlc(bytes, contextStart(bytes, record), 0)
      yield `${at} FLUSHALL mark ${mark} sequence ${entrySequence(bytes, record)}`
    } else {
      yield* describeEntry(at, bytes, record)
    }
    at = record + recordLength(bytes, record)
  }
}
