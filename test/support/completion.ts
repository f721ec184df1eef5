/** Turns an operation with a callback into a promise of what it was told. */
import type { DiskDone } from '../../src/env/disk.js'

export interface Completion {
  /** Null when it went well. */
  readonly error: NodeJS.ErrnoException | null
  readonly bytes: number
}

export function completion(start: (done: DiskDone) => void): Promise<Completion> {
  return new Promise((resolve) => start((error, bytes) => resolve({ error, bytes })))
}
