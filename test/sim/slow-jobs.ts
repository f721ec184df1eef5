/**
 * Storage jobs that take time, as worker threads do, so that writes, reads and crashes fall in between: each waits a random
 * while on the virtual clock and then runs whole. Flushes, preparations and manifests wait for each other, compactions
 * for compactions.
 */
import type { Clock } from '../../src/env/clock.js'
import type { InlineJobs } from '../../src/storage/jobs/inline-jobs.js'
import type {
  CompactJob,
  CompactResult,
  CountTreesJob,
  CountTreesResult,
  DropWindowJob,
  DropWindowResult,
  FlushJob,
  FlushResult,
  ManifestJob,
  PrepareJob,
  ReadBlocksJob,
  ReadBlocksResult,
  SalvageJob,
  SalvageResult,
  ScrubJob,
  ScrubResult,
  SnapshotJob,
  SnapshotResult,
  StorageJobs,
} from '../../src/storage/jobs/storage-jobs.js'
import type { SimRandom } from '../../src/sim/sim-random.js'

export class SlowJobs implements StorageJobs {
  readonly #inner: InlineJobs
  readonly #clock: Clock
  readonly #random: SimRandom
  readonly #delayMsMax: number
  #flushes: Promise<unknown> = Promise.resolve()
  #compactions: Promise<unknown> = Promise.resolve()
  #treeCounts: Promise<unknown> = Promise.resolve()
  readonly #sleepers = new Set<() => void>()

  constructor(inner: InlineJobs, clock: Clock, random: SimRandom, delayMsMax: number) {
    this.#inner = inner
    this.#clock = clock
    this.#random = random
    this.#delayMsMax = delayMsMax
  }

  flush(job: FlushJob): Promise<FlushResult> {
    return this.#behindFlushes(() => this.#inner.flush(job))
  }

  prepare(job: PrepareJob): Promise<void> {
    return this.#behindFlushes(() => this.#inner.prepare(job))
  }

  writeManifest(job: ManifestJob): Promise<void> {
    return this.#behindFlushes(() => this.#inner.writeManifest(job))
  }

  readBlocks(job: ReadBlocksJob): Promise<ReadBlocksResult> {
    return this.#behindFlushes(() => this.#inner.readBlocks(job))
  }

  scrub(job: ScrubJob): Promise<ScrubResult> {
    return this.#behindFlushes(() => this.#inner.scrub(job))
  }

  compact(job: CompactJob): Promise<CompactResult> {
    return this.#behindCompactions(() => this.#inner.compact(job))
  }

  dropWindow(job: DropWindowJob): Promise<DropWindowResult> {
    return this.#behindCompactions(() => this.#inner.dropWindow(job))
  }

  salvage(job: SalvageJob): Promise<SalvageResult> {
    return this.#behindCompactions(() => this.#inner.salvage(job))
  }

  countTrees(job: CountTreesJob): Promise<CountTreesResult> {
    const result = this.#treeCounts.then(() => this.#sleep()).then(() => this.#inner.countTrees(job))
    this.#treeCounts = result.catch(() => {})
    return result
  }

  async snapshot(job: SnapshotJob): Promise<SnapshotResult> {
    await this.#sleep()
    return this.#inner.snapshot(job)
  }

  setCompactionRate(): void {}

  /** What waits is cancelled. */
  async close(): Promise<void> {
    await this.#inner.close()
    for (const wake of this.#sleepers) wake()
    await Promise.all([this.#flushes, this.#compactions, this.#treeCounts])
  }

  #behindFlushes<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#flushes.then(() => this.#sleep()).then(run)
    this.#flushes = result.catch(() => {})
    return result
  }

  #behindCompactions<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#compactions.then(() => this.#sleep()).then(run)
    this.#compactions = result.catch(() => {})
    return result
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#sleepers.delete(wake)
        resolve()
      }
      this.#sleepers.add(wake)
      this.#clock.after(this.#random.fraction() * this.#delayMsMax, wake)
    })
  }
}
