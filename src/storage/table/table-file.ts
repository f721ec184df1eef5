/**
 * Opens a table file and checks all of it but the blocks: both ends, the sections' checksums, and that the parts tile
 * the file. Shared by whoever reads tables, so that there is one opinion on what a sound table is.
 */
import type { Disk } from '../../env/disk.js'
import { CorruptionError } from '../corruption-error.js'
import { INDEX_BYTES_PER_BLOCK, BlockIndex } from './block-index.js'
import { FLAGGED_BYTES } from './flagged-list.js'
import type { TableFooter, TableSection } from './table-format.js'
import {
  FILE_HEADER_BYTES,
  FOOTER_BYTES,
  decodeFooter,
  encodeFileHeader,
  tableChecksum,
} from './table-format.js'

const ADVICE =
  'Nothing of it is served. Restore the file from a backup; without one, "kindred help repair" says how to give it up.'

export interface TableFile {
  /** Handle, open for reading. */
  readonly file: number
  readonly path: string
  readonly footer: TableFooter
  readonly index: BlockIndex
  /** The bloom filter's bits. */
  readonly filter: Buffer
  /** The flagged section's bytes. */
  readonly flagged: Buffer
}

/** Opens `path`; throws CorruptionError, or what the disk throws. The caller closes the handle. */
export function openTableFile(disk: Disk, path: string): TableFile {
  const file = disk.open(path, 'read')
  try {
    return readFrame(disk, path, file)
  } catch (error) {
    disk.close(file)
    throw error
  }
}

export function tableCorruption(path: string, offset: number, what: string): CorruptionError {
  return new CorruptionError(path, offset, what, ADVICE)
}

function readFrame(disk: Disk, path: string, file: number): TableFile {
  const sizeBytes = disk.sizeBytes(file)
  if (sizeBytes < FILE_HEADER_BYTES + FOOTER_BYTES) {
    throw tableCorruption(path, 0, `it has ${sizeBytes} bytes, fewer than header and footer of a table`)
  }
  const footerAt = sizeBytes - FOOTER_BYTES
  const footer = decodeFooter(readBytes(disk, path, file, footerAt, FOOTER_BYTES))
  if (typeof footer === 'string') throw tableCorruption(path, footerAt, footer)
  const header = readBytes(disk, path, file, 0, FILE_HEADER_BYTES)
  if (header.compare(encodeFileHeader()) !== 0)
    throw tableCorruption(path, 0, 'its first bytes are not a table header')
  const misfit = layoutMisfit(footer, footerAt)
  if (misfit !== null) throw tableCorruption(path, footerAt, misfit)
  const index = new BlockIndex(
    readSection(disk, path, file, footer.index, 'index'),
    footer.summary.blockCount,
  )
  if (index.endOffset !== footer.index.offset) {
    throw tableCorruption(path, footer.index.offset, 'the blocks do not end where the index starts')
  }
  const filter = readSection(disk, path, file, footer.filter, 'bloom filter')
  const flagged = readSection(disk, path, file, footer.flagged, 'list of flagged entries')
  return { file, path, footer, index, filter, flagged }
}

/** Whether the sections lie side by side up to the footer and have the lengths that the summary implies. */
function layoutMisfit(footer: TableFooter, footerAt: number): string | null {
  const { index, filter, flagged, summary } = footer
  if (summary.sizeBytes !== footerAt + FOOTER_BYTES)
    return `the file was written with ${summary.sizeBytes} bytes`
  const tiled =
    filter.offset === index.offset + index.length &&
    flagged.offset === filter.offset + filter.length &&
    footerAt === flagged.offset + flagged.length
  if (!tiled) return 'its sections do not lie side by side'
  const sized =
    summary.blockCount > 0 &&
    index.length === summary.blockCount * INDEX_BYTES_PER_BLOCK &&
    flagged.length === summary.flaggedCount * FLAGGED_BYTES
  return sized ? null : 'its sections do not have the lengths that its counts imply'
}

function readSection(disk: Disk, path: string, file: number, section: TableSection, name: string): Buffer {
  const bytes = readBytes(disk, path, file, section.offset, section.length)
  if (tableChecksum(bytes, 0, bytes.length) !== section.checksum) {
    throw tableCorruption(path, section.offset, `the checksum of its ${name} does not match`)
  }
  return bytes
}

/** Reads into a buffer with memory of its own, which therefore starts at a multiple of 8. */
function readBytes(disk: Disk, path: string, file: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length)
  const got = disk.readSync(file, bytes, 0, length, offset)
  if (got !== length) throw tableCorruption(path, offset + got, 'it ends in the middle of a part')
  return bytes
}
