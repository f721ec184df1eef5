import type { Disk } from '../../env/disk.js'

export interface InspectOptions {
  /** Also a line per entry. */
  readonly entries: boolean
}

/** The lines that `kindred inspect FILE` prints for a table. */
export function* inspectTable(disk: Disk, path: string, options: InspectOptions): Generator<string> {
  throw new Error(`not yet built: ${String(disk)} ${path} ${options.entries}`)
}
