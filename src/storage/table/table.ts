import type { Disk } from '../../env/disk.js'
import type { KeyHash } from '../../ring/token.js'
import type { BlockCache } from '../block-cache.js'
import type { EntryRef } from '../entry.js'
import type { TableLookup } from './table-lookup.js'
import type { TableSummary } from './table-summary.js'

export class Table {
  readonly path: string
  readonly summary: TableSummary
  /** The block that the last COLD answer asked for. */
  coldBlock = -1

  private constructor(path: string, summary: TableSummary) {
    this.path = path
    this.summary = summary
  }

  static open(disk: Disk, path: string, cache: BlockCache, fileNumber: number): Table {
    throw new Error(`not yet built: ${String(disk)} ${path} ${cache.sizeBytes} ${fileNumber}`)
  }

  get residentBytes(): number {
    return 0
  }

  mayContain(hash: KeyHash): boolean {
    throw new Error(`not yet built: ${hash.token}`)
  }

  find(hash: KeyHash, bytes: Buffer, start: number, end: number, into: EntryRef): TableLookup {
    throw new Error(`not yet built: ${hash.token} ${bytes.length} ${start} ${end} ${into.record}`)
  }

  findSync(hash: KeyHash, bytes: Buffer, start: number, end: number, into: EntryRef): TableLookup {
    return this.find(hash, bytes, start, end, into)
  }

  load(block: number, done: (error: Error | null) => void): void {
    throw new Error(`not yet built: ${block} ${String(done)}`)
  }

  loadSync(block: number): void {
    throw new Error(`not yet built: ${block}`)
  }

  unpin(block: number): void {
    throw new Error(`not yet built: ${block}`)
  }

  retire(unlink: boolean): void {
    throw new Error(`not yet built: ${unlink}`)
  }
}
