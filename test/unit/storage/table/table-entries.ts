/** Entries for tests of tables: made from a few words, sorted, written, compared. */
import type { Disk } from '../../../../src/env/disk.js'
import type { Sibling } from '../../../../src/record/record.js'
import { deletionSibling, encodeRecord, valueSibling } from '../../../../src/record/record.js'
import { KeyHash } from '../../../../src/ring/token.js'
import type { EntryRef } from '../../../../src/storage/entry.js'
import { ENTRY_HEADER_BYTES, KIND_RECORD, writeEntryHeader } from '../../../../src/storage/entry.js'
import type { BlockCompression } from '../../../../src/storage/table/block-compression.js'
import { TableBuilder } from '../../../../src/storage/table/table-builder.js'
import type { TableSummary } from '../../../../src/storage/table/table-summary.js'

export const ACTOR = 0x1234_5678_9abc

export interface TestEntry {
  readonly key: Buffer
  readonly hash: KeyHash
  readonly sequence: number
  /** Eight header bytes and the record. */
  readonly bytes: Buffer
}

export interface TestEntryFacts {
  readonly key: Buffer | string
  readonly sequence: number
  readonly siblings: readonly Sibling[]
  readonly flags?: number
  /** Instead of the key's own; the hashes stay those of the key. */
  readonly token?: number
}

export function makeEntry({ key, sequence, siblings, flags = 0, token }: TestEntryFacts): TestEntry {
  const keyBytes = Buffer.from(key)
  const hash = new KeyHash()
  hash.of(keyBytes, 0, keyBytes.length)
  if (token !== undefined) hash.token = token
  const highest = new Map<number, number>()
  for (const { actor, hlc } of siblings) highest.set(actor, Math.max(hlc, highest.get(actor) ?? 0))
  const context = [...highest].map(([actor, hlc]) => ({ actor, hlc })).sort((a, b) => a.actor - b.actor)
  const record = encodeRecord({ key: keyBytes, context, siblings })
  const bytes = Buffer.concat([Buffer.alloc(ENTRY_HEADER_BYTES), record])
  writeEntryHeader(bytes, ENTRY_HEADER_BYTES, sequence, flags, KIND_RECORD)
  return { key: keyBytes, hash, sequence, bytes }
}

/** An entry with one value that lives for ever, written at HLC sequence x 4096. */
export function makeValue(
  key: Buffer | string,
  sequence: number,
  value: Uint8Array,
  token?: number,
): TestEntry {
  const siblings = [valueSibling({ actor: ACTOR, hlc: sequence * 4096 }, value, 0)]
  return makeEntry({ key, sequence, siblings, token })
}

export function makeDeletion(key: Buffer | string, sequence: number, flags = 0): TestEntry {
  return makeEntry({
    key,
    sequence,
    siblings: [deletionSibling({ actor: ACTOR, hlc: sequence * 4096 })],
    flags,
  })
}

export function inTableOrder(entries: readonly TestEntry[]): TestEntry[] {
  return [...entries].sort((a, b) => a.hash.token - b.hash.token || Buffer.compare(a.key, b.key))
}

export function addEntry(builder: TableBuilder, { hash, bytes }: TestEntry): void {
  builder.add(hash.token, hash.first, hash.second, bytes, ENTRY_HEADER_BYTES)
}

/** Writes the entries, sorted, as table `fileNumber`. */
export function buildTable(
  disk: Disk,
  path: string,
  entries: readonly TestEntry[],
  fileNumber = 1,
  compression: BlockCompression = 'none',
): TableSummary {
  const builder = new TableBuilder(disk, path, fileNumber, compression)
  for (const entry of inTableOrder(entries)) addEntry(builder, entry)
  return builder.finish()
}

/** The whole entry, header included, that `ref` points to. */
export function entryBytesOf({ bytes, record }: EntryRef): Buffer {
  const length = bytes.readUInt32LE(record + 4)
  return Buffer.from(bytes.subarray(record - ENTRY_HEADER_BYTES, record + length))
}
