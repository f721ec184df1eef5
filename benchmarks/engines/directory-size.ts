/** What a folder takes on disk: allocated blocks, not lengths. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const STAT_BLOCK_BYTES = 512

export function bytesOnDisk(directory: string): number {
  let bytes = 0
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).blocks * STAT_BLOCK_BYTES
  }
  return bytes
}
