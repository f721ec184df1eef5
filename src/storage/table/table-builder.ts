import type { Disk } from '../../env/disk.js'
import type { TableSummary } from './table-summary.js'

export class TableBuilder {
  constructor(disk: Disk, path: string, fileNumber: number) {
    throw new Error(`not yet built: ${String(disk)} ${path} ${fileNumber}`)
  }

  get entryCount(): number {
    return 0
  }

  /** Bytes of the file so far, what is still buffered included; finish() adds index and filter. */
  get sizeBytes(): number {
    return 0
  }

  /** Adds the entry whose record stands at bytes[record…] behind its eight header bytes; `first` and `second` are its KeyHash's. */
  add(token: number, first: number, second: number, bytes: Buffer, record: number): void {
    throw new Error(`not yet built: ${token} ${first} ${second} ${bytes.length} ${record}`)
  }

  finish(): TableSummary {
    throw new Error('not yet built')
  }

  /** Closes and removes what was written so far. */
  abandon(): void {}
}
