/** A log file on a simulated disk, written batch by batch, and what recovery makes of it. */
import { KIND_DELETION, KIND_VALUE, keyLength, keyStart } from '../../../../src/record/layout.js'
import { decodeRecord, encodeRecord } from '../../../../src/record/record.js'
import { singleRecordBytes, writeSingleRecord } from '../../../../src/record/record-writer.js'
import { KeyHash, slotOfToken } from '../../../../src/ring/token.js'
import { SimEnv } from '../../../../src/sim/sim-env.js'
import type { SimDisk } from '../../../../src/sim/sim-disk.js'
import {
  entryKind,
  entrySequence,
  KIND_FLUSH_MARK,
  KIND_RECORD,
  writeEntryHeader,
} from '../../../../src/storage/entry.js'
import { recoverSegment } from '../../../../src/storage/log/recover-segment.js'
import type { Recovered } from '../../../../src/storage/log/recover-segment.js'
import { Segment, SegmentMemory } from '../../../../src/storage/log/segment.js'
import { segmentId } from '../../../../src/storage/log/segment-format.js'
import type { SegmentHeader } from '../../../../src/storage/log/segment-format.js'

export const ACTOR = 17
export const FIRST_HLC = 129171456000001
export const HEADER: SegmentHeader = {
  id: segmentId(12, 777777),
  fileNumber: 12,
  previousFileNumber: 9,
  firstSequence: 1000,
  isReused: false,
}

export interface EntryFields {
  /** Null deletes. */
  readonly value: string | null
  readonly expireAtMs?: number
  readonly displaced?: number
  readonly flags?: number
}

/** Appends entries to a segment in memory. */
export class SegmentWriter {
  readonly segment: Segment
  #sequence: number
  #hlc = FIRST_HLC
  readonly #hash = new KeyHash()

  constructor(segment: Segment) {
    this.segment = segment
    this.#sequence = segment.header.firstSequence
  }

  /** Returns the offset of the entry's record; 0, without appending, when the segment is full. */
  put(key: string, fields: EntryFields): number {
    const { segment } = this
    const { value, expireAtMs = 0, displaced = 0, flags = 0 } = fields
    const keyBytes = Buffer.from(key, 'latin1')
    const valueBytes = Buffer.from(value ?? '', 'latin1')
    const hash = this.#hash
    hash.of(keyBytes, 0, keyBytes.length)
    const before = segment.find(hash.first, keyBytes, 0, keyBytes.length)
    const predecessor = before === 0 ? null : segment.arena
    const bytes = singleRecordBytes(predecessor, before, ACTOR, keyBytes.length, valueBytes.length)
    if (!segment.fits(bytes)) return 0
    const record = segment.beginRecord()
    const kind = value === null ? KIND_DELETION : KIND_VALUE
    writeSingleRecord(
      segment.arena,
      record,
      keyBytes,
      0,
      keyBytes.length,
      predecessor,
      before,
      ACTOR,
      this.#hlc++,
      kind,
      expireAtMs,
      valueBytes,
      0,
      valueBytes.length,
    )
    writeEntryHeader(segment.arena, record, this.#sequence++, flags, KIND_RECORD)
    segment.endRecord(record, bytes, displaced)
    segment.insert(hash.first, slotOfToken(hash.token), record)
    return record
  }

  flushMark(): void {
    const { segment } = this
    const context = [{ actor: ACTOR, hlc: this.#hlc++ }]
    const bytes = encodeRecord({ key: Buffer.alloc(0), siblings: [], context })
    const record = segment.beginRecord()
    bytes.copy(segment.arena, record)
    writeEntryHeader(segment.arena, record, this.#sequence++, 0, KIND_FLUSH_MARK)
    segment.endRecord(record, bytes.length, 0)
  }
}

/** An entry as recovery saw it: "1000 user:1=hello", "1001 user:1 deleted", "1002 FLUSHALL". */
export function entryText(arena: Buffer, record: number): string {
  const sequence = entrySequence(arena, record)
  if (entryKind(arena, record) === KIND_FLUSH_MARK) return `${sequence} FLUSHALL`
  const start = keyStart(record)
  const key = arena.toString('latin1', start, start + keyLength(arena, record))
  const [winner] = decodeRecord(arena, record).siblings
  return winner.kind === KIND_DELETION
    ? `${sequence} ${key} deleted`
    : `${sequence} ${key}=${Buffer.from(winner.value).toString('latin1')}`
}

export interface RecoveryResult {
  readonly recovered: Recovered
  readonly entries: readonly string[]
}

export class LogFile {
  readonly disk: SimDisk
  readonly path = '/000012.log'
  readonly segment: Segment
  readonly #writer: SegmentWriter

  /** `sizeBytes`: of the zeros that were written ahead. */
  constructor(sizeBytes = 4096, header: SegmentHeader = HEADER, memory = new SegmentMemory(sizeBytes)) {
    this.disk = SimEnv.fromSeed('log file').disk
    this.segment = new Segment(header, this.path, memory)
    this.#writer = new SegmentWriter(this.segment)
    this.#write((file) => this.disk.writeSync(file, Buffer.alloc(sizeBytes), 0, sizeBytes, 0))
  }

  /** Writes one batch with these entries; the next one says that it was synced, if it was. Returns where it starts. */
  batch(entries: Readonly<Record<string, string | null>>, isSynced = true): number {
    const start = this.segment.tail
    for (const [key, value] of Object.entries(entries)) this.#writer.put(key, { value })
    this.commit(isSynced)
    return start
  }

  /** Hands what was appended to the file. */
  commit(isSynced = true): void {
    const { segment } = this
    segment.closeBatch()
    const from = segment.writtenTo
    const length = segment.pageEnd() - from
    this.#write((file) => this.disk.writeSync(file, segment.arena, from, length, from))
    segment.writtenTo = segment.tail
    if (isSynced) segment.syncedTo = segment.tail
  }

  seal(): void {
    this.segment.seal()
    this.commit()
  }

  /** Puts zeros where [from, to) was: pages that never reached the disk. */
  lose(from: number, to: number): void {
    this.#write((file) => this.disk.writeSync(file, Buffer.alloc(to - from), 0, to - from, from))
  }

  overwrite(at: number, bytes: Uint8Array): void {
    this.#write((file) => this.disk.writeSync(file, bytes, 0, bytes.length, at))
  }

  truncate(sizeBytes: number): void {
    this.#write((file) => this.disk.truncate(file, sizeBytes))
  }

  bytes(): Buffer {
    const file = this.disk.open(this.path, 'read')
    const bytes = Buffer.alloc(this.disk.sizeBytes(file))
    this.disk.readSync(file, bytes, 0, bytes.length, 0)
    this.disk.close(file)
    return bytes
  }

  recover(hasSuccessor = false): RecoveryResult {
    const entries: string[] = []
    const recovered = recoverSegment(this.disk, this.path, {
      fileNumber: HEADER.fileNumber,
      hasSuccessor,
      capacityBytes: this.segment.arena.length,
      visit: (arena, record) => entries.push(entryText(arena, record)),
    })
    return { recovered, entries }
  }

  #write(run: (file: number) => void): void {
    const file = this.disk.open(this.path, 'create')
    run(file)
    this.disk.close(file)
  }
}

/** The newest entry of the key in the segment, as text; null when it has none. */
export function findIn(segment: Segment, key: string): string | null {
  const bytes = Buffer.from(key, 'latin1')
  const hash = new KeyHash()
  hash.of(bytes, 0, bytes.length)
  const record = segment.find(hash.first, bytes, 0, bytes.length)
  return record === 0 ? null : entryText(segment.arena, record)
}
