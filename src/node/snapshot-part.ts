/**
 * The snapshots of a node: takes them one at a time, when asked and as `save` has it, and knows of the last for INFO. What makes
 * one is Store.snapshot; what comes to it from this side are the records that the node holds for others, and the small files beside the
 * store's: the member list, and what is remembered of exchanges.
 */
import type { SaveFacts, Snapshots } from '../commands/snapshot-service.js'
import type { Clock } from '../env/clock.js'
import type { Disk } from '../env/disk.js'
import type { Log } from '../env/log.js'
import type { SnapshotFacts, SnapshotOrigin } from '../storage/snapshot/snapshot-file.js'
import { snapshotBytes } from '../storage/snapshot/snapshot-file.js'
import { makeSnapshotFolder } from '../storage/snapshot/snapshot-job.js'
import {
  listSnapshots,
  removeUnfinished,
  snapshotNameAt,
  temporaryPath,
} from '../storage/snapshot/snapshot-folder.js'
import { pathOf } from '../storage/file-names.js'
import type { Store } from '../storage/store.js'
import { isSaveDue, parseSavePoints } from './save-points.js'

const WATCH_EVERY_MS = 1000

export interface SnapshotWorld {
  readonly clock: Clock
  readonly disk: Disk
  readonly log: Log
  readonly store: Store
  /** Absolute. */
  readonly folder: string
  /** Of the data directory: small files that are copied into each. */
  readonly besides: readonly string[]
  origin(): SnapshotOrigin
  /** As the setting has it; '' for never. */
  savePoints(): string
  keep(): number
  /** Writes what is held for others into the directory. Rejects with the disk's errors. */
  exportHeld(directory: string): Promise<void>
}

export class SnapshotPart implements Snapshots {
  readonly #world: SnapshotWorld
  #startedAtMs: number | null = null
  /** Name of the one that was prepared and not taken yet; its folder has what is held for others. */
  #prepared: string | null = null
  #lastMadeAtMs: number
  #lastSequence: number
  #lastBytes = 0
  #lastMs = -1
  #lastError = ''
  #failedAtMs = -Infinity
  #count = 0
  #isStopped = false
  /** Ends when what is held for others is written down, or could not be. */
  #exported: Promise<unknown> = Promise.resolve()

  /** Removes what a crash has left of snapshots. Whatever keeps it from looking at the folder is said, and no reason not to start. */
  constructor(world: SnapshotWorld, directoryId: number) {
    this.#world = world
    this.#lastMadeAtMs = world.clock.wallMs()
    this.#lastSequence = world.store.sequence
    const newest = this.#look(directoryId)
    if (newest !== undefined) {
      this.#lastMadeAtMs = newest.madeAtMs
      this.#lastSequence = Math.min(newest.sequence, world.store.sequence)
      this.#lastBytes = snapshotBytes(newest)
    }
  }

  /** The newest of this directory; of another one's it is not known what they have of this. */
  #look(directoryId: number): SnapshotFacts | undefined {
    const { disk, folder, log } = this.#world
    try {
      const removed = removeUnfinished(disk, folder)
      if (removed > 0) log.warn('unfinished snapshots removed', { folder, snapshots: removed })
      const whole = listSnapshots(disk, folder)
      this.#count = whole.length
      return whole.findLast((one) => one.directoryId === directoryId)
    } catch (error) {
      log.error('snapshots not looked at', { folder, error: String(error) })
      return undefined
    }
  }

  start(): void {
    this.#world.clock.after(WATCH_EVERY_MS, () => this.#watch())
  }

  /** Takes no more; nothing reads what is held for others once this resolves. The store cancels the one that is being made. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#exported
  }

  facts(): SaveFacts {
    const { clock, store } = this.#world
    const startedAtMs = this.#startedAtMs
    return {
      changesSince: Math.max(0, store.sequence - this.#lastSequence),
      isSaving: startedAtMs !== null,
      lastUnixSeconds: Math.floor(this.#lastMadeAtMs / 1000),
      lastError: this.#lastError,
      lastSeconds: this.#lastMs < 0 ? -1 : Math.floor(this.#lastMs / 1000),
      currentSeconds: startedAtMs === null ? -1 : Math.floor((clock.monotonicMs() - startedAtMs) / 1000),
      count: this.#count,
      lastBytes: this.#lastBytes,
    }
  }

  list(): readonly string[] {
    const { disk, folder } = this.#world
    return listSnapshots(disk, folder).map(({ name }) => name)
  }

  prepare(name: string): Promise<void> | null {
    return this.#alone(() => this.#prepare(name))
  }

  take(name = this.#freeName()): Promise<string> | null {
    return this.#alone(() => this.#take(name))
  }

  /** Null, and nothing begun, while another one is at work. */
  #alone<T>(work: () => Promise<T>): Promise<T> | null {
    if (this.#startedAtMs !== null || this.#isStopped) return null
    const { clock } = this.#world
    this.#startedAtMs = clock.monotonicMs()
    return work().finally(() => (this.#startedAtMs = null))
  }

  #freeName(): string {
    const { clock, disk, folder } = this.#world
    const name = snapshotNameAt(clock.wallMs())
    for (let i = 1; ; i++) {
      const free = i === 1 ? name : `${name}-${i}`
      if (!disk.exists(pathOf(folder, free))) return free
    }
  }

  async #prepare(name: string): Promise<void> {
    const { disk, folder, exportHeld } = this.#world
    this.#prepared = null
    removeUnfinished(disk, folder)
    makeSnapshotFolder(disk, folder, name)
    const exported = exportHeld(temporaryPath(folder, name))
    this.#exported = exported.catch(() => {})
    await exported
    this.#prepared = name
  }

  async #take(name: string): Promise<string> {
    const { clock, store, folder, besides, log } = this.#world
    const beganAtMs = clock.monotonicMs()
    const madeAtMs = clock.wallMs()
    try {
      // Before the tables: what is handed over in between is in those of the nodes that took it, when they take theirs later.
      if (this.#prepared !== name) await this.#prepare(name)
      this.#prepared = null
      const { sequence } = store
      const request = {
        folder,
        name,
        besides,
        madeAtMs,
        origin: this.#world.origin(),
        keep: this.#world.keep(),
      }
      const { totalBytes, copiedBytes, removed, keptBecause } = await store.snapshot(request)
      if (keptBecause !== '') log.warn('old snapshots not removed', { folder, error: keptBecause })
      this.#lastMadeAtMs = madeAtMs
      this.#lastSequence = sequence
      this.#lastBytes = totalBytes
      this.#count += 1 - removed.length
      this.#lastError = ''
      const path = pathOf(folder, name)
      log.info('snapshot made', { path, bytes: totalBytes, copiedBytes, removed: removed.join(' ') })
      return path
    } catch (error) {
      this.#lastError = error instanceof Error ? error.message : String(error)
      this.#failedAtMs = clock.monotonicMs()
      if (!this.#isStopped) log.error('snapshot failed', { name, error: this.#lastError })
      throw error
    } finally {
      this.#lastMs = clock.monotonicMs() - beganAtMs
    }
  }

  #watch(): void {
    if (this.#isStopped) return
    const { clock, savePoints } = this.#world
    const sinceSave = (clock.wallMs() - this.#lastMadeAtMs) / 1000
    const sinceFailure = (clock.monotonicMs() - this.#failedAtMs) / 1000
    const points = parseSavePoints(savePoints()) ?? []
    if (isSaveDue(points, this.facts().changesSince, sinceSave, sinceFailure)) this.take()?.catch(() => {})
    clock.after(WATCH_EVERY_MS, () => this.#watch())
  }
}
