/**
 * The frame of a table file: what stands at its two ends. README.md in this folder is the page to reimplement it from.
 *
 *     table   := header block* index filter flagged footer      every part starts at a multiple of 8
 *     header  := magic 8 bytes "KINDTABL", format u32 = 1, checksum u32 of the 12 bytes before it
 *     footer  := magic 8 bytes, format u32, probes u32          256 bytes, the last ones of the file
 *                3 x { offset u64, length u64, checksum u32, zero u32 }    index, filter, flagged
 *                14 x u64                                        the summary, in the order of SUMMARY_FIELDS
 *                fileBytes u64                                   size of the whole file
 *                zeros, checksum u32 of the 252 bytes before it
 *
 * All checksums are xxHash32 with seed 0. A u64 never holds more than 2^53 - 1. The parts must tile the file exactly, so
 * that no byte of it is beyond a checksum: every flipped bit and every cut is noticed by whoever opens or reads the table.
 *
 * The frame is at the end because nothing of it is known before the last entry was written, and the table is streamed
 * out; the header is there only to tell what kind of file this is. The footer has a fixed size, so that one read at a
 * known place decides about everything else, and zeros to spare, so that facts can be added without a new format.
 */
import { readU32, readU53, writeU32, writeU53 } from '../../util/bytes.js'
import { xxh32 } from '../../util/xxhash.js'
import type { TableSummary } from './table-summary.js'

export const TABLE_FORMAT = 1
export const TABLE_MAGIC = Buffer.from('KINDTABL', 'latin1')
export const FILE_HEADER_BYTES = 16
export const FOOTER_BYTES = 256

const MAGIC_BYTES = 8
const SECTIONS_AT = 16
const SECTION_BYTES = 24
const SUMMARY_AT = SECTIONS_AT + 3 * SECTION_BYTES
const CHECKSUM_AT = FOOTER_BYTES - 4

/** The numbers of the footer's summary, in their order; sizeBytes follows as fileBytes, deadCount is a sum. */
const SUMMARY_FIELDS = [
  'fileNumber',
  'entryCount',
  'blockCount',
  'deletionCount',
  'expiringCount',
  'flaggedCount',
  'minSequence',
  'maxSequence',
  'minToken',
  'maxToken',
  'minHlc',
  'maxHlc',
  'minDeathMs',
  'maxDeathMs',
] as const

const FILE_BYTES_AT = SUMMARY_AT + SUMMARY_FIELDS.length * 8
const BLOCK_BYTES_AT = FILE_BYTES_AT + 8

/** A part of the file between blocks and footer. */
export interface TableSection {
  readonly offset: number
  readonly length: number
  /** xxHash32, seed 0, of its bytes, unsigned. */
  readonly checksum: number
}

export interface TableFooter {
  readonly index: TableSection
  readonly filter: TableSection
  readonly flagged: TableSection
  /** Probes per key of the bloom filter. */
  readonly probes: number
  /** Bytes of the blocks in memory, 0 when they are as many as in the file: none is compressed. */
  readonly blockBytes: number
  readonly summary: TableSummary
}

/** The checksum of every part of a table: unsigned xxHash32 of bytes[start, end). */
export function tableChecksum(bytes: Uint8Array, start: number, end: number): number {
  return xxh32(bytes, start, end, 0) >>> 0
}

export function encodeFileHeader(): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES)
  TABLE_MAGIC.copy(header)
  writeU32(header, MAGIC_BYTES, TABLE_FORMAT)
  writeU32(header, FILE_HEADER_BYTES - 4, tableChecksum(header, 0, FILE_HEADER_BYTES - 4))
  return header
}

export function encodeFooter(footer: TableFooter): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  TABLE_MAGIC.copy(bytes)
  writeU32(bytes, MAGIC_BYTES, TABLE_FORMAT)
  writeU32(bytes, MAGIC_BYTES + 4, footer.probes)
  const sections = [footer.index, footer.filter, footer.flagged]
  sections.forEach((section, i) => encodeSection(bytes, SECTIONS_AT + i * SECTION_BYTES, section))
  SUMMARY_FIELDS.forEach((field, i) => writeU53(bytes, SUMMARY_AT + i * 8, footer.summary[field]))
  writeU53(bytes, FILE_BYTES_AT, footer.summary.sizeBytes)
  writeU53(bytes, BLOCK_BYTES_AT, footer.blockBytes)
  writeU32(bytes, CHECKSUM_AT, tableChecksum(bytes, 0, CHECKSUM_AT))
  return bytes
}

/** The footer in `bytes`, or what is wrong with it in a few words. */
export function decodeFooter(bytes: Buffer): TableFooter | string {
  if (bytes.compare(TABLE_MAGIC, 0, MAGIC_BYTES, 0, MAGIC_BYTES) !== 0)
    return 'no table footer stands at its end'
  const checksum = tableChecksum(bytes, 0, CHECKSUM_AT)
  if (readU32(bytes, CHECKSUM_AT) !== checksum) return 'the checksum of the footer does not match'
  const format = readU32(bytes, MAGIC_BYTES)
  if (format !== TABLE_FORMAT) return `its format is ${format}, this version reads only ${TABLE_FORMAT}`
  return {
    index: decodeSection(bytes, SECTIONS_AT),
    filter: decodeSection(bytes, SECTIONS_AT + SECTION_BYTES),
    flagged: decodeSection(bytes, SECTIONS_AT + 2 * SECTION_BYTES),
    probes: readU32(bytes, MAGIC_BYTES + 4),
    blockBytes: readU53(bytes, BLOCK_BYTES_AT),
    summary: decodeSummary(bytes),
  }
}

function decodeSummary(bytes: Buffer): TableSummary {
  const [
    fileNumber,
    entryCount,
    blockCount,
    deletionCount,
    expiringCount,
    flaggedCount,
    minSequence,
    maxSequence,
    minToken,
    maxToken,
    minHlc,
    maxHlc,
    minDeathMs,
    maxDeathMs,
  ] = SUMMARY_FIELDS.map((_, i) => readU53(bytes, SUMMARY_AT + i * 8))
  return {
    fileNumber,
    sizeBytes: readU53(bytes, FILE_BYTES_AT),
    entryCount,
    blockCount,
    deadCount: deletionCount + expiringCount,
    deletionCount,
    expiringCount,
    minSequence,
    maxSequence,
    minToken,
    maxToken,
    minHlc,
    maxHlc,
    minDeathMs,
    maxDeathMs,
    flaggedCount,
  }
}

function encodeSection(bytes: Buffer, at: number, section: TableSection): void {
  writeU53(bytes, at, section.offset)
  writeU53(bytes, at + 8, section.length)
  writeU32(bytes, at + 16, section.checksum)
}

function decodeSection(bytes: Buffer, at: number): TableSection {
  return { offset: readU53(bytes, at), length: readU53(bytes, at + 8), checksum: readU32(bytes, at + 16) }
}
