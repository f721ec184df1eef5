/**
 * The records of one or more snapshots in the order of tables, one for each key: of a snapshot the newest entry (RULES T6), of several the
 * merge of what each holds, siblings and contexts included, and with it the fallback copies that their nodes held (RULES L5).
 * What a FLUSHALL that any of them knew of has removed is left out, and what RULES P2 says (snapshot-floors.ts).
 *
 * Tables are read from end to end, once, one block of each run in memory; fallback copies as a whole. Every block is checked before
 * an entry of it is used.
 */
import type { Disk } from '../env/disk.js'
import { isDeadAt } from '../record/death.js'
import {
  keyLength,
  keyStart,
  recordLength,
  siblingCount,
  siblingHlc,
  siblingsStart,
  SIBLING_BYTES,
} from '../record/layout.js'
import { flush, mergeRecords } from '../record/merge.js'
import { decodeRecord, encodeRecord, verifyRecord } from '../record/record.js'
import { KeyHash, slotOfToken } from '../ring/token.js'
import { compareSources, haveSameKey, mergeSources } from '../storage/compaction/merge-source.js'
import { CorruptionError } from '../storage/corruption-error.js'
import { entryFlags, ENTRY_HEADER_BYTES, entrySequence, FLAG_LOCAL_TOMBSTONE } from '../storage/entry.js'
import { pathOf } from '../storage/file-names.js'
import { Manifest } from '../storage/manifest.js'
import { readSnapshotFile, SnapshotError } from '../storage/snapshot/snapshot-file.js'
import type { SnapshotFacts } from '../storage/snapshot/snapshot-file.js'
import { compareBytes } from '../util/bytes.js'
import { MinHeap } from '../util/heap.js'
import { FALLBACKS_NAME, readFallbacks } from './fallback-export.js'
import { readRepairFile } from './repair-state.js'
import { snapshotFloors } from './snapshot-floors.js'

/** Sorted entries; as a MergeSource. */
interface Source {
  readonly token: number
  readonly bytes: Buffer
  readonly record: number
  readonly first: number
  readonly second: number
  advance(): boolean
  close(): void
}

interface OpenSource {
  readonly source: Source
  /** Number of the snapshot that it is of; -1 for fallback copies, which are in no table. */
  readonly snapshot: number
}

/** A record with its key's token and hashes (KeyHash); the bytes are valid until the next one. */
export interface SnapshotRecord {
  readonly token: number
  readonly first: number
  readonly second: number
  readonly bytes: Buffer
  readonly record: number
}

export class SnapshotRecords {
  readonly facts: readonly SnapshotFacts[]
  /** The highest of FLUSHALL's marks. */
  readonly flushMark: number
  /** Entries looked at so far. */
  entriesRead = 0
  readonly #disk: Disk
  readonly #paths: readonly string[]
  readonly #floors: readonly Float64Array[]

  /** `paths`: of the snapshots. Throws SnapshotError, CorruptionError and the disk's errors. */
  constructor(disk: Disk, paths: readonly string[]) {
    this.#disk = disk
    this.#paths = paths
    this.facts = paths.map((path) => readSnapshotFile(disk, path))
    this.flushMark = Math.max(0, ...this.facts.map(({ flushMark }) => flushMark))
    const memories = paths.map((path, i) => {
      return { nodeId: this.facts[i].origin.nodeId, repair: readRepairFile(disk, path) }
    })
    this.#floors = snapshotFloors(memories)
  }

  /** Every key that holds anything at `nowMs`, by ascending token. Throws CorruptionError and the disk's errors. */
  *living(nowMs: number): Generator<SnapshotRecord> {
    const sources = this.#open()
    const heap = new MinHeap<OpenSource>((a, b) => compareSources(a.source, b.source))
    const step = (open: OpenSource): void => {
      if (!open.source.advance()) return
      this.entriesRead++
      heap.push(open)
    }
    try {
      for (const open of sources) step(open)
      for (let open = heap.pop(); open !== undefined; open = heap.pop()) {
        const group = [open]
        for (let next = heap.peek(); next !== undefined; next = heap.peek()) {
          if (!haveSameKey(open.source, next.source)) break
          group.push(next)
          heap.pop()
        }
        const { token, first, second } = open.source
        const merged = this.#merged(group)
        if (merged !== null && !isDeadAt(merged.bytes, merged.record, nowMs))
          yield { token, first, second, ...merged }
        for (const one of group) step(one)
      }
    } finally {
      for (const { source } of sources) source.close()
    }
  }

  #open(): OpenSource[] {
    return this.#paths.flatMap((path, snapshot) => {
      const state = Manifest.load(this.#disk, path)
      if (state === null) throw new SnapshotError(`${path} has no manifest`)
      const tables = mergeSources(this.#disk, path, state.tables).map((source) => ({ source, snapshot }))
      const copies = new CopySource(readFallbacks(this.#disk, path), pathOf(path, FALLBACKS_NAME))
      return [...tables, { source: copies, snapshot: -1 }]
    })
  }

  /** Of the newest entries of one key; null when they say that there is nothing. Sources of one snapshot stand newest first. */
  #merged(group: readonly OpenSource[]): { readonly bytes: Buffer; readonly record: number } | null {
    const asked = new Set<number>()
    let bytes: Buffer | null = null
    let record = 0
    for (const { source, snapshot } of group) {
      if (snapshot >= 0) {
        if (asked.has(snapshot)) continue
        asked.add(snapshot)
        if (this.#isAbsent(source, snapshot)) continue
      }
      if (bytes === null) {
        bytes = source.bytes
        record = source.record
      } else if (!isSame(bytes, record, source.bytes, source.record)) {
        const held = decodeRecord(bytes, record)
        bytes = encodeRecord(mergeRecords(held, decodeRecord(source.bytes, source.record), 'siblings').record)
        record = 0
      }
    }
    if (bytes === null) return null
    if (this.#hasFlushed(bytes, record)) {
      bytes = encodeRecord(flush(decodeRecord(bytes, record), this.flushMark))
      record = 0
    }
    return siblingCount(bytes, record) === 0 ? null : { bytes, record }
  }

  #isAbsent({ token, bytes, record }: Source, snapshot: number): boolean {
    if ((entryFlags(bytes, record) & FLAG_LOCAL_TOMBSTONE) !== 0) return true
    return entrySequence(bytes, record) <= this.#floors[snapshot][slotOfToken(token)]
  }

  #hasFlushed(bytes: Buffer, record: number): boolean {
    if (this.flushMark === 0) return false
    let sibling = siblingsStart(bytes, record)
    for (let i = 0; i < siblingCount(bytes, record); i++, sibling += SIBLING_BYTES) {
      if (siblingHlc(bytes, sibling) <= this.flushMark) return true
    }
    return false
  }
}

function isSame(a: Buffer, aAt: number, b: Buffer, bAt: number): boolean {
  const length = recordLength(a, aAt)
  return recordLength(b, bAt) === length && compareBytes(a, aAt, aAt + length, b, bAt, bAt + length) === 0
}

/** Fallback copies, sorted; those of one key are one record. */
class CopySource implements Source {
  token = 0
  first = 0
  second = 0
  bytes: Buffer = Buffer.alloc(0)
  readonly record = ENTRY_HEADER_BYTES
  readonly #copies: { token: number; first: number; second: number; bytes: Buffer; record: number }[]
  #next = 0

  /** Throws CorruptionError, which names `path`. */
  constructor(records: readonly Buffer[], path: string) {
    const hash = new KeyHash()
    const copies = records.map((bytes) => {
      const fault = verifyRecord(bytes, 0, bytes.length)
      if (fault !== null) throw new CorruptionError(path, 0, `a record: ${fault}`, 'Take another snapshot.')
      hash.of(bytes, keyStart(0), keyStart(0) + keyLength(bytes, 0))
      const { token, first, second } = hash
      return { token, first, second, bytes: entryOf(bytes), record: ENTRY_HEADER_BYTES }
    })
    copies.sort(compareSources)
    this.#copies = []
    for (const copy of copies) {
      const last = this.#copies.at(-1)
      if (last === undefined || !haveSameKey(last, copy)) this.#copies.push(copy)
      else last.bytes = entryOf(encodeRecord(mergeRecords(valueOf(last), valueOf(copy), 'siblings').record))
    }
  }

  advance(): boolean {
    if (this.#next === this.#copies.length) return false
    const { token, first, second, bytes } = this.#copies[this.#next++]
    this.token = token
    this.first = first
    this.second = second
    this.bytes = bytes
    return true
  }

  close(): void {
    this.#copies.length = 0
  }
}

/** A record behind an entry header of sequence 0. */
function entryOf(record: Buffer): Buffer {
  const entry = Buffer.alloc(ENTRY_HEADER_BYTES + record.length)
  record.copy(entry, ENTRY_HEADER_BYTES)
  return entry
}

function valueOf({ bytes, record }: { readonly bytes: Buffer; readonly record: number }) {
  return decodeRecord(bytes, record)
}
