/**
 * Whether the disk has room for writes. Looked at every second: below disk-reserve writes are refused, and accepted again
 * once a whole segment more than that is free, so that service does not flap. A disk can be full before disk-reserve says so
 * (a reserve smaller than a segment, a quota): then whoever met the error says it here, and writes are refused at once
 * instead of each waiting for room.
 */
import { diskErrorCode } from './disk-error.js'
import type { StoreEnv, StoreOptions } from './store-options.js'

export class DiskSpace {
  readonly #env: StoreEnv
  readonly #options: StoreOptions
  readonly #changed: (isFull: boolean) => void
  #isFull = false

  /** `changed` is told of every change. */
  constructor(env: StoreEnv, options: StoreOptions, changed: (isFull: boolean) => void) {
    this.#env = env
    this.#options = options
    this.#changed = changed
  }

  get isFull(): boolean {
    return this.#isFull
  }

  look(): void {
    const { directory, diskReserveBytes, segmentBytes } = this.#options
    let free: number
    try {
      free = this.#env.disk.freeBytes(directory)
    } catch (error) {
      this.#env.log.warn('free disk space unknown', { error: String(error) })
      return
    }
    const full = this.#isFull ? free < diskReserveBytes + segmentBytes : free < diskReserveBytes
    if (full === this.#isFull) return
    if (full) return this.#refuseWrites(`${free} bytes are free`)
    this.#isFull = false
    this.#env.log.warn('disk has room again: writes are accepted', { freeBytes: free })
    this.#changed(false)
  }

  /** Something could not be written: if that was for lack of space, the disk counts as full. Answers whether it was. */
  noteFailure(error: unknown): boolean {
    if (!isLackOfSpace(error)) return false
    if (!this.#isFull) this.#refuseWrites(String(error))
    return true
  }

  #refuseWrites(why: string): void {
    this.#isFull = true
    this.#env.log.error('disk full: writes are refused', { why })
    this.#changed(true)
  }
}

/**
 * Does what a start cannot do without, which takes about `bytes` on the disk. Lack of space is thrown as an error that says
 * which file and how much room; other errors as they are.
 */
export function takingRoom<T>(path: string, bytes: number, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (!isLackOfSpace(cause)) throw cause
    const text = `${path} cannot be written: no space left on device. Make room for ${bytes} bytes and start again.`
    throw Object.assign(new Error(text, { cause }), { code: diskErrorCode(cause) })
  }
}

/** Whether a disk's error says that there is no room, on the disk or in a quota. */
export function isLackOfSpace(error: unknown): boolean {
  const code = diskErrorCode(error)
  return code === 'ENOSPC' || code === 'EDQUOT'
}
