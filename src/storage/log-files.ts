/**
 * The files and the memory of log segments: the next ones are made ahead by a job (the spares), so that a change of segments
 * costs the request path nothing. Zeros are written for the first ones only: as soon as segments are flushed, the file of one
 * becomes that of a later one, so a log's bytes are written once. Memory is that of a retained segment
 * (retained-segments.ts), taken away between requests, because one may still use an entry of it. Numbers order logs, so a
 * spare that is passed over must not be used later.
 */
import { takingRoom } from './disk-space.js'
import { logFileName, pathOf } from './file-names.js'
import type { LiveFiles } from './live-files.js'
import { segmentId } from './log/segment-format.js'
import { Segment, SegmentMemory } from './log/segment.js'
import type { StoreEnv, StoreOptions } from './store-options.js'

const RETRY_AFTER_MS = 1000
/**
 * A segment is given up when it is so full, or fuller: each at another point. Replicas take the same writes, so their
 * segments would all be full at the same moment, and while all of them flush a quorum has nobody quick left.
 */
const SHARE_MIN = 3 / 4
/** One to go on with while the segment before it is flushed, whose file is the next one. */
const SPARES_MAX = 2

interface Spare {
  readonly number: number
  /** It was a log before. */
  readonly isReused: boolean
}

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
  /** Log files made ahead, by number. */
  #spares: Spare[] = []
  /** Numbers of log files of full size, made by a job of this run. */
  readonly #wholeFiles = new Set<number>()
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
    return this.#spares.length > 0
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
      if (fill) await this.#prepare(number, null)
    } catch (error) {
      this.#host.onSpareFailed(error)
    }
    const path = pathOf(directory, logFileName(number))
    const spare = { number, isReused: false }
    return takingRoom(path, segmentBytes, () =>
      this.#make(spare, segmentBytes, previous, firstSequence, this.#share()),
    )
  }

  /**
   * The segment that takes over from `active`. Usually its file is ready; a record larger than a segment, or a rotation
   * that nobody foresaw, gets a file made on the spot. Throws the disk's errors.
   */
  next(recordBytes: number, active: Segment, firstSequence: number): NewSegment {
    const needed = Segment.capacityFor(recordBytes)
    const capacity = Math.max(needed, this.#options.segmentBytes)
    this.#env.clock.endOfTurn(() => this.makeSpare())
    if (needed > this.#options.segmentBytes) this.#dropSpares()
    const spare = this.#spares.at(0) ?? { number: this.#files.takeNumbers(), isReused: false }
    // What comes to half a segment, a batch as it may be, has all of it.
    const share = needed > this.#options.segmentBytes / 2 ? 1 : this.#share()
    const next = this.#make(spare, capacity, active.header.fileNumber, firstSequence, share)
    this.#spares.shift()
    return next
  }

  /** Has the next log file made, unless it is there or under way. */
  makeSpare(): void {
    if (!this.hasSpare) this.#makeSpareOf(null)
  }

  #makeSpareOf(oldNumber: number | null): void {
    if (this.#stopped || this.#preparing) return
    this.#preparing = true
    const number = this.#files.takeNumbers()
    this.#prepare(number, oldNumber).then(
      () => {
        this.#preparing = false
        this.#trouble = null
        if (number < this.#host.active().header.fileNumber) {
          // A rotation that could not wait has taken a later number meanwhile.
          this.#unlink(number)
          return this.makeSpare()
        }
        this.#spares.push({ number, isReused: oldNumber !== null })
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
    if (this.hasMemory) return
    const memory = this.#files.giveUpRetained()?.memory ?? null
    // While a job reads it there is one more in memory than segmentsMax.
    this.#idle = memory?.holds === 0 ? memory : null
  }

  /** A segment is flushed, and no manifest names its file any more: it is used again, or goes. */
  release({ header: { fileNumber } }: Segment): void {
    const isWanted = !this.#stopped && !this.#preparing && this.#spares.length < SPARES_MAX
    if (isWanted && this.#wholeFiles.delete(fileNumber)) this.#makeSpareOf(fileNumber)
    else this.#unlink(fileNumber)
  }

  #share(): number {
    return SHARE_MIN + ((1 - SHARE_MIN) * this.#env.random.next53()) / 2 ** 53
  }

  #dropSpares(): void {
    for (const { number } of this.#spares) this.#unlink(number)
    this.#spares = []
  }

  #unlink(number: number): void {
    this.#wholeFiles.delete(number)
    this.#files.unlink(logFileName(number))
  }

  async #prepare(number: number, oldNumber: number | null): Promise<void> {
    const { directory, segmentBytes } = this.#options
    const path = pathOf(directory, logFileName(number))
    const oldPath = oldNumber === null ? null : pathOf(directory, logFileName(oldNumber))
    try {
      await this.#env.jobs.prepare({ path, sizeBytes: segmentBytes, oldPath })
    } catch (error) {
      this.#unlink(number)
      if (oldNumber !== null) this.#unlink(oldNumber)
      throw error
    }
    this.#env.disk.syncDirectory(directory)
    this.#wholeFiles.add(number)
  }

  #make(
    { number, isReused }: Spare,
    capacityBytes: number,
    previous: number,
    firstSequence: number,
    share: number,
  ): NewSegment {
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
      id: segmentId(number, this.#env.random.next53()),
      fileNumber: number,
      previousFileNumber: previous,
      firstSequence,
      isReused,
    }
    return { segment: new Segment(header, path, this.#takeMemory(capacityBytes), share), file }
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
