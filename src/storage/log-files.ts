/**
 * The files and the memory of log segments: the next one is made ahead by a job (the spare), so that a change of segments
 * costs the request path nothing. Its memory is that of a retained segment (retained-segments.ts), taken away between
 * requests, because one may still use an entry of it. Numbers order logs, so a spare that is passed over must not be used later.
 */
import { takingRoom } from './disk-space.js'
import { logFileName, pathOf } from './file-names.js'
import type { LiveFiles } from './live-files.js'
import { Segment, SegmentMemory } from './log/segment.js'
import type { StoreEnv, StoreOptions } from './store-options.js'

const RETRY_AFTER_MS = 1000

export interface NewSegment {
  readonly segment: Segment
  /** Open for writing; the log writer closes it. */
  readonly file: number
}

export interface LogFilesHost {
  active(): Segment
  /** The spare is ready. */
  onSpare(): void
  /** The spare could not be made; it is tried again in a second. */
  onSpareFailed(error: unknown): void
}

export class LogFiles {
  readonly #env: StoreEnv
  readonly #options: StoreOptions
  readonly #files: LiveFiles
  readonly #host: LogFilesHost
  /** The log file made ahead; null while none is ready. */
  #spare: number | null = null
  #preparing = false
  #trouble: string | null = null
  #stopped = false
  /** Of a segment that is retained no more; counts among segmentsMax. */
  #idle: SegmentMemory | null = null

  constructor(env: StoreEnv, options: StoreOptions, files: LiveFiles, host: LogFilesHost) {
    this.#env = env
    this.#options = options
    this.#files = files
    this.#host = host
  }

  get hasSpare(): boolean {
    return this.#spare !== null
  }

  /** Whether there is memory for the next segment; else it is up to makeMemory(). */
  get hasMemory(): boolean {
    return this.#idle !== null || !this.#files.memoryIsUsedUp
  }

  /** Why the spare could not be made, at the last attempt; null once it could. */
  get trouble(): string | null {
    return this.#trouble
  }

  get isIdle(): boolean {
    return !this.#preparing
  }

  stop(): void {
    this.#stopped = true
  }

  /**
   * The first active segment of this run. Nothing is served yet: this one may take its time. `fill`: its file is made as
   * the spare is, full of zeros; without, or when there is no room for that, it has a name and no bytes yet.
   */
  async first(fill: boolean, previous: number, firstSequence: number): Promise<NewSegment> {
    const { directory, segmentBytes } = this.#options
    const number = this.#files.takeNumbers()
    try {
      if (fill) await this.#prepare(number)
    } catch (error) {
      this.#host.onSpareFailed(error)
    }
    const path = pathOf(directory, logFileName(number))
    return takingRoom(path, segmentBytes, () => this.#make(number, segmentBytes, previous, firstSequence))
  }

  /**
   * The segment that takes over from `active`. Usually its file is ready; a record larger than a segment, or a rotation
   * that nobody foresaw, gets a file made on the spot. Throws the disk's errors.
   */
  next(recordBytes: number, active: Segment, firstSequence: number): NewSegment {
    const needed = Segment.capacityFor(recordBytes)
    const capacity = Math.max(needed, this.#options.segmentBytes)
    this.#env.clock.endOfTurn(() => this.makeSpare())
    if (needed > this.#options.segmentBytes) this.#dropSpare()
    const number = this.#spare ?? this.#files.takeNumbers()
    const next = this.#make(number, capacity, active.header.fileNumber, firstSequence)
    this.#spare = null
    return next
  }

  /** Has the next log file made, unless it is there or under way. */
  makeSpare(): void {
    if (this.#stopped || this.#preparing || this.#spare !== null) return
    this.#preparing = true
    const number = this.#files.takeNumbers()
    this.#prepare(number).then(
      () => {
        this.#preparing = false
        this.#trouble = null
        if (number < this.#host.active().header.fileNumber) {
          // A rotation that could not wait has taken a later number meanwhile.
          this.#files.unlink(logFileName(number))
          return this.makeSpare()
        }
        this.#spare = number
        this.#host.onSpare()
      },
      (error: unknown) => {
        this.#preparing = false
        this.#trouble = error instanceof Error ? error.message : String(error)
        this.#host.onSpareFailed(error)
        this.#env.clock.after(RETRY_AFTER_MS, () => this.makeSpare())
      },
    )
  }

  /** Sees to it that there is memory for the next segment, if any is retained. To be called between requests. */
  makeMemory(): void {
    if (!this.hasMemory) this.#idle = this.#files.giveUpRetained()?.memory ?? null
  }

  /** A segment is flushed: its file goes. */
  release(segment: Segment): void {
    this.#files.unlink(logFileName(segment.header.fileNumber))
  }

  #dropSpare(): void {
    if (this.#spare !== null) this.#files.unlink(logFileName(this.#spare))
    this.#spare = null
  }

  async #prepare(number: number): Promise<void> {
    const path = pathOf(this.#options.directory, logFileName(number))
    try {
      await this.#env.jobs.prepare({ path, sizeBytes: this.#options.segmentBytes })
    } catch (error) {
      this.#files.unlink(logFileName(number))
      throw error
    }
    this.#env.disk.syncDirectory(this.#options.directory)
  }

  #make(number: number, capacityBytes: number, previous: number, firstSequence: number): NewSegment {
    const path = pathOf(this.#options.directory, logFileName(number))
    const known = this.#env.disk.exists(path)
    const file = this.#env.disk.open(path, 'create')
    try {
      if (!known) this.#env.disk.syncDirectory(this.#options.directory)
    } catch (error) {
      this.#env.disk.close(file)
      throw error
    }
    const header = {
      id: this.#env.random.next53(),
      fileNumber: number,
      previousFileNumber: previous,
      firstSequence,
    }
    return { segment: new Segment(header, path, this.#takeMemory(capacityBytes)), file }
  }

  #takeMemory(capacityBytes: number): SegmentMemory {
    const idle = this.#idle
    this.#idle = null
    if (idle?.capacityBytes === capacityBytes) {
      idle.clear()
      return idle
    }
    // A rotation that nobody foresaw: what is retained makes room, but an entry of it may be in use in this step.
    if (idle === null && this.#files.memoryIsUsedUp) this.#files.giveUpRetained()
    return new SegmentMemory(capacityBytes)
  }
}
