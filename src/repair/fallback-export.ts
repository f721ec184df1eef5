/**
 * The records of all fallback copies that a node holds, as a file of a snapshot: they may be the only copies of acknowledged writes
 * (RULES L5). Whom each is held for does not go with it: who restores a cluster files records by their keys. Hints are left out,
 * since their records are where they belong already.
 *
 *     FALLBACKS := "KDFC", format u32 = 1, { length u32, record }      little-endian; the snapshot has the file's checksum
 *
 * Copies that are handed over meanwhile may be missing: then replicas have them durably, before this ends.
 */
import type { Clock } from '../env/clock.js'
import type { Disk } from '../env/disk.js'
import { readU32, writeU32 } from '../util/bytes.js'
import { readWhole } from '../storage/checked-file.js'
import { CorruptionError } from '../storage/corruption-error.js'
import { pathOf } from '../storage/file-names.js'
import { COPY, keyAfter, readCopy } from './handoff-entry.js'
import type { HandoffStore } from './handoff-store.js'

export const FALLBACKS_NAME = 'FALLBACKS'
const MAGIC = Buffer.from('KDFC')
const FORMAT = 1
const HEAD_BYTES = 8
const LENGTH_BYTES = 4
/** What is read between two turns of the event loop. */
const PAGE_ENTRIES = 256
const PAGE_BYTES = 256 * 1024

/** Writes and syncs the file, if there is any copy; answers how many entries there were. Rejects with the disk's errors. */
export async function exportFallbacks(
  disk: Disk,
  clock: Clock,
  handoffs: HandoffStore,
  directory: string,
): Promise<number> {
  let from: Buffer = Buffer.from([COPY])
  const end = Buffer.from([COPY + 1])
  const pageFrom = (key: Buffer) => handoffs.scan(key, end, PAGE_ENTRIES, PAGE_BYTES)
  let page = pageFrom(from)
  if (page.length === 0) return 0
  const file = disk.open(pathOf(directory, FALLBACKS_NAME), 'create')
  let entries = 0
  try {
    let at = append(disk, file, 0, head())
    while (page.length > 0) {
      for (const { value } of page)
        at = append(disk, file, at, framed(value.subarray(readCopy(value).record)))
      entries += page.length
      from = keyAfter(page[page.length - 1].key)
      await new Promise<void>((resolve) => clock.after(0, resolve))
      page = pageFrom(from)
    }
    disk.syncSync(file)
  } finally {
    disk.close(file)
  }
  return entries
}

function head(): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES)
  MAGIC.copy(bytes)
  writeU32(bytes, MAGIC.length, FORMAT)
  return bytes
}

function framed(record: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + record.length)
  writeU32(bytes, 0, record.length)
  record.copy(bytes, LENGTH_BYTES)
  return bytes
}

function append(disk: Disk, file: number, at: number, bytes: Buffer): number {
  disk.writeSync(file, bytes, 0, bytes.length, at)
  return at + bytes.length
}

/** The records of the file in a snapshot; none where there is no such file. Throws CorruptionError and the disk's errors. */
export function readFallbacks(disk: Disk, directory: string): Buffer[] {
  const path = pathOf(directory, FALLBACKS_NAME)
  if (!disk.exists(path)) return []
  const bytes = readWhole(disk, path)
  const isKnown = bytes.length >= HEAD_BYTES && bytes.subarray(0, HEAD_BYTES).equals(head())
  if (!isKnown) throw new CorruptionError(path, 0, 'its first bytes are not those of fallback copies', ADVICE)
  const records: Buffer[] = []
  for (let at = HEAD_BYTES; at < bytes.length;) {
    const start = at + LENGTH_BYTES
    const end = start + (start <= bytes.length ? readU32(bytes, at) : 0)
    if (end <= start || end > bytes.length)
      throw new CorruptionError(path, at, 'it ends within a record', ADVICE)
    records.push(bytes.subarray(start, end))
    at = end
  }
  return records
}

const ADVICE = 'Take another snapshot, or restore from those of the other nodes.'
