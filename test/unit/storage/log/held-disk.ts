/**
 * A disk whose writes and syncs with a callback wait until the test lets them go, in whatever order, and end well or not.
 * It remembers what it was asked, in order: "write 12 0+96", "sync 12", "close 12", by log number.
 */
import type { DiskDone } from '../../../../src/env/disk.js'
import { assert } from '../../../../src/util/assert.js'
import { diskError, MemoryDisk } from '../memory-disk.js'

interface Held {
  readonly text: string
  readonly run: (error: NodeJS.ErrnoException | null) => void
}

export class HeldDisk extends MemoryDisk {
  readonly asked: string[] = []
  /** The next writeSync fails with this code. */
  failsNextWrite: string | null = null
  /** Up to which byte each file has been written, and synced, by log number. */
  readonly written = new Map<number, number>()
  readonly synced = new Map<number, number>()
  readonly #held: Held[] = []
  readonly #logs = new Map<number, number>()

  /** Opens the file of a log. */
  openLog(fileNumber: number): number {
    const file = this.open(`/${fileNumber}.log`, 'create')
    this.#logs.set(file, fileNumber)
    return file
  }

  /** What waits, in the order asked. */
  get held(): string[] {
    return this.#held.map(({ text }) => text)
  }

  /** Lets the first of what waits with this text end, or the first of all. */
  release(text = this.#held[0]?.text, code: string | null = null): void {
    const index = this.#held.findIndex((one) => one.text === text)
    assert(index !== -1, `${text} waits`)
    const [held] = this.#held.splice(index, 1)
    held.run(code === null ? null : diskError(code, held.text))
  }

  override writeSync(file: number, from: Uint8Array, offset: number, length: number, position: number): void {
    this.#note('write', file, ` ${position}+${length}`)
    const code = this.failsNextWrite
    this.failsNextWrite = null
    if (code !== null) throw diskError(code, 'write')
    super.writeSync(file, from, offset, length, position)
    this.#wrote(file, position + length)
  }

  override write(
    file: number,
    from: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: DiskDone,
  ): void {
    this.#hold(this.#note('write', file, ` ${position}+${length}`), (error) => {
      if (error !== null) return done(error, 0)
      super.writeSync(file, from, offset, length, position)
      this.#wrote(file, position + length)
      done(null, length)
    })
  }

  override sync(file: number, done: DiskDone): void {
    const covered = this.written.get(this.#log(file)) ?? 0
    this.#hold(this.#note('sync', file), (error) => {
      if (error !== null) return done(error, 0)
      const log = this.#log(file)
      this.synced.set(log, Math.max(covered, this.synced.get(log) ?? 0))
      done(null, 0)
    })
  }

  override close(file: number): void {
    this.#note('close', file)
    super.close(file)
  }

  #wrote(file: number, to: number): void {
    const log = this.#log(file)
    this.written.set(log, Math.max(to, this.written.get(log) ?? 0))
  }

  #log(file: number): number {
    const log = this.#logs.get(file)
    assert(log !== undefined, 'the file is that of a log')
    return log
  }

  #note(what: string, file: number, detail = ''): string {
    const text = `${what} ${this.#log(file)}${detail}`
    this.asked.push(text)
    return text
  }

  #hold(text: string, run: Held['run']): void {
    this.#held.push({ text, run })
  }
}
