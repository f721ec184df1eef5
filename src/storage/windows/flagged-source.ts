/**
 * The flagged entries of a table, in its order, with their keys: the table's list leads to the blocks that hold them, and what
 * lies between is not read.
 */
import type { Disk } from '../../env/disk.js'
import type { MergeEntry } from '../compaction/merge-source.js'
import { entrySequence } from '../entry.js'
import type { FlaggedEntry } from '../table/flagged-list.js'
import { tableCorruption } from '../table/table-file.js'
import { TableScanner } from '../table/table-scanner.js'

export class FlaggedSource implements MergeEntry {
  /** The current entry: valid until advance(). */
  token = -1
  bytes: Buffer = Buffer.alloc(0)
  record = 0
  readonly #path: string
  readonly #scanner: TableScanner
  readonly #flagged: Iterator<FlaggedEntry>

  /** Throws CorruptionError and the disk's errors. */
  constructor(disk: Disk, path: string) {
    this.#path = path
    this.#scanner = new TableScanner(disk, path)
    this.#flagged = this.#scanner.flagged()
  }

  /** Hashes of the current entry's key (KeyHash). */
  get first(): number {
    return this.#scanner.first
  }

  get second(): number {
    return this.#scanner.second
  }

  /** Goes to the next flagged entry, at first to the first; false at the end. Throws CorruptionError and the disk's errors. */
  advance(): boolean {
    const next = this.#flagged.next()
    if (next.done === true) return false
    const { token, sequence } = next.value
    const scanner = this.#scanner
    scanner.skipTo(token)
    while (scanner.next() && scanner.token <= token) {
      const { bytes, record } = scanner.entry
      if (scanner.token !== token || entrySequence(bytes, record) !== sequence) continue
      this.token = token
      this.bytes = bytes
      this.record = record
      return true
    }
    throw tableCorruption(this.#path, 0, `it has no entry of sequence ${sequence} that it lists`)
  }

  close(): void {
    this.#scanner.close()
  }
}
