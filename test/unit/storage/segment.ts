/** Segments and tables made of written-out entries, and what a reader finds in them. */
import { LEVELED_ONLY } from '../../../src/storage/families.js'
import type { Disk } from '../../../src/env/disk.js'
import { wallMsToHlc } from '../../../src/record/hlc.js'
import { decodeRecord } from '../../../src/record/record.js'
import { KIND_DELETION, KIND_VALUE, keyLength, keyStart } from '../../../src/record/layout.js'
import { singleRecordBytes, writeSingleRecord } from '../../../src/record/record-writer.js'
import {
  ENTRY_HEADER_BYTES,
  KIND_RECORD,
  entryFlags,
  entrySequence,
  writeEntryHeader,
} from '../../../src/storage/entry.js'
import { pathOf, tableFileName } from '../../../src/storage/file-names.js'
import type { FlushJob } from '../../../src/storage/jobs/storage-jobs.js'
import { TableScanner } from '../../../src/storage/table/table-scanner.js'

export const ACTOR = 42
const SLOTS_PER_KEY = 3

export interface Write {
  readonly key: string
  readonly sequence: number
  /** Null deletes. */
  readonly value: string | null
  /** Milliseconds since 1970, 0 for never. */
  readonly expireAtMs?: number
  readonly hlc?: number
  readonly flags?: number
}

/** An entry as a reader sees it. */
export interface SeenEntry {
  readonly key: string
  readonly sequence: number
  readonly flags: number
  readonly value: string | null
  readonly expireAtMs: number
  readonly hlc: number
}

/** A write-ahead segment's memory: an arena, and an index that names each key's newest record. */
export class TestSegment {
  readonly arena: SharedArrayBuffer
  readonly #bytes: Buffer
  readonly #newest = new Map<string, number>()
  #end = 16

  constructor(sizeBytes = 1 << 20) {
    this.arena = new SharedArrayBuffer(sizeBytes)
    this.#bytes = Buffer.from(this.arena)
  }

  get size(): number {
    return this.#newest.size
  }

  put(write: Write): void {
    const record = this.#end + ENTRY_HEADER_BYTES
    this.#end = record + writeEntry(this.#bytes, record, write)
    this.#newest.set(write.key, record)
  }

  /** The newest entry of every key. */
  *entries(): Generator<SeenEntry> {
    for (const record of this.#newest.values()) yield seenEntry(this.#bytes, record)
  }

  flushJob(directory: string, firstFileNumber: number, targetBytes: number): FlushJob {
    const slots = new Uint32Array(new SharedArrayBuffer(4 * (SLOTS_PER_KEY * this.size + 1)))
    let slot = 0
    for (const record of this.#newest.values()) {
      slots[slot] = record
      slot += SLOTS_PER_KEY
    }
    return {
      directory,
      arena: this.arena,
      arenaBytes: this.#end,
      recordOffsets: slots,
      fileNumbers: { first: firstFileNumber, count: 1000 },
      targetBytes,
      families: LEVELED_ONLY,
      nowMs: 0,
      counts: null,
      trees: null,
    }
  }
}

/** Writes an entry whose record starts at `record`; returns the record's length. */
function writeEntry(bytes: Buffer, record: number, write: Write): number {
  const { key, sequence, value, expireAtMs = 0, hlc = sequence, flags = 0 } = write
  writeEntryHeader(bytes, record, sequence, flags, KIND_RECORD)
  const keyBytes = Buffer.from(key)
  const valueBytes = Buffer.from(value ?? '')
  const kind = value === null ? KIND_DELETION : KIND_VALUE
  const length = singleRecordBytes(null, 0, ACTOR, keyBytes.length, valueBytes.length)
  const end = valueBytes.length
  writeSingleRecord(
    bytes,
    record,
    keyBytes,
    0,
    keyBytes.length,
    null,
    0,
    ACTOR,
    hlc,
    kind,
    expireAtMs,
    valueBytes,
    0,
    end,
  )
  return length
}

function seenEntry(bytes: Buffer, record: number): SeenEntry {
  const [sibling] = decodeRecord(bytes, record).siblings
  const key = bytes.toString('latin1', keyStart(record), keyStart(record) + keyLength(bytes, record))
  const isValue = sibling.kind === KIND_VALUE
  return {
    key,
    sequence: entrySequence(bytes, record),
    flags: entryFlags(bytes, record),
    value: isValue ? Buffer.from(sibling.value).toString() : null,
    expireAtMs: isValue ? sibling.expireAtMs : 0,
    hlc: sibling.hlc,
  }
}

/** Everything in a table, in its order. */
export function readTable(disk: Disk, directory: string, fileNumber: number): SeenEntry[] {
  const scanner = new TableScanner(disk, pathOf(directory, tableFileName(fileNumber)))
  const entries: SeenEntry[] = []
  while (scanner.next()) entries.push(seenEntry(scanner.entry.bytes, scanner.entry.record))
  scanner.close()
  return entries
}

/** HLC of a wall time. */
export function hlcAt(wallMs: number): number {
  return wallMsToHlc(wallMs)
}
