/**
 * One simulated file: what a reader sees (`live`, the page cache), what the platter is known to hold (`durable`), and the
 * changes between them (`pending`, oldest first).
 *
 * - A sync makes the pending changes durable, content and size, not the file's name.
 * - A failed sync leaves its writes *orphaned*: their pages count as clean, so a later sync succeeds without writing
 *   them, while a reader still sees them. That is what ext4, XFS and Btrfs do ("fsyncgate"). Only a new write to such a page
 *   makes the whole page dirty again. Changes of size are metadata in the journal and are never orphaned.
 * - A crash keeps none, all or any of the pending changes; crash-leftovers.ts says which mixtures there are.
 *
 * Rejected: remembering page versions instead of changes. It takes less memory, but tears at a byte need the changes.
 */
import { assert } from '../../util/assert.js'
import type { SimRandom } from '../sim-random.js'
import { crashLeftovers } from './crash-leftovers.js'
import type { Change } from './crash-leftovers.js'
import { PAGE_BYTES, PagedBytes, pageOf } from './paged-bytes.js'

/**
 * What a crash leaves of changes that were not synced. `lose-all`: nothing. `random`: anything that a file system may
 * leave. `keep-all`: everything, still not synced: only the process died (kill -9) and the kernel lives on.
 */
export type CrashMode = 'lose-all' | 'keep-all' | 'random'

interface PendingChange extends Change {
  readonly sequence: number
  readonly orphaned: boolean
}

interface BadRange {
  readonly from: number
  readonly to: number
}

export class SimFile {
  #live = new PagedBytes()
  #durable = new PagedBytes()
  #pending: PendingChange[] = []
  #orphanPages = new Set<number>()
  #badRanges: BadRange[] = []
  #sequence = 0

  get sizeBytes(): number {
    return this.#live.sizeBytes
  }

  get allocatedBytes(): number {
    return this.#live.allocatedBytes
  }

  /** Whether every byte that a reader sees would survive a crash. */
  get isDurable(): boolean {
    return this.#pending.length === 0 && this.#orphanPages.size === 0
  }

  /** Stands for all changes made so far; see sync. */
  get mark(): number {
    return this.#sequence
  }

  missingBytes(position: number, length: number): number {
    return this.#live.missingBytes(position, length)
  }

  read(into: Uint8Array, offset: number, length: number, position: number): number {
    return this.#live.read(into, offset, length, position)
  }

  write(from: Uint8Array, offset: number, length: number, position: number): void {
    if (length === 0) return
    for (let page = pageOf(position); page <= pageOf(position + length - 1); page++) this.#dirtyAgain(page)
    const bytes = new Uint8Array(length)
    bytes.set(from.subarray(offset, offset + length))
    this.#add(position, bytes)
    this.#live.write(bytes, 0, length, position)
  }

  resize(sizeBytes: number): void {
    if (sizeBytes < this.sizeBytes) this.#dropOrphansFrom(sizeBytes)
    this.#add(sizeBytes, undefined)
    this.#live.resize(sizeBytes)
  }

  /** Makes every change up to `mark` durable, but for orphaned writes, which are lost for good. */
  sync(mark: number): void {
    const covered = this.#pending.filter((change) => change.sequence <= mark)
    this.#pending = this.#pending.filter((change) => change.sequence > mark)
    for (const change of covered) {
      if (!change.orphaned) this.#makeDurable(change, this.#pending.length === 0)
    }
    if (this.#pending.length === 0) this.#durable.resize(this.sizeBytes)
  }

  /** A sync of everything up to `mark` that fails: see the top. */
  failSync(mark: number): void {
    const pages = new Set<number>()
    this.#pending = this.#pending.map((change) => {
      if (change.bytes === undefined || change.sequence > mark) return change
      for (const page of pagesOf(change)) pages.add(page)
      return { ...change, orphaned: true }
    })
    const writtenLater = new Set<number>()
    for (const change of this.#pending) {
      if (change.sequence > mark) for (const page of pagesOf(change)) writtenLater.add(page)
    }
    for (const page of pages) this.#orphanPages.add(page)
    for (const page of writtenLater) this.#dirtyAgain(page)
  }

  /** Drops clean pages from the cache: the bytes of a failed sync are no longer visible to readers either. */
  dropCache(): void {
    for (const page of this.#orphanPages) this.#live.takePage(page, this.#durable)
    this.#orphanPages.clear()
  }

  crash(mode: CrashMode, random: SimRandom): void {
    if (mode === 'keep-all') return
    if (mode === 'random' && this.#pending.length > 0) {
      this.#durable = crashLeftovers(this.#durable, this.#pending, random)
    }
    this.#live = this.#durable.clone()
    this.#pending = []
    this.#orphanPages.clear()
  }

  /** Overwrites bytes of the medium behind everybody's back. */
  damage(position: number, bytes: Uint8Array): void {
    assert(position + bytes.length <= this.sizeBytes, 'damage lies within the file')
    this.#live.write(bytes, 0, bytes.length, position)
    const end = Math.min(position + bytes.length, this.#durable.sizeBytes)
    if (end > position) this.#durable.write(bytes, 0, end - position, position)
  }

  /** Makes reads of [from, to) fail until healReads. */
  failReads(from: number, to: number): void {
    this.#badRanges.push({ from, to })
  }

  healReads(): void {
    this.#badRanges = []
  }

  isUnreadable(position: number, length: number): boolean {
    return this.#badRanges.some((range) => position < range.to && position + length > range.from)
  }

  clone(): SimFile {
    const copy = new SimFile()
    copy.#live = this.#live.clone()
    copy.#durable = this.#durable.clone()
    copy.#pending = this.#pending.slice()
    copy.#orphanPages = new Set(this.#orphanPages)
    copy.#badRanges = this.#badRanges.slice()
    copy.#sequence = this.#sequence
    return copy
  }

  #add(position: number, bytes: Uint8Array | undefined): void {
    this.#pending.push({ sequence: ++this.#sequence, position, bytes, orphaned: false })
  }

  #makeDurable(change: Change, nothingLater: boolean): void {
    const { position, bytes } = change
    if (bytes === undefined) return this.#durable.resize(position)
    if (nothingLater) {
      for (const page of pagesOf(change)) this.#durable.takePage(page, this.#live)
      this.#durable.resize(Math.max(this.#durable.sizeBytes, position + bytes.length))
    } else {
      this.#durable.write(bytes, 0, bytes.length, position)
    }
  }

  #dirtyAgain(page: number): void {
    if (!this.#orphanPages.delete(page)) return
    const bytes = this.#live.slice(page * PAGE_BYTES, PAGE_BYTES)
    if (bytes.length > 0) this.#add(page * PAGE_BYTES, bytes)
  }

  #dropOrphansFrom(sizeBytes: number): void {
    this.#dirtyAgain(pageOf(sizeBytes))
    for (const page of this.#orphanPages) {
      if (page * PAGE_BYTES >= sizeBytes) this.#orphanPages.delete(page)
    }
  }
}

function* pagesOf({ position, bytes }: Change): Generator<number> {
  if (bytes === undefined) return
  for (let page = pageOf(position); page <= pageOf(position + bytes.length - 1); page++) yield page
}
