import type { Disk } from '../../env/disk.js'
import { EntryRef } from '../entry.js'
import type { TableSummary } from './table-summary.js'

export class TableScanner {
  token = 0
  readonly entry = new EntryRef()
  readonly summary: TableSummary

  constructor(disk: Disk, path: string) {
    throw new Error(`not yet built: ${String(disk)} ${path}`)
  }

  next(): boolean {
    return false
  }

  /** KeyHash.first of the current entry's key, computed when asked for. */
  get first(): number {
    return 0
  }

  /** KeyHash.second of the current entry's key, computed when asked for. */
  get second(): number {
    return 0
  }

  close(): void {}
}
