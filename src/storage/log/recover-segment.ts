/**
 * Reads a log segment back after a start, by RULES W1: every batch says up to which offset the log was known to be synced
 * when it was written. Damage below the highest such offset destroyed something that was promised and is corruption.
 * Damage at or above it is what a crash leaves; the log ends there even when valid batches follow, because pages reach
 * the disk in any order and what lies behind a hole was never acknowledged under `always`. The batches behind the hole
 * still testify to what was synced, so they are looked for.
 *
 * A segment with a successor was sealed and synced before the successor's first byte (W2), so anything wrong with it is
 * corruption.
 *
 * Where others can replace what is destroyed, a log that is damaged may be salvaged: it ends at the damage. What stands behind
 * is left out although batches of it may be sound: to keep them, the log would have to be written anew around the hole, and
 * whoever refills the hole brings them too.
 */
import { recordLength } from '../../record/layout.js'
import { verifyRecord } from '../../record/record.js'
import { KeyHash, slotOfToken } from '../../ring/token.js'
import { readI32 } from '../../util/bytes.js'
import type { Disk } from '../../env/disk.js'
import { CorruptionError } from '../corruption-error.js'
import { entryKind, ENTRY_HEADER_BYTES, KIND_FLUSH_MARK, KIND_RECORD } from '../entry.js'
import { Segment, SegmentMemory, slotsForAnyEntries } from './segment.js'
import {
  BATCH_HEADER_BYTES,
  batchByteLength,
  batchEntryCount,
  batchMagic,
  batchSyncedTo,
  ENTRY_FRAME_BYTES,
  entryFrameHolds,
  fileNumberOfId,
  hasSpareMark,
  isBatchHeader,
  readSegmentHeader,
  SEAL_MAGIC,
  SEGMENT_HEADER_BYTES,
} from './segment-format.js'

const READ_CHUNK_BYTES = 8 * 1024 * 1024
const BATCH_MAGIC_BYTES = Buffer.from([0x4b, 0x42, 0x41, 0x54])
const SEAL_MAGIC_BYTES = Buffer.from([0x4b, 0x45, 0x4e, 0x44])

/** Called for every entry in the order of writing; `record` is its offset in `arena`. */
export type EntryVisitor = (arena: Buffer, record: number) => void

export type Recovered =
  /** It was written, and nothing of it can be read: only when salvaging. */
  | { readonly kind: 'lost'; readonly damage: CorruptionError; readonly usedBytes: number }
  /**
   * Made ahead and never written; or its header never arrived, and `damage` says what stands in its place. Then nothing of
   * it was ever synced, unless a successor names it.
   */
  | { readonly kind: 'unused'; readonly cutBytes: number; readonly damage: string | null }
  | {
      readonly kind: 'recovered'
      readonly segment: Segment
      /** Bytes of unfinished writes behind the log's end, which recovery leaves out. */
      readonly cutBytes: number
      readonly sealed: boolean
      /** Where it ends too early and why: only when salvaging. */
      readonly damage: CorruptionError | null
    }

export interface RecoverOptions {
  readonly fileNumber: number
  /** Whether a younger segment exists: then this one must be complete. */
  readonly hasSuccessor: boolean
  /** Arena to use when the file fits into it. */
  readonly capacityBytes: number
  readonly visit: EntryVisitor
  /** Damage is answered instead of thrown. */
  readonly salvages?: boolean
}

/**
 * Rebuilds the segment at `path`: arena, index, entries in order. Throws CorruptionError naming file, offset and what to
 * do; throws the disk's errors. Whether an unused file among used ones is a leftover or a log that is missed is for the
 * caller to say, who knows the successors: each names the log before it.
 */
export function recoverSegment(disk: Disk, path: string, options: RecoverOptions): Recovered {
  const { memory, sizeBytes } = readIntoArena(disk, path, options.capacityBytes)
  const arena = memory.arena
  const used = lastUsedByte(arena, sizeBytes)
  if (used === 0) return { kind: 'unused', cutBytes: 0, damage: null }
  const header = sizeBytes >= SEGMENT_HEADER_BYTES ? readSegmentHeader(arena) : 'shorter than its header'
  if (typeof header === 'string') {
    const { syncedTo } = testimony(arena, 0, sizeBytes, (id) => fileNumberOfId(id) === options.fileNumber)
    if (syncedTo > 0) return lost(damaged(path, 0, header), used, options)
    if (hasSpareMark(arena)) return { kind: 'unused', cutBytes: 0, damage: null }
    return { kind: 'unused', cutBytes: used, damage: header }
  }
  if (header.fileNumber !== options.fileNumber) {
    return lost(damaged(path, 0, `it is log ${header.fileNumber}`), used, options)
  }
  const segment = new Segment(header, path, memory)
  const end = replay(segment, sizeBytes, options.visit)
  const behind = testimony(arena, end.at, sizeBytes, (id) => id === header.id)
  const synced = Math.max(end.syncedTo, behind.syncedTo)
  const what = missing(end, synced, options.hasSuccessor)
  const damage = what === null ? null : damaged(path, end.at, what)
  if (damage !== null && options.salvages !== true) throw damage
  segment.tail = end.at
  segment.sealed = end.sealed
  segment.syncedTo = Math.min(synced, end.at)
  const usedTo = header.isReused ? behind.end : used
  return { kind: 'recovered', segment, cutBytes: Math.max(0, usedTo - end.at), sealed: end.sealed, damage }
}

/** What shows that the log went on behind its end, or null. */
function missing(end: ReplayEnd, syncedTo: number, hasSuccessor: boolean): string | null {
  if (syncedTo > end.at) return `damage below the synced offset ${syncedTo}`
  return hasSuccessor && !end.sealed ? 'no seal, but a younger log exists' : null
}

function lost(damage: CorruptionError, usedBytes: number, { salvages }: RecoverOptions): Recovered {
  if (salvages !== true) throw damage
  return { kind: 'lost', damage, usedBytes }
}

/**
 * Makes a recovered segment final on disk: cuts what lies behind its end, seals it, and syncs it. Until that is done
 * nothing of it may be served: it may have come from the page cache alone. A sync is not enough for that: after a failed
 * one the kernel calls its pages clean, a new sync of the same pages succeeds and writes nothing. So what is not known
 * to be synced is written again first, which makes the pages dirty (W3).
 */
export function sealRecovered(disk: Disk, segment: Segment): void {
  const file = disk.open(segment.path, 'write')
  try {
    const from = segment.syncedTo
    disk.truncate(file, segment.tail)
    disk.writeSync(file, segment.arena, from, segment.tail - from, from)
    disk.syncSync(file)
    segment.syncedTo = segment.tail
    if (!segment.sealed) {
      const at = segment.tail
      segment.seal()
      disk.writeSync(file, segment.arena, at, segment.tail - at, at)
      disk.syncSync(file)
    }
  } finally {
    disk.close(file)
  }
  segment.writtenTo = segment.tail
  segment.syncedTo = segment.tail
}

function readIntoArena(
  disk: Disk,
  path: string,
  capacityBytes: number,
): { memory: SegmentMemory; sizeBytes: number } {
  const file = disk.open(path, 'read')
  try {
    const sizeBytes = disk.sizeBytes(file)
    // The seal may have to be added behind a log that ends at the very end of its file.
    const arenaBytes = Math.max(capacityBytes, sizeBytes + BATCH_HEADER_BYTES + ENTRY_HEADER_BYTES)
    // The file may hold more and smaller entries than this segment size would have let in.
    const memory = new SegmentMemory(arenaBytes, slotsForAnyEntries(sizeBytes))
    let at = 0
    while (at < sizeBytes) {
      const read = disk.readSync(file, memory.arena, at, Math.min(READ_CHUNK_BYTES, sizeBytes - at), at)
      if (read === 0) break
      at += read
    }
    return { memory, sizeBytes: at }
  } finally {
    disk.close(file)
  }
}

/** One past the last byte that is not zero. */
function lastUsedByte(arena: Buffer, sizeBytes: number): number {
  let at = sizeBytes
  while (at >= 4 && readI32(arena, at - 4) === 0) at -= 4
  while (at > 0 && arena[at - 1] === 0) at--
  return at
}

interface ReplayEnd {
  readonly at: number
  readonly sealed: boolean
  /** What the last of the batches says. */
  readonly syncedTo: number
}

/** Takes whole valid batches from the front; answers where they end. */
function replay(segment: Segment, sizeBytes: number, visit: EntryVisitor): ReplayEnd {
  const arena = segment.arena
  const hash = new KeyHash()
  let at = SEGMENT_HEADER_BYTES
  let syncedTo = 0
  while (at + BATCH_HEADER_BYTES <= sizeBytes && isBatchHeader(arena, at, segment.header.id)) {
    syncedTo = batchSyncedTo(arena, at)
    if (batchMagic(arena, at) === SEAL_MAGIC) return { at: at + BATCH_HEADER_BYTES, sealed: true, syncedTo }
    const entriesEnd = at + BATCH_HEADER_BYTES + batchByteLength(arena, at)
    if (entriesEnd > sizeBytes || !batchHolds(arena, at, entriesEnd)) break
    segment.tail = at
    for (let entry = at + BATCH_HEADER_BYTES; entry < entriesEnd;) {
      const record = entry + ENTRY_FRAME_BYTES
      adopt(segment, hash, record)
      visit(arena, record)
      entry = record + recordLength(arena, record)
    }
    at = entriesEnd
  }
  return { at, sealed: false, syncedTo }
}

function batchHolds(arena: Buffer, batch: number, entriesEnd: number): boolean {
  let at = batch + BATCH_HEADER_BYTES
  let entries = 0
  while (at < entriesEnd) {
    const record = at + ENTRY_FRAME_BYTES
    if (at + 28 > entriesEnd || !entryFrameHolds(arena, at)) return false
    const kind = entryKind(arena, record)
    if (kind !== KIND_RECORD && kind !== KIND_FLUSH_MARK) return false
    if (verifyRecord(arena, record, entriesEnd - record) !== null) return false
    at = record + recordLength(arena, record)
    entries++
  }
  return at === entriesEnd && entries === batchEntryCount(arena, batch)
}

function adopt(segment: Segment, hash: KeyHash, record: number): void {
  const arena = segment.arena
  segment.noteSequence(record)
  if (entryKind(arena, record) !== KIND_RECORD) return
  const keyStart = record + 16
  const keyEnd = keyStart + (arena[record + 9] | (arena[record + 10] << 8) | (arena[record + 11] << 16))
  hash.of(arena, keyStart, keyEnd)
  segment.find(hash.first, arena, keyStart, keyEnd)
  segment.insert(hash.first, slotOfToken(hash.token), record)
}

interface Testimony {
  /** The highest synced offset that any of the batches states; 0 when there is none. */
  readonly syncedTo: number
  /** Where the last of them ends, as far as the file goes; 0 when there is none. */
  readonly end: number
}

/** What the file's own batches from `from` on say, those apart that stand in it from earlier lives: `isOwn` knows their ids. */
function testimony(
  arena: Buffer,
  from: number,
  sizeBytes: number,
  isOwn: (id: number) => boolean,
): Testimony {
  const bytes = arena.subarray(0, sizeBytes)
  let syncedTo = 0
  let end = 0
  for (const magic of [BATCH_MAGIC_BYTES, SEAL_MAGIC_BYTES]) {
    let found = bytes.indexOf(magic, from)
    while (found !== -1) {
      const at = found - 4
      if (at >= from && at + BATCH_HEADER_BYTES <= sizeBytes && isOwnBatchHeader(bytes, at, isOwn)) {
        syncedTo = Math.max(syncedTo, batchSyncedTo(bytes, at))
        end = Math.max(end, Math.min(sizeBytes, at + BATCH_HEADER_BYTES + batchByteLength(bytes, at)))
      }
      found = bytes.indexOf(magic, found + 1)
    }
  }
  return { syncedTo, end }
}

function isOwnBatchHeader(bytes: Buffer, at: number, isOwn: (id: number) => boolean): boolean {
  const id = statedId(bytes, at)
  return isOwn(id) && isBatchHeader(bytes, at, id)
}

function statedId(bytes: Buffer, at: number): number {
  return (
    (readI32(bytes, at + 8) >>> 0) +
    (bytes[at + 12] | (bytes[at + 13] << 8) | (bytes[at + 14] << 16)) * 2 ** 32
  )
}

/** Damage to what was synced. */
export function damaged(path: string, offset: number, what: string): CorruptionError {
  return new CorruptionError(
    path,
    offset,
    what,
    'Acknowledged writes are in the damaged part. Restore the directory from a snapshot, or see "kindred help repair" for how to ' +
      'give up what is damaged.',
  )
}
