/**
 * Carries appended bytes to the log file and says when they are as durable as `appendfsync` asks:
 *
 *     always     durable = written and synced: one write and one fdatasync per commit; what arrives meanwhile is the next one
 *     everysec   durable = written; a sync runs beside it every second, and early once much is unsynced
 *     no         durable = written; only the change from one segment to the next syncs
 *
 * A commit is due once per event-loop turn (group commit): all requests that the turn's input held share it. In every
 * mode a write(2) precedes every acknowledgement. Segments are written one after the other: the front one is synced,
 * sealed, before its successor's first byte goes to disk (RULES W2).
 *
 * The first failed write or sync ends the writer's use (W3): the kernel may have dropped the dirty pages and called them
 * clean, so a retry on the same descriptor could succeed and lose data. The store decides what happens then.
 */
import { assert } from '../../util/assert.js'
import type { Clock, Timer } from '../../env/clock.js'
import type { Disk } from '../../env/disk.js'
import type { Segment } from './segment.js'
import { INLINE_SYNC_BYTES_MAX, SyncCost } from './sync-cost.js'

export type AppendFsync = 'always' | 'everysec' | 'no'

/** Larger commits leave the event loop to the thread pool; smaller ones cost less than the hop. */
const ASYNC_WRITE_FROM_BYTES = 1024 * 1024
/** Under everysec, so many unsynced bytes start a sync before the second is over: a segment change then waits for little. */
const SYNC_EARLY_FROM_BYTES = 8 * 1024 * 1024
const SYNC_EVERY_MS = 1000

export interface LogWriterEvents {
  /** `durableSequence` has grown. */
  onDurable(): void
  /** `syncedSequence` has grown. */
  onSynced(): void
  /** `segment` is sealed, synced and closed: it may be flushed. */
  onSealed(segment: Segment): void
  onFailed(error: Error): void
}

interface OpenLog {
  readonly segment: Segment
  readonly file: number
  /** Highest sequence below `segment.writtenTo`. */
  writtenSequence: number
}

export class LogWriter {
  /** Entries up to this sequence may be acknowledged. */
  durableSequence = 0
  /** Entries up to this sequence survive a crash, whatever the policy. */
  syncedSequence = 0
  readonly #disk: Disk
  readonly #clock: Clock
  readonly #events: LogWriterEvents
  #policy: AppendFsync
  /** The front is being written; the last one takes appends. */
  readonly #logs: OpenLog[] = []
  #commitDue = false
  /** A write, or a sync that acknowledgements wait for, is in the thread pool. */
  #busy = false
  /** A sync that nothing waits for is in the thread pool. */
  #syncing = false
  #failure: Error | null = null
  #timer: Timer | null = null
  #closing: (() => void) | null = null
  /** Entries up to this sequence are to be synced soon. */
  #syncThrough = 0
  /** Null: syncs are never made on the event loop. */
  readonly #syncCost: SyncCost | null
  readonly #commit = (): void => {
    this.#commitDue = false
    this.#advance()
  }

  /** `mayBlock`: syncs that prove quick are made on the event loop (SyncCost); simulations leave it off. */
  constructor(disk: Disk, clock: Clock, policy: AppendFsync, events: LogWriterEvents, mayBlock = false) {
    this.#syncCost = mayBlock ? new SyncCost() : null
    this.#disk = disk
    this.#clock = clock
    this.#policy = policy
    this.#events = events
    this.#timer = clock.after(SYNC_EVERY_MS, () => this.#tick())
  }

  get failure(): Error | null {
    return this.#failure
  }

  /** Changes appendfsync at run time; stricter promises hold from the next commit on. */
  setPolicy(policy: AppendFsync): void {
    this.#policy = policy
    this.scheduleCommit()
  }

  get policy(): AppendFsync {
    return this.#policy
  }

  /** Appended bytes that have not been written yet. */
  get pendingBytes(): number {
    let bytes = 0
    for (const { segment } of this.#logs) bytes += segment.tail - segment.writtenTo
    return bytes
  }

  /** Takes a new segment to write; the one before it must be sealed. `file` is open for writing and the writer's to close. */
  add(segment: Segment, file: number): void {
    const last = this.#logs.at(-1)
    assert(last === undefined || last.segment.sealed, 'a successor comes after the seal')
    this.#logs.push({ segment, file, writtenSequence: 0 })
  }

  /** Has everything appended so far committed at the end of this turn. Cheap to call for every append. */
  scheduleCommit(): void {
    if (this.#commitDue) return
    this.#commitDue = true
    this.#clock.endOfTurn(this.#commit)
  }

  /** Has everything up to `sequence` synced, whatever the policy; see onSynced. */
  syncThrough(sequence: number): void {
    if (sequence <= this.#syncThrough) return
    this.#syncThrough = sequence
    this.scheduleCommit()
  }

  /** Writes and syncs everything, seals the log, then closes the files. Resolves also when the log fails; look at `failure`. */
  close(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = null
    return new Promise((resolve) => {
      this.#closing = resolve
      this.#advance()
    })
  }

  #advance(): void {
    while (!this.#busy && this.#failure === null && this.#logs.length > 0) {
      const log = this.#logs[0]
      const { segment } = log
      segment.closeBatch()
      if (segment.isEmpty) break
      if (segment.writtenTo < segment.tail) {
        if (!this.#write(log)) return
      } else if (this.#mustSync(segment)) {
        if (!this.#syncsNow(segment)) return this.#sync(log)
        if (!this.#syncNow(log)) return
      } else if (this.#syncing) {
        // A sync beside must not find its descriptor closed, or given to another file; it comes back here.
        break
      } else if (segment.sealed) {
        this.#retire(log)
      } else if (this.#closing !== null) {
        // The seal testifies that all before it was synced, so damage to it later is known as damage (RULES W1).
        segment.seal()
      } else {
        break
      }
    }
    this.#finishClose()
  }

  /** True when the write is done already. */
  #write(log: OpenLog): boolean {
    const { segment, file } = log
    const from = segment.writtenTo
    const to = segment.tail
    const bytes = segment.pageEnd() - from
    const sequence = segment.maxSequence
    if (bytes < ASYNC_WRITE_FROM_BYTES) {
      try {
        this.#disk.writeSync(file, segment.arena, from, bytes, from)
      } catch (error) {
        this.#fail(error as Error)
        return false
      }
      this.#written(log, to, sequence)
      return true
    }
    this.#busy = true
    this.#disk.write(file, segment.arena, from, bytes, from, (error) => {
      this.#busy = false
      if (error !== null) return this.#fail(error)
      this.#written(log, to, sequence)
      this.#advance()
    })
    return false
  }

  #written(log: OpenLog, to: number, sequence: number): void {
    const { segment } = log
    segment.writtenTo = to
    log.writtenSequence = sequence
    if (this.#policy === 'always') return
    this.#durable(sequence)
    if (this.#policy === 'everysec' && to - segment.syncedTo >= SYNC_EARLY_FROM_BYTES) this.#syncBeside()
  }

  #mustSync(segment: Segment): boolean {
    if (segment.syncedTo >= segment.writtenTo) return false
    if (this.#policy === 'always' || segment.sealed || this.#closing !== null) return true
    return this.syncedSequence < this.#syncThrough
  }

  #syncsNow(segment: Segment): boolean {
    if (this.#syncCost === null || this.#policy !== 'always' || this.#syncing) return false
    return this.#syncCost.isQuick && segment.writtenTo - segment.syncedTo <= INLINE_SYNC_BYTES_MAX
  }

  /** True when it went well. */
  #syncNow(log: OpenLog): boolean {
    const startMs = this.#clock.monotonicMs()
    try {
      this.#disk.syncSync(log.file)
    } catch (error) {
      this.#fail(error as Error)
      return false
    }
    this.#syncCost?.took(this.#clock.monotonicMs() - startMs)
    this.#synced(log.segment, log.segment.writtenTo, log.writtenSequence)
    return true
  }

  #sync(log: OpenLog): void {
    const { segment, file } = log
    const to = segment.writtenTo
    const sequence = log.writtenSequence
    const startMs = this.#clock.monotonicMs()
    this.#busy = true
    this.#disk.sync(file, (error) => {
      this.#busy = false
      this.#syncCost?.took(this.#clock.monotonicMs() - startMs)
      if (error !== null) return this.#fail(error)
      this.#synced(segment, to, sequence)
      this.#advance()
    })
  }

  #tick(): void {
    this.#timer = this.#clock.after(SYNC_EVERY_MS, () => this.#tick())
    if (this.#policy === 'everysec') this.#syncBeside()
  }

  #syncBeside(): void {
    const log = this.#logs.at(0)
    if (log === undefined || this.#syncing || this.#busy || this.#failure !== null) return
    const { segment, file } = log
    const to = segment.writtenTo
    const sequence = log.writtenSequence
    if (segment.syncedTo >= to) return
    this.#syncing = true
    this.#disk.sync(file, (error) => {
      this.#syncing = false
      if (error !== null) return this.#fail(error)
      this.#synced(segment, to, sequence)
      this.#advance()
    })
  }

  #retire(log: OpenLog): void {
    this.#logs.shift()
    this.#disk.close(log.file)
    if (this.#closing === null) this.#events.onSealed(log.segment)
  }

  #synced(segment: Segment, to: number, sequence: number): void {
    // Of two syncs of one file the first may have failed and taken the second one's pages with it (W3).
    if (this.#failure !== null) return
    if (to > segment.syncedTo) segment.syncedTo = to
    this.#durable(sequence)
    if (sequence <= this.syncedSequence) return
    this.syncedSequence = sequence
    this.#events.onSynced()
  }

  #durable(sequence: number): void {
    if (sequence <= this.durableSequence || this.#failure !== null) return
    this.durableSequence = sequence
    this.#events.onDurable()
  }

  #fail(error: Error): void {
    if (this.#failure === null) {
      this.#failure = error
      this.#events.onFailed(error)
    }
    this.#finishClose()
  }

  #finishClose(): void {
    const closing = this.#closing
    if (closing === null || this.#syncing || this.#busy) return
    this.#closing = null
    for (const { file } of this.#logs) this.#disk.close(file)
    this.#logs.length = 0
    closing()
  }
}
