/** A disk in memory whose asynchronous reads can be held back and counted, and whose files can be damaged while open. */
import type { DiskDone } from '../../../../src/env/disk.js'
import { MemoryDisk, diskError } from '../memory-disk.js'

export class TableDisk extends MemoryDisk {
  /** While true, asynchronous reads wait for deliverReads(). */
  holdsReads = false
  /** The next asynchronous read fails with EIO. */
  failsNextRead = false
  /** Asynchronous reads asked for so far. */
  readCount = 0
  /** Synchronous reads so far. */
  readSyncCount = 0
  readonly #held: (() => void)[] = []

  /** Runs the first reads that were held back, all of them unless told otherwise, in order. */
  deliverReads(count = Infinity): void {
    for (const run of this.#held.splice(0, count)) run()
  }

  /** Puts other bytes of the same length into a file that may be open. */
  overwrite(path: string, bytes: Uint8Array): void {
    const file = this.open(path, 'write')
    this.writeSync(file, bytes, 0, bytes.length, 0)
    this.close(file)
  }

  override readSync(
    file: number,
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): number {
    this.readSyncCount++
    return super.readSync(file, into, offset, length, position)
  }

  override read(
    file: number,
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: DiskDone,
  ): void {
    this.readCount++
    const fails = this.failsNextRead
    this.failsNextRead = false
    const run = () => {
      if (fails) done(diskError('EIO', 'read'), 0)
      else done(null, super.readSync(file, into, offset, length, position))
    }
    if (this.holdsReads) this.#held.push(run)
    else setImmediate(run)
  }
}
